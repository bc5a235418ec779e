"""
Free ports for a program that listens only later, in a block that no other loadtest process takes at the same time.

A port found free by binding may be taken before the program binds it. Blocks are therefore reserved: their first port
stays bound, and is never listened on, as long as the block is ours, which is atomic between all processes of a host,
and ends with the process. They lie apart from the ports that the system itself gives to outgoing connections and to
those who ask for any port, so that nobody gets one by chance. Programs that know nothing of this may still take a
port by its number; a private node then says so, and is started again on another block.
"""

from __future__ import annotations

import contextlib
import random
import socket
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from loadtest.errors import BrokerError

LOOPBACK: Final = "127.0.0.1"
BLOCK_SIZE: Final = 20

_FIRST_PORT: Final = 20_000
_LAST_PORT: Final = 65_519
_OUTGOING_FILE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
# Linux's default range begins below that of the IANA, which other systems have (49152 to 65535).
_OUTGOING_ELSEWHERE: Final = range(32_768, 65_536)


class PortBlock:
    """
    A block of `BLOCK_SIZE` consecutive ports on the loopback address, if it was reserved so until `release`.

    The first is the reservation; the others stand by role, the same in every block.
    """

    def __init__(self, base: int, reservation: socket.socket | None = None) -> None:
        self.base = base
        self._reservation = reservation

    @classmethod
    def reserve(cls) -> PortBlock:
        """
        Return a block of which every port is free.

        Raises:
            BrokerError: If there is none.
        """
        for base in _blocks(_outgoing_ports()):
            reservation = _bind(base)
            if reservation is None:
                continue
            block = cls(base, reservation)
            if all(_is_free(port) for port in block.free):
                return block
            block.release()
        raise BrokerError(f"no {BLOCK_SIZE} free ports in a row between {_FIRST_PORT} and {_LAST_PORT} at {LOOPBACK}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    @property
    def refusing(self) -> int:
        """The port that is the reservation: it refuses connections, and nobody else can listen there."""
        return self.base

    @property
    def free(self) -> range:
        """The ports that can be listened on."""
        return range(self.base + 1, self.base + BLOCK_SIZE)

    @property
    def amqp(self) -> int:
        """The port for AMQP."""
        return self.base + 1

    @property
    def amqps(self) -> int:
        """The port for AMQP over TLS, used if the node's config has a TLS listener."""
        return self.base + 2

    @property
    def epmd(self) -> int:
        """The port of the node's own Erlang port mapper."""
        return self.base + 3

    @property
    def distribution(self) -> int:
        """The port of the Erlang distribution."""
        return self.base + 4

    @property
    def ctl(self) -> tuple[int, int]:
        """The first and last port for the distribution of `rabbitmqctl` and its like."""
        return self.base + 5, self.base + 9

    @property
    def all(self) -> range:
        """Every port of the block."""
        return range(self.base, self.base + BLOCK_SIZE)

    def of_plugin(self, index: int) -> int:
        """Return the port of the *index*-th plugin that listens (0 to 9)."""
        return self.base + 10 + index

    def release(self) -> None:
        """
        Give up the reservation.

        Kept as long as a node may be started again: while it is down, its ports would be found free.
        """
        if self._reservation is not None:
            self._reservation.close()


def _blocks(outgoing: range) -> list[int]:
    """
    Return the first ports of all blocks, in the order in which to try them: those apart from *outgoing* first.

    Shuffled by the system's randomness: forked processes and seeded tests must not all begin with the same block.
    """
    blocks = list(range(_FIRST_PORT, _LAST_PORT + 2 - BLOCK_SIZE, BLOCK_SIZE))
    random.SystemRandom().shuffle(blocks)
    return sorted(blocks, key=lambda base: base < outgoing.stop and outgoing.start < base + BLOCK_SIZE)


def _outgoing_ports() -> range:
    """Return the ports that the system gives to those who name none: outgoing connections, and `bind` to port 0."""
    with contextlib.suppress(OSError, ValueError):
        first, last = map(int, _OUTGOING_FILE.read_text().split())
        return range(first, last + 1)
    return _OUTGOING_ELSEWHERE


def _bind(port: int) -> socket.socket | None:
    """Return a socket bound to *port*, or None if it is in use; without SO_REUSEADDR, so TIME_WAIT is in use too."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        bound.bind((LOOPBACK, port))
    except OSError:
        bound.close()
        return None
    return bound


def _is_free(port: int) -> bool:
    bound = _bind(port)
    if bound is None:
        return False
    bound.close()
    return True

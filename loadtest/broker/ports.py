"""
Free ports for a private node, in a block that no other loadtest process takes at the same time.

A port found free by binding may be taken before the node binds it. Blocks are therefore reserved: their first port
stays bound, and is never listened on, as long as the node is ours, which is atomic between all processes of a host.
Programs that know nothing of this may still take a port; the node then says so, and is started again on another
block.
"""

from __future__ import annotations

import random
import socket
from typing import Final

from loadtest.errors import BrokerError

LOOPBACK: Final = "127.0.0.1"
BLOCK_SIZE: Final = 20

# Below Linux's and the IANA's ranges for outgoing connections (32768 and 49152), of which a load test opens thousands.
_FIRST_PORT: Final = 20_000
_BLOCKS: Final = 600


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
        blocks = list(range(_FIRST_PORT, _FIRST_PORT + _BLOCKS * BLOCK_SIZE, BLOCK_SIZE))
        # Shuffled by the system's randomness: forked processes and seeded tests must not all begin with the same block.
        random.SystemRandom().shuffle(blocks)
        for base in blocks:
            reservation = _bind(base)
            if reservation is None:
                continue
            if all(_is_free(port) for port in range(base + 1, base + BLOCK_SIZE)):
                return cls(base, reservation)
            reservation.close()
        raise BrokerError(
            f"no {BLOCK_SIZE} free ports in a row between {blocks[0]} and {blocks[-1]} for a private node"
        )

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

"""Reads that gather: when the kernel is asked to wait for more, and that nothing is left lying."""

from __future__ import annotations

import _socket
import socket
from collections.abc import Iterator

import gevent
import pytest

from loadtest.clock import NS_PER_MS
from loadtest.wire.connection.read_coalescing import (
    GATHER_NS,
    LEAST_BYTES,
    LEAST_WAITED_NS,
    LOOK_S,
    MEASURE_NS,
    MOST_BYTES,
    ReadCoalescing,
)

LONG_NS = 10 * LEAST_WAITED_NS


class StagedStream:
    """What has been read of a socket, as the test says."""

    def __init__(self) -> None:
        self.received_bytes = 0
        self.read_ns = 0
        self.reads = 0

    def read_now(self) -> None:
        """Count the read."""
        self.reads += 1

    def read(self, n_bytes: int, elapsed_ns: int = MEASURE_NS) -> None:
        """Have read *n_bytes* more, *elapsed_ns* after the last."""
        self.received_bytes += n_bytes
        self.read_ns += elapsed_ns


class Staged:
    """A gathering over a real socket."""

    def __init__(self, sock: _socket.socket) -> None:
        self.sock = sock
        self.stream = StagedStream()
        self.gathering = ReadCoalescing(sock, self.stream)

    @property
    def low_water(self) -> int:
        """How many bytes the kernel waits for."""
        return self.sock.getsockopt(_socket.SOL_SOCKET, _socket.SO_RCVLOWAT)


@pytest.fixture
def staged() -> Iterator[Staged]:
    """Give a gathering over one end of a pair of sockets."""
    near, far = socket.socketpair()
    with near, far:
        staged = Staged(near)
        yield staged
        staged.gathering.stop()


@pytest.mark.parametrize(
    "n_bytes, waited_ns, low_water",
    [
        (100_000, LEAST_WAITED_NS - 1, 1),
        (100_000, -LONG_NS, 1),
        (100, LONG_NS, 1),
        (100_000, LONG_NS, 100_000 * GATHER_NS // MEASURE_NS),
        (10**9, LONG_NS, MOST_BYTES),
    ],
    ids=["has hardly waited", "clocks apart", "few bytes", "by the rate", "bounded"],
)
def test_the_kernel_waits_by_the_rate_where_messages_have_waited_long(
    staged: Staged, n_bytes: int, waited_ns: int, low_water: int
) -> None:
    """Only where messages have waited long and many bytes come is there a low-water mark: of what comes in 1 ms."""
    staged.stream.read(0)
    staged.gathering.allow(waited_ns)
    staged.stream.read(n_bytes)

    staged.gathering.allow(waited_ns)

    assert staged.low_water == low_water


def test_it_ends_when_messages_no_longer_wait(staged: Staged) -> None:
    """A backlog that is worked off is read as it comes again."""
    staged.stream.read(100_000)
    staged.gathering.allow(LONG_NS)
    assert staged.low_water > LEAST_BYTES

    staged.stream.read(100_000)
    staged.gathering.allow(NS_PER_MS)

    assert staged.low_water == 1


def test_what_is_less_than_was_waited_for_is_read_all_the_same(staged: Staged) -> None:
    """When nothing has been read between two looks, what lies there is read, and the kernel waits for nothing more."""
    staged.stream.read(100_000)
    staged.gathering.allow(LONG_NS)

    with gevent.Timeout(30):
        while not staged.stream.reads:
            gevent.sleep(LOOK_S)

    assert staged.low_water == 1


def test_while_bytes_come_no_look_reads(staged: Staged) -> None:
    """A look that finds that something was read since the last one leaves it at that."""
    staged.stream.read(100_000)
    staged.gathering.allow(LONG_NS)

    for _ in range(10):
        staged.stream.received_bytes += 1
        staged.gathering._look()

    assert staged.stream.reads == 0
    assert staged.low_water > 1

"""
Reads that gather: under load one wake-up for a hundred messages instead of one for a dozen.

A reader that is faster than the broker wakes up for whatever has just arrived, and at saturation most of what the
generator costs is waking up. The kernel can be told to wait for more (SO_RCVLOWAT), which nobody notices where messages
have waited far longer already, and which would be a latency of our own making everywhere else. So it is asked for by
who knows how long they have waited, is sized by the rate at which bytes arrive, and ends by itself when they stop.

Knows one socket; nothing of messages.
"""

from __future__ import annotations

import _socket
from typing import Any, Final, Protocol

import gevent

from loadtest.clock import NS_PER_MS

# Messages that have waited less than this are read as they come.
LEAST_WAITED_NS: Final = 40 * NS_PER_MS
# A read waits for what arrives in this time, a fortieth of the least that they have waited …
GATHER_NS: Final = NS_PER_MS
# … and where nothing arrives any more is made after two of these at the most.
LOOK_S: Final = 0.002
# Below this it is not worth a system call; above, the cost of a read is that of its bytes.
LEAST_BYTES: Final = 4096
MOST_BYTES: Final = 1 << 16
# How often the rate is worked out anew.
MEASURE_NS: Final = 5 * NS_PER_MS
# The kernel is told when the size has changed by more than this share.
_NEWS: Final = 0.25


class Gathered(Protocol):
    """What is read from: a stream."""

    received_bytes: int
    read_ns: int

    def read_now(self) -> None:
        """Read what there is."""


class ReadCoalescing:
    """How long the reads of *stream*, whose socket is *sock*, wait for more; at first not at all."""

    __slots__ = ("_low_water", "_measured_bytes", "_measured_ns", "_seen_bytes", "_sock", "_stream", "_timer")

    def __init__(self, sock: _socket.socket, stream: Gathered) -> None:
        self._sock = sock
        self._stream = stream
        self._low_water = 1
        self._measured_ns = 0
        self._measured_bytes = 0
        self._seen_bytes = 0
        self._timer: Any = None

    def allow(self, waited_ns: int) -> None:
        """
        Let reads wait for more from now on, if what has just been read does not mind.

        Args:
            waited_ns: How long its messages have waited since they were to be sent.
        """
        stream = self._stream
        elapsed_ns = stream.read_ns - self._measured_ns
        if elapsed_ns < MEASURE_NS:
            return
        arrived = stream.received_bytes - self._measured_bytes
        self._measured_ns, self._measured_bytes = stream.read_ns, stream.received_bytes
        size = min(arrived * GATHER_NS // elapsed_ns, MOST_BYTES)
        if waited_ns < LEAST_WAITED_NS or size < LEAST_BYTES:
            self.stop()
        elif abs(size - self._low_water) > _NEWS * self._low_water:
            self._set(size)
            if self._timer is None:
                self._seen_bytes = -1
                self._timer = gevent.get_hub().loop.timer(LOOK_S, LOOK_S)
                self._timer.start(self._look, update=True)

    def stop(self) -> None:
        """Read as it comes again."""
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
            self._timer = None
            self._set(1)

    def _look(self) -> None:
        """Read what there is if nothing has been read since the last look: less has come than was waited for."""
        if self._stream.received_bytes == self._seen_bytes:
            self.stop()
            self._stream.read_now()
        self._seen_bytes = self._stream.received_bytes

    def _set(self, size: int) -> None:
        self._low_water = size
        self._sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_RCVLOWAT, size)

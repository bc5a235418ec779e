"""
An event loop of sockets and exact instants, as small as a proxy needs.

asyncio and gevent wake up by whole milliseconds; this one by a timerfd, some 50 µs after the instant. Where there is
no timerfd (macOS) the selector's own time-out is used.
"""

from __future__ import annotations

import heapq
import itertools
import selectors
import socket
from collections.abc import Callable
from typing import Final

from loadtest.clock import NS_PER_S, monotonic_ns
from loadtest.timerfd import TimerFd

READ: Final = selectors.EVENT_READ
WRITE: Final = selectors.EVENT_WRITE
NOTHING: Final = 0


class Loop:
    """
    Calls what waits for sockets and for instants, one after the other.

    Attributes:
        is_over: Set it to have `run` return.
    """

    def __init__(self) -> None:
        self.is_over = False
        self._selector = selectors.DefaultSelector()
        self._watched: dict[int, int] = {}
        self._number = itertools.count()
        self._calls: list[tuple[int, int, Callable[[int], None]]] = []
        self._set_for_ns: int | None = None
        try:
            self._timer: TimerFd | None = TimerFd()
        except NotImplementedError:
            self._timer = None
        else:
            self._selector.register(self._timer.fd, READ, self._timer_fired)

    def watch(self, sock: socket.socket | int, events: int, call: Callable[[int], None]) -> None:
        """Call *call* with what of *events* is ready, again and again; with NOTHING, no longer."""
        fd = sock if isinstance(sock, int) else sock.fileno()
        watched = self._watched.get(fd, NOTHING)
        if watched == events:
            return
        if not events:
            # Even a socket that is watched for nothing would be told of as soon as its peer hangs up.
            self._selector.unregister(fd)
            del self._watched[fd]
            return
        (self._selector.modify if watched else self._selector.register)(fd, events, call)
        self._watched[fd] = events

    def at(self, instant_ns: int, call: Callable[[int], None]) -> None:
        """Call *call* once, with the time, at *instant_ns* or as soon as may be after it."""
        heapq.heappush(self._calls, (instant_ns, next(self._number), call))

    def run(self) -> None:
        """Go on until `is_over`."""
        while not self.is_over:
            for key, events in self._selector.select(self._wait_s()):
                key.data(events)
            self._call_due()

    def _wait_s(self) -> float | None:
        """Have the selector wake up for the first instant; return its time-out where there is no timer."""
        if not self._calls:
            return None
        first_ns = self._calls[0][0]
        if self._timer is None:
            return max(0, first_ns - monotonic_ns()) / NS_PER_S
        if self._set_for_ns != first_ns:
            self._timer.set(first_ns)
            self._set_for_ns = first_ns
        return None

    def _timer_fired(self, _: int) -> None:
        self._set_for_ns = None
        if self._timer is not None:
            self._timer.clear()

    def _call_due(self) -> None:
        calls = self._calls
        while calls and calls[0][0] <= (now_ns := monotonic_ns()):
            heapq.heappop(calls)[2](now_ns)

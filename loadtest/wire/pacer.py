"""
Sleeping until an instant, exactly and cheaply.

Owns one timer, shared by all greenlets of a hub. Knows nothing of schedules. `gevent.sleep` is late by half a
millisecond at the median (libev counts in whole milliseconds); a timerfd watched on the hub by some 40 µs. A thousand
greenlets that sleep are a heap of a thousand instants and one descriptor.
"""

from __future__ import annotations

import heapq
import itertools
from typing import Final

import gevent
from gevent.hub import Waiter

from loadtest.clock import NS_PER_S, monotonic_ns
from loadtest.timerfd import TimerFd

_READABLE: Final = 1


class Pacer:
    """
    Wakes the greenlets of one hub, each at its instant.

    Not for several threads, nor to be made before a fork and used after it: both sides would set the same timer.
    """

    def __init__(self) -> None:
        """Begin with nobody asleep, on the current hub; by `gevent.sleep` where there is no timerfd (macOS)."""
        # The counter decides between equal instants: first come, first woken.
        self._order = itertools.count()
        self._sleepers: list[tuple[int, int, Waiter[None]]] = []
        self._set_for_ns: int | None = None
        try:
            self._timer: TimerFd | None = TimerFd()
        except NotImplementedError:
            self._timer = None
            return
        self._watcher = gevent.get_hub().loop.io(self._timer.fd, _READABLE)

    def sleep_until_ns(self, instant_ns: int) -> None:
        """
        Block the greenlet until *instant_ns* (CLOCK_MONOTONIC); return at once if that is past.

        A past instant lets no other greenlet run: a loop that is always late has to yield by itself.
        """
        if self._timer is None:
            _sleep(instant_ns)
            return
        if instant_ns <= monotonic_ns():
            return
        waiter: Waiter[None] = Waiter()
        heapq.heappush(self._sleepers, (instant_ns, next(self._order), waiter))
        self._arm(self._timer)
        # A greenlet killed here leaves its entry behind; waking it then does nothing.
        waiter.get()

    def close(self) -> None:
        """Give the descriptor back. Nobody may be asleep."""
        if self._timer is not None:
            self._watcher.stop()
            self._watcher.close()
            self._timer.close()

    def _arm(self, timer: TimerFd) -> None:
        first_ns = self._sleepers[0][0]
        if self._set_for_ns is None:
            self._watcher.start(self._wake, timer)
        if self._set_for_ns is None or first_ns < self._set_for_ns:
            self._set_for_ns = first_ns
            timer.set(first_ns)

    def _wake(self, timer: TimerFd) -> None:
        timer.clear()
        now_ns = monotonic_ns()
        sleepers = self._sleepers
        due = []
        while sleepers and sleepers[0][0] <= now_ns:
            due.append(heapq.heappop(sleepers)[2])
        if sleepers:
            self._set_for_ns = sleepers[0][0]
            timer.set(self._set_for_ns)
        else:
            self._set_for_ns = None
            # Nothing to watch for: the hub may end, or find a deadlock. Started again in the same turn, it costs no
            # system call.
            self._watcher.stop()
        for waiter in due:
            waiter.switch(None)


def _sleep(instant_ns: int) -> None:
    while (left_ns := instant_ns - monotonic_ns()) > 0:
        gevent.sleep(left_ns / NS_PER_S)

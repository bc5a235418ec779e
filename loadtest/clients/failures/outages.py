"""
Connections lost and found again: how long to pause, for how long to try, and what is said of it.

A thousand users that lose their connections in the same instant are one outage: two events tell of it, when it began
and when all were back. Knows no sockets.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

from loadtest.clock import NS_PER_S, monotonic_ns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from loadtest.scenario import Plan

FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 1.0
GROWTH: Final = 2.0
JITTER: Final = 0.5
"""Of each pause, more or less: users that were cut off together do not come back together."""

STABLE_NS: Final = 5 * NS_PER_S
"""A connection that lasted less is the same trouble still: the pauses go on growing, and the time to try runs on."""

DROPPED: Final = "connection-dropped"
RECONNECTED: Final = "reconnected"
"""Codes of the events of an outage that the run survives."""


def pauses_s(seed: int, name: str) -> Iterator[float]:
    """Yield how long to wait before each attempt to connect, in s: exponential, with jitter, for ever."""
    chance = random.Random(f"{seed} {name}")  # noqa: S311  # to spread users, not to keep a secret
    pause_s = FIRST_PAUSE_S
    while True:
        yield pause_s * chance.uniform(1 - JITTER, 1 + JITTER)
        pause_s = min(LONGEST_PAUSE_S, pause_s * GROWTH)


class Outages:
    """
    The users of a process that have no connection at the moment.

    Args:
        plan: Says whether users come back, and for how long they try.
        record: Takes code and text of an event.
    """

    def __init__(self, plan: Plan, record: Callable[[str, str], None]) -> None:
        settings = plan.scenario.run
        self.is_survived = settings.reconnect == "on"
        self.longest_ns = settings.reconnect_for_ns
        self._record = record
        self._out: dict[str, int] = {}
        self._most = 0  # that were out at once since `take_most`
        self._began_ns = 0
        self._users: set[str] = set()  # that lost their connection since then, each of them once or more
        self._back: set[str] = set()

    @property
    def count(self) -> int:
        """How many users have no connection."""
        return len(self._out)

    def take_most(self) -> int:
        """Return how many users at most had no connection at once since the last call, or have none now."""
        most, self._most = self._most, len(self._out)
        return most

    def lost(self, name: str, reason: str) -> None:
        """Take note that user *name* has lost its connection; the first one's *reason* is told."""
        if not self._out:
            self._began_ns = monotonic_ns()
            self._users.clear()
            self._back.clear()
            self._record(DROPPED, reason)
        self._users.add(name)
        self._back.discard(name)
        self._out.setdefault(name, monotonic_ns())
        self._most = max(self._most, len(self._out))

    def back(self, name: str) -> None:
        """Take note that a user has a connection again."""
        if name in self._out:
            self._back.add(name)
        self._leave(name)

    def gone(self, name: str) -> None:
        """Take note that a user has nothing more to do, and does not come back."""
        self._leave(name)

    def _leave(self, name: str) -> None:
        if self._out.pop(name, None) is None or self._out or not self._back:
            return
        lasted_s = (monotonic_ns() - self._began_ns) / NS_PER_S
        back, users = len(self._back), len(self._users)
        if back < users:
            who = f"{back:,} of {users:,} users are back, the others were done by then,"
        else:
            who = f"{name} is back" if users == 1 else f"all of {users:,} users are back"
        self._record(RECONNECTED, f"{who} after {lasted_s:.2f} s")

"""Which groups of a run have nothing more to do, and since when. Knows neither users nor processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import gevent
from gevent.event import Event

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Completion:
    """
    The groups that are done, each marked once.

    Args:
        groups: All there are.
        stopping: Set when the run stops; nobody waits for a group any more then.
    """

    def __init__(self, groups: Iterable[str], stopping: Event) -> None:
        self._done = {group: Event() for group in groups}
        self._done_ns: dict[str, int] = {}
        self._stopping = stopping

    def mark(self, group: str, done_ns: int) -> bool:
        """Take *group* as done since *done_ns*; returns whether that is news."""
        if group in self._done_ns:
            return False
        self._done_ns[group] = done_ns
        self._done[group].set()
        return True

    def is_done(self, group: str) -> bool:
        """Return whether all users of *group* have nothing more to do."""
        return group in self._done_ns

    def done_ns(self, group: str) -> int:
        """Return since when *group*, which is done, has nothing more to do."""
        return self._done_ns[group]

    def event(self, group: str) -> Event:
        """Return what is set when *group* is done."""
        return self._done[group]

    def wait_done(self, groups: Sequence[str], timeout_s: float | None) -> None:
        """Block until all *groups* are done, the run stops, or *timeout_s* is over."""
        waiting = gevent.spawn(gevent.wait, [self._done[group] for group in groups])
        try:
            gevent.wait([waiting, self._stopping], timeout=timeout_s, count=1)
        finally:
            waiting.kill()

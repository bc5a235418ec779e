"""
Pauses: stretches in which a group got nothing though something was due, found exactly, to the instant.

A confirm, or a delivery, is due from the instant at which its message was intended; in the closed model, and where a
queue is full, always. So a pause begins at the last one that came before it, or when the next one fell due if that is
later, and ends when that one came. Knows nothing of connections, nor why.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from loadtest.clock import NS_PER_MS

LEAST_NS: Final = 100 * NS_PER_MS
"""Shorter ones are latency, and are in its histograms."""

Int64s = NDArray[np.int64]
Stretch = tuple[int, int]


class Pauses:
    """
    The pauses of one group in one worker since they were last taken.

    Attributes:
        last_ns: When something came last; 0 if nothing has yet.
        newest_ns: The same, since they were last taken.
    """

    __slots__ = ("_found", "last_ns", "newest_ns")

    def __init__(self) -> None:
        self.last_ns = self.newest_ns = 0
        self._found: list[Stretch] = []

    def note(self, came_ns: Int64s, due_ns: Int64s | None) -> None:
        """
        Look at what came, in the order in which it did.

        Args:
            came_ns: Instants, at least one.
            due_ns: From when each was due; None: from the one before it.
        """
        if self.last_ns and int(came_ns[0]) - self.last_ns > LEAST_NS:
            self._note(self.last_ns, came_ns, due_ns, 0)
        for place in np.flatnonzero(came_ns[1:] - came_ns[:-1] > LEAST_NS).tolist():
            self._note(int(came_ns[place]), came_ns, due_ns, place + 1)
        self.last_ns = self.newest_ns = max(self.last_ns, int(came_ns[-1]))

    def take(self) -> list[Stretch]:
        """Return what was found, and begin anew; the last instant is kept."""
        found, self._found = self._found, []
        self.newest_ns = 0
        return found

    def _note(self, before_ns: int, came_ns: Int64s, due_ns: Int64s | None, place: int) -> None:
        end_ns = int(came_ns[place])
        start_ns = before_ns if due_ns is None else max(before_ns, int(due_ns[place]))
        if end_ns - start_ns > LEAST_NS:
            self._found.append((start_ns, end_ns))


def common(workers: Iterable[Sequence[Stretch]]) -> list[Stretch]:
    """Return the stretches in which all *workers* paused, of a group whose users are spread over them."""
    shared: list[Stretch] | None = None
    for stretches in workers:
        shared = list(stretches) if shared is None else _crossed(shared, stretches)
    return [(start, end) for start, end in shared or () if end - start > LEAST_NS]


def _crossed(some: Sequence[Stretch], others: Sequence[Stretch]) -> list[Stretch]:
    found = []
    for start, end in some:
        for other_start, other_end in others:
            if max(start, other_start) < min(end, other_end):
                found.append((max(start, other_start), min(end, other_end)))
    return found

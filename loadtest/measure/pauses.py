"""
Pauses: stretches in which a group got nothing though something was due, found exactly, to the instant.

A confirm, or a delivery, is due from the instant at which its message was intended; in the closed model, and where a
queue is full, always. So a pause begins at the last one that came before it, or when the first of those that were due
since fell due if that is later, and ends when the next one came. Due is the one that came next, but also each that was
given up meanwhile: dropped because there was no connection, or in doubt because its connection or channel was closed
before the answer. Without these an outage would seem to begin when its last victim fell due.

Knows nothing of connections, nor why.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from loadtest.clock import NS_PER_MS
from loadtest.measure.intervals import Intervals

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

    __slots__ = ("_found", "_given_up", "last_ns", "newest_ns")

    def __init__(self) -> None:
        self.last_ns = self.newest_ns = 0
        self._found: list[Stretch] = []
        self._given_up: list[Stretch] = []  # since when the first of them was due, and when they were given up

    def give_up(self, due_ns: int, now_ns: int) -> None:
        """Note at *now_ns* that some of what was due, since *due_ns* at the earliest, will never come."""
        self._given_up.append((due_ns, now_ns))

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
        self._given_up = [each for each in self._given_up if each[1] > self.last_ns]

    def take(self) -> list[Stretch]:
        """Return what was found, and begin anew; the last instant, and what was given up since, are kept."""
        found, self._found = self._found, []
        self.newest_ns = 0
        if self._given_up:  # all of it counts for the next that comes: one entry says as much, however long that takes
            dues_ns, instants_ns = zip(*self._given_up, strict=True)
            self._given_up = [(min(dues_ns), max(instants_ns))]
        return found

    def _note(self, before_ns: int, came_ns: Int64s, due_ns: Int64s | None, place: int) -> None:
        end_ns = int(came_ns[place])
        start_ns = before_ns
        if due_ns is not None:
            given_up = [due for due, at_ns in self._given_up if before_ns < at_ns <= end_ns]
            start_ns = max(before_ns, min([int(due_ns[place]), *given_up]))
        if end_ns - start_ns > LEAST_NS:
            self._found.append((start_ns, end_ns))


def common(workers: Iterable[Sequence[Stretch]]) -> list[Stretch]:
    """Return the stretches in which all *workers* paused, of a group whose users are spread over them."""
    shared: list[Stretch] | None = None
    for stretches in workers:
        shared = list(stretches) if shared is None else _crossed(shared, stretches)
    return [(start, end) for start, end in shared or () if end - start > LEAST_NS]


def joined(stretches: Iterable[Stretch]) -> list[Stretch]:
    """Return the time that any of *stretches* covers, in order."""
    covered = Intervals()
    for start, end in stretches:
        covered.add(start, end)
    return list(zip(covered.starts, covered.ends, strict=True))


def without(stretches: Iterable[Stretch], others: Iterable[Stretch]) -> list[Stretch]:
    """Return what is left of *stretches* outside of *others*, where it is long enough for a pause."""
    holes = joined(others)
    left: list[Stretch] = []
    for start, end in stretches:
        at = start
        for hole_start, hole_end in holes:
            if hole_end > at and hole_start < end:
                left.append((at, hole_start))
                at = hole_end
        left.append((at, end))
    return [(start, end) for start, end in left if end - start > LEAST_NS]


def parted(stretches: Iterable[Stretch], instants: Iterable[int]) -> list[Stretch]:
    """Return *stretches* cut at *instants*, at each of which something came, but for what is too short for a pause."""
    cuts = sorted({*instants})
    pieces: list[Stretch] = []
    for start, end in stretches:
        within = cuts[bisect_right(cuts, start) : bisect_left(cuts, end)]
        pieces += pairwise([start, *within, end])
    return [(start, end) for start, end in pieces if end - start > LEAST_NS]


def _crossed(some: Sequence[Stretch], others: Sequence[Stretch]) -> list[Stretch]:
    found = []
    for start, end in some:
        for other_start, other_end in others:
            if max(start, other_start) < min(end, other_end):
                found.append((max(start, other_start), min(end, other_end)))
    return found

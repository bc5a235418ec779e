"""Time covered by intervals that may overlap, such as those in which a group was active on several workers."""

from __future__ import annotations

from bisect import bisect_left, bisect_right


class Intervals:
    """
    A union of intervals of instants in ns; intervals that touch are one, so a run of adjacent windows costs one entry.

    Invariant: `starts[i] < ends[i] < starts[i + 1]`.
    """

    __slots__ = ("ends", "starts")

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.ends: list[int] = []

    def add(self, start: int, end: int) -> None:
        """Add the time from *start* to *end*; nothing if it is empty."""
        if start >= end:
            return
        first = bisect_left(self.ends, start)
        beyond = bisect_right(self.starts, end)
        if first < beyond:
            start = min(start, self.starts[first])
            end = max(end, self.ends[beyond - 1])
        self.starts[first:beyond] = [start]
        self.ends[first:beyond] = [end]

    @property
    def length(self) -> int:
        """The time covered, in ns."""
        return sum(self.ends) - sum(self.starts)

"""A schedule from some arrival on: what is left of it for somebody who takes it over."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from loadtest.scenario.schedule.arrivals import Arrivals


class LaterArrivals:
    """
    The arrivals of a schedule without its first ones; instants still count from the schedule's start.

    Args:
        arrivals: The schedule.
        first: How many of it are left out.
    """

    __slots__ = ("_arrivals", "_first", "total")

    def __init__(self, arrivals: Arrivals, first: int) -> None:
        self._arrivals = arrivals
        self._first = first
        self.total: int | None = None if arrivals.total is None else max(0, arrivals.total - first)

    def intended_ns(self, index: int) -> int:
        """Return when arrival *index* is due, in ns after the start; see `Arrivals`."""
        return self._arrivals.intended_ns(index + self._first)

    def intended_ns_run(self, first: int, count: int) -> NDArray[np.int64]:
        """Return when *count* arrivals from *first* on are due; see `Arrivals`."""
        return self._arrivals.intended_ns_run(first + self._first, count)

    def count_due(self, elapsed_ns: int) -> int:
        """Return how many are due; see `Arrivals`."""
        return max(0, self._arrivals.count_due(elapsed_ns) - self._first)

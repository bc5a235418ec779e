"""
What a worker has recorded of one group since the last cut: counters, latencies, and when the group had work to do.

Latencies of messages intended before the end of warm-up are kept apart, so that nothing of the warm-up is in a figure
and nothing vanishes.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from loadtest.measure.histogram.buckets import tally
from loadtest.measure.histogram.histogram import Histogram
from loadtest.measure.pauses import Pauses
from loadtest.measure.window import GroupWindow

Int64s = NDArray[np.int64]


class WarmUp(Protocol):
    """Says when the warm-up ends, and how far this process's clock is ahead of the run's; one for all groups."""

    measured_from_ns: int
    clock_offset_ns: int


class GroupRecorder:
    """
    Counters, histograms and marks of one group in one worker.

    Histograms are kept from window to window and cleared over the range used only. Subclasses resolve what is pending
    in `settle`.
    """

    def __init__(self, name: str, warm_up: WarmUp) -> None:
        self.name = name
        self.counters: Counter[str] = Counter()
        self._warm_up = warm_up
        self._measured: dict[str, Histogram] = {}
        self._warming: dict[str, Histogram] = {}
        self._active: list[tuple[int, int]] = []
        self._active_since: int | None = None
        self._is_marked = False
        self.pauses = Pauses()

    def settle(self) -> None:
        """Count everything that is pending."""

    def series(self) -> dict[str, dict[str, list[list[int]]]]:
        """Return the series of the window and begin them anew."""
        return {}

    def outstanding(self) -> int | None:
        """Return the messages published and not yet answered; None where the group gets no confirms."""
        return None

    def activate(self, ns: int) -> None:
        """Mark the group as having work to do from *ns* on."""
        self._is_marked = True
        if self._active_since is None:
            self._active_since = ns

    def deactivate(self, ns: int) -> None:
        """Mark the group as having nothing to do from *ns* on."""
        if self._active_since is not None and ns > self._active_since:
            self._active.append((self._active_since, ns))
        self._active_since = None

    def cut(self, start_ns: int, end_ns: int) -> GroupWindow:
        """
        Return what was recorded since the last cut, and begin anew; call `settle` before.

        A group that was never marked is taken as active in each window in which it counts anything.
        """
        if not self._is_marked and self.counters:
            self._active.append((start_ns, end_ns))
        if self._active_since is not None and end_ns > self._active_since:
            self._active.append((self._active_since, end_ns))
            self._active_since = end_ns
        window = GroupWindow(
            active=tuple(self._active),
            counters={name: count for name, count in self.counters.items() if count},
            histograms=_taken(self._measured),
            warm_up=_taken(self._warming),
            series=self.series(),
            last_ns=self.pauses.newest_ns,
            pauses=tuple(self.pauses.take()),
        )
        self._active.clear()
        self.counters.clear()
        return window

    def latency(self, name: str, ns: int) -> None:
        """Record one latency that belongs to no message, such as that of connecting; it is measured whenever it is."""
        self._histogram(self._measured, name).record_one(ns)

    def record(self, names: tuple[str, ...], intended: Int64s, values: Int64s) -> None:
        """Record *values* (ns, at least one) of the messages intended at *intended*, under each of *names*."""
        measured_from = self._warm_up.measured_from_ns
        if int(intended.min()) >= measured_from:
            self._record(self._measured, names, values)
        elif int(intended.max()) < measured_from:
            self._record(self._warming, names, values)
        else:
            measured = intended >= measured_from
            self._record(self._measured, names, values[measured])
            self._record(self._warming, names, values[~measured])

    def _record(self, histograms: dict[str, Histogram], names: tuple[str, ...], values: Int64s) -> None:
        batch = tally(values)
        for name in names:
            self._histogram(histograms, name).add_tally(batch)

    @staticmethod
    def _histogram(histograms: dict[str, Histogram], name: str) -> Histogram:
        histogram = histograms.get(name)
        if histogram is None:
            histogram = histograms[name] = Histogram()
        return histogram


def _taken(histograms: dict[str, Histogram]) -> dict[str, dict[str, Any]]:
    """Return the recorded form of those that hold values, and clear them."""
    records = {}
    for name, histogram in histograms.items():
        if histogram.count:
            records[name] = histogram.to_record()
            histogram.clear()
    return records

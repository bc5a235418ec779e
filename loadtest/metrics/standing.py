"""
How a run stands at the moment that somebody asks: counts, histograms with fixed edges, gauges.

Counts and latencies are read from the collector, where they are added up anyway: nothing is counted here, and a window
costs next to nothing. Gauges come with the records. Knows nothing of Prometheus' formats, nor of sockets.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, get_args

import numpy as np
from numpy.typing import NDArray

from loadtest import counters
from loadtest.clock import NS_PER_S, monotonic_ns
from loadtest.measure.collector import Collector
from loadtest.measure.histogram.buckets import index_of
from loadtest.measure.histogram.histogram import Histogram

EDGES_NS: Final = tuple(mantissa * 10**power for power in range(4, 12) for mantissa in (1, 2, 5))[:22]
"""10 µs to 100 s in steps of 1, 2, 5: from what a broker does at its best to what no one waits for."""

STALE_NS: Final = 60 * NS_PER_S
"""A gauge that was not told for so long is not known; even lists of 100,000 connections are asked for more often."""

KIND_COUNTERS: Final = {
    kind: tuple(row.name for row in counters.counted(kind)) for kind in get_args(counters.GroupKind)
}
"""What a group counts. Told from the start, at 0: Prometheus does not see a series rise that was not there before."""

# Where each stretch between two edges begins in a histogram's counts; the last reaches to the end of its range.
_BEGINS: Final = np.array([0, *(index_of(edge) + 1 for edge in EDGES_NS)])


@dataclass(slots=True)
class Latency:
    """
    A latency since the start of the run, warm-up included.

    Attributes:
        up_to: For each of `EDGES_NS` the values up to it. Edges lie within a bucket of the histogram, whose values all
            count: they are up to 0.1 % above the edge.
        count: All values, those beyond the last edge included.
        total_ns: Their sum, exact.
    """

    up_to: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(EDGES_NS), dtype=np.int64))
    count: int = 0
    total_ns: int = 0

    def add(self, histogram: Histogram) -> None:
        """Add values."""
        # A value below 0 is up to any edge, one beyond the histogram's range up to none.
        self.up_to += np.cumsum(np.add.reduceat(histogram.counts, _BEGINS)[:-1]) + histogram.negative
        self.count += histogram.count
        self.total_ns += histogram.total


class Gauges:
    """Values as they were last told, for as long as they are fresh."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._told: dict[str, tuple[int, float]] = {}

    def take(self, values: Mapping[str, float]) -> None:
        """Put newer *values* in the place of those of the same name."""
        now_ns = self._clock()
        self._told.update({name: (now_ns, value) for name, value in values.items()})

    def fresh(self) -> dict[str, float]:
        """Return those that are known now."""
        after_ns = self._clock() - STALE_NS
        return {name: value for name, (at_ns, value) in self._told.items() if at_ns >= after_ns}


class Standing:
    """
    The run that goes on, or went last; nothing before the first.

    Attributes:
        workers: The gauges of each worker.
        used: What each worker used or lost so far, by the gauge that tells it of each window: times in ns, and `cpu`
            the ns of processor time.
        broker: The gauges of the broker and the machine.
        fates: What became of messages, once the books are closed; empty before.
    """

    def __init__(self, clock: Callable[[], int] = monotonic_ns) -> None:
        self._clock = clock
        self.follow(Collector())

    def follow(self, collector: Collector) -> None:
        """Tell of another run from now on, which *collector* merges."""
        self._collector = collector
        self.workers: defaultdict[str, Gauges] = defaultdict(lambda: Gauges(self._clock))
        self.used: dict[str, Counter[str]] = {}
        self.broker = Gauges(self._clock)
        self.fates: dict[str, int] = {}
        self._last: dict[str, int] = {}  # the index of each worker's last window

    def take(self, record: Mapping[str, Any]) -> None:
        """Take the gauges of one of the run's records."""
        if record["type"] == "window":
            self._take_window(record)
        elif record["type"] == "broker":
            self.broker.take(record["gauges"])

    def close(self, fates: Mapping[str, int]) -> None:
        """Take what became of all messages, by the names of the result's totals."""
        self.fates = dict(fates)

    @property
    def run(self) -> Mapping[str, Any]:
        """The record that opened the run; empty before."""
        return self._collector.run

    @property
    def phase(self) -> str:
        """The phase that the run is in."""
        return str(self._collector.phases[-1]["phase"]) if self._collector.phases else ""

    def events(self) -> Counter[str]:
        """Return how often each thing happened, by its code."""
        return Counter(str(event["code"]) for event in self._collector.events)

    def counts(self) -> dict[tuple[str, str], int]:
        """Return messages and bytes by group and counter, over the whole run so far."""
        counts: dict[tuple[str, str], int] = {}
        for name, group in sorted(self._collector.groups.items()):
            counts |= {(name, counter): 0 for counter in KIND_COUNTERS[group.kind]}
            if group.model == "closed":
                counts.pop((name, "offered"), None)  # there is no schedule
            counts |= {(name, counter): count for counter, count in group.totals.items()}
        return counts

    def latencies(self) -> Iterator[tuple[str, str, Latency]]:
        """Yield group, name and values of each latency."""
        for name, group in sorted(self._collector.groups.items()):
            parts = (group.measured.latencies, group.warm_up.latencies)
            for latency in sorted({key for part in parts for key in part}):
                values = Latency()
                for part in parts:
                    if latency in part:
                        values.add(part[latency])
                yield name, latency, values

    def _take_window(self, record: Mapping[str, Any]) -> None:
        worker, gauges = record["worker"], record["gauges"]
        if record["index"] <= self._last.get(worker, -1):
            return  # it came twice
        self._last[worker] = record["index"]
        self.workers[worker].take(gauges)
        used = self.used.setdefault(worker, Counter())
        used["cpu"] += gauges.get("cpu", 0) * (record["end_ns"] - record["start_ns"])
        for name in ("window_full_ns", "blocked_ns"):
            used[name] += gauges.get(name, 0)

"""
What the records of a run add up to, as Prometheus wants it: counters, histograms with fixed edges, gauges.

Fed with the records that the journal gets, a window at a time. Knows nothing of Prometheus' formats, nor of sockets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from loadtest.clock import NS_PER_S
from loadtest.measure.buckets import index_of
from loadtest.measure.histogram import Histogram

EDGES_NS: Final = tuple(mantissa * 10**power for power in range(4, 12) for mantissa in (1, 2, 5))[:22]
"""10 µs to 100 s in steps of 1, 2, 5: from what a broker does at its best to what no one waits for."""

_LAST_INDICES: Final = np.array([index_of(edge) for edge in EDGES_NS])
BROKER_PREFIXES: Final = ("broker.", "queue.", "machine.")


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
        self.up_to += np.cumsum(histogram.counts)[_LAST_INDICES] + histogram.negative
        self.count += histogram.count
        self.total_ns += histogram.total


class Tally:
    """
    A run so far; begins anew with each run.

    Attributes:
        run: The run record; empty before there is one.
        phase: The phase that the run is in.
        counts: Messages and bytes by group and counter.
        latencies: By group and name.
        workers: The newest gauges of each worker.
        broker: The newest gauges of the broker and the machine.
        fates: What became of messages, once the books are closed; empty before.
    """

    def __init__(self) -> None:
        self.run: Mapping[str, Any] = {}
        self.phase = ""
        self.counts: Counter[tuple[str, str]] = Counter()
        self.latencies: dict[tuple[str, str], Latency] = {}
        self.workers: dict[str, Mapping[str, float]] = {}
        self.broker: dict[str, float] = {}
        self.events: Counter[str] = Counter()
        self.fates: dict[str, int] = {}

    def take(self, record: Mapping[str, Any]) -> None:
        """Add one record of a run."""
        kind = record["type"]
        if kind == "run":
            self.__init__()  # type: ignore[misc]  # all begins anew, and nothing is forgotten in doing so
            self.run = record
        elif kind == "phase":
            self.phase = record["phase"]
        elif kind == "window":
            self._take_window(record)
        elif kind == "broker":
            self.broker.update(record["gauges"])
        elif kind == "event":
            self.events[record["code"]] += 1

    def close(self, fates: Mapping[str, int]) -> None:
        """Take what became of all messages, by the names of the result's totals."""
        self.fates = dict(fates)

    @property
    def start_s(self) -> float | None:
        """The instant at which the run started, on the clock of its host's boot, in s; None without a run."""
        return self.run["start_ns"] / NS_PER_S if self.run else None

    def _take_window(self, record: Mapping[str, Any]) -> None:
        self.workers[record["worker"]] = record["gauges"]
        for group, part in record["groups"].items():
            for name, count in part.get("counters", {}).items():
                self.counts[group, name] += count
            for histograms in (part.get("histograms", {}), part.get("warm_up", {})):
                for name, histogram in histograms.items():
                    self.latencies.setdefault((group, name), Latency()).add(Histogram.from_record(histogram))

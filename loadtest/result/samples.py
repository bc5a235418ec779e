"""The percentiles that a result holds, and how many values each needs. Knows nothing of runs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from loadtest.measure.histogram.histogram import Histogram
from loadtest.result.run.document import LatencyPart

VALUES_BEYOND: Final = 10
"""
A percentile rests on the values beyond it. With ten of them its relative standard error as a rank is about 1/sqrt(10),
a third; with fewer it is mostly chance. So p99 needs 1,000 values and p99.9 needs 10,000.
"""


def needed_values(percent: float) -> int:
    """Return how many values leave ten beyond the percentile *percent* (0 to 100, exclusive)."""
    # Read as a decimal: 1 - 99.9 / 100 as doubles is a little more than 0.001.
    return math.ceil(VALUES_BEYOND / (1 - Fraction(str(percent)) / 100))


def is_few(percent: float, count: int) -> bool:
    """Return whether *count* values are too few for a percentile; the 100th is the maximum and needs but one."""
    return percent < _ALL and count < needed_values(percent)


def histogram_of(latency: LatencyPart) -> Histogram:
    """Return the histogram of a document's latency, with what its encoded form leaves out put back."""
    return Histogram.from_record(
        {
            "hdr": latency.hdr,
            "count": latency.count,
            "min_ns": latency.min_ns,
            "max_ns": latency.max_ns,
            "sum_ns": round((latency.mean_ns or 0) * latency.count),
            "negative": latency.negative,
            "saturated": latency.saturated,
        }
    )


@dataclass(frozen=True, slots=True)
class Percentile:
    """A percentile by its name, ``p99.9``, with its rank in percent and the field of the document that holds it."""

    name: str
    percent: float
    field: str

    def value_ns(self, latency: LatencyPart) -> int | None:
        """Return the percentile of *latency* in ns; None where it has no value."""
        value: int | None = getattr(latency, self.field)
        return value


PERCENTILES: Final = (
    Percentile("p50", 50.0, "p50_ns"),
    Percentile("p90", 90.0, "p90_ns"),
    Percentile("p95", 95.0, "p95_ns"),
    Percentile("p99", 99.0, "p99_ns"),
    Percentile("p99.9", 99.9, "p99_9_ns"),
    Percentile("p99.99", 99.99, "p99_99_ns"),
)
ONCE_A_CONNECTION: Final = frozenset({"connect", "declare"})
"""Latencies of which there are few values by nature."""

_ALL: Final = 100

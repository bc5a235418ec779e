"""
Whether messages waited longer and longer: the trend of the end-to-end latency, and of what is ready in the queues.

Medians of the first and last thirds of the measured seconds, so that one slow second makes no trend.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import Final

from loadtest.result.run.evidence import MEASURED, Evidence

GROWTH_LIMIT: Final = 2.0
"""Median latency of the last third of the measured part by that of the first: a queue that fills doubles it soon."""

GROWTH_FLOOR_NS: Final = 10_000_000
"""Below 10 ms at the end a doubling is jitter, not a queue."""

GROWTH_MIN_WINDOWS: Final = 6
"""Two windows a third: fewer show no trend."""

DEPTH_SHARE: Final = 0.01
"""Of what was taken in a second: a queue that grows by more each second has more coming in than going out."""

_END_TO_END: Final = "end_to_end"


@dataclass(frozen=True, slots=True)
class Growth:
    """Of a group: its median end-to-end latencies in the first and last thirds, in ns."""

    group: str
    first_ns: float
    last_ns: float

    @property
    def times(self) -> float:
        """How many times the first the last is."""
        return self.last_ns / self.first_ns if self.first_ns else self.last_ns


def growths(evidence: Evidence) -> Iterator[Growth]:
    """Yield the groups whose messages waited longer and longer."""
    for name, group in evidence.groups.items():
        measured = [
            point.groups[name] for point in evidence.timeline if point.phase == MEASURED and name in point.groups
        ]
        latencies = [part.latency[_END_TO_END].p50_ns for part in measured if _END_TO_END in part.latency]
        medians = [p50_ns for p50_ns in latencies if p50_ns is not None]
        third = len(medians) // 3
        if group.kind == "publisher" or len(medians) < GROWTH_MIN_WINDOWS:
            continue
        growth = Growth(name, median(medians[:third]), median(medians[-third:]))
        if growth.last_ns >= GROWTH_FLOOR_NS and growth.times >= GROWTH_LIMIT:
            yield growth


def ready_depths(evidence: Evidence) -> tuple[int, int] | None:
    """Return what was ready in the run's queues in the first and last thirds of the measured part, if known."""
    told = [point.gauges.get("queue.depth") for point in evidence.timeline if point.phase == MEASURED]
    depths = [depth for depth in told if depth is not None]
    third = len(depths) // 3
    if len(depths) < GROWTH_MIN_WINDOWS:
        return None
    return int(median(depths[:third])), int(median(depths[-third:]))


def is_growing(evidence: Evidence) -> bool:
    """Return whether messages waited longer and longer, or more and more of them were ready in the queues."""
    if any(growths(evidence)):
        return True
    depths = ready_depths(evidence)
    rates = (group.rates for group in evidence.groups.values())
    taken_per_s = sum((each.delivered_per_s or 0.0) + (each.got_per_s or 0.0) for each in rates)
    # From the middle of the first third to that of the last are two thirds of the time.
    return depths is not None and depths[1] - depths[0] > DEPTH_SHARE * taken_per_s * evidence.measured_s * 2 / 3

"""
The silences of the wire beside the outages of a result, in both directions.

An outage is told from the reading of the last answer before it to the reading of the first one after it, and an answer
is read some time after it went by: as late as the generator's loop was then, which its own probe measures and the
journal holds. What came with the end of a connection may never be read at all. So both ends may be off by the lag at
that end, and by nothing else. Where the loop stood still for more than 0.1 s the journal has a stall: that time is in
no outage where it is most of a silence, and may part one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.e2e.broken.wire_frames import Wire

NS_PER_S = 1_000_000_000
LEAST_S = 0.1
"""What is shorter is no outage."""
PROBE_S = 0.02
"""The loop is probed so often: what is shorter is not measured. Something falls due more often than that."""

Span = tuple[float, float]


@dataclass(frozen=True)
class Timing:
    """
    What a journal says of the generator's own delays, in s of the monotonic clock.

    Attributes:
        zero_s: When the run started.
        windows: When each window began and ended, and the longest lag of the loop in it.
        stalls: When the loop stood still.
        due_until_s: Until when something fell due, at least.
    """

    zero_s: float
    windows: list[tuple[float, float, float]]
    stalls: list[Span]
    due_until_s: float

    @classmethod
    def of(cls, journal: Path, group: str = "in") -> Timing:
        """Read *journal*; what is due is due to *group*."""
        records = [json.loads(line) for line in journal.read_text().splitlines()]
        windows = [record for record in records if record["type"] == "window"]
        due = [each for each in windows if each["groups"].get(group, {}).get("counters", {}).get("offered")]
        return cls(
            zero_s=records[0]["start_ns"] / NS_PER_S,
            windows=[
                (each["start_ns"] / NS_PER_S, each["end_ns"] / NS_PER_S, each["gauges"]["loop_lag_max_ns"] / NS_PER_S)
                for each in windows
            ],
            stalls=[
                (start / NS_PER_S, end / NS_PER_S) for each in windows for start, end in each.get("stalls", [])
            ],
            due_until_s=max((each["start_ns"] for each in due), default=0) / NS_PER_S,
        )  # fmt: skip

    def late_s(self, at_s: float) -> float:
        """Return how late what came about *at_s* may have been read."""
        # A lag is noted when it is over, so it may be in the window after.
        lags = [lag for start, end, lag in self.windows if start - PROBE_S - lag <= at_s <= end]
        return PROBE_S + max(lags, default=0.0)


def assert_outages_on_wire(wire: Wire, result: dict[str, Any], journal: Path) -> None:
    """
    Fail unless the outages of the publishers are the stretches in which the wire had no answer.

    For runs in which something falls due all the time, and whose frames nothing but the broker holds up.
    """
    outages = result["groups"]["in"]["outages"]
    if outages is None:
        assert not wire.answers_s
        return
    timing = Timing.of(journal)
    told = [(timing.zero_s + each["start_s"], timing.zero_s + each["end_s"]) for each in outages]
    for start_s, end_s in told:
        within = (start_s + timing.late_s(start_s), end_s - timing.late_s(end_s))
        answers = [at_s for at_s in wire.answers_s if within[0] < at_s < within[1]]
        assert not answers, ("answered in an outage", within, answers[:3], answers[-3:])
    for gap in silences(wire, timing.due_until_s):
        _assert_told(gap, told, timing)


def silences(wire: Wire, until_s: float) -> list[Span]:
    """Return when the wire had no answer for more than 0.1 s, after the first one and until something was due last."""
    times = [at_s for at_s in sorted(wire.answers_s) if at_s < until_s]
    return [(start, end) for start, end in pairwise([*times, until_s]) if end - start > LEAST_S]


def _assert_told(gap: Span, told: list[Span], timing: Timing) -> None:
    surely = (gap[0] + timing.late_s(gap[0]), gap[1] - timing.late_s(gap[1]))
    stalls = [each for each in timing.stalls if each[0] < gap[1] and each[1] > gap[0]]
    missing = _without([surely], [*told, *stalls])
    # Beside a stall pieces are left out that are no outage by themselves.
    most_s = LEAST_S if stalls or surely[1] - surely[0] <= LEAST_S else 0.0
    assert max((end - start for start, end in missing), default=0.0) <= most_s, ("not told", gap, missing, told, stalls)


def _without(spans: Iterable[Span], others: Iterable[Span]) -> list[Span]:
    left = [span for span in spans if span[1] > span[0]]
    for other_start, other_end in others:
        left = [
            piece
            for start, end in left
            for piece in ((start, min(end, other_start)), (max(start, other_end), end))
            if piece[1] > piece[0]
        ]
    return left

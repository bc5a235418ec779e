"""
Whether a run was in a steady state: did its second half differ from its first by more than noise makes it.

Seconds of a run resemble those before them, so that a test which takes each for a new measurement sees differences
everywhere. Means over stretches of some seconds do so far less (the method of batch means), and those of the halves are
compared by Welch's test. Knows nothing of queues: what grows in them is another finding.

Source: Law, Simulation Modeling and Analysis, 5th ed., 9.5.3 (batch means); Welch 1947, Biometrika 34 (unequal
variances).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Final

from loadtest.result.run.causes.scenario_faults import WITHOUT_FAULTS, likely_cause, measured_faults
from loadtest.result.run.document import FindingPart, GroupPart
from loadtest.result.run.evidence import MEASURED, Evidence
from loadtest.result.run.findings.finding import finding
from loadtest.result.run.findings.messages import backlog_growing
from loadtest.result.student import welch_p_value
from loadtest.result.units import rate_text, share_text, time_text

CHANGE_LIMIT: Final = 0.1
"""Of the medians of the halves: below a tenth two runs of the same differ too (9 % were seen between equal configs)."""

LATENCY_FLOOR_NS: Final = 200_000
"""A median latency that changes by less is the machine's own affair: waking a process takes some 50 µs more or less."""

SIGNIFICANCE: Final = 0.002
"""Of all series of a run together (Bonferroni); lower than usual, as stretches of seconds still resemble each other."""

LEAST_S: Final = 30
"""Seconds: five stretches of three in each half. With fewer chance looks like change."""

MOST_BATCHES: Final = 10
LEAST_BATCHES: Final = 5
LEAST_BATCH_S: Final = 3
SCHEDULE_CHANGE: Final = 0.05
"""If what was offered changed by more, what came of it was bound to."""

_HEADLINES: Final = ("confirm", "end_to_end", "get")
_RATES: Final = {"publisher": "published_per_s", "consumer": "delivered_per_s", "getter": "got_per_s"}


@dataclass(frozen=True, slots=True)
class _Series:
    """What is looked at, second by second."""

    group: str
    name: str
    values: Sequence[float]
    is_latency: bool

    def text(self, value: float) -> str:
        return time_text(value) if self.is_latency else rate_text(value)


def unstable_over_time(evidence: Evidence) -> Iterator[FindingPart]:
    """Compare the halves of the measured part: rates of what is not scheduled, and median latencies."""
    faults = measured_faults(evidence)
    looked_at = [series for series in _series(evidence) if len(series.values) >= LEAST_S]
    for series in looked_at:
        first, last = _halves(series.values)
        before, after = median(first), median(last)
        change = after / before - 1 if before else 0.0
        if abs(change) <= CHANGE_LIMIT or (series.is_latency and abs(after - before) < LATENCY_FLOOR_NS):
            continue
        if differs(first, last, SIGNIFICANCE / len(looked_at)):
            yield finding(
                "unstable-over-time",
                f"{series.name} of {series.group} went from {series.text(before)} in the first half of the measured "
                f"part to {series.text(after)} in the second, {share_text(abs(change))} "
                f"{'more' if change > 0 else 'less'} (limit {share_text(CHANGE_LIMIT)}): {likely_cause(faults)}no "
                "steady state",
                WITHOUT_FAULTS
                if faults
                else "Look at the timeline for when it changed; leave the beginning out by a longer run.warm_up, or "
                "run longer",
                value=abs(change),
                limit=CHANGE_LIMIT,
                unit="share of the first half",
                group=series.group,
            )


def differs(first: Sequence[float], last: Sequence[float], significance: float) -> bool:
    """Return whether the means of two stretches of seconds differ, at a *significance* (chance of a false yes)."""
    count = max(LEAST_BATCHES, min(MOST_BATCHES, min(len(first), len(last)) // LEAST_BATCH_S))
    batches = [_batch_means(part, count) for part in (first, last)]
    if len({*batches[0], *batches[1]}) == 1:
        return False
    if all(len(set(part)) == 1 for part in batches):
        return True  # both without any noise, and not the same
    return welch_p_value(*batches) < significance


def _batch_means(values: Sequence[float], count: int) -> list[float]:
    size = len(values) // count
    rest = values[len(values) - size * count :]
    return [fmean(rest[place : place + size]) for place in range(0, len(rest), size)]


def _halves(values: Sequence[float]) -> tuple[Sequence[float], Sequence[float]]:
    half = len(values) // 2
    return values[:half], values[-half:]


def _series(evidence: Evidence) -> Iterator[_Series]:
    """Yield what may be compared: nothing that the schedule changes, or that another finding says already."""
    growing = {found.group for found in backlog_growing(evidence)}
    is_even = _is_evenly_offered(evidence)
    for name, group in evidence.groups.items():
        if group.model == "closed":
            field = _RATES[group.kind]
            yield _Series(name, field.removesuffix("_per_s"), _rate_by_second(evidence, name, field), is_latency=False)
        if is_even and name not in growing:
            for latency in _HEADLINES:
                if latency in group.latency:
                    yield _Series(name, f"median {latency}", _p50_by_second(evidence, name, latency), is_latency=True)


def _is_evenly_offered(evidence: Evidence) -> bool:
    """Return whether both halves were offered the same; true where nothing has a schedule."""
    paced: list[tuple[str, GroupPart]] = [
        (name, group) for name, group in evidence.groups.items() if group.rates.offered_per_s is not None
    ]
    for name, _ in paced:
        offered = _rate_by_second(evidence, name, "offered_per_s")
        if len(offered) >= LEAST_BATCHES:
            first, last = (fmean(half) for half in _halves(offered))
            if not first or abs(last / first - 1) > SCHEDULE_CHANGE:
                return False
    return True


def _rate_by_second(evidence: Evidence, group: str, field: str) -> list[float]:
    """Return a rate in the seconds in which the group was at work, without the first and last: they are not whole."""
    rates = [
        point.groups[group].rates.get(field, 0.0)
        for point in evidence.timeline
        if point.phase == MEASURED and group in point.groups
    ]
    busy = [place for place, rate in enumerate(rates) if rate]
    return rates[busy[0] + 1 : busy[-1]] if busy else []


def _p50_by_second(evidence: Evidence, group: str, latency: str) -> list[float]:
    found = []
    for point in evidence.timeline:
        part = point.groups[group].latency.get(latency) if group in point.groups else None
        if point.phase == MEASURED and part is not None and part.p50_ns is not None:
            found.append(float(part.p50_ns))
    return found[1:-1]

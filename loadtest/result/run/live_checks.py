"""
A run that goes on, judged while it does: how its thresholds stand, and whether one that aborts has become hopeless.

Looks into the collector itself, at the few figures that are asked for: a whole document each second would cost
milliseconds in which nothing is sent. Knows no clock; somebody asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from loadtest.measure.collector import Collector
from loadtest.measure.group_totals import GroupTotals, SpanTotals
from loadtest.measure.histogram.histogram import Histogram
from loadtest.result.run.document import CheckPart
from loadtest.result.run.group_parts import COUNTED_TOTALS, build_rates
from loadtest.result.run.metric_figures import GroupFigures
from loadtest.result.run.thresholds import check_threshold
from loadtest.scenario.grammar.threshold import MEASURED, STAGE, WARM_UP, WHOLE_RUN, Threshold

State: TypeAlias = Literal["ok", "failing", "open"]
"""How a check stands: holds, does not hold, or nobody can tell yet."""

_AT_THE_END: Final = "known when the run is over"


class LiveFigures:
    """The figures of a run so far."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    def groups(self, part: str) -> dict[str, GroupFigures]:
        """Return what each group has done so far."""
        found = {}
        for name, group in self._collector.groups.items():
            span = _span(group, part)
            counted = group.totals if span is None else span.counts
            counts = {total: counted[total] for total in COUNTED_TOTALS}
            rates = None if span is None else build_rates(group, span)
            found[name] = GroupFigures(group.kind, counts, rates)
        return found

    def histogram(self, group: str, latency: str, part: str) -> Histogram | None:
        """Return the values of a latency so far."""
        span = _span(self._collector.groups[group], part)
        return None if span is None else span.latencies.get(latency)

    def run_total(self, name: str) -> int:
        """Return a total so far."""
        return sum(group.totals[name] for group in self._collector.groups.values())

    def unknown(self) -> str | None:
        """Return nothing: what is lost is known when the run is over."""
        return None

    def gauge(self, source: str, part: str) -> list[float]:
        """Return what was read of a gauge so far."""
        return self._collector.timeline.gauge(source, None if part == WHOLE_RUN else part)


def _span(group: GroupTotals, part: str) -> SpanTotals | None:
    """Return what a group did in a part of the run; None of the whole run, which is none of its spans."""
    if part.startswith(STAGE):
        number = int(part.removeprefix(STAGE))
        return group.stages[number - 1][2] if number <= len(group.stages) else SpanTotals()
    return {MEASURED: group.measured, WARM_UP: group.warm_up}.get(part)


@dataclass(frozen=True, slots=True)
class CheckSoFar:
    """A threshold while the run goes on: how it stands, and the figures that it rests on."""

    state: State
    check: CheckPart


def checks_so_far(thresholds: Sequence[Threshold], collector: Collector) -> list[CheckSoFar]:
    """
    Return how each of *thresholds* stands.

    Open are those of which there is no value yet, or one of too few values, and those of totals that are known only
    when the books are closed.
    """
    figures = LiveFigures(collector)
    return [_so_far(threshold, figures) for threshold in thresholds]


def _so_far(threshold: Threshold, figures: LiveFigures) -> CheckSoFar:
    metric = threshold.metric
    check = check_threshold(threshold, figures)
    if metric.kind == "total" and metric.name not in COUNTED_TOTALS:
        return CheckSoFar("open", check.model_copy(update={"value": None, "ok": False, "note": _AT_THE_END}))
    if check.value is None:
        return CheckSoFar("open", check.model_copy(update={"note": "no value yet"}))
    if check.note is not None:
        return CheckSoFar("open", check.model_copy(update={"note": "too few values yet"}))
    return CheckSoFar("ok" if check.ok else "failing", check)


class Watch:
    """Looks after the thresholds of a run that abort it."""

    def __init__(self, thresholds: Sequence[Threshold], collector: Collector) -> None:
        self._aborting = [threshold for threshold in thresholds if threshold.abort_after_ns is not None]
        self._collector = collector
        self._figures = LiveFigures(collector)

    def hopeless(self, now_ns: int) -> CheckPart | None:
        """
        Return the first check that does not hold and aborts, at the instant *now_ns*.

        What cannot be evaluated yet, or rests on too few values, is no reason to end a run.
        """
        measured_ns = self._collector.measured_from_ns
        if measured_ns is None:
            return None
        for threshold in self._aborting:
            if now_ns - measured_ns >= (threshold.abort_after_ns or 0):
                check = check_threshold(threshold, self._figures)
                if not check.ok and check.value is not None and check.note is None:
                    return check
        return None

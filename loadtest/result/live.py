"""
A run that goes on, judged while it does: whether a threshold that aborts has become hopeless.

Looks into the collector itself, at the few figures that are asked for: a whole document each second would cost
milliseconds in which nothing is sent. Knows no clock; somebody asks.
"""

from __future__ import annotations

from collections.abc import Sequence

from loadtest.measure.collector import Collector
from loadtest.measure.histogram import Histogram
from loadtest.result.document import CheckPart
from loadtest.result.figures import GroupFigures
from loadtest.result.groups import COUNTED_TOTALS, build_rates
from loadtest.result.thresholds import check_threshold
from loadtest.scenario.threshold import MEASURED, WHOLE_RUN, Threshold


class LiveFigures:
    """The figures of a run so far; of the measured part and the whole run only."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    def groups(self, part: str) -> dict[str, GroupFigures]:
        """Return what each group has done so far."""
        found = {}
        for name, group in self._collector.groups.items():
            counted = group.totals if part == WHOLE_RUN else group.measured.counts
            counts = {total: counted[total] for total in COUNTED_TOTALS}
            rates = build_rates(group, group.measured) if part == MEASURED else None
            found[name] = GroupFigures(group.kind, counts, rates)
        return found

    def histogram(self, group: str, latency: str, part: str) -> Histogram | None:
        """Return the values of a latency so far."""
        del part  # thresholds that abort look at the measured part alone
        return self._collector.groups[group].measured.latencies.get(latency)

    def run_total(self, name: str) -> int:
        """Return a total so far."""
        return sum(group.totals[name] for group in self._collector.groups.values())

    def gauge(self, source: str, part: str) -> list[float]:
        """Return what was read of a gauge so far."""
        return self._collector.timeline.gauge(source, None if part == WHOLE_RUN else part)


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

"""
The figures of a run by metric: what a threshold, or a comparison with an older run, asks for.

Says where a figure is in the document; knows no limits. A figure that is not there is an error that says why, never 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from loadtest.measure.histogram.histogram import Histogram
from loadtest.result.run.document import GroupPart, PointPart, RatesPart
from loadtest.result.run.evidence import Evidence
from loadtest.result.samples import histogram_of
from loadtest.result.units import count_text
from loadtest.scenario.grammar.metric import Metric
from loadtest.scenario.grammar.threshold import MEASURED, STAGE, WARM_UP, WHOLE_RUN

LOST: Final = "lost"
_HALF_S: Final = 0.5
_IN_PART: Final = {MEASURED: "in the measured part", WARM_UP: "in the warm-up", WHOLE_RUN: "in the run"}


class NoFigureError(Exception):
    """A metric has no value in this run; the text says why."""


@dataclass(frozen=True, slots=True)
class GroupFigures:
    """What a group did in a part of the run: totals None where they are not told by part, rates per second."""

    kind: str
    counts: dict[str, int] | None
    rates: RatesPart | None


class Figures(Protocol):
    """Where figures come from: a document, or a run that still goes on."""

    def groups(self, part: str) -> dict[str, GroupFigures]:
        """Return what each group did in a part, by name."""

    def histogram(self, group: str, latency: str, part: str) -> Histogram | None:
        """Return a latency in a part; None or empty where there are no values."""

    def run_total(self, name: str) -> int:
        """Return a total of the whole run."""

    def unknown(self) -> str | None:
        """Return where it cannot be known how many messages were lost, and why; None where that is known."""

    def gauge(self, source: str, part: str) -> list[float]:
        """Return what was read of a gauge in a part, in the order of time."""


class DocumentFigures:
    """The figures of a run that is over."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence

    def groups(self, part: str) -> dict[str, GroupFigures]:
        """Return what each group did in a part."""
        return {name: _in_part(group, part) for name, group in self._evidence.groups.items()}

    def histogram(self, group: str, latency: str, part: str) -> Histogram | None:
        """Return a latency in a part."""
        document = self._evidence.groups[group]
        latencies = document.latency
        if part != MEASURED:
            span = document.spans.get(part)
            latencies = {} if span is None else span.latency
        return histogram_of(latencies[latency]) if latency in latencies else None

    def run_total(self, name: str) -> int:
        """Return a total of the whole run."""
        total: int = getattr(self._evidence.totals, name)
        return total

    def unknown(self) -> str | None:
        """Return where it cannot be known how many messages were lost, and why."""
        unknown = self._evidence.ledger.unknown
        if not unknown:
            missing = self._evidence.ledger.unrouted
            where = "confirmed and never seen; where their exchange takes them cannot be known"
            return f"not known for {count_text(missing)} messages, {where}" if missing else None
        more = f", and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        return f"not known for {unknown[0].sink}{more}: {unknown[0].reason}"

    def gauge(self, source: str, part: str) -> list[float]:
        """Return what was read of a gauge in the seconds of a part."""
        return [point.gauges[source] for point in self._points(part) if source in point.gauges]

    def _points(self, part: str) -> Iterable[PointPart]:
        timeline = self._evidence.timeline
        if part == WHOLE_RUN:
            return timeline
        if not part.startswith(STAGE):
            return [point for point in timeline if point.phase == part]
        spans = [group.spans[part] for group in self._evidence.groups.values() if part in group.spans]
        return [point for point in timeline if any(s.start_s <= point.t_s + _HALF_S < s.end_s for s in spans)]


def _in_part(group: GroupPart, part: str) -> GroupFigures:
    if part == WHOLE_RUN:
        return GroupFigures(group.kind, group.totals, None)
    if part == MEASURED:
        return GroupFigures(group.kind, group.measured_counts, group.rates)
    span = group.spans.get(part)
    return GroupFigures(group.kind, {} if span is None else span.counts, None if span is None else span.rates)


def rate_of(metric: Metric, figures: Figures, part: str) -> tuple[float, list[str]]:
    """
    Return a rate per second, and the groups that it is the sum of.

    Raises:
        NoFigureError: If no group has it.
    """
    groups = figures.groups(part)
    names = list(groups) if metric.group is None else [known(metric, groups)]
    rates = {name: rate for name in names if (rate := _rate(groups[name], metric.name)) is not None}
    if not rates:
        whose = "no such group" if metric.group is None else metric.group
        raise NoFigureError(f"{metric.name} has no value: {whose} was not active {in_part(part)}")
    return sum(rates.values()), list(rates)


def offered_rate(metric: Metric, figures: Figures, part: str) -> tuple[float, float]:
    """
    Return a rate, and the rate that was offered to the same groups.

    Publishers are compared with their own schedules, and one without a rate is left out, because it offers nothing to
    compare with. Consumers and getters are compared with what all publishers offered.

    Raises:
        NoFigureError: If there is none, or nothing was offered.
    """
    _, names = rate_of(metric, figures, part)
    groups = figures.groups(part)
    paced = [name for name in names if _rate(groups[name], "offered_rate") is not None]
    offers = [rate for name in paced or groups if (rate := _rate(groups[name], "offered_rate")) is not None]
    if not offers:
        raise NoFigureError(f"nothing was offered: no group publishes at a rate {in_part(part)} (closed model)")
    counted = [name for name in names if groups[name].kind != "publisher" or name in paced]
    return sum(_rate(groups[name], metric.name) or 0.0 for name in counted), sum(offers)


def total_of(metric: Metric, figures: Figures, part: str) -> int:
    """
    Return messages.

    Raises:
        NoFigureError: If they are not known by group, or of a part.
    """
    if metric.name == LOST and (unknown := figures.unknown()) is not None:
        raise NoFigureError(unknown)
    if metric.group is None and part == WHOLE_RUN:
        return figures.run_total(metric.name)
    groups = figures.groups(part)
    names = list(groups) if metric.group is None else [known(metric, groups)]
    having = [groups[name] for name in names if groups[name].kind in metric.group_kinds]
    if part == WHOLE_RUN and any(metric.name not in (group.counts or {}) for group in having):
        raise NoFigureError(f"{metric.name} cannot be told apart by group where several take messages")
    return sum((group.counts or {}).get(metric.name, 0) for group in having)


def latency_of(metric: Metric, figures: Figures, part: str) -> Histogram:
    """
    Return the values of a latency.

    Raises:
        NoFigureError: If there are none; with `count` asked for, none is a figure.
    """
    name = known(metric, figures.groups(part))
    histogram = figures.histogram(name, metric.name, part)
    if metric.stat == "count":
        return histogram or Histogram()
    if histogram is None or not histogram.count:
        raise NoFigureError(f"{metric.group}.{metric.name} has no values {in_part(part)}")
    return histogram


def gauge_of(metric: Metric, figures: Figures, part: str) -> list[float]:
    """
    Return what was read of a gauge.

    Raises:
        NoFigureError: If nothing was.
    """
    values = figures.gauge(metric.source, part)
    if not values:
        text = metric.name if metric.queue is None else f"{metric.name}/{metric.queue}"
        raise NoFigureError(f"{text} was not read {in_part(part)}")
    return values


def known(metric: Metric, groups: dict[str, GroupFigures]) -> str:
    """
    Return the group of a metric.

    Raises:
        NoFigureError: If the run had none of that name.
    """
    if metric.group not in groups:
        raise NoFigureError(f"the run had no group {metric.group}")
    return metric.group


def in_part(part: str) -> str:
    """Return a part as it stands in a sentence."""
    return _IN_PART.get(part, f"in {part}")


def _rate(group: GroupFigures, rate: str) -> float | None:
    value: float | None = getattr(group.rates, f"{rate.removesuffix('_rate')}_per_s", None)
    return value

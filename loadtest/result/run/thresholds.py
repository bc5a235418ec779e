"""
Thresholds judged: each becomes a check with what came, what was asked for and whether it holds.

A check that cannot be evaluated has failed and says why: a missing figure, or a percentile of too few values, is no
ground to pass. Knows nothing of the verdict. A rate without a group is the sum of the rates of all groups that have it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import fmean

import numpy as np

from loadtest.measure.histogram.histogram import Histogram
from loadtest.result.run.document import CheckPart
from loadtest.result.run.metric_figures import (
    Figures,
    NoFigureError,
    gauge_of,
    latency_of,
    offered_rate,
    rate_of,
    total_of,
)
from loadtest.result.samples import is_few, needed_values
from loadtest.result.units import (
    cores_text,
    count_text,
    number_text,
    rate_text,
    share_text,
    size_text,
    time_text,
    values_text,
)
from loadtest.scenario.grammar.metric import Metric, Unit
from loadtest.scenario.grammar.threshold import Threshold


@dataclass(frozen=True, slots=True)
class Figure:
    """
    A metric's value in a run.

    Attributes:
        value: In the metric's unit.
        offered_per_s: The rate that was offered, where a share of it is asked for.
        weakness: Why it proves nothing, though there is a value: too few were measured.
    """

    value: float
    offered_per_s: float | None = None
    weakness: str | None = None


def check_thresholds(thresholds: Iterable[Threshold], figures: Figures) -> tuple[CheckPart, ...]:
    """Return a check for each of *thresholds*, in their order."""
    return tuple(check_threshold(threshold, figures) for threshold in thresholds)


def check_threshold(threshold: Threshold, figures: Figures) -> CheckPart:
    """Return what *figures* say of a threshold."""
    try:
        figure = figure_of(threshold.metric, figures, threshold.part, of_offered=threshold.of_offered)
    except NoFigureError as error:
        reason = f"cannot be evaluated, so it counts as failed: {error}"
        return CheckPart(check=threshold.text, value=None, limit=_limit_text(threshold), ok=False, note=reason)
    holds = threshold.holds(Fraction(figure.value), figure.offered_per_s)
    note = None if figure.weakness is None else f"{figure.weakness}, so it counts as failed"
    return CheckPart(
        check=threshold.text,
        value=_value_text(threshold, figure),
        limit=_limit_text(threshold, figure.offered_per_s),
        ok=holds and figure.weakness is None,
        note=note,
    )


def figure_of(metric: Metric, figures: Figures, part: str, *, of_offered: bool = False) -> Figure:
    """
    Return the value of a metric in a part of the run.

    Raises:
        NoFigureError: If there is none.
    """
    if metric.kind == "latency":
        return _of_latency(metric, latency_of(metric, figures, part))
    if metric.kind == "gauge":
        return _of_gauge(metric, gauge_of(metric, figures, part))
    if metric.kind == "total":
        return Figure(total_of(metric, figures, part))
    if of_offered:
        return Figure(*offered_rate(metric, figures, part))
    return Figure(rate_of(metric, figures, part)[0])


def _of_latency(metric: Metric, latency: Histogram) -> Figure:
    percent = metric.percentile
    if percent is None:
        by_stat = {"min": latency.min, "mean": latency.mean, "max": latency.max, "count": latency.count}
        return Figure(by_stat[metric.stat or ""] or 0)
    weakness = None
    if is_few(percent, latency.count):
        needed = count_text(needed_values(percent))
        weakness = f"{metric.stat} of {values_text(latency.count)} is mostly chance; it needs {needed}"
    return Figure(latency.percentile(percent) or 0, weakness=weakness)


def _of_gauge(metric: Metric, values: Sequence[float]) -> Figure:
    percent = metric.percentile
    if percent is None:
        by_stat = {"min": min(values), "mean": fmean(values), "max": max(values)}
        return Figure(by_stat[metric.stat or ""])
    # A gauge is read, not sampled at random: its percentile need only be another value than its maximum.
    needed = 1 if percent == 100 else math.ceil(1 / (1 - Fraction(str(percent)) / 100))  # noqa: PLR2004
    weakness: str | None = None
    if len(values) < needed:
        weakness = f"{metric.stat} of {count_text(len(values))} readings is their maximum; it needs {needed:,}"
    return Figure(float(np.percentile(values, percent, method="inverted_cdf")), weakness=weakness)


def _value_text(threshold: Threshold, figure: Figure) -> str:
    text = quantity_text(figure.value, threshold.metric.unit)
    if not figure.offered_per_s:
        return text
    return f"{text} ({share_text(figure.value / figure.offered_per_s)} of offered)"


def _limit_text(threshold: Threshold, offered_per_s: float | None = None) -> str:
    if threshold.of_offered:
        of_what = "offered" if offered_per_s is None else f"{rate_text(offered_per_s)} offered"
        return f"{threshold.operator} {share_text(float(threshold.limit))} of {of_what}"
    return f"{threshold.operator} {quantity_text(float(threshold.limit), threshold.metric.unit)}"


def quantity_text(value: float, unit: Unit) -> str:
    """Return a value of a metric as people read it."""
    if unit == "count":
        return count_text(int(value)) if float(value).is_integer() else number_text(value)
    texts = {"time": time_text, "rate": rate_text, "size": size_text, "cores": cores_text}
    return texts[unit](value)

"""
What the charts of a sweep show, as plain data for sweep.js: names, units, places and numbers, no looks.

A place on an axis is a number in the axis' unit, or its logarithm where the values grow by factors; a category has its
turn. Latencies are in ns.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean, pstdev
from typing import Any, Final, Literal, TypeAlias

from loadtest.report.sweep.sweep_text import is_gap, own_marks
from loadtest.result.sweep_result import AxisPart, PointPart, SweepMetricPart, SweepResult

Json: TypeAlias = dict[str, Any]
Scale: TypeAlias = Literal["linear", "log", "category"]

_UNITS: Final = {"time": "ns", "size": "bytes"}
"""What the page's script calls a unit, where that is another word."""

_FACTOR_OF_TWO_VALUES: Final = 4
"""Two values show no pattern; from here on a logarithmic axis is easier to read."""

_LOG_SPREAD: Final = 50
"""Latencies of which the highest is so many times the lowest are drawn on a logarithmic axis."""


def sweep_data(result: SweepResult) -> Json:
    """Return what the charts show, as JSON can carry it."""
    return {
        "axes": [_axis(axis) for axis in result.axes],
        "points": [_point(result, point) for point in result.points],
        "metrics": [_metric(result, metric) for metric in result.metrics],
        "repeats": result.repeats,
    }


def _point(result: SweepResult, point: PointPart) -> Json:
    return {"at": list(point.at), "marks": ", ".join(own_marks(result, point)), "failed": is_gap(point)}


def scale_of(numbers: Sequence[float]) -> Scale:
    """
    Return whether *numbers*, ascending, grow by factors or by steps, whichever are more alike; none are categories.

    How alike steps are is their coefficient of variation.
    """
    if not numbers:
        return "category"
    if len(numbers) < 2 or numbers[0] <= 0:  # noqa: PLR2004  # one has no step
        return "linear"
    if len(numbers) == 2:  # noqa: PLR2004
        return "log" if numbers[1] / numbers[0] >= _FACTOR_OF_TWO_VALUES else "linear"
    steps = [after - before for before, after in pairwise(numbers)]
    factors = [math.log(after / before) for before, after in pairwise(numbers)]
    return "log" if pstdev(factors) / fmean(factors) < pstdev(steps) / fmean(steps) else "linear"


def _axis(axis: AxisPart) -> Json:
    numbers = [value.number for value in axis.values if value.number is not None]
    scale = scale_of(numbers)
    places = [float(place) for place in range(len(axis.values))]
    if scale != "category":
        places = [math.log10(number) for number in numbers] if scale == "log" else numbers
    return {
        "name": axis.name,
        "path": axis.path,
        "texts": [value.text for value in axis.values],
        "places": places,
        "scale": scale,
    }


def _metric(result: SweepResult, metric: SweepMetricPart) -> Json:
    figures = [point.figures.get(metric.name) for point in result.points]
    ends = [end for each in figures if each is not None for end in (each.min, each.max)]
    is_log = metric.unit == "time" and bool(ends) and min(ends) > 0 and max(ends) / min(ends) >= _LOG_SPREAD
    return {
        "name": metric.name,
        "unit": _UNITS.get(metric.unit, metric.unit),
        "log": is_log,
        # Not rounded: what is rounded here and again by the page may differ from the table by one in the last digit.
        "figures": [None if each is None else [each.median, each.min, each.max] for each in figures],
    }

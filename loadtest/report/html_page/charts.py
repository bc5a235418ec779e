"""
What the charts of the page show, as plain data for its script: names, units and numbers, no looks.

Knows the result and the heat maps; report.js makes charts of what is here. All times are in s after the start of the
run, latencies in ns.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean
from typing import Any, Final

from loadtest.measure.histogram.histogram import Histogram
from loadtest.report.html_page.heat_map import HEADLINES, HeatMaps
from loadtest.report.html_page.series import Columns, Value, rounded
from loadtest.result.run.document import GroupPart, LatencyPart, RunResult
from loadtest.result.run.unavailability import OUTAGE_LIMIT_S
from loadtest.result.samples import histogram_of
from loadtest.scenario.grammar.threshold import MEASURED

Json = dict[str, Any]

RATES: Final = ("offered", "published", "confirmed", "delivered", "got")
_UNCORRECTED: Final = "_uncorrected"
_STEPS_PER_HALVING: Final = 4
_ALL: Final = 100.0
MAX_QUEUES: Final = 6
"""Queues whose depth is drawn besides the sum of all; the CSV has the others."""

# Title, unit, and gauges with their names in the legend; a panel of which nothing is known is left out.
PANELS: Final = (
    ("Messages in the run's queues", "messages", (("queue.depth", "ready"), ("queue.unacked", "unacked"))),
    ("Processor time", "cores", (("broker.cpu", "broker"), ("cpu", "generator"), ("machine.cpu", "machine"))),
    (
        "Broker memory and disk",
        "bytes",
        (
            ("broker.memory_bytes", "memory"),
            ("broker.memory_limit_bytes", "memory limit"),
            ("broker.disk_free_bytes", "disk free"),
        ),
    ),
    (
        "Alarms, flow control, blocked connections",
        "count",
        (
            ("broker.memory_alarm", "nodes in memory alarm"),
            ("broker.disk_alarm", "nodes in disk alarm"),
            ("broker.flow", "connections in flow"),
            ("broker.blocked", "connections blocked"),
        ),
    ),
    ("Connections", "count", (("broker.connections", "open on the broker"), ("users", "users connected"))),
    ("In flight", "messages", (("outstanding", "published, not yet answered"),)),
    (
        "What held the generator up",
        "ns",
        (
            ("loop_lag_max_ns", "longest delay of its loop"),
            ("window_full_ns", "confirm windows full (sum)"),
            ("blocked_ns", "blocked by the broker (sum)"),
        ),
    ),
)
_QUIET: Final = frozenset({"Alarms, flow control, blocked connections", "What held the generator up"})
"""Panels that show nothing where all is 0."""


def chart_data(result: RunResult, heat: HeatMaps) -> Json:
    """Return what the charts show, as JSON can carry it."""
    columns = Columns(result.timeline)
    return {
        "t_s": columns.t_s,
        "per_point_s": columns.per_point,
        "phases": [[phase.name, phase.start_s, phase.end_s] for phase in result.phases],
        "events": [[event.t_s, event.code, event.text] for event in result.events],
        "outages": list(_outages(result)),
        "rates": list(_rates(result, columns)),
        "latencies": list(_latencies(result, columns)),
        "curves": list(_curves(result)),
        "heat": list(_heat(heat)),
        "panels": list(_panels(result, columns)),
        "users": list(users(result)),
    }


def _outages(result: RunResult) -> Iterator[list[float | str]]:
    """Yield begin, end and group of the outages that a reader wants to see."""
    for name, group in result.groups.items():
        for outage in group.outages or ():
            if outage.end_s - outage.start_s >= OUTAGE_LIMIT_S:
                yield [outage.start_s, outage.end_s, name]


def _rates(result: RunResult, columns: Columns) -> Iterator[Json]:
    """Yield the sum over the groups of each rate, and where several groups have it that of each."""
    for name in RATES:
        groups = [group for group, part in result.groups.items() if _has_rate(part, name)]
        by_group = {group: columns.rate(group, f"{name}_per_s") for group in groups}
        if by_group:
            total = [_sum(values) for values in zip(*by_group.values(), strict=True)]
            yield {"name": name, "group": None, "values": total}
        if len(by_group) > 1:
            yield from ({"name": name, "group": group, "values": values} for group, values in by_group.items())


def _has_rate(group: GroupPart, name: str) -> bool:
    return getattr(group.rates, f"{name}_per_s") is not None or bool(group.totals.get(name))


def _sum(values: tuple[Value, ...]) -> Value:
    known = [value for value in values if value is not None]
    return rounded(sum(known)) if known else None


def _latencies(result: RunResult, columns: Columns) -> Iterator[Json]:
    for name, group in result.groups.items():
        for latency in (*HEADLINES, "lateness"):
            if latency in group.latency and not (latency == "lateness" and group.model == "closed"):
                statistics = ("p50_ns", "p99_ns", "max_ns")
                values = {statistic: columns.latency(name, latency, statistic) for statistic in statistics}
                yield {"group": name, "latency": latency, "model": group.model, **values}


def _curves(result: RunResult) -> Iterator[Json]:
    for name, group in result.groups.items():
        for latency, part in group.latency.items():
            headline = latency.removesuffix(_UNCORRECTED)
            if not part.count or headline not in HEADLINES:
                continue
            is_uncorrected = latency != headline
            if not (is_uncorrected and group.model == "closed"):  # there it is the same curve
                points = percentile_curve(part)
                yield {"group": name, "latency": headline, "uncorrected": is_uncorrected, "points": points}


def percentile_curve(latency: LatencyPart) -> list[list[float]]:
    """Return the curve of a document's latency."""
    return curve_of(histogram_of(latency))


def curve_of(histogram: Histogram) -> list[list[float]]:
    """
    Return percentile (0 to 100) and value in ns, nearer and nearer to 100, until one value is beyond; then the maximum.

    The last is drawn where the percentile that leaves half a value beyond it would be: a logarithmic axis has no 100.
    """
    levels, level = [], 0.0
    while (_ALL - level) / _ALL * histogram.count > 1:
        levels.append(level)
        level += (_ALL - level) / 2 / _STEPS_PER_HALVING
    values = histogram.percentiles(tuple(levels)) if levels else []
    points = [[round(level, 7), value or 0] for level, value in zip(levels, values, strict=True)]
    return [*points, [round(_ALL - _ALL / 2 / histogram.count, 9), histogram.max or 0]]


def _heat(heat: HeatMaps) -> Iterator[Json]:
    for (group, latency), cells in heat.cells().items():
        if cells:
            rows = {row for _, row, _ in cells}
            first, last = min(rows), max(rows)
            yield {
                "group": group,
                "latency": latency,
                "width_s": heat.width_s,
                "edges_ns": [rounded(edge) for edge in heat.edges_ns[first : last + 2]],
                "cells": [[begin_s, row - first, count] for begin_s, row, count in cells],
            }


def _panels(result: RunResult, columns: Columns) -> Iterator[Json]:
    for title, unit, gauges in PANELS:
        series = [{"name": name, "values": columns.gauge(gauge, _merge(gauge))} for gauge, name in gauges]
        if title == PANELS[0][0]:
            series += _queues(result, columns)
        told = [each for each in series if any(value is not None for value in each["values"])]
        if told and not (title in _QUIET and not any(value for each in told for value in each["values"])):
            yield {"title": title, "unit": unit, "series": told}


def _merge(gauge: str) -> Any:
    """Return how seconds become one: what could run out by its lowest, processor time by its mean, else the highest."""
    if gauge == "broker.disk_free_bytes":
        return min
    return fmean if gauge.endswith("cpu") else max


def _queues(result: RunResult, columns: Columns) -> list[Json]:
    names = sorted({gauge for point in result.timeline for gauge in point.gauges if gauge.startswith("queue.depth/")})
    if len(names) < 2:  # noqa: PLR2004  # of one queue the sum is it
        return []
    return [{"name": f"{name.partition('/')[2]} ready", "values": columns.gauge(name)} for name in names[:MAX_QUEUES]]


def users(result: RunResult) -> Iterator[Json]:
    """Yield the messages of each user, of each group of several of which it is known."""
    for name, group in result.groups.items():
        if group.by_user is not None and len(group.by_user) > 1 and any(group.by_user):
            yield {"group": name, "values": list(group.by_user)}


def fairness(shares: tuple[int, ...]) -> float:
    """
    Return Jain's index of *shares*, some of which are not 0: 1 where all have the same, 1/n where one has all.

    J = (sum of x)^2 / (n * sum of x^2)

    Source: Jain, Chiu, Hawe 1984, "A Quantitative Measure of Fairness and Discrimination", DEC-TR-301.
    """
    return sum(shares) ** 2 / (len(shares) * sum(share * share for share in shares))


def measured_from_s(result: RunResult) -> float:
    """Return when the measured part began, in s after the start; 0 where there was none."""
    return next((phase.start_s for phase in result.phases if phase.name == MEASURED), 0.0)

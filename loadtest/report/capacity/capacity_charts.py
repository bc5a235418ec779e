"""
What the charts of a search for a capacity show, as plain data for capacity.js: rates and latencies, no looks.

Rates are messages a second, latencies in ns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any, Final

from loadtest.report.capacity.capacity_text import by_rate, headline, probe_text
from loadtest.report.html_page.series import rounded
from loadtest.result.capacity.capacity_result import CapacityResult, ProbePart
from loadtest.scenario import parse_threshold

Json = dict[str, Any]

STATISTICS: Final = ("p50", "p99", "max")
MOST_CHARTS: Final = 6


def shown_latencies(result: CapacityResult) -> list[str]:
    """Return the latencies that are shown: those of which something is asked first, then the one of the tables."""
    names = dict.fromkeys(name for probe in result.probes for name in probe.latency)
    asked = [name for name in names if any(_is_of(name, text) for text in result.slo)]
    first = [shown[0] for probe in result.probes[:1] for shown in (headline(probe),) if shown is not None]
    return list(dict.fromkeys([*asked, *first, *names]))[:MOST_CHARTS]


def capacity_data(result: CapacityResult) -> Json:
    """Return what the charts show, as JSON can carry it."""
    part = result.uncertainty
    return {
        "capacity": result.capacity_per_s,
        "interval": None if part is None else [part.low_per_s or 0, part.high_per_s],
        "charts": [_chart(result, name) for name in shown_latencies(result)],
    }


def _chart(result: CapacityResult, name: str) -> Json:
    told = [probe for probe in by_rate(result) if name in probe.latency and probe.published_per_s]
    knee = next((each for each in result.knees if each.latency == name), None)
    return {
        "title": name.replace("_", " ").replace(".", ": ", 1),
        "points": [_point(result, probe, name) for probe in told],
        "lines": {statistic: list(_line(told, name, statistic)) for statistic in STATISTICS},
        "slos": list(_slos(result, name)),
        "knee": None if knee is None else [rounded(knee.rate_per_s), rounded(knee.p99_ns)],
    }


def _point(result: CapacityResult, probe: ProbePart, name: str) -> Json:
    latency = probe.latency[name]
    return {
        "number": result.probes.index(probe) + 1,
        "asked": probe.rate_per_s,
        "rate": rounded(probe.published_per_s or 0),
        "values": {statistic: latency.get(f"{statistic}_ns") for statistic in STATISTICS},
        "is_held": probe.is_held,
        "is_quick": probe.is_quick,
        "text": probe_text(probe),
    }


def _line(probes: Sequence[ProbePart], name: str, statistic: str) -> Iterator[list[float]]:
    """Yield rate and latency by the rate that was asked for: the median of its full tries, or else of short ones."""
    for rate in dict.fromkeys(probe.rate_per_s for probe in probes):
        tried = [probe for probe in probes if probe.rate_per_s == rate]
        counted = [probe for probe in tried if not probe.is_quick] or tried
        values = [value for probe in counted if (value := probe.latency[name].get(f"{statistic}_ns")) is not None]
        if values:
            yield [rounded(median(probe.published_per_s or 0 for probe in counted)), rounded(median(values))]


def _slos(result: CapacityResult, name: str) -> Iterator[Json]:
    """Yield what is asked of a latency, from above."""
    for text in result.slo:
        threshold = parse_threshold(text)
        if _is_of(name, text) and threshold.metric.unit == "time" and threshold.operator in {"<", "<="}:
            yield {"text": text, "value": float(threshold.limit)}


def _is_of(name: str, text: str) -> bool:
    metric = parse_threshold(text).metric
    return metric.kind == "latency" and f"{metric.group}.{metric.name}" == name

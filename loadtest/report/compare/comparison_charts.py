"""
What the charts of a comparison show, as plain data for comparison.js: names, units and numbers, no looks.

Latencies are those of all laps of a variant, added up: exact, as histograms are. Changes are shares of the baseline,
latencies are in ns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from loadtest.measure.histogram.histogram import Histogram
from loadtest.report.compare.comparison_text import figure_text
from loadtest.report.html_page.charts import curve_of
from loadtest.report.html_page.heat_map import HEADLINES
from loadtest.report.html_page.series import rounded
from loadtest.result.compare.compare_result import (
    WARM_UP,
    CompareResult,
    FindingPart,
    LapPart,
    MetricPart,
    change_text,
    counts,
)
from loadtest.result.run.document import RunResult
from loadtest.result.samples import histogram_of

Json = dict[str, Any]
Latencies = dict[tuple[str, str], dict[str, Histogram]]
"""By group and latency, then by variant."""

_UNITS: Final = {"time": "ns", "size": "bytes"}
"""What the page's script calls a unit, where that is another word."""

_TURNS: Final = ("there", "back")
NO_CHANGE: Final = "too little to say"


def counted_laps(result: CompareResult, variant: str) -> list[LapPart]:
    """Return the laps of a variant that count, in their order."""
    laps = [lap for lap in result.laps if lap.variant == variant and counts(lap)]
    return sorted(laps, key=lambda lap: (lap.round, lap.turn))


def merged_latencies(result: CompareResult, runs: Mapping[str, Iterable[RunResult]]) -> Latencies:
    """
    Return the latencies of each variant over all its laps.

    Args:
        result: What was compared.
        runs: The results of the laps that count, by variant.
    """
    found: Latencies = {}
    for variant in (part.name for part in result.variants):
        for run in runs.get(variant, ()):
            for group, part in run.groups.items():
                for latency in HEADLINES:
                    if latency in part.latency and part.latency[latency].count:
                        sums = found.setdefault((group, latency), {}).setdefault(variant, Histogram())
                        sums.add(histogram_of(part.latency[latency]))
    return found


def comparison_data(result: CompareResult, latencies: Latencies) -> Json:
    """Return what the charts show, as JSON can carry it."""
    names = [variant.name for variant in result.variants]
    rounds = sorted({(lap.round, lap.turn) for lap in result.laps if lap.round != WARM_UP})
    return {
        "variants": names,
        "baseline": result.baseline,
        "min_effect": result.min_effect,
        "forest": [_forest(result, name) for name in names if name != result.baseline],
        "curves": [
            {
                "title": f"{group}: {latency.replace('_', ' ')}",
                "series": [
                    {"variant": names.index(variant), "points": curve_of(histogram)}
                    for variant, histogram in by_variant.items()
                ],
            }
            for (group, latency), by_variant in latencies.items()
        ],
        "turns": [f"{number} {_TURNS[turn]}" for number, turn in rounds],
        "by_round": list(_by_round(result, rounds)),
    }


def _forest(result: CompareResult, variant: str) -> Json:
    rows = [_row(result, finding) for finding in result.findings if finding.variant == variant]
    return {"variant": variant, "rows": rows}


def _row(result: CompareResult, finding: FindingPart) -> Json:
    is_known = finding.change is not None and finding.low is not None and finding.high is not None
    medians = [figure_text(result, finding.metric, v) for v in (finding.baseline_median, finding.variant_median)]
    return {
        "metric": finding.metric,
        "verdict": finding.verdict,
        "interval": [finding.low, finding.change, finding.high] if is_known else None,
        "text": change_text(finding) if is_known else NO_CHANGE,
        "medians": medians,
    }


def _by_round(result: CompareResult, rounds: list[tuple[int, int]]) -> Iterator[Json]:
    """Yield a chart for each metric of which there is a value: its value in each lap, a series a variant."""
    for metric in result.metrics:
        series = [
            {"variant": number, **_values(result, metric, variant.name, rounds)}
            for number, variant in enumerate(result.variants)
        ]
        told = [each for each in series if any(value is not None for value in each["values"])]
        if told:
            yield {"title": metric.name, "unit": _UNITS.get(metric.unit, metric.unit), "series": told}


def _values(result: CompareResult, metric: MetricPart, variant: str, rounds: list[tuple[int, int]]) -> Json:
    laps = {(lap.round, lap.turn): lap for lap in counted_laps(result, variant)}
    values = [laps[place].values.get(metric.name) if place in laps else None for place in rounds]
    return {
        "values": [None if value is None else rounded(value) for value in values],
        "marks": [", ".join(laps[place].marks) if place in laps else "" for place in rounds],
    }

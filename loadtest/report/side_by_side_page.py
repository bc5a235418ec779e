"""The page of several runs: their figures in one table, their charts over each other. Pure, as `page` is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from loadtest.report.html_page.charts import measured_from_s, percentile_curve
from loadtest.report.html_page.series import Columns
from loadtest.report.run.run_page import WORDS, render_page
from loadtest.report.side_by_side import NamedRun, comparisons, differences, scenario_diff

_RATES: Final = (("published_per_s", "published"), ("delivered_per_s", "delivered"), ("got_per_s", "got"))
_LATENCIES: Final = ("confirm", "end_to_end", "get")
_GAUGES: Final = (
    ("queue.depth", "Messages ready in the run's queues", "messages"),
    ("broker.cpu", "Broker CPU", "cores"),
)


def side_by_side_html(runs: Sequence[NamedRun]) -> str:
    """Return the page; the first run is what the others are compared with."""
    columns = [Columns(run.result.timeline) for run in runs]
    data = {
        "runs": [{"name": run.name, "measured_from_s": measured_from_s(run.result)} for run in runs],
        "over": list(_over(runs, columns)),
        "curves": list(_curves(runs)),
    }
    return render_page(
        "side_by_side.html.j2",
        data,
        runs=[{"name": run.name, "word": WORDS[run.result.verdict.outcome], "result": run.result} for run in runs],
        rows=list(comparisons(runs)),
        differences=list(differences(runs)),
        diffs=[(run.name, lines) for run in runs[1:] if (lines := scenario_diff(runs[0], run))],
    )


def _groups(runs: Sequence[NamedRun]) -> list[str]:
    return list(dict.fromkeys(name for run in runs for name in run.result.groups))


def _over(runs: Sequence[NamedRun], columns: Sequence[Columns]) -> Iterator[dict[str, Any]]:
    """Yield the charts over time: a title, a unit and a series for each run that has it."""
    for group in _groups(runs):
        for field, word in _RATES:
            yield from _chart(
                f"{group}: {word} a second", "rate", [each.rate(group, field) for each in columns], columns
            )
        for latency in _LATENCIES:
            values = [each.latency(group, latency, "p99_ns") for each in columns]
            yield from _chart(f"{group}: {latency.replace('_', ' ')} p99", "ns", values, columns)
    for gauge, title, unit in _GAUGES:
        yield from _chart(title, unit, [each.gauge(gauge) for each in columns], columns)


def _chart(title: str, unit: str, values: list[list[Any]], columns: Sequence[Columns]) -> Iterator[dict[str, Any]]:
    series = [
        {"run": run, "t_s": columns[run].t_s, "values": each}
        for run, each in enumerate(values)
        if any(value for value in each)
    ]
    if series:
        yield {"title": title, "unit": unit, "series": series}


def _curves(runs: Sequence[NamedRun]) -> Iterator[dict[str, Any]]:
    for group in _groups(runs):
        for latency in _LATENCIES:
            series = []
            for number, run in enumerate(runs):
                part = run.result.groups.get(group)
                if part is not None and latency in part.latency and part.latency[latency].count:
                    series.append({"run": number, "points": percentile_curve(part.latency[latency])})
            if series:
                yield {"title": f"{group}: {latency.replace('_', ' ')}", "series": series}

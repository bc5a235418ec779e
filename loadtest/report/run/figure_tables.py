"""The two tables of the summary: what was asked and came, and how long it took. Knows nothing of the rest of it."""

from __future__ import annotations

from typing import Final

from loadtest.report.text.text_page import Cell, Column, Page, Row, Span
from loadtest.result.run.document import GroupPart, LatencyPart, RunResult
from loadtest.result.samples import ONCE_A_CONNECTION, PERCENTILES, Percentile, is_few
from loadtest.result.units import NOTHING, count_text, rate_text, throughput_text, time_text

UNPACED: Final = "unpaced"
"""Asked of a group without a rate: as fast as it goes."""

FEW_MARK: Final = "*"

RATE_COLUMNS: Final = (
    Column("Rates"),
    Column("kind", is_left=True, spare=2),
    Column("messages"),
    Column("asked"),
    Column("achieved"),
    Column("confirmed", spare=1),
    Column("volume", spare=3),
)
WIDE_PAGE: Final = 100
"""Cells from which on the further statistics are shown; below, every run shows the same columns."""

ON_WIDE_PAGES: Final = frozenset({"min", "mean", "p95", "p99.99"})
LATENCY_COLUMNS: Final = (
    Column("Latency"),
    Column("values"),
    Column("min", spare=3),
    Column("mean", spare=3),
    Column("p50"),
    Column("p90", spare=1),
    Column("p95", spare=2),
    Column("p99"),
    Column("p99.9"),
    Column("p99.99", spare=2),
    Column("max"),
)
MEDIAN: Final = 50.0
_MODELS: Final = {"open": "open model, from the intended time", "closed": "closed model, from the time of sending"}
_UNCORRECTED: Final = "_uncorrected"


def put_rates(page: Page, result: RunResult) -> None:
    """Put a row for each group: messages over the whole run, rates over the measured part."""
    if result.groups:
        page.blank()
        page.table(RATE_COLUMNS, [rate_row(name, group) for name, group in result.groups.items()])


def put_latencies(page: Page, result: RunResult) -> None:
    """Put the percentiles of every latency that has values, by group; those with too few values are marked."""
    rows: list[Row] = []
    for name, group in result.groups.items():
        told = {latency: part for latency, part in group.latency.items() if part.count and says_more(latency, part)}
        if told:
            rows.append(Span(f"{name} · {_MODELS[group.model]}", "dim"))
            rows.extend(latency_row(latency, part) for latency, part in told.items())
    if not rows:
        return
    page.blank()
    shown = [
        place
        for place, column in enumerate(LATENCY_COLUMNS)
        if page.width >= WIDE_PAGE or column.title not in ON_WIDE_PAGES
    ]
    rows = [row if isinstance(row, Span) else [row[place] for place in shown] for row in rows]
    page.table([LATENCY_COLUMNS[place] for place in shown], rows)
    if any(FEW_MARK in cell.text for row in rows if not isinstance(row, Span) for cell in row):
        page.sentence(
            "too few values for this percentile: fewer than ten lie beyond it",
            mark=Cell(FEW_MARK),
            indent=2,
            style="dim",
        )


def says_more(name: str, latency: LatencyPart) -> bool:
    """
    Return whether a latency is worth a line.

    In a closed model intended = sent: lateness is 0 and the uncorrected latency is the latency. There are few
    connections in most runs, and a median of three says nothing; `result.json` has them all.
    """
    if name in ONCE_A_CONNECTION:
        return not is_few(MEDIAN, latency.count)
    return latency.model == "open" or not (name == "lateness" or name.endswith(_UNCORRECTED))


def rate_row(name: str, group: GroupPart) -> list[Cell]:
    """Return the cells under `RATE_COLUMNS` of a group."""
    rates = group.rates
    counted, achieved = {
        "publisher": ("published", rates.published_per_s),
        "consumer": ("delivered", rates.delivered_per_s),
        "getter": ("got", rates.got_per_s),
    }[group.kind]
    return [
        Cell(name),
        Cell(group.kind, "dim"),
        Cell(count_text(group.totals.get(counted))),
        Cell(_asked(group)),
        Cell(rate_text(achieved), "bold"),
        Cell(rate_text(rates.confirmed_per_s)),
        Cell(throughput_text(rates.bytes_per_s)),
    ]


def _asked(group: GroupPart) -> str:
    if group.kind == "consumer":
        return NOTHING
    return UNPACED if group.model == "closed" else rate_text(group.rates.offered_per_s)


def latency_row(name: str, latency: LatencyPart) -> list[Cell]:
    """Return the cells under `LATENCY_COLUMNS` of a latency."""
    is_uncorrected = name.endswith(_UNCORRECTED)
    label = "    uncorrected" if is_uncorrected else f"  {name}"
    style = "dim" if is_uncorrected else ""
    return [
        Cell(label, style),
        Cell(count_text(latency.count), style),
        Cell(time_text(latency.min_ns), style),
        Cell(time_text(latency.mean_ns), style),
        *(_percentile_cell(percentile, latency, style) for percentile in PERCENTILES),
        Cell(time_text(latency.max_ns), style),
    ]


def _percentile_cell(percentile: Percentile, latency: LatencyPart, style: str) -> Cell:
    text = time_text(percentile.value_ns(latency))
    return Cell(f"{text}{FEW_MARK}", "dim") if is_few(percentile.percent, latency.count) else Cell(text, style)

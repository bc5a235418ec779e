"""
`capacity.html`: the rate that a broker sustains, how surely, what limits it, and latency over rate, on one page.

As `page` is: words and tables are made here, charts by a script from data that the page carries. Pure: the document in,
a text out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from loadtest.errors import EXIT_FAILED, EXIT_PASSED
from loadtest.report.capacity.capacity_charts import STATISTICS, capacity_data, shown_latencies
from loadtest.report.capacity.capacity_text import (
    LIMITS,
    WORDS,
    by_rate,
    doubts,
    facts,
    headline_text,
    held_for_text,
    range_text,
    what_text,
)
from loadtest.report.run.run_page import render_page
from loadtest.report.run.terminal import moment
from loadtest.result.capacity.capacity_result import CapacityResult, ProbePart, is_precise
from loadtest.result.units import NOTHING, count_text, rate_text, share_text, span_text, time_text

FILE_NAME: Final = "capacity.html"


def capacity_html(result: CapacityResult, pages: Mapping[str, str] | None = None) -> str:
    """
    Return the page of a search.

    Args:
        result: What was found.
        pages: By the folder of a try: the path of its own page from this one, as a link has it.
    """
    return render_page(
        "capacity.html.j2",
        capacity_data(result),
        scripts=("capacity.js", "report.js"),
        result=result,
        word=_word(result),
        outcome=_outcome(result),
        what=what_text(result),
        facts=[text for text in (result.broker, *_moments(result)) if text],
        tiles=list(_tiles(result)),
        remarks=[f"{label}: {text}" for label, text in facts(result)],
        is_interrupted=not result.complete,
        latencies=list(_latencies(result)),
        statistics=STATISTICS,
        probes=[
            _probe(number, probe, (pages or {}).get(probe.folder)) for number, probe in enumerate(result.probes, 1)
        ],
    )


def _moments(result: CapacityResult) -> Iterator[str]:
    yield f"started {moment(result.started_at)}"
    yield f"ended {moment(result.ended_at)}"


def _word(result: CapacityResult) -> str:
    if not result.complete:
        return "Inconclusive" if result.exit_code != EXIT_PASSED and result.capacity_per_s is None else (
            f"So far {headline_text(result)}"
        )  # fmt: skip
    return "No rate is held" if result.capacity_per_s is None else headline_text(result)


def _outcome(result: CapacityResult) -> str:
    """Return the class of the page's head: green only where the limit is the broker's own."""
    if not result.complete:
        return "open"
    if result.exit_code == EXIT_FAILED:
        return "fail"
    cores = None if result.limit is None else result.limit.cores
    is_own = not result.is_lower_bound and (cores is None or cores.limit != "machine")
    if doubts(result) or not (result.is_lower_bound or is_precise(result)):
        return "open"
    return "pass" if is_own else "neutral"


def _tiles(result: CapacityResult) -> Iterator[tuple[str, str]]:
    yield "highest rate held", NOTHING if result.capacity_per_s is None else rate_text(result.capacity_per_s)
    yield "lowest rate missed", NOTHING if result.missed_per_s is None else rate_text(result.missed_per_s)
    yield "capacity lies", range_text(result)
    if result.limit is not None:
        yield "limit", LIMITS[result.limit.by].partition(":")[0]
    yield "tries", count_text(len(result.probes))


def _latencies(result: CapacityResult) -> Iterator[dict[str, Any]]:
    """Yield a table for each latency that has a chart: what the chart shows, in figures."""
    for name in shown_latencies(result):
        rows = [
            {
                "rate": rate_text(probe.rate_per_s),
                "cells": [
                    rate_text(probe.published_per_s),
                    *(time_text(probe.latency[name].get(f"{statistic}_ns")) for statistic in STATISTICS),
                ],
                "is_held": probe.is_held,
                "is_quick": probe.is_quick,
                "said": _said(probe),
            }
            for probe in by_rate(result)
            if name in probe.latency
        ]
        yield {"name": name, "rows": rows}


def _said(probe: ProbePart) -> str:
    return "✓ held" if probe.is_held else f"✗ {WORDS.get(probe.bound or '', '')}"


def _probe(number: int, probe: ProbePart, page: str | None) -> dict[str, Any]:
    cores = probe.cores
    used = [NOTHING if cores is None or value is None else f"{value:.2f}" for value in _used(probe)]
    return {
        "number": number,
        "stage": probe.stage or NOTHING,
        "cells": [
            rate_text(probe.rate_per_s),
            held_for_text(probe),
            rate_text(probe.published_per_s),
            *used,
            NOTHING if probe.flow is None else share_text(probe.flow),
            span_text(probe.took_s),
        ],
        "is_held": probe.is_held,
        "is_quick": probe.is_quick,
        "said": _said(probe),
        "why": probe.why,
        "page": page,
    }


def _used(probe: ProbePart) -> tuple[float | None, float | None]:
    return (None, None) if probe.cores is None else (probe.cores.broker, probe.cores.generator)

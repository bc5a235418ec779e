"""
`compare.html`: what was compared, which is better, by how much and how surely, on one page that needs nothing else.

As `page` is: words and tables are made here, charts by a script from data that the page carries. Pure: the document and
the results of its laps in, a text out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from loadtest.report.compare.comparison_charts import (
    NO_CHANGE,
    Latencies,
    comparison_data,
    counted_laps,
    merged_latencies,
)
from loadtest.report.compare.comparison_text import WORDS, figure_text, outcome_word, remarks, what_text
from loadtest.report.run.figure_tables import FEW_MARK
from loadtest.report.run.run_page import render_page
from loadtest.report.run.terminal import moment
from loadtest.result.compare.compare_result import (
    WARM_UP,
    CompareResult,
    FindingPart,
    LapPart,
    VariantPart,
    counts,
    signed,
)
from loadtest.result.run.document import RunResult
from loadtest.result.samples import PERCENTILES, is_few
from loadtest.result.units import NOTHING, count_text, time_text

FILE_NAME: Final = "compare.html"
SIGNS: Final = {"better": "✓", "worse": "✗", "no-difference": "=", "inconclusive": "?"}
_SHOWN: Final = frozenset({"p50", "p90", "p99", "p99.9"})
_LEAST_P: Final = 0.0001
_FEW_DIFFERENCES: Final = 12
"""As many lines of config stand open; more are folded."""


def comparison_html(
    result: CompareResult, runs: Mapping[str, Iterable[RunResult]], pages: Mapping[str, str] | None = None
) -> str:
    """
    Return the page of a comparison.

    Args:
        result: What was compared.
        runs: The results of the laps that count, by variant.
        pages: By the folder of a lap: the path of its own page from this one, as a link has it.
    """
    latencies = merged_latencies(result, runs)
    return render_page(
        "comparison.html.j2",
        comparison_data(result, latencies),
        scripts=("comparison.js", "report.js"),
        result=result,
        word=outcome_word(result),
        outcome=_outcome(result),
        what=what_text(result),
        facts=[f"started {moment(result.started_at)}", f"ended {moment(result.ended_at)}"],
        tiles=list(_tiles(result)),
        remarks=list(remarks(result)),
        variants=[_variant(result, variant) for variant in result.variants],
        differing=[(variant.name, _differing(variant)) for variant in result.variants if _differing(variant)],
        few_differences=_FEW_DIFFERENCES,
        tables=list(_tables(result)),
        few_mark=FEW_MARK,
        percentiles=list(_percentiles(result, latencies)),
        percentile_titles=["Latency", "variant", "values", *(each.name for each in _shown()), "max"],
        lap_rows=[_lap(result, lap, (pages or {}).get(lap.folder)) for lap in result.laps],
    )


def _differing(variant: VariantPart) -> dict[str, tuple[str, str]]:
    """Return in what a variant differs from the baseline: as its broker was told, and as that was read back."""
    return {**variant.differs, **{f"{name} (read back)": pair for name, pair in variant.effect.items()}}


def _outcome(result: CompareResult) -> str:
    """Return the class of the page's head: green only where nothing is worse."""
    word = outcome_word(result)
    if word == "Decided":
        return "neutral" if any(finding.verdict == "worse" for finding in result.findings) else "pass"
    return "fail" if word == "Failed" else "open"


def _tiles(result: CompareResult) -> Iterator[tuple[str, str, str]]:
    """Yield verdict, its word and how many figures have it."""
    found = Counter(finding.verdict for finding in result.findings)
    for verdict, (word, _) in WORDS.items():
        yield verdict, f"{SIGNS[verdict]} {word.lower()}", count_text(found[verdict])


def _variant(result: CompareResult, variant: VariantPart) -> dict[str, Any]:
    laps = [lap for lap in result.laps if lap.variant == variant.name and lap.round != WARM_UP and not lap.repeated]
    counted = len(counted_laps(result, variant.name))
    return {
        "name": variant.name,
        "is_baseline": variant.name == result.baseline,
        "overrides": variant.overrides,
        "broker": variant.broker,
        "laps": count_text(counted) if counted == len(laps) else f"{counted} of {len(laps)}",
    }


def _tables(result: CompareResult) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    for variant in result.variants:
        if variant.name != result.baseline:
            findings = [finding for finding in result.findings if finding.variant == variant.name]
            yield variant.name, [_finding(result, finding) for finding in findings]


def _finding(result: CompareResult, finding: FindingPart) -> dict[str, Any]:
    is_known = finding.low is not None and finding.high is not None
    return {
        "cells": [
            figure_text(result, finding.metric, finding.baseline_median),
            figure_text(result, finding.metric, finding.variant_median),
            NOTHING if finding.change is None else signed(finding.change),
            f"{signed(finding.low)} to {signed(finding.high)}" if is_known else NO_CHANGE,  # type: ignore[arg-type]
            p_text(finding.p_adjusted),
        ],
        "metric": finding.metric,
        "verdict": finding.verdict,
        "said": f"{SIGNS[finding.verdict]} {WORDS[finding.verdict][0].lower()}",
        "pairs": count_text(finding.pairs),
        "rounds": count_text(finding.rounds_to_decide) if finding.verdict == "inconclusive" else "",
    }


def p_text(p_value: float | None) -> str:
    """Return a p-value: ``0.031``, ``< 0.0001``."""
    if p_value is None:
        return NOTHING
    return f"< {_LEAST_P}" if p_value < _LEAST_P else f"{p_value:.2g}"


def _shown() -> list[Any]:
    return [each for each in PERCENTILES if each.name in _SHOWN]


def _percentiles(result: CompareResult, latencies: Latencies) -> Iterator[list[str]]:
    """Yield a row for each latency of each variant; a percentile of too few values is marked."""
    for (group, latency), by_variant in latencies.items():
        for variant in result.variants:
            histogram = by_variant.get(variant.name)
            if histogram is None:
                continue
            values = histogram.percentiles(tuple(each.percent for each in _shown()))
            texts = [
                time_text(value) + (FEW_MARK if is_few(each.percent, histogram.count) else "")
                for each, value in zip(_shown(), values, strict=True)
            ]
            name = f"{group}: {latency.replace('_', ' ')}"
            yield [name, variant.name, count_text(histogram.count), *texts, time_text(histogram.max)]


def _lap(result: CompareResult, lap: LapPart, page: str | None) -> dict[str, Any]:
    turn = "warm-up" if lap.round == WARM_UP else f"{lap.round} {('there', 'back')[lap.turn]}"
    turn += f", again ({lap.attempt - 1})" if lap.attempt > 1 else ""
    more = [*(["run again"] if lap.repeated else []), *([f"exit code {lap.exit_code}"] if lap.exit_code else [])]
    return {
        "turn": turn,
        "variant": lap.variant,
        "remarks": ", ".join((*lap.marks, *lap.why, *more)),
        "is_marked": bool(lap.marks),
        "kind": "" if counts(lap) else "dim" if lap.round == WARM_UP else "uncounted",
        "values": [figure_text(result, metric.name, lap.values.get(metric.name)) for metric in result.metrics],
        "page": page,
    }

"""
A comparison for people: a table of changes with their intervals, in the terminal and as Markdown.

Pure: the document in, text out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TextIO

from rich.text import Text

from loadtest.errors import EXIT_FAILED, EXIT_PASSED
from loadtest.report.run.terminal import print_page
from loadtest.report.text.text_page import Cell, Column, Page, Row
from loadtest.result.compare.compare_result import (
    WARM_UP,
    CompareResult,
    FindingPart,
    VariantPart,
    Word,
    change_text,
    signed,
)
from loadtest.result.run.thresholds import quantity_text
from loadtest.result.units import NOTHING, share_text

WORDS: Final[dict[Word, tuple[str, str]]] = {
    "better": ("better", "bold green"),
    "worse": ("WORSE", "bold red"),
    "no-difference": ("no difference", ""),
    "inconclusive": ("inconclusive", "bold yellow"),
}
MOST_EFFECTS: Final = 6
"""Two versions of RabbitMQ differ in a hundred settings; `compare.json` has all."""

_BOUND: Final = "bound by the generator: the broker could do more (--processes, calibrate)"
_DISTURBED: Final = "other programs or guests at work, or a quota that stopped"
_COLUMNS: Final = (
    Column("Metric"),
    Column("baseline", spare=2),
    Column("variant", spare=1),
    Column("change"),
    Column("95 % interval"),
    Column("verdict", is_left=True),
)


def print_comparison(result: CompareResult, file: TextIO | None = None) -> None:
    """Print what came of a comparison."""
    print_page(lambda width: _page(result, width), file)


def _page(result: CompareResult, width: int) -> Text:
    page = Page(width)
    page.sentence(f"{result.scenario}, compared", style="bold")
    page.sentence(what_text(result))
    for variant in result.variants:
        page.sentence(f"{variant.name}: {_variant_text(result, variant.name)}", indent=2)
    for name in _others(result):
        page.blank()
        page.sentence(f"{name} beside {result.baseline}", style="bold")
        page.table(_COLUMNS, [_row(result, finding) for finding in result.findings if finding.variant == name])
    marks = list(remarks(result))
    if marks:
        page.blank()
    for text in marks:
        page.sentence(text, mark=Cell("!", "bold yellow"), indent=2)
    page.blank()
    word = outcome_word(result)
    mark = Cell(word.upper(), {"Decided": "bold green", "Failed": "bold red"}.get(word, "bold yellow"))
    page.sentence(f"(exit code {result.exit_code}): {result.reason}", mark=mark, indent=len(mark.text) + 1)
    return page.text()


def outcome_word(result: CompareResult) -> str:
    """Return what came of a comparison, in a word."""
    if not result.complete:
        return "Interrupted"
    return {EXIT_PASSED: "Decided", EXIT_FAILED: "Failed"}.get(result.exit_code, "Inconclusive")


def what_text(result: CompareResult) -> str:
    """Return how much was compared, and what counts as a difference."""
    whole = "" if result.complete else ", interrupted"
    effect = share_text(result.min_effect)
    within = f"; capacity within {', '.join(result.slo)}" if result.slo else ""
    return (
        f"{len(result.variants)} variants, {result.rounds} rounds there and back{whole}; "
        f"a change within {effect} is no difference{within}"
    )


def _variant_text(result: CompareResult, name: str) -> str:
    variant = next(each for each in result.variants if each.name == name)
    differs = [_differs_text(path, *values) for path, values in variant.differs.items() if not _is_told(variant, path)]
    effect = effect_text(variant)
    told = (", ".join(variant.overrides), variant.broker, *differs, f"read back: {effect}" if effect else "")
    return "; ".join(text for text in told if text)


def effect_text(variant: VariantPart) -> str:
    """Return what was read back of a variant from its broker, beside the baseline; nothing if nothing differs."""
    shown = [f"{name} {after}, {before} in the baseline" for name, (before, after) in variant.effect.items()]
    more = f" (and {len(shown) - MOST_EFFECTS} more)" if len(shown) > MOST_EFFECTS else ""
    return "; ".join(shown[:MOST_EFFECTS]) + more


def _is_told(variant: VariantPart, path: str) -> bool:
    """Return whether a setting or a variable of a broker stands among the words on it already."""
    name, after = path.partition(" ")[2], variant.differs[path][1]
    return bool(name) and any(f"{name}{sign}{after}" in variant.broker for sign in (" = ", "="))


def _differs_text(path: str, before: str, after: str) -> str:
    return f"{path}: {after}, {before} in the baseline"


def _others(result: CompareResult) -> list[str]:
    return [variant.name for variant in result.variants if variant.name != result.baseline]


def _row(result: CompareResult, finding: FindingPart) -> Row:
    word, style = WORDS[finding.verdict]
    change = NOTHING if finding.change is None else signed(finding.change)
    interval = NOTHING
    if finding.low is not None and finding.high is not None:
        interval = f"{signed(finding.low)} to {signed(finding.high)}"
    return [
        Cell(finding.metric),
        Cell(figure_text(result, finding.metric, finding.baseline_median)),
        Cell(figure_text(result, finding.metric, finding.variant_median)),
        Cell(change, style),
        Cell(interval),
        Cell(word, style),
    ]


def figure_text(result: CompareResult, metric: str, value: float | None) -> str:
    """Return a value of a metric with its unit; a dash where there is none."""
    unit = next(each.unit for each in result.metrics if each.name == metric)
    return NOTHING if value is None else quantity_text(value, unit)


def values_text(result: CompareResult, finding: FindingPart) -> str:
    """Return the two medians of a finding: ``classic 27,802/s, quorum 25,000/s``."""
    before, after = (
        figure_text(result, finding.metric, value) for value in (finding.baseline_median, finding.variant_median)
    )
    return f"{result.baseline} {before}, {finding.variant} {after}"


def remarks(result: CompareResult) -> Iterator[str]:
    """Yield what is to be known of laps that were not as they should be."""
    yield from result.notes
    counted = [lap for lap in result.laps if lap.round != WARM_UP and not lap.repeated]
    for mark, one, several in (
        ("failed", "failed and counts for nothing", "failed and count for nothing"),
        ("generator-bound", f"was {_BOUND}", f"were {_BOUND}"),
        ("not-settled", "found no answer that it could repeat", "found no answer that they could repeat"),
        ("disturbed", f"was disturbed: {_DISTURBED} it", f"were disturbed: {_DISTURBED} them"),
    ):
        marked = sum(1 for lap in counted if mark in lap.marks)
        if marked:
            yield f"{marked} of {len(counted)} runs {one if marked == 1 else several}"
    repeated = sum(1 for lap in result.laps if lap.repeated)
    if repeated:
        blocks = len({(lap.round, lap.turn) for lap in result.laps if lap.repeated})
        told = "1 block was" if blocks == 1 else f"{blocks} blocks were"
        yield f"{told} run again for the marks of a run: the {repeated} runs of before count for nothing"


def comparison_markdown(result: CompareResult) -> str:
    """Return the comparison as Markdown, for `summary.md` and the summaries of CI."""
    lines = [f"# {_cell(result.scenario)}, compared", "", what_text(result), "", f"**{_cell(result.reason)}**", ""]
    lines += [f"- `{_cell(variant.name)}`: {_cell(_variant_text(result, variant.name))}" for variant in result.variants]
    for name in _others(result):
        lines += ["", f"## {_cell(name)} beside {_cell(result.baseline)}", ""]
        lines += ["| metric | baseline | variant | change (95 % interval) | verdict |", "|---|---:|---:|---:|---|"]
        for finding in result.findings:
            if finding.variant == name:
                values = [
                    figure_text(result, finding.metric, value)
                    for value in (finding.baseline_median, finding.variant_median)
                ]
                lines.append(
                    f"| {_cell(finding.metric)} | {values[0]} | {values[1]} | {change_text(finding)} | "
                    f"{WORDS[finding.verdict][0]} |"
                )
    lines += ["", *(f"- {text}" for text in remarks(result)), ""]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")

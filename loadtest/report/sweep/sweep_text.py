"""
A sweep for people: what each point came to, in the terminal and as Markdown.

A grid for each metric where two axes fit the page, else a row a point. Pure: the document in, text out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, TextIO

from rich.cells import cell_len
from rich.text import Text

from loadtest.errors import EXIT_FAILED, EXIT_PASSED
from loadtest.report.run.terminal import print_page
from loadtest.report.text.markdown_text import code, figure, sentence, table_head, table_row
from loadtest.report.text.text_page import GAP, Cell, Column, Page, Row
from loadtest.result.run.thresholds import quantity_text
from loadtest.result.sweep_result import (
    DOUBTS,
    FAILED,
    AxisPart,
    FigurePart,
    PointPart,
    SweepMetricPart,
    SweepResult,
    counts,
)
from loadtest.result.units import NOTHING, share_text

REMARK: Final = "!"
"""At a figure of which there is something to be known; it stands below."""

_MOST_NAMED: Final = 3
_BOUND: Final = "bound by the generator: the broker could do more (--processes, calibrate)"
_MARKS: Final = (
    ("failed", "failed and counts for nothing", "failed and count for nothing"),
    ("lost", "lost or corrupted messages", "lost or corrupted messages"),
    ("not-passed", *["did not pass: thresholds of the scenario failed"] * 2),
    ("generator-bound", f"was {_BOUND}", f"were {_BOUND}"),
    ("disturbed", "had other programs at work beside it", "had other programs at work beside them"),
)
"""Each with what is said of one run, and of several."""


def point_label(axes: Sequence[AxisPart], at: Sequence[int]) -> str:
    """Return a point as people read it: ``size 1KB, users 2``."""
    return ", ".join(f"{axis.name} {axis.values[place].text}" for axis, place in zip(axes, at, strict=True))


def print_sweep(result: SweepResult, file: TextIO | None = None) -> None:
    """Print what came of a sweep."""
    print_page(lambda width: _page(result, width), file)


def _page(result: SweepResult, width: int) -> Text:
    page = Page(width)
    page.sentence(f"{result.scenario}, swept", style="bold")
    for text in what_texts(result):
        page.sentence(text)
    grids = [_grid(result, metric) for metric in result.metrics] if len(result.axes) == 2 else []  # noqa: PLR2004
    if grids and all(_width(*grid) <= width for grid in grids):
        for metric, (columns, rows) in zip(result.metrics, grids, strict=True):
            page.blank()
            page.sentence(metric.name, style="bold")
            page.table(columns, rows)
    else:
        page.blank()
        page.table(*_list(result))
    notes = list(remarks(result))
    if notes:
        page.blank()
    for text in notes:
        page.sentence(text, mark=Cell(REMARK, "bold yellow"), indent=2)
    page.blank()
    word = outcome_word(result)
    styles = {"Done": "bold yellow" if is_doubtful(result) else "bold green", "Messages lost": "bold red"}
    mark = Cell(word.upper(), styles.get(word, "bold yellow"))
    page.sentence(f"(exit code {result.exit_code}): {result.reason}", mark=mark, indent=len(mark.text) + 1)
    return page.text()


def outcome_word(result: SweepResult) -> str:
    """Return what came of a sweep, in a word or two."""
    if not result.complete:
        return "Interrupted"
    return {EXIT_PASSED: "Done", EXIT_FAILED: "Messages lost"}.get(result.exit_code, "Done, with gaps")


def is_doubtful(result: SweepResult) -> bool:
    """Return whether a run that counts did not pass, or was disturbed or bound by the generator."""
    return any(mark in DOUBTS for point in result.points for run in point.runs for mark in run.marks)


def what_texts(result: SweepResult) -> Iterator[str]:
    """Yield what was varied, and how a figure is to be read."""
    for axis in result.axes:
        yield f"{axis.path} = {', '.join(value.text for value in axis.values)}"
    if result.overrides:
        yield f"set {', '.join(result.overrides)}"
    points = f"{len(result.points)} {'point' if len(result.points) == 1 else 'points'}"
    yield f"{points}, {runs_text(result)}, on {result.broker or 'no broker yet'}"


def runs_text(result: SweepResult) -> str:
    """Return how often each point was run, and what that makes of a figure."""
    if result.repeats == 1:
        return "one run each"
    return f"{result.repeats} runs each: the median ± half of the range from the least to the most"


def _grid(result: SweepResult, metric: SweepMetricPart) -> tuple[list[Column], list[Row]]:
    down, across = result.axes
    columns = [Column(f"{down.name} \\ {across.name}"), *(Column(value.text) for value in across.values)]
    by_place = {point.at: point for point in result.points}
    rows: list[Row] = []
    for row, value in enumerate(down.values):
        points = [by_place[row, column] for column in range(len(across.values))]
        rows.append([Cell(value.text), *(_cell(result, point, metric) for point in points)])
    return columns, rows


def _list(result: SweepResult) -> tuple[list[Column], list[Row]]:
    """Return a row a point; where space is short, the last metrics are left out first."""
    metrics = result.metrics
    columns = [Column(axis.name) for axis in result.axes]
    columns += [Column(metric.name, spare=number) for number, metric in enumerate(metrics)]
    rows: list[Row] = []
    for point in result.points:
        values = [axis.values[place].text for axis, place in zip(result.axes, point.at, strict=True)]
        rows.append([*map(Cell, values), *(_cell(result, point, metric) for metric in metrics)])
    return columns, rows


def _width(columns: Sequence[Column], rows: Sequence[Row]) -> int:
    table = [[column.title for column in columns], *([cell.text for cell in row] for row in rows)]  # type: ignore[union-attr]
    return sum(max(map(cell_len, column)) for column in zip(*table, strict=True)) + GAP * (len(columns) - 1)


def _cell(result: SweepResult, point: PointPart, metric: SweepMetricPart) -> Cell:
    if is_gap(point):
        return Cell("failed", "red")
    text = figure_text(metric, point.figures.get(metric.name))
    has_remark = bool(own_marks(result, point))
    return Cell(f"{REMARK} {text}" if has_remark else text, "yellow" if has_remark else "")


def is_gap(point: PointPart) -> bool:
    """Return whether a point was run, and no run of it counts."""
    return bool(point.runs) and not any(map(counts, point.runs))


def own_marks(result: SweepResult, point: PointPart) -> list[str]:
    """Return what is to be known of a point's runs, each word once; not what is so of every run that counts."""
    counted = [run for each in result.points for run in each.runs if counts(run)]
    marks = dict.fromkeys(mark for run in point.runs for mark in run.marks)
    return [mark for mark in marks if not counted or not all(mark in run.marks for run in counted)]


def figure_text(metric: SweepMetricPart, found: FigurePart | None) -> str:
    """Return a figure of a point: ``20,120/s``, of several runs ``20,120/s ±1.2%``; a dash where there is none."""
    if found is None:
        return NOTHING
    text = quantity_text(found.median, metric.unit)
    spread = found.max - found.min
    return text if found.count == 1 or not found.median else f"{text} ±{share_text(spread / 2 / abs(found.median))}"


def value_text(metric: SweepMetricPart, value: float | None) -> str:
    """Return a value of a run with its unit; a dash where there is none."""
    return NOTHING if value is None else quantity_text(value, metric.unit)


def remarks(result: SweepResult) -> Iterator[str]:
    """Yield what is to be known of runs that were not as they should be, and at which points."""
    runs = [run for point in result.points for run in point.runs]
    counted = sum(map(counts, runs))
    for mark, one, several in _MARKS:
        marked = [point for point in result.points for run in point.runs if mark in run.marks]
        words = one if len(marked) == 1 else several
        if len(marked) == counted and mark != FAILED:
            yield f"all {counted} runs that count {words}" if counted > 1 else f"the run {words}"
        elif marked:
            named = list(dict.fromkeys(point_label(result.axes, point.at) for point in marked))
            more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
            yield f"{len(marked)} of {len(runs)} runs {words} (at {'; '.join(named[:_MOST_NAMED])}{more})"


def sweep_markdown(result: SweepResult) -> str:
    """Return the sweep as Markdown, for `summary.md` and the summaries of CI."""
    lines = [f"# {sentence(result.scenario)}, swept", ""]
    *varied, how = what_texts(result)
    lines += [f"- {code(text)}" for text in varied]
    lines += ["", f"{sentence(how)}.", "", f"**{outcome_word(result)}**: {sentence(result.reason)}", ""]
    lines += table_head(
        [*(code(axis.name) for axis in result.axes), *(code(metric.name) for metric in result.metrics)], left=()
    )
    for point in result.points:
        values = [code(axis.values[place].text) for axis, place in zip(result.axes, point.at, strict=True)]
        lines.append(table_row([*values, *(figure(_cell(result, point, metric).text) for metric in result.metrics)]))
    lines += ["", *(f"- {sentence(text)}" for text in remarks(result)), ""]
    return "\n".join(lines)

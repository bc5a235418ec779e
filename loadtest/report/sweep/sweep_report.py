"""The report of a sweep: its files, made of the document, and its annotations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from loadtest.errors import EXIT_PASSED
from loadtest.report.experiment_report import ExperimentReport, pages_of_runs
from loadtest.report.run.annotations import command, first
from loadtest.report.sweep import sweep_csv, sweep_page
from loadtest.report.sweep.sweep_text import outcome_word, print_sweep, remarks, sweep_markdown
from loadtest.report.text.plain import plain_line
from loadtest.result.sweep_result import SweepResult


def _files(folder: Path, result: SweepResult) -> Iterator[tuple[str, str]]:
    pages = pages_of_runs(folder, (run.folder for point in result.points for run in point.runs))
    yield sweep_page.FILE_NAME, sweep_page.sweep_html(result, pages)
    yield sweep_csv.FILE_NAME, sweep_csv.sweep_csv(result)


def sweep_annotations(result: SweepResult) -> list[str]:
    """Return the lines of a sweep: what came of it, and what to know of its runs."""
    name, word = result.scenario, outcome_word(result)
    is_well = result.complete and result.exit_code == EXIT_PASSED
    title = f"{name}: {word.lower()}" if is_well else f"{name}: {word.lower()} (exit code {result.exit_code})"
    outcome = command("notice" if is_well else "error", title, plain_line(result.reason))
    warnings = [command("warning", f"{name}: runs", plain_line(text)) for text in remarks(result)]
    return [*first("warning", warnings), outcome]


SWEEP: Final = ExperimentReport(
    command="sweep",
    what="a sweep",
    model=SweepResult,
    page=sweep_page.FILE_NAME,
    files=_files,
    print_text=print_sweep,
    markdown=sweep_markdown,
    annotations=sweep_annotations,
)

"""The report of a comparison: its files, made of the document and of the results of its trials, and its annotations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from loadtest.errors import EXIT_FAILED, EXIT_PASSED, ResultsError
from loadtest.report import json_file, junit_suite
from loadtest.report.capacity import capacity_page
from loadtest.report.compare import comparison_page
from loadtest.report.compare.comparison_charts import counted_laps
from loadtest.report.compare.comparison_junit import comparison_junit
from loadtest.report.compare.comparison_text import comparison_markdown, outcome_word, print_comparison, remarks
from loadtest.report.experiment_report import ExperimentReport, file_of_run, pages_of_runs
from loadtest.report.run import run_page
from loadtest.report.run.annotations import command, first
from loadtest.report.run.read import read_result
from loadtest.report.text.plain import plain_line
from loadtest.result.compare.compare_result import CompareResult, LapPart, change_text
from loadtest.result.run.document import RunResult


def _files(folder: Path, result: CompareResult) -> Iterator[tuple[str, str]]:
    runs = {variant.name: _runs(folder, counted_laps(result, variant.name)) for variant in result.variants}
    of_lap = capacity_page.FILE_NAME if result.slo else run_page.FILE_NAME
    pages = pages_of_runs(folder, (lap.folder for lap in result.laps), of_lap)
    yield comparison_page.FILE_NAME, comparison_page.comparison_html(result, runs, pages)
    yield junit_suite.FILE_NAME, comparison_junit(result)


def _runs(folder: Path, laps: Sequence[LapPart]) -> Iterator[RunResult]:
    """Yield the results of trials one by one, as they are long; one that cannot be read is left out."""
    for lap in laps:
        run = file_of_run(folder, lap.folder, json_file.FILE_NAME)
        if run is not None:
            try:
                yield read_result(run.parent)
            except ResultsError:
                continue


def comparison_annotations(result: CompareResult) -> list[str]:
    """Return the lines of a comparison: what it failed on or could not decide, and what to know of its runs."""
    name = result.scenario
    if result.complete and result.exit_code == EXIT_PASSED:
        errors, notices = [], [command("notice", f"{name}: decided", plain_line(result.reason))]
    elif result.exit_code == EXIT_FAILED:
        worse = [finding for finding in result.findings if finding.verdict == "worse"]
        texts = [f"{finding.metric} of {finding.variant}: {change_text(finding)}" for finding in worse]
        errors, notices = [command("error", f"{name}: worse", plain_line(text)) for text in texts], []
    else:
        title = f"{name}: {outcome_word(result).lower()} (exit code {result.exit_code})"
        errors, notices = [command("error", title, plain_line(result.reason))], []
    warnings = [command("warning", f"{name}: runs", plain_line(text)) for text in remarks(result)]
    return [*first("error", errors), *first("warning", warnings), *notices]


COMPARISON: Final = ExperimentReport(
    command="compare",
    what="a comparison",
    model=CompareResult,
    page=comparison_page.FILE_NAME,
    files=_files,
    print_text=print_comparison,
    markdown=comparison_markdown,
    annotations=comparison_annotations,
)

"""The report of a search for a capacity: its files, made of the document, and its annotations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from loadtest.errors import EXIT_INTERRUPTED, EXIT_PASSED
from loadtest.report import junit_suite
from loadtest.report.capacity import capacity_page
from loadtest.report.capacity.capacity_junit import capacity_junit
from loadtest.report.capacity.capacity_text import capacity_markdown, doubts, headline_text, print_capacity
from loadtest.report.experiment_report import ExperimentReport, pages_of_runs
from loadtest.report.run.annotations import command
from loadtest.report.text.plain import plain_line
from loadtest.result.capacity.capacity_result import CapacityResult, is_precise


def _files(folder: Path, result: CapacityResult) -> Iterator[tuple[str, str]]:
    pages = pages_of_runs(folder, (probe.folder for probe in result.probes))
    yield capacity_page.FILE_NAME, capacity_page.capacity_html(result, pages)
    yield junit_suite.FILE_NAME, capacity_junit(result)


def capacity_annotations(result: CapacityResult) -> list[str]:
    """Return the line of a search for a capacity: what was found, or why nothing was."""
    name = result.scenario
    if result.exit_code == EXIT_PASSED:
        title, text = f"{name}: capacity {headline_text(result)}", plain_line(result.reason)
        is_sure = not doubts(result) and (is_precise(result) or result.is_lower_bound)
        return [command("notice", title, text) if is_sure else command("warning", title, text)]
    return [command("error", f"{name}: capacity (exit code {result.exit_code})", plain_line(result.reason))]


CAPACITY: Final = ExperimentReport(
    command="capacity",
    what="a capacity",
    model=CapacityResult,
    page=capacity_page.FILE_NAME,
    files=_files,
    print_text=print_capacity,
    markdown=capacity_markdown,
    annotations=capacity_annotations,
    interrupted_exit_code=EXIT_INTERRUPTED,
)

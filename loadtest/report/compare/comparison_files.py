"""
All files of a comparison but its document: written at its end, or made again from it and the results of its laps.

Reads and writes below the folder of the comparison only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from loadtest.errors import ResultsError
from loadtest.report import json_file, junit_suite
from loadtest.report.capacity import capacity_page
from loadtest.report.compare import comparison_page
from loadtest.report.compare.comparison_charts import counted_laps
from loadtest.report.compare.comparison_junit import comparison_junit
from loadtest.report.compare.comparison_text import comparison_markdown
from loadtest.report.run import run_page
from loadtest.report.run.markdown import FILE_NAME
from loadtest.report.run.read import read_result
from loadtest.report.several_runs import file_of_run, pages_of_runs, read_document, write_files
from loadtest.result.compare.compare_result import CompareResult, LapPart
from loadtest.result.run.document import RunResult

DOCUMENT: Final = "compare.json"


def is_comparison(folder: Path) -> bool:
    """Return whether *folder* holds a comparison, and not a run."""
    return (folder / DOCUMENT).is_file()


def read_comparison(folder: Path) -> CompareResult:
    """
    Return the document of the comparison in *folder*.

    Raises:
        ResultsError: If there is none, or it is of another version.
    """
    return read_document(folder / DOCUMENT, CompareResult, "a comparison")


def write_comparison(folder: Path, result: CompareResult) -> Path:
    """
    Write every file of a comparison but its document into *folder*, and return the path of its page.

    Raises:
        ResultsError: If files could not be written; all that could be written is there then.
    """
    runs = {variant.name: _runs(folder, counted_laps(result, variant.name)) for variant in result.variants}
    of_lap = capacity_page.FILE_NAME if result.slo else run_page.FILE_NAME
    pages = pages_of_runs(folder, (lap.folder for lap in result.laps), of_lap)
    write_files(
        folder,
        (
            (comparison_page.FILE_NAME, comparison_page.comparison_html(result, runs, pages)),
            (junit_suite.FILE_NAME, comparison_junit(result)),
            (FILE_NAME, comparison_markdown(result)),
        ),
    )
    return folder / comparison_page.FILE_NAME


def _runs(folder: Path, laps: Sequence[LapPart]) -> Iterator[RunResult]:
    """Yield the results of laps one by one, as they are long; one that cannot be read is left out."""
    for lap in laps:
        run = file_of_run(folder, lap.folder, json_file.FILE_NAME)
        if run is not None:
            try:
                yield read_result(run.parent)
            except ResultsError:
                continue

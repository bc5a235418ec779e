"""
All files of a sweep but its document: written at its end, or made again from it.

Reads and writes below the folder of the sweep only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from loadtest.report.run.markdown import FILE_NAME
from loadtest.report.several_runs import pages_of_runs, read_document, write_files
from loadtest.report.sweep import sweep_csv, sweep_page
from loadtest.report.sweep.sweep_text import sweep_markdown
from loadtest.result.sweep_result import SweepResult

DOCUMENT: Final = "sweep.json"


def is_sweep(folder: Path) -> bool:
    """Return whether *folder* holds a sweep, and not a run."""
    return (folder / DOCUMENT).is_file()


def read_sweep(folder: Path) -> SweepResult:
    """
    Return the document of the sweep in *folder*.

    Raises:
        ResultsError: If there is none, or it is of another version.
    """
    return read_document(folder / DOCUMENT, SweepResult, "a sweep")


def write_sweep(folder: Path, result: SweepResult) -> Path:
    """
    Write every file of a sweep but its document into *folder*, and return the path of its page.

    Raises:
        ResultsError: If files could not be written; all that could be written is there then.
    """
    pages = pages_of_runs(folder, (run.folder for point in result.points for run in point.runs))
    write_files(
        folder,
        (
            (sweep_page.FILE_NAME, sweep_page.sweep_html(result, pages)),
            (sweep_csv.FILE_NAME, sweep_csv.sweep_csv(result)),
            (FILE_NAME, sweep_markdown(result)),
        ),
    )
    return folder / sweep_page.FILE_NAME

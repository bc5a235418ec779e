"""
All files of a search for a capacity but its document: written at its end, or made again from it.

Reads and writes below the folder of the search only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from loadtest.report import junit_suite
from loadtest.report.capacity import capacity_page
from loadtest.report.capacity.capacity_junit import capacity_junit
from loadtest.report.capacity.capacity_text import capacity_markdown
from loadtest.report.run.markdown import FILE_NAME
from loadtest.report.several_runs import pages_of_runs, read_document, write_files
from loadtest.result.capacity.capacity_result import CapacityResult

DOCUMENT: Final = "capacity.json"


def is_capacity(folder: Path) -> bool:
    """Return whether *folder* holds a search for a capacity, and not a run."""
    return (folder / DOCUMENT).is_file()


def capacity_json(result: CapacityResult) -> str:
    """Return the document as text."""
    return result.model_dump_json(by_alias=True, indent=2) + "\n"


def read_capacity(folder: Path) -> CapacityResult:
    """
    Return the document of the search in *folder*.

    Raises:
        ResultsError: If there is none, or it is of another version.
    """
    return read_document(folder / DOCUMENT, CapacityResult, "a capacity")


def write_capacity(folder: Path, result: CapacityResult) -> Path:
    """
    Write every file of a search but its document into *folder*, and return the path of its page.

    Raises:
        ResultsError: If files could not be written; all that could be written is there then.
    """
    write_files(
        folder,
        (
            (
                capacity_page.FILE_NAME,
                capacity_page.capacity_html(result, pages_of_runs(folder, (probe.folder for probe in result.probes))),
            ),
            (junit_suite.FILE_NAME, capacity_junit(result)),
            (FILE_NAME, capacity_markdown(result)),
        ),
    )
    return folder / capacity_page.FILE_NAME

"""
All files of a sweep but its document: written at its end, or made again from it.

Reads and writes below the folder of the sweep only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import quote

from pydantic import ValidationError

from loadtest.errors import ResultsError
from loadtest.report import sweep_csv
from loadtest.report.folder import write_file
from loadtest.report.html_page import page, sweep_page
from loadtest.report.markdown import FILE_NAME
from loadtest.report.sweep import sweep_markdown
from loadtest.result.sweep import SweepResult

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
    document = folder / DOCUMENT
    try:
        return SweepResult.model_validate_json(document.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ResultsError(f"{document}: cannot be read: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise ResultsError(f"{document}: not a sweep of this version: {where}: {first['msg']}") from error


def write_sweep(folder: Path, result: SweepResult) -> Path:
    """
    Write every file of a sweep but its document into *folder*, and return the path of its page.

    Raises:
        ResultsError: If files could not be written; all that could be written is there then.
    """
    faults: list[str] = []
    for name, content in (
        (sweep_page.FILE_NAME, sweep_page.sweep_html(result, _pages(folder, result))),
        (sweep_csv.FILE_NAME, sweep_csv.sweep_csv(result)),
        (FILE_NAME, sweep_markdown(result)),
    ):
        try:
            write_file(folder, name, content)
        except ResultsError as error:
            faults.append(str(error))
    if faults:
        raise ResultsError("\n".join(faults))
    return folder / sweep_page.FILE_NAME


def _pages(folder: Path, result: SweepResult) -> dict[str, str]:
    """Return by the folder of each run the path of its own page from here, as a link has it."""
    found = {}
    for run in (run for point in result.points for run in point.runs):
        named = Path(run.folder)
        if named.is_absolute() or ".." in named.parts:
            continue
        pages = sorted((folder / named).glob(f"*/{page.FILE_NAME}"))
        if pages:
            found[run.folder] = quote(pages[-1].relative_to(folder).as_posix())
    return found

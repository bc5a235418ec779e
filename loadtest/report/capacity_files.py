"""
All files of a search for a capacity but its document: written at its end, or made again from it.

Reads and writes below the folder of the search only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import quote

from pydantic import ValidationError

from loadtest.errors import ResultsError
from loadtest.report import junit_suite
from loadtest.report.capacity import capacity_markdown
from loadtest.report.capacity_junit import capacity_junit
from loadtest.report.folder import write_file
from loadtest.report.html_page import capacity_page, page
from loadtest.report.markdown import FILE_NAME
from loadtest.result.capacity import CapacityResult

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
    document = folder / DOCUMENT
    try:
        return CapacityResult.model_validate_json(document.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ResultsError(f"{document}: cannot be read: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise ResultsError(f"{document}: not a capacity of this version: {where}: {first['msg']}") from error


def write_capacity(folder: Path, result: CapacityResult) -> Path:
    """
    Write every file of a search but its document into *folder*, and return the path of its page.

    Raises:
        ResultsError: If files could not be written; all that could be written is there then.
    """
    faults: list[str] = []
    for name, content in (
        (capacity_page.FILE_NAME, capacity_page.capacity_html(result, _pages(folder, result))),
        (junit_suite.FILE_NAME, capacity_junit(result)),
        (FILE_NAME, capacity_markdown(result)),
    ):
        try:
            write_file(folder, name, content)
        except ResultsError as error:
            faults.append(str(error))
    if faults:
        raise ResultsError("\n".join(faults))
    return folder / capacity_page.FILE_NAME


def _pages(folder: Path, result: CapacityResult) -> dict[str, str]:
    """Return the path of each try's own page from this one, by its folder; a try is below the search's, or nowhere."""
    found = {}
    for probe in result.probes:
        named = Path(probe.folder)
        if named.is_absolute() or ".." in named.parts:
            continue
        pages = sorted((folder / named).glob(f"*/{page.FILE_NAME}"))
        if pages:
            found[probe.folder] = quote(pages[-1].relative_to(folder).as_posix())
    return found

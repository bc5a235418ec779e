"""
What comparisons, searches for a capacity and sweeps have in common: a document, files made of it, runs below a folder.

Reads and writes below the folder that it is given only.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from pydantic import ValidationError

from loadtest.errors import ResultsError
from loadtest.report.folder import write_all
from loadtest.report.run import run_page
from loadtest.result.run.document import Part

Document = TypeVar("Document", bound=Part)


def read_document(path: Path, model: type[Document], what: str) -> Document:
    """
    Return the document at *path*.

    Raises:
        ResultsError: If there is none, or it is no *what* (``a sweep``) of this version.
    """
    try:
        return model.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ResultsError(f"{path}: cannot be read: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise ResultsError(f"{path}: not {what} of this version: {where}: {first['msg']}") from error


def write_files(folder: Path, files: Iterable[tuple[str, str]]) -> None:
    """
    Write files, by name and content.

    Raises:
        ResultsError: If some could not be written; all that could be written is there then.
    """
    faults = write_all(folder, files)
    if faults:
        raise ResultsError("\n".join(faults))


def file_of_run(folder: Path, run: str, name: str) -> Path | None:
    """Return a file of the last try of a run; a run is below *folder*, or nowhere, whatever the document says."""
    named = Path(run)
    if named.is_absolute() or ".." in named.parts:
        return None
    found = sorted((folder / named).glob(f"*/{name}"))
    return found[-1] if found else None


def pages_of_runs(folder: Path, runs: Iterable[str], name: str = run_page.FILE_NAME) -> dict[str, str]:
    """Return by the folder of each run the path of its page from *folder*, as a link has it; of those that have one."""
    found = {run: file_of_run(folder, run, name) for run in runs}
    return {run: quote(path.relative_to(folder).as_posix()) for run, path in found.items() if path is not None}

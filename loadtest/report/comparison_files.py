"""
All files of a comparison but its document: written at its end, or made again from it and the results of its laps.

Reads and writes below the folder of the comparison only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote

from pydantic import ValidationError

from loadtest.errors import ResultsError
from loadtest.report import json_file, junit_suite
from loadtest.report.comparison import comparison_markdown
from loadtest.report.comparison_junit import comparison_junit
from loadtest.report.folder import write_file
from loadtest.report.html_page import capacity_page, comparison_page, page
from loadtest.report.html_page.comparison_charts import counted_laps
from loadtest.report.markdown import FILE_NAME
from loadtest.report.read import read_result
from loadtest.result.comparison import CompareResult, LapPart
from loadtest.result.document import RunResult

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
    document = folder / DOCUMENT
    try:
        return CompareResult.model_validate_json(document.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ResultsError(f"{document}: cannot be read: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise ResultsError(f"{document}: not a comparison of this version: {where}: {first['msg']}") from error


def write_comparison(folder: Path, result: CompareResult) -> Path:
    """
    Write every file of a comparison but its document into *folder*, and return the path of its page.

    Raises:
        ResultsError: If files could not be written; all that could be written is there then.
    """
    runs = {variant.name: _runs(folder, counted_laps(result, variant.name)) for variant in result.variants}
    faults: list[str] = []
    for name, content in (
        (comparison_page.FILE_NAME, comparison_page.comparison_html(result, runs, _pages(folder, result))),
        (junit_suite.FILE_NAME, comparison_junit(result)),
        (FILE_NAME, comparison_markdown(result)),
    ):
        try:
            write_file(folder, name, content)
        except ResultsError as error:
            faults.append(str(error))
    if faults:
        raise ResultsError("\n".join(faults))
    return folder / comparison_page.FILE_NAME


def _runs(folder: Path, laps: Sequence[LapPart]) -> Iterator[RunResult]:
    """Yield the results of laps one by one, as they are long; one that cannot be read is left out."""
    for lap in laps:
        run = _of_lap(folder, lap, json_file.FILE_NAME)
        if run is not None:
            try:
                yield read_result(run.parent)
            except ResultsError:
                continue


def _pages(folder: Path, result: CompareResult) -> dict[str, str]:
    name = capacity_page.FILE_NAME if result.slo else page.FILE_NAME
    found = {lap.folder: _of_lap(folder, lap, name) for lap in result.laps}
    return {name: quote(path.relative_to(folder).as_posix()) for name, path in found.items() if path is not None}


def _of_lap(folder: Path, lap: LapPart, name: str) -> Path | None:
    """Return a file of the last run in the folder of a lap; a lap is below the comparison's own, or nowhere."""
    named = Path(lap.folder)
    if named.is_absolute() or ".." in named.parts:
        return None
    found = sorted((folder / named).glob(f"*/{name}"))
    return found[-1] if found else None

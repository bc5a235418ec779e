"""
`loadtest report` of several runs, side by side in a table and on a page; and of a comparison, or of a capacity.

Reads results and writes the pages; what is on them is the room `report`'s.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from loadtest.errors import EXIT_INCOMPLETE, UsageError
from loadtest.report.announce_several import announce_capacity, announce_comparison
from loadtest.report.capacity.capacity_files import read_capacity, write_capacity
from loadtest.report.compare.comparison_files import read_comparison, write_comparison
from loadtest.report.folder import write_file
from loadtest.report.run.announce import STANDARD_OUTPUT
from loadtest.report.run.read import read_result
from loadtest.report.side_by_side import NamedRun, print_side_by_side
from loadtest.report.side_by_side_page import side_by_side_html

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loadtest.result.capacity.capacity_result import CapacityResult
    from loadtest.result.compare.compare_result import CompareResult


def put_side_by_side(folders: Sequence[Path], page: Path) -> None:
    """
    Print several runs side by side and write their page.

    Raises:
        UsageError: If a folder is named twice.
        ResultsError: If a folder holds no run, or the page cannot be written.
    """
    resolved = [folder.resolve() for folder in folders]
    if len(set(resolved)) < len(resolved):
        raise UsageError("the same run twice: there is nothing to see in that")
    names = [folder.name for folder in resolved]
    if len(set(names)) < len(names):
        names = [str(folder) for folder in folders]
    runs = [NamedRun(name, read_result(folder)) for name, folder in zip(names, folders, strict=True)]
    text = side_by_side_html(runs)
    print_side_by_side(runs)
    written = write_file(page.parent, page.name, text)
    typer.echo(f"page      {written}")


def report_comparison(folder: Path, environ: Mapping[str, str]) -> int:
    """
    Make every file of a comparison again, say what came of it, and return the exit code.

    Raises:
        ResultsError: If its document cannot be read, or files cannot be written.
    """
    return tell_comparison(folder, read_comparison(folder), environ)


def report_capacity(folder: Path, json_file: Path | None, environ: Mapping[str, str]) -> int:
    """
    Make every file of a search for a capacity again, say what was found, and return the exit code.

    Raises:
        ResultsError: If its document cannot be read, or files cannot be written.
    """
    return tell_capacity(folder, read_capacity(folder), json_file, environ)


def tell_capacity(folder: Path, result: CapacityResult, json_file: Path | None, environ: Mapping[str, str]) -> int:
    """
    Write the files of a search for a capacity, say what was found, and return the exit code.

    Raises:
        ResultsError: If files cannot be written.
    """
    page = write_capacity(folder, result)
    exit_code = announce_capacity(result, json_file=json_file, environ=environ)
    typer.echo(f"results   {folder}\npage      {page}", err=json_file == STANDARD_OUTPUT)
    return exit_code


def tell_comparison(folder: Path, result: CompareResult, environ: Mapping[str, str]) -> int:
    """
    Write the files of a comparison, say what came of it, and return the exit code; of one that is not complete, 4.

    Raises:
        ResultsError: If files cannot be written.
    """
    page = write_comparison(folder, result)
    announce_comparison(result, environ)
    typer.echo(f"results   {folder}\npage      {page}")
    return result.exit_code if result.complete else EXIT_INCOMPLETE

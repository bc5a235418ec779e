"""`loadtest report`: every output of a run or an experiment, made again; and several runs side by side."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loadtest.commands.options import JsonFile
from loadtest.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence


def report(
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="FOLDER...", help="Folder of a run, a comparison, a capacity, a sweep, or several runs."
        ),
    ],
    output: Annotated[Path, typer.Option(help="Where the page of several runs goes.")] = Path("side-by-side.html"),
    json_file: JsonFile = None,
) -> None:
    """Rebuild every output of a run, comparison, capacity or sweep and print it; show several runs side by side."""
    from loadtest.report.capacity.capacity_report import CAPACITY
    from loadtest.report.compare.comparison_report import COMPARISON
    from loadtest.report.run.announce import announce, check_json_file
    from loadtest.report.run.write import regenerate
    from loadtest.report.sweep.sweep_report import SWEEP

    if len(folders) > 1:
        if json_file is not None:
            raise UsageError("--json is of one run; several are read from their own result.json")
        put_side_by_side(folders, output)
        raise typer.Exit
    (folder,) = folders
    if COMPARISON.is_in(folder):
        if json_file is not None:
            raise UsageError("--json is of a run; what a comparison came to is in its compare.json")
        raise typer.Exit(COMPARISON.publish(folder, COMPARISON.read(folder), os.environ))
    if SWEEP.is_in(folder):
        if json_file is not None:
            raise UsageError("--json is of a run; what a sweep came to is in its sweep.json")
        raise typer.Exit(SWEEP.publish(folder, SWEEP.read(folder), os.environ))
    check_json_file(json_file)
    if CAPACITY.is_in(folder):
        raise typer.Exit(CAPACITY.publish(folder, CAPACITY.read(folder), os.environ, json_file))
    raise typer.Exit(announce(regenerate(folder), folder, json_file=json_file, environ=os.environ))


def put_side_by_side(folders: Sequence[Path], page: Path) -> None:
    """
    Print several runs side by side and write their page.

    Raises:
        UsageError: If a folder is named twice.
        ResultsError: If a folder holds no run, or the page cannot be written.
    """
    from loadtest.report.folder import write_file
    from loadtest.report.run.read import read_result
    from loadtest.report.side_by_side import NamedRun, print_side_by_side
    from loadtest.report.side_by_side_page import side_by_side_html

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

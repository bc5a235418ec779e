"""`loadtest list`, `show`, `validate` and `schema`: what can be run, and how it is written."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from loadtest.commands.options import Scenario, Set
from loadtest.errors import UsageError


def list_scenarios() -> None:
    """List the scenarios and comparisons that come with the tool, each with the question it answers."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from loadtest.scenario import catalogue, comparisons

    console = Console(markup=False, highlight=False)
    for command, entries in (("run", catalogue()), ("compare", comparisons())):
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        for entry in entries:
            table.add_row(Text(entry.name, style="bold"), Text(entry.question))
        console.print(Text(f"for loadtest {command}:", style="dim"))
        console.print(table)


def show(scenario: Scenario, overrides: Set = None) -> None:
    """Print a scenario as resolved: variables and overrides put in, defaults written out."""
    from loadtest.scenario import dump_scenario, load_scenario

    typer.echo(dump_scenario(load_scenario(scenario, overrides=overrides or ()).scenario), nl=False)


def schema(
    document: Annotated[str, typer.Argument(help="scenario, result, windows, compare, capacity or sweep")] = "scenario",
) -> None:
    """Print the JSON Schema of scenario files, of the lines of windows.jsonl, or of a result of that name."""
    from loadtest.measure.record_models import windows_schema
    from loadtest.result.capacity import capacity_schema
    from loadtest.result.comparison import compare_schema
    from loadtest.result.document import result_schema
    from loadtest.result.sweep import sweep_schema
    from loadtest.scenario import scenario_schema

    schemas = {
        "scenario": scenario_schema,
        "result": result_schema,
        "windows": windows_schema,
        "compare": compare_schema,
        "capacity": capacity_schema,
        "sweep": sweep_schema,
    }
    if document not in schemas:
        raise UsageError(f"there is no schema of {document!r}; there is one of: {', '.join(schemas)}")
    typer.echo(json.dumps(schemas[document](), indent=2))


def validate(files: Annotated[list[str], typer.Argument(metavar="FILE...")]) -> None:
    """Check scenario files; every fault of every file is reported at once."""
    from loadtest.commands.validate import validate as check_files

    exit_code = check_files(files)
    if exit_code:
        raise typer.Exit(exit_code)

"""`loadtest list`, `show`, `validate` and `schema`: what can be run, and how it is written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from loadtest.commands.options import Scenario, Set
from loadtest.errors import LoadTestError, ScenarioError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadtest.scenario import LoadedScenario


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
    from loadtest.result.capacity.capacity_result import capacity_schema
    from loadtest.result.compare.compare_result import compare_schema
    from loadtest.result.run.document import result_schema
    from loadtest.result.sweep_result import sweep_schema
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
    """Check scenario files; every error of every file is reported at once."""
    exit_codes = [check_file(file) for file in files]
    if any(exit_codes):
        raise typer.Exit(next(code for code in exit_codes if code))


def check_file(file: str) -> int:
    """
    Print what is wrong with *file* and with each of its variants, or that it is valid; return the exit code.

    Numbers that cannot hold together (more published than can be taken) are warnings. Needs no broker.
    """
    from loadtest.redaction import redacted
    from loadtest.scenario import load_scenario

    try:
        loaded = load_scenario(file, checks_variants=True)
        warnings = list(_warnings(file, loaded))
    except LoadTestError as error:
        typer.echo(redacted(str(error)), err=True)
        return error.exit_code
    block = loaded.scenario.compare
    compares = f", and compares {', '.join(block.variants)}" if block is not None and block.variants else ""
    typer.echo(f"{file}: valid{compares}")
    for warning in dict.fromkeys(warnings):
        typer.echo(f"{file}: warning: {redacted(warning)}", err=True)
    return 0


def _warnings(file: str, loaded: LoadedScenario) -> Iterator[str]:
    """Yield the warnings of a scenario, then those that only a variant has; errors as `load_scenario`, `build_plan`."""
    from loadtest.experiments.compare.variants import variants_of
    from loadtest.scenario import build_plan, load_scenario
    from loadtest.scenario.checks.arithmetic import warnings

    of_all = list(warnings(build_plan(loaded.scenario, folder=loaded.folder)))
    yield from of_all
    block = loaded.scenario.compare
    for variant in variants_of(block, loaded.folder) if block is not None else ():
        try:
            scenario = load_scenario(file, overrides=variant.overrides).scenario
            plan = build_plan(scenario, folder=loaded.folder)
        except ScenarioError as error:
            raise ScenarioError(f"{variant.name}: {error}") from None
        yield from (f"{variant.name}: {warning}" for warning in warnings(plan) if warning not in of_all)

"""
`loadtest validate`: scenario files checked without a broker, with every fault of every file, and of each variant.

Numbers that cannot hold together (more published than can be taken) are warnings. Reads files and prints.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import typer

from loadtest.compare.variants import variants_of
from loadtest.errors import LoadTestError, ScenarioError
from loadtest.redaction import redacted
from loadtest.scenario import build_plan, load_scenario
from loadtest.scenario.arithmetic import warnings

if TYPE_CHECKING:
    from collections.abc import Sequence


def validate(files: Sequence[str]) -> int:
    """Print what is wrong with each of *files*, or that it is valid; return the exit code."""
    faults = []
    for file in files:
        try:
            told = _check(file)
        except LoadTestError as error:
            faults.append(error)
            typer.echo(redacted(str(error)), err=True)
        else:
            typer.echo(f"{file}: valid{told.besides}")
            for warning in told.warnings:
                typer.echo(f"{file}: warning: {redacted(warning)}", err=True)
    return faults[0].exit_code if faults else 0


class _Told(NamedTuple):
    """What is to be told of a valid file besides."""

    besides: str
    warnings: tuple[str, ...]


def _check(file: str) -> _Told:
    """Return what is to be told of a valid file besides; errors as `load_scenario` and `build_plan`."""
    loaded = load_scenario(file, checks_variants=True)
    found = list(warnings(build_plan(loaded.scenario, folder=loaded.folder)))
    block = loaded.scenario.compare
    if block is None or not block.variants:
        return _Told("", tuple(found))
    for variant in variants_of(block, loaded.folder):
        try:
            scenario = load_scenario(file, overrides=variant.overrides).scenario
            plan = build_plan(scenario, folder=loaded.folder)
        except ScenarioError as error:
            raise ScenarioError(f"{variant.name}: {error}") from None
        found += [f"{variant.name}: {warning}" for warning in warnings(plan) if warning not in found]
    return _Told(f", and compares {', '.join(block.variants)}", tuple(found))

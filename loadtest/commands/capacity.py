"""`loadtest capacity`: the highest rate that a broker sustains within what is asked of it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import typer
from pydantic_core import PydanticCustomError

from loadtest.capacity.probing import CapacityRequest, CapacitySearch
from loadtest.commands.saying import say
from loadtest.errors import EXIT_INTERRUPTED, UsageError
from loadtest.report.capacity import capacity_markdown, print_capacity
from loadtest.report.folder import create_folder, write_file
from loadtest.report.markdown import FILE_NAME
from loadtest.scenario import parse_threshold
from loadtest.scenario.fault import words_of
from loadtest.scenario.quantity import QuantityError, parse_rate


def capacity(request: CapacityRequest, results: Path) -> int:
    """
    Search, print what was found, and return the exit code.

    Raises:
        LoadTestError: If the scenario, an SLO or the broker cannot be used.
    """
    if not request.slo:
        raise UsageError("--slo is needed: what has to hold, such as --slo 'in.confirm.p99 < 20ms'")
    for text in request.slo:
        try:
            parse_threshold(text)
        except PydanticCustomError as error:
            raise UsageError(f"--slo: {words_of(error)}") from error
    folder = create_folder(results, datetime.now(UTC), f"capacity-{Path(request.scenario).stem}")
    search = CapacitySearch(request, folder, say)
    try:
        result = search.run()
    except KeyboardInterrupt:
        say(f"interrupted; what was tried so far is in {folder}")
        return EXIT_INTERRUPTED
    write_file(folder, FILE_NAME, capacity_markdown(result))
    print_capacity(result)
    typer.echo(f"results   {folder}")
    return result.exit_code


def rate_of(option: str, text: str | None) -> float | None:
    """
    Return a rate per second as an option has it; None where it is not given.

    Raises:
        UsageError: If it is no rate.
    """
    if text is None:
        return None
    try:
        return float(parse_rate(text))
    except QuantityError as error:
        raise UsageError(f"{option}: found {text!r}; allowed {error}") from error

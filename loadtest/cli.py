"""
The `loadtest` command.

Registers the commands, and turns how they end into an exit code. Each command reads its arguments, calls a room and
prints; rooms are imported where they are needed, so that `loadtest list` does not wait for gevent and Locust.
"""

from __future__ import annotations

import os
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Annotated

import typer
from typer.exceptions import TyperException

from loadtest.commands.broker import broker_app
from loadtest.commands.calibrate import calibrate
from loadtest.commands.capacity import capacity
from loadtest.commands.check import check
from loadtest.commands.compare import compare
from loadtest.commands.report import report
from loadtest.commands.run import run
from loadtest.commands.scenarios import list_scenarios, schema, show, validate
from loadtest.commands.sweep import sweep
from loadtest.errors import EXIT_INCOMPLETE, EXIT_INTERRUPTED, LoadTestError, UsageError
from loadtest.streams import output_fault, survive_streams

if TYPE_CHECKING:
    from collections.abc import Sequence

app = typer.Typer(
    name="loadtest",
    help="Load testing and benchmarking for RabbitMQ (AMQP 0-9-1).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("list")(list_scenarios)
app.command()(show)
app.command()(validate)
app.command()(schema)
app.add_typer(broker_app, name="broker")
for command in (run, report, check, compare, sweep, capacity, calibrate):
    app.command()(command)
# Of these, what is printed is in files, too, or told by the exit code.
_WITH_VERDICT = frozenset({"run", "report", "check", "compare", "sweep", "capacity"})


def main() -> None:
    """Run the command line; every expected error is one message on stderr and an exit code of docs/commands.md."""
    survive_streams()
    try:
        refuse_empty(sys.argv[1:])
        exit_code = app(standalone_mode=False)
    except LoadTestError as error:
        from loadtest.report.run.announce import complain

        complain(error, os.environ)
        sys.exit(error.exit_code)
    except TyperException as error:
        sys.stderr.write(f"{usage_text(error)}\n")
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(EXIT_INTERRUPTED)
    sys.exit(_with_output(exit_code or 0))


def refuse_empty(words: Sequence[str]) -> None:
    """
    Refuse an empty word on the command line, which mostly is a variable that is not set.

    Raises:
        UsageError: If there is one.
    """
    for before, word in zip(["", *words], words, strict=False):
        is_empty_option = word.startswith("--") and word.find("=") == len(word) - 1
        if not word.strip() or is_empty_option:
            option = word[:-1] if is_empty_option else before if before.startswith("-") else "an argument"
            raise UsageError(
                f"{option}: found nothing, such as a variable that is not set; leave it out, or give a value"
            )


def usage_text(error: TyperException) -> str:
    """Return what is wrong with a command line, in a line, and where to read more; or the help that stands for it."""
    text = error.format_message()
    if "\n" in text:
        return text
    context = getattr(error, "ctx", None)
    return f"loadtest: {text}" + (f"; see {context.command_path} --help" if context is not None else "")


def _with_output(code: int) -> int:
    """Return the exit code of a command that has ended with *code*, whether or not what it printed got anywhere."""
    fault = output_fault()
    if fault is None:
        return code
    sys.stderr.write(f"loadtest: standard output cannot be written: {fault}\n")
    has_verdict = next((word for word in sys.argv[1:] if not word.startswith("-")), "") in _WITH_VERDICT
    return code if code or has_verdict else EXIT_INCOMPLETE


@app.callback(invoke_without_command=True)
def root(show_version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:  # noqa: FBT002
    """Load testing and benchmarking for RabbitMQ (AMQP 0-9-1)."""
    if show_version:
        try:
            number = version("loadtest")
        except PackageNotFoundError:  # run from a checkout that is not installed
            number = "unknown"
        typer.echo(f"loadtest {number}")
        raise typer.Exit

"""
The `loadtest` command.

Each command reads its arguments, calls a room and prints; none does the work itself. Rooms are imported where they are
needed, so that `loadtest list` does not wait for gevent and Locust.
"""

from __future__ import annotations

import os
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer.exceptions import TyperException

from loadtest.commands import compare_options as options
from loadtest.commands.broker import broker_app
from loadtest.commands.capacity_command import capacity
from loadtest.commands.options import (
    Broker,
    Config,
    ConnectRate,
    JsonFile,
    Nodes,
    OnWorkerLost,
    Plugin,
    Processes,
    PrometheusHost,
    PrometheusLinger,
    PrometheusPort,
    RunTime,
    Scenario,
    Server,
    Set,
    Thresholds,
    Tls,
    Users,
)
from loadtest.commands.scenarios import list_scenarios, schema, show, validate
from loadtest.commands.sweep_command import sweep
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


@app.command()
def run(  # noqa: PLR0913, PLR0917  # typer makes an option of each argument
    scenario: Scenario,
    overrides: Set = None,
    threshold: Thresholds = None,
    broker: Broker = None,
    users: Users = None,
    connect_rate: ConnectRate = None,
    run_time: RunTime = None,
    results: Annotated[Path, typer.Option(help="Folder that the results go to.")] = Path("results"),
    server: Server = None,
    config: Config = None,
    plugin: Plugin = None,
    nodes: Nodes = None,
    tls: Tls = False,  # noqa: FBT002  # a flag
    processes: Processes = 1,
    on_worker_lost: OnWorkerLost = "fail",
    json_file: JsonFile = None,
    prometheus_port: PrometheusPort = None,
    prometheus_host: PrometheusHost = "127.0.0.1",
    prometheus_linger: PrometheusLinger = None,
) -> None:
    """Run a scenario and judge it; the exit code is the verdict."""
    from loadtest.commands.run import run_scenario, run_scenario_in_processes
    from loadtest.report.run.announce import check_json_file
    from loadtest.run.option_table import seconds_of
    from loadtest.run.run_options import RunOptions, check_processes

    check_json_file(json_file)
    request = RunOptions(
        scenario=scenario,
        overrides=tuple(overrides or ()),
        thresholds=tuple(threshold or ()),
        brokers=tuple(broker or ()),
        users=users,
        connect_rate_per_s=connect_rate,
        run_time_s=seconds_of(run_time),
        results=results,
        server=server,
        config=config,
        plugins=tuple(plugin or ()),
        nodes=nodes,
        tls=tls,
        on_worker_lost=on_worker_lost,
        json_file=json_file,
        prometheus_host=prometheus_host,
        prometheus_port=_port(prometheus_port),
        prometheus_linger_s=seconds_of(prometheus_linger, "--prometheus-linger", least_s=0) or 0,
    )
    request.check()
    if check_processes(processes) not in {0, 1}:
        run_scenario_in_processes(request, processes)
    raise typer.Exit(run_scenario(request))


def _port(given: int | None) -> int | None:
    """Return the port to be scraped at; typer takes a variable that is set and empty for one that is not set."""
    if given is None and os.environ.get("LOADTEST_PROMETHEUS_PORT") == "":
        raise UsageError("LOADTEST_PROMETHEUS_PORT is set, and empty: give a port in it, or unset it")
    return given


@app.command()
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
    """Make every output of a run, comparison, capacity or sweep again and print it; put several runs side by side."""
    from loadtest.commands.results import put_side_by_side, report_capacity, report_comparison
    from loadtest.commands.sweep import report_sweep
    from loadtest.report.capacity.capacity_files import is_capacity
    from loadtest.report.compare.comparison_files import is_comparison
    from loadtest.report.run.announce import announce, check_json_file
    from loadtest.report.run.write import regenerate
    from loadtest.report.sweep.sweep_files import is_sweep

    if len(folders) > 1:
        if json_file is not None:
            raise UsageError("--json is of one run; several are read from their own result.json")
        put_side_by_side(folders, output)
        raise typer.Exit
    (folder,) = folders
    if is_comparison(folder):
        if json_file is not None:
            raise UsageError("--json is of a run; what a comparison came to is in its compare.json")
        raise typer.Exit(report_comparison(folder, os.environ))
    if is_sweep(folder):
        if json_file is not None:
            raise UsageError("--json is of a run; what a sweep came to is in its sweep.json")
        raise typer.Exit(report_sweep(folder, os.environ))
    check_json_file(json_file)
    if is_capacity(folder):
        raise typer.Exit(report_capacity(folder, json_file, os.environ))
    raise typer.Exit(announce(regenerate(folder), folder, json_file=json_file, environ=os.environ))


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(help="Folder of a run.")],
    threshold: Thresholds = None,
    baseline: Annotated[Path | None, typer.Option(help="Folder of an older run to compare with.")] = None,
    max_regression: Annotated[
        list[str] | None,
        typer.Option(metavar="'METRIC SHARE'", help="How much worse than the older run it may be; repeatable."),
    ] = None,
    despite: Annotated[
        list[str] | None,
        typer.Option(metavar="WHAT", help="Compare though they differ in this: scenario, broker or host; repeatable."),
    ] = None,
) -> None:
    """Judge a run that is over anew: by its thresholds and others, and beside an older run."""
    from loadtest.commands.check import check as judge

    result = judge(folder, threshold or (), baseline, max_regression or (), despite or ())
    raise typer.Exit(result.verdict.exit_code)


@app.command()
def compare(  # noqa: PLR0913, PLR0917  # typer makes an option of each argument
    scenario: options.ComparedScenario = None,
    vary: options.Vary = None,
    variant: options.VariantOption = None,
    broker: options.VariantBroker = None,
    config: options.VariantConfig = None,
    nodes: options.VariantNodes = None,
    server: options.VariantServer = None,
    env: options.VariantEnv = None,
    tls: options.VariantTls = None,
    overrides: Set = None,
    baseline: options.Baseline = None,
    rounds: options.Rounds = None,
    metric: options.MetricOption = None,
    min_effect: options.MinEffect = None,
    until_decided: options.UntilDecided = None,
    max_rounds: options.MaxRounds = None,
    fail_on: options.FailOn = None,
    restart: options.Restart = None,
    capacity: options.Capacity = False,  # noqa: FBT002  # a flag
    slo: options.SearchSlo = None,
    hold: options.SearchHold = None,
    precision: options.SearchPrecision = None,
    repeats: options.SearchRepeats = None,
    repeat_marked: options.RepeatMarked = None,
    resume: options.Resume = None,
    results: Annotated[Path, typer.Option(help="Folder that the results go to.")] = Path("results"),
) -> None:
    """Run variants of a scenario, or of a broker, in turns, and say which is better, by how much, and how surely."""
    from loadtest.commands import compare as comparing
    from loadtest.commands.compare_capacity import SearchOptions, searches_of
    from loadtest.experiments.compare.compare_options import CompareOptions, request_from
    from loadtest.experiments.compare.variants import VariantOptions

    if resume is not None or scenario is None:
        raise typer.Exit(comparing.resume(resume, broker or (), repeat_marked))
    asked = CompareOptions(
        scenario=scenario,
        variants=VariantOptions(*(each or () for each in (vary, variant, broker, config, nodes, server, env, tls))),
        overrides=tuple(overrides or ()),
        baseline=baseline,
        rounds=rounds,
        max_rounds=max_rounds,
        until_decided=until_decided,
        metrics=tuple(metric or ()),
        min_effect_percent=min_effect,
        fail_on=fail_on,
        restart=restart,
        searching=searches_of(scenario, overrides or (), SearchOptions(capacity, slo or (), hold, precision, repeats)),
        repeat_marked=repeat_marked,
    )
    raise typer.Exit(comparing.compare(request_from(asked, dict(os.environ)), results))


app.command()(sweep)
app.command()(capacity)


@app.command()
def calibrate(
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write it as JSON; - prints it.")
    ] = None,
) -> None:
    """Measure in ten seconds what the generator can do here, so that runs can tell its limit from the broker's."""
    from loadtest.calibration.command import calibrate as measure_and_keep

    measure_and_keep(json_file)

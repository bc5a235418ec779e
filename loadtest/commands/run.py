"""`loadtest run`: a scenario, run and judged."""

from __future__ import annotations

import os
from pathlib import Path

import typer

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
    Results,
    RunTime,
    Scenario,
    Server,
    Set,
    Thresholds,
    Tls,
    Users,
)
from loadtest.errors import UsageError


def run(  # noqa: PLR0913, PLR0917  # typer makes an option of each argument
    scenario: Scenario,
    overrides: Set = None,
    threshold: Thresholds = None,
    broker: Broker = None,
    users: Users = None,
    connect_rate: ConnectRate = None,
    run_time: RunTime = None,
    results: Results = Path("results"),
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
    from loadtest.locust_app.headless_run import run_scenario, run_scenario_in_processes
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

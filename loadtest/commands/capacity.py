"""`loadtest capacity`: the highest rate that a broker sustains within what is asked of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from loadtest.commands.options import Broker, Config, JsonFile, Nodes, Results, Server, Set, Tls
from loadtest.errors import UsageError

SearchedScenario = Annotated[str | None, typer.Argument(help="Name of a scenario of the catalogue, or a file.")]
Slo = Annotated[
    list[str] | None, typer.Option(metavar="CHECK", help="Condition that must hold, as a threshold; repeatable.")
]
Start = Annotated[str | None, typer.Option("--from", metavar="RATE", help="The first rate, such as 1000/s.")]
Most = Annotated[str | None, typer.Option("--most", metavar="RATE", help="No rate above it is tried.")]
Hold = Annotated[str, typer.Option(help="How long each rate is held; in the ramp less.")]
Precision = Annotated[float, typer.Option(min=0.1, max=50, help="In percent of the answer.")]
Repeats = Annotated[int, typer.Option(min=1, max=60, help="How often the answer must be held, the first included.")]
Processes = Annotated[int, typer.Option(help="Processes that the users of each try are spread over; -1: one a core.")]
Resume = Annotated[Path | None, typer.Option(metavar="FOLDER", help="Folder of a search that was interrupted.")]


def capacity(  # noqa: PLR0913, PLR0917  # typer makes an option of each argument
    scenario: SearchedScenario = None,
    slo: Slo = None,
    overrides: Set = None,
    broker: Broker = None,
    config: Config = None,
    nodes: Nodes = None,
    server: Server = None,
    tls: Tls = False,  # noqa: FBT002  # a flag
    processes: Processes = 1,
    start: Start = None,
    most: Most = None,
    hold: Hold = "10s",
    precision: Precision = 5.0,
    repeats: Repeats = 2,
    resume: Resume = None,
    json_file: JsonFile = None,
    results: Results = Path("results"),
) -> None:
    """Find the highest rate that a broker sustains within an SLO, with no backlog growing and nothing lost."""
    from loadtest.experiments.capacity.capacity_request import CapacityRequest
    from loadtest.experiments.capacity.capacity_setup import hold_of, new_search, rate_of, resumed_search
    from loadtest.experiments.compare.variants import Variant
    from loadtest.experiments.life_cycle import carry_out
    from loadtest.report.run.announce import check_json_file
    from loadtest.run.run_options import check_nodes, check_processes
    from loadtest.scenario.grammar.quantity import MAX_RATE_PER_S

    check_json_file(json_file)
    if resume is not None:
        raise typer.Exit(carry_out(*resumed_search(resume, broker or ()), os.environ, json_file))
    if scenario is None:
        raise UsageError("name a scenario, or go on with a search by --resume FOLDER")
    check_nodes(nodes)
    request = CapacityRequest(
        scenario=scenario,
        slo=tuple(slo or ()),
        broker=Variant("broker", (), tuple(broker or ()), config, nodes, server, tls=tls),
        overrides=tuple(overrides or ()),
        start_per_s=rate_of("--from", start),
        most_per_s=rate_of("--most", most) or float(MAX_RATE_PER_S),
        hold=hold_of(hold),
        precision=precision / 100,
        repeats=repeats,
        processes=check_processes(processes),
        environ=dict(os.environ),
    )
    raise typer.Exit(carry_out(new_search(request, results), None, os.environ, json_file))

"""`loadtest sweep`: a scenario at every combination of values, and how its figures depend on them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from loadtest.commands.compare import Restart
from loadtest.commands.options import Broker, Config, Nodes, Results, Server, Set, Tls
from loadtest.errors import UsageError

SweptScenario = Annotated[str | None, typer.Argument(help="Name of a scenario of the catalogue, or a file.")]
VaryAxis = Annotated[
    list[str] | None,
    typer.Option(
        "--vary", metavar="PATH=V1,V2,…", help="Path to vary, and its values; several: every combination. Repeatable."
    ),
]
MetricOfPoints = Annotated[
    list[str] | None, typer.Option("--metric", help="Figure, such as in.confirm.p99; repeatable.")
]
Repeats = Annotated[
    int | None, typer.Option(min=1, max=1000, help="Rounds, each of which runs every point. Default: 1.")
]
Seed = Annotated[int, typer.Option(min=0, max=(1 << 63) - 1, help="Of the order in which a round runs the points.")]
MaxPoints = Annotated[int, typer.Option(min=1, max=10_000, help="More points are refused.")]
ResumeSweep = Annotated[
    Path | None, typer.Option("--resume", metavar="FOLDER", help="Folder of a sweep that was interrupted.")
]


def sweep(  # noqa: PLR0913, PLR0917  # typer makes an option of each argument
    scenario: SweptScenario = None,
    vary: VaryAxis = None,
    overrides: Set = None,
    metric: MetricOfPoints = None,
    repeats: Repeats = None,
    broker: Broker = None,
    config: Config = None,
    nodes: Nodes = None,
    server: Server = None,
    tls: Tls = False,  # noqa: FBT002  # a flag
    restart: Restart = None,
    seed: Seed = 1,
    max_points: MaxPoints = 100,
    resume: ResumeSweep = None,
    results: Results = Path("results"),
) -> None:
    """Run a scenario at every combination of values: a table, a CSV and charts of how its figures depend on them."""
    from loadtest.experiments.compare.variants import Variant
    from loadtest.experiments.life_cycle import carry_out
    from loadtest.experiments.sweep.axes import parse_axes
    from loadtest.experiments.sweep.parameter_sweep import SweepRequest
    from loadtest.experiments.sweep.sweep_setup import new_sweep, resumed_sweep
    from loadtest.run.run_options import check_nodes

    if resume is not None:
        if scenario is not None or vary:
            raise UsageError("--resume FOLDER goes on with what was asked for then: leave the scenario and --vary")
        raise typer.Exit(carry_out(*resumed_sweep(resume, broker or (), repeats), os.environ))
    if scenario is None:
        raise UsageError("name a scenario, or go on with a sweep by --resume FOLDER")
    if restart not in {None, "each"}:
        raise UsageError(f"--restart: found {restart!r}; allowed each")
    check_nodes(nodes)
    request = SweepRequest(
        scenario=scenario,
        axes=parse_axes(vary or ()),
        broker=Variant("point", (), tuple(broker or ()), _whole(config), nodes, _whole(server), tls=tls),
        overrides=tuple(overrides or ()),
        metrics=tuple(metric or ()),
        repeats=repeats or 1,
        seed=seed,
        restart=restart is not None,
        environ=dict(os.environ),
    )
    raise typer.Exit(carry_out(new_sweep(request, results, max_points), None, os.environ))


def _whole(path: Path | None) -> Path | None:
    """Return a path that is the same wherever the sweep is gone on with."""
    return None if path is None else path.absolute()

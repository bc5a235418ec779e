"""`loadtest compare`: variants of a scenario or a broker, run alternately, and which of them is better."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from loadtest.commands.options import Results, Set

ComparedScenario = Annotated[str | None, typer.Argument(help="Name of a scenario of the catalogue, or a file.")]
Vary = Annotated[
    list[str] | None,
    typer.Option(metavar="PATH=V1,V2", help="Values of the scenario; several: every combination. Repeatable."),
]
VariantOption = Annotated[
    list[str] | None, typer.Option(metavar="NAME=PATH=V,…", help="A variant, and its overrides; repeatable.")
]
VariantBroker = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=URL", help="The broker of a variant; without NAME= that of all; repeatable."),
]
VariantConfig = Annotated[
    list[str] | None, typer.Option(metavar="NAME=FILE", help="rabbitmq.conf of a variant's private broker.")
]
VariantNodes = Annotated[
    list[str] | None, typer.Option(metavar="NAME=N", help="Nodes of a variant's private broker: 1, 3 or 5.")
]
VariantServer = Annotated[
    list[str] | None, typer.Option(metavar="NAME=DIR", help="RabbitMQ installation of a variant's private broker.")
]
VariantEnv = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VAR=VALUE", help="Variable for the nodes of a variant's private broker; repeatable."),
]
VariantTls = Annotated[
    list[str] | None, typer.Option(metavar="NAME", help="A variant whose private broker is reached over TLS.")
]
Baseline = Annotated[str | None, typer.Option(help="Variant that the others are compared with. Default: the first.")]
Rounds = Annotated[
    int | None, typer.Option(min=2, max=1000, help="Rounds, each variant there and back: A B B A. Default: 5.")
]
MetricOption = Annotated[list[str] | None, typer.Option(help="Figure, such as in.confirm.p99; repeatable.")]
MinEffect = Annotated[
    float | None,
    typer.Option(min=0, max=100, help="Smallest change that counts as a difference, in percent. Default: 5."),
]
UntilDecided = Annotated[
    bool | None,
    typer.Option(
        "--until-decided/--no-until-decided", help="Continue until every figure is decided, or for --max-rounds."
    ),
]
MaxRounds = Annotated[int | None, typer.Option(min=2, max=1000, help="Most rounds with --until-decided. Default: 20.")]
FailOn = Annotated[str | None, typer.Option(metavar="worse", help="Exit with 1 if a figure is worse.")]
Restart = Annotated[str | None, typer.Option(metavar="each", help="A new private broker for each run.")]
Capacity = Annotated[bool, typer.Option("--capacity", help="Compare capacities: each run is a search for one.")]
SearchSlo = Annotated[
    list[str] | None, typer.Option("--slo", metavar="CHECK", help="With --capacity: what has to hold; repeatable.")
]
SearchHold = Annotated[
    str | None, typer.Option("--hold", help="With --capacity: how long rates are held. Default: 10s.")
]
SearchPrecision = Annotated[
    float | None, typer.Option("--precision", min=0.1, max=50, help="With --capacity: in percent. Default: 5.")
]
SearchRepeats = Annotated[
    int | None,
    typer.Option("--repeats", min=1, max=60, help="With --capacity: how often a rate must be held. Default: 2."),
]
RepeatMarked = Annotated[
    int | None,
    typer.Option(
        min=0, max=10, metavar="N", help="Repeat a block, at most N times, if one of its trials was marked. Default: 0."
    ),
]
Resume = Annotated[Path | None, typer.Option(metavar="FOLDER", help="Folder of a comparison that was interrupted.")]


def compare(  # noqa: PLR0913, PLR0917  # typer makes an option of each argument
    scenario: ComparedScenario = None,
    vary: Vary = None,
    variant: VariantOption = None,
    broker: VariantBroker = None,
    config: VariantConfig = None,
    nodes: VariantNodes = None,
    server: VariantServer = None,
    env: VariantEnv = None,
    tls: VariantTls = None,
    overrides: Set = None,
    baseline: Baseline = None,
    rounds: Rounds = None,
    metric: MetricOption = None,
    min_effect: MinEffect = None,
    until_decided: UntilDecided = None,
    max_rounds: MaxRounds = None,
    fail_on: FailOn = None,
    restart: Restart = None,
    capacity: Capacity = False,  # noqa: FBT002  # a flag
    slo: SearchSlo = None,
    hold: SearchHold = None,
    precision: SearchPrecision = None,
    repeats: SearchRepeats = None,
    repeat_marked: RepeatMarked = None,
    resume: Resume = None,
    results: Results = Path("results"),
) -> None:
    """Run variants of a scenario or a broker in alternation; report which is better, by how much, and how certainly."""
    from loadtest.experiments.compare.compare_options import CompareOptions, request_from
    from loadtest.experiments.compare.compared_searches import SearchOptions, searches_of
    from loadtest.experiments.compare.comparison_setup import new_comparison, resumed_comparison
    from loadtest.experiments.compare.variants import VariantOptions
    from loadtest.experiments.life_cycle import carry_out

    if resume is not None or scenario is None:
        raise typer.Exit(carry_out(*resumed_comparison(resume, broker or (), repeat_marked), os.environ))
    variants = VariantOptions(*(each or () for each in (vary, variant, broker, config, nodes, server, env, tls)))
    asked = CompareOptions(
        *(scenario, variants, overrides or (), baseline),
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
    raise typer.Exit(carry_out(new_comparison(request_from(asked, dict(os.environ)), results), None, os.environ))

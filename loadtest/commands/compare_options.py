"""The options of `loadtest compare`; those with a name go to one variant."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

Vary: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(metavar="PATH=V1,V2", help="Values of the scenario; several: every combination. Repeatable."),
]
VariantSet: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--variant", metavar="NAME=PATH=V,…", help="A variant with its overrides, or with none; repeatable."),
]
VariantBroker: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--broker", metavar="NAME=URL", help="The broker of a variant; repeatable."),
]
VariantConfig: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--config", metavar="NAME=FILE", help="rabbitmq.conf of a variant's private broker."),
]
VariantNodes: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--nodes", metavar="NAME=N", help="Nodes of a variant's private broker: 1, 3 or 5."),
]
VariantServer: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--server", metavar="NAME=DIR", help="RabbitMQ installation of a variant's private broker."),
]
BaselineVariant: TypeAlias = Annotated[
    str | None, typer.Option("--baseline", help="What the others are compared with; the first unless told.")
]
Rounds: TypeAlias = Annotated[int, typer.Option(min=2, help="Rounds, each variant there and back: A B B A.")]
Metrics: TypeAlias = Annotated[
    list[str] | None, typer.Option("--metric", help="What is looked at, such as in.confirm.p99; repeatable.")
]
MinEffect: TypeAlias = Annotated[float, typer.Option(min=0, max=100, help="In percent: less is no difference.")]
UntilDecided: TypeAlias = Annotated[
    bool, typer.Option("--until-decided", help="Go on until all is decided, or --max-rounds are done.")
]
MaxRounds: TypeAlias = Annotated[int, typer.Option(help="Most rounds with --until-decided.")]
FailOn: TypeAlias = Annotated[str | None, typer.Option(metavar="worse", help="Exit with 1 if a figure is worse.")]
Restart: TypeAlias = Annotated[
    str | None, typer.Option(metavar="each", help="A private broker of its own for each run.")
]
Resume: TypeAlias = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Folder of a comparison that was interrupted.")
]

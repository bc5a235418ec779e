"""Options that several commands have, each described once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

Scenario = Annotated[str, typer.Argument(help="Name of a scenario of the catalogue, or a file.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Override a value of the scenario; repeatable.")
]
Thresholds = Annotated[
    list[str] | None,
    typer.Option("--threshold", metavar="CHECK", help="Threshold in addition to the scenario's; repeatable."),
]
Users = Annotated[int | None, typer.Option("--users", "-u", help="Users in all, shared over the groups.")]
ConnectRate = Annotated[float | None, typer.Option("--connect-rate", "-r", help="Most users that connect in a second.")]
RunTime = Annotated[str | None, typer.Option("--run-time", "-t", help="Most time to publish: 30, 30s, 2m, 1h20m.")]
Broker = Annotated[
    list[str] | None,
    typer.Option("--broker", metavar="URL", help="AMQP URL of a node; repeatable. Default: a private node."),
]
Server = Annotated[
    Path | None, typer.Option(help="RabbitMQ installation for the private node. Default: LOADTEST_RABBITMQ_SERVER.")
]
Config = Annotated[Path | None, typer.Option(help="rabbitmq.conf for the private node.")]
Plugin = Annotated[list[str] | None, typer.Option("--plugin", help="Plugin for the private node; repeatable.")]
PrometheusPort = Annotated[
    int | None,
    typer.Option(
        envvar="LOADTEST_PROMETHEUS_PORT", help="Port at which Prometheus can scrape the run; 0: any free one."
    ),
]
PrometheusHost = Annotated[str, typer.Option(help="Address that it listens at.")]
Name = Annotated[str, typer.Option(help="Name of the node, or cluster.")]
Nodes = Annotated[
    int | None, typer.Option(metavar="N", help="Nodes of the private broker, which form a cluster: 1, 3 or 5.")
]
Tls = Annotated[bool, typer.Option("--tls", help="Reach the private node over TLS, with certificates made for it.")]
OnWorkerLost = Annotated[
    Literal["fail", "continue"],
    typer.Option(help="If one of several processes is lost: end the run, or let others take over its users."),
]
Processes = Annotated[int, typer.Option(help="Processes that the users are spread over; -1: one a core.")]
PrometheusLinger = Annotated[
    str | None, typer.Option(help="Longest time to wait at the end for a last scrape: 30, 30s, 1m.")
]
Results = Annotated[Path, typer.Option(help="Parent of the results folder.")]
JsonFile = Annotated[
    Path | None,
    typer.Option("--json", metavar="FILE", help="Write the result as JSON; - prints it instead of the summary."),
]

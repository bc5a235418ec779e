"""
`loadtest broker`: private nodes that stay until they are stopped.

Each command calls the room and prints; none does the work itself.
"""

from __future__ import annotations

from typing import Annotated

import typer

from loadtest.commands.options import Config, Name, Plugin, Server

broker_app = typer.Typer(help="Start, stop and look at private RabbitMQ nodes.", no_args_is_help=True)


@broker_app.command("start")
def broker_start(name: Name = "default", config: Config = None, plugin: Plugin = None, server: Server = None) -> None:
    """Start a node that stays until it is stopped, and print its URL."""
    from loadtest.broker.detached import start_detached

    node = start_detached(name, config=config, plugins=plugin, server=server, progress=_say)
    typer.echo(node.endpoint.url)


@broker_app.command("stop")
def broker_stop(name: Name = "default") -> None:
    """Stop a node and remove all it has stored."""
    from loadtest.broker.detached import stop_detached

    stop_detached(name)
    typer.echo(f"stopped {name}")


@broker_app.command("status")
def broker_status() -> None:
    """Show the nodes that were started, and whether they live."""
    from loadtest.broker.detached import running_nodes

    nodes = running_nodes()
    for node in nodes:
        state = f"running, pid {node.pid}" if node.is_running else "ended"
        typer.echo(f"{node.name}: RabbitMQ {node.version}, {state}, {node.url}")
    if not nodes:
        typer.echo("no node is started; `loadtest broker start` starts one")


@broker_app.command("logs")
def broker_logs(name: Name = "default", lines: Annotated[int, typer.Option(help="How many lines.")] = 50) -> None:
    """Print the end of a node's log."""
    from loadtest.broker.detached import tail_logs

    typer.echo(tail_logs(name, lines), nl=False)


def _say(text: str) -> None:
    typer.echo(text, err=True)

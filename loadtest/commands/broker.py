"""
`loadtest broker`: private nodes that stay until they are stopped.

Each command calls the room and prints; none does the work itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from loadtest.commands.options import Config, Name, Plugin, Server, Tls
from loadtest.streams import log_progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadtest.broker.private.detached import DetachedNode

broker_app = typer.Typer(help="Start, stop and look at private RabbitMQ nodes.", no_args_is_help=True)


@broker_app.command("start")
def broker_start(
    name: Name = "default",
    nodes: Annotated[int, typer.Option(help="How many nodes, which form a cluster: 1, 3 or 5.")] = 1,
    config: Config = None,
    plugin: Plugin = None,
    server: Server = None,
    tls: Tls = False,  # noqa: FBT002  # a flag
) -> None:
    """Start a node, or a cluster, that stays until it is stopped, and print its URL, or URLs, for LOADTEST_BROKER."""
    from loadtest.broker.private.detached import start_detached
    from loadtest.run.run_options import check_nodes

    check_nodes(nodes)
    cluster = start_detached(
        name, nodes=nodes, config=config, plugins=plugin, server=server, tls=tls, progress=log_progress
    )
    for node in cluster.nodes:
        if node.management_url is not None:
            log_progress(f"management: {node.management_url}")
    # One word: `export LOADTEST_BROKER=$(…)` holds it in every shell.
    typer.echo(",".join(endpoint.url for endpoint in cluster.endpoints))


@broker_app.command("stop")
def broker_stop(name: Name = "default") -> None:
    """Stop a node, or all of a cluster, and remove all it has stored."""
    from loadtest.broker.private.detached import stop_detached

    nodes = stop_detached(name)
    typer.echo(f"stopped {name}" if nodes == 1 else f"stopped the {nodes} nodes of {name}")


@broker_app.command("status")
def broker_status() -> None:
    """Print the nodes that were started: a block of `key: value` lines for each, blocks separated by an empty line."""
    from loadtest.broker.private.detached import running_nodes

    nodes = running_nodes()
    typer.echo("\n\n".join("\n".join(_described(node)) for node in nodes), nl=bool(nodes))
    if not nodes:
        typer.echo("no node is started; `loadtest broker start` starts one")


def _described(node: DetachedNode) -> Iterator[str]:
    """Yield the lines of a node's block; nothing stands behind a value, so that it can be copied whole."""
    yield f"name: {node.name}"
    yield f"version: {node.version}"
    yield f"state: {('paused' if node.is_paused else 'running') if node.is_running else 'ended'}"
    if node.is_running:
        yield f"pid: {node.pid}"
    yield f"url: {node.url}"
    if node.management_url is not None:
        yield f"management: {node.management_url}"


@broker_app.command("logs")
def broker_logs(
    name: Name = "default",
    node: Annotated[int, typer.Option(min=1, max=5, help="Which node of a cluster, from 1.")] = 1,
    lines: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many lines.")] = 50,
) -> None:
    """Print the end of a node's log."""
    from loadtest.broker.private.detached import tail_logs

    typer.echo(tail_logs(name, lines, number=node), nl=False)

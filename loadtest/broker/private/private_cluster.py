"""
A broker of one's own of several nodes: formed for a run on the loopback address, and gone with it.

A cluster of one is a private node. How a node lives is `private_node`'s, how its server comes and goes `node_server`'s
business. How clusters form and behave: docs/broker.md; docs/cluster-formation.md of RabbitMQ.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeAlias

from loadtest.broker.endpoint import Endpoint
from loadtest.broker.private import node_config
from loadtest.broker.private.launch import Progress
from loadtest.broker.private.leadership import find_leader
from loadtest.broker.private.node_server import NodeOrder
from loadtest.broker.private.private_node import (
    PrivateNode,
    check_name,
    demand_server,
    new_cookie,
    new_password,
    new_user,
)
from loadtest.broker.private.rabbitmqctl import control
from loadtest.errors import BrokerError, UsageError

SIZES: Final = (1, 3, 5)


class PrivateCluster:
    """
    Nodes that form one broker; as a context manager they are stopped at the end.

    They live as long as private nodes do: at most as long as this process, unless they are detached. Of detached ones
    that were found running (`detached.find_cluster`) `stop` only resumes those that are paused.

    Attributes:
        name: Of the cluster; its nodes are called so too, with `-1`, `-2` … after it if there are several.
        nodes: Its nodes, the one that the others joined first.
        is_found: Whether they were found running, and stay.
    """

    def __init__(self, name: str, nodes: Sequence[PrivateNode], *, is_found: bool = False) -> None:
        self.name: Final = name
        self.nodes: Final = tuple(nodes)
        self.is_found: Final = is_found
        self._owner = os.getpid()

    @classmethod
    def start(  # noqa: PLR0913  # by keyword, each with a default: what a broker of one's own may be
        cls,
        *,
        nodes: int = 1,
        config: Path | None = None,
        plugins: Sequence[str] = node_config.DEFAULT_PLUGINS,
        server: Path | None = None,
        name: str | None = None,
        tls: bool = False,
        detached: bool = False,
        environ: Mapping[str, str] | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """
        Start *nodes* nodes (1, 3 or 5) and return them when they are up and have formed a cluster.

        The first comes up alone; then the others, at the same time, join it. Arguments and errors are those of
        `PrivateNode.start`, which see; the config is that of each node.
        """
        check_size(nodes)
        name = check_name(name or f"run-{secrets.token_hex(4)}")
        environ = os.environ if environ is None else environ
        if nodes == 1:
            lone = PrivateNode.start(
                config=config,
                plugins=plugins,
                server=server,
                name=name,
                tls=tls,
                detached=detached,
                environ=environ,
                progress=progress,
            )
            return cls(name, [lone])
        say = progress or (lambda _: None)
        order = NodeOrder(
            script=demand_server(server, environ),
            name=f"{name}-1",
            config=config.absolute() if config else None,
            plugins=tuple(plugins),
            detached=detached,
            cookie=new_cookie(),
            user=new_user(),
            password=new_password(),
            cluster=name,
            tls=tls,
            called=_called(1),
        )
        say(f"starting a private RabbitMQ cluster of {nodes} nodes with {order.script} …")
        return cls(name, _form(order, nodes, environ, say))

    @property
    def endpoints(self) -> list[Endpoint]:
        """Where and as whom to connect, by node."""
        return [node.endpoint for node in self.nodes]

    @property
    def version(self) -> str:
        """The version of RabbitMQ."""
        return self.nodes[0].version

    @property
    def plugins(self) -> tuple[str, ...]:
        """The plugins that were asked for, the same of each node."""
        return self.nodes[0].plugins

    @property
    def config(self) -> str:
        """The configuration of the first node, as `PrivateNode.config`; the others differ in their ports."""
        return self.nodes[0].config

    @property
    def living(self) -> list[PrivateNode]:
        """The nodes that can answer: they run and are not paused."""
        return [node for node in self.nodes if node.server.is_running and not node.server.is_paused]

    def node(self, number: int) -> PrivateNode:
        """
        Return a node by its number, from 1.

        Raises:
            UsageError: If there is none.
        """
        if not 1 <= number <= len(self.nodes):
            raise UsageError(f"the private cluster has no node {number}; it has 1 to {len(self.nodes)}")
        return self.nodes[number - 1]

    def leader_of(self, queue: str, vhost: str = "/") -> PrivateNode | None:
        """Return the node that leads a quorum queue, or hosts another one; None if nobody knows (`find_leader`)."""
        return find_leader(self.nodes, queue, vhost)

    def start_all(self) -> None:
        """
        Have all nodes up, started together: after all were down each may wait for the one that went down last.

        Raises:
            BrokerError: As `NodeServer.start`.
        """
        for node in self.nodes:
            if not node.server.is_running:
                node.server.spawn()
        for node in self.nodes:
            node.server.resume()
            node.server.wait_until_started()

    def running_nodes(self) -> list[str]:
        """
        Return the names of the nodes that are in the cluster and run, as a living node says.

        Raises:
            BrokerError: If no node can say.
        """
        if not self.living:
            raise BrokerError("no node of the private cluster answers")
        said = control(self.living[0].server, "cluster_status", "--formatter", "json")
        with contextlib.suppress(ValueError, KeyError, TypeError):
            return sorted(json.loads(said)["running_nodes"])
        raise BrokerError(f"rabbitmqctl cluster_status says something else than a cluster's status: {said[:200]}")

    def demand_formed(self) -> None:
        """
        Raise unless all nodes are in the cluster and run.

        Raises:
            BrokerError: If one is not: a node that cannot join comes up alone, and says so in its log only.
        """
        missing = {node.erlang_name for node in self.nodes} - set(self.running_nodes())
        if missing:
            raise BrokerError(f"the private cluster is not whole: {', '.join(sorted(missing))} did not join it")

    def stop(self) -> None:
        """End the nodes and remove their folders, at once; those that were found running stay, and none paused."""
        if os.getpid() != self._owner:
            return
        for node in self.nodes:
            if self.is_found:
                node.server.resume()
                node.server.let_go()
            else:
                node.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        """Return the cluster's name and nodes."""
        return f"<PrivateCluster {self.name} of {list(self.nodes)}>"


PrivateBroker: TypeAlias = PrivateNode | PrivateCluster
"""A broker of one's own, of one node or several."""


def check_size(nodes: int) -> None:
    """
    Raise unless a cluster may have so many nodes.

    Raises:
        UsageError: If not 1, 3 or 5: of an even number no more may be lost than of one less.
    """
    if nodes not in SIZES:
        raise UsageError(f"a private cluster has {', '.join(map(str, SIZES[:-1]))} or {SIZES[-1]} nodes, not {nodes}")


def _form(order: NodeOrder, nodes: int, environ: Mapping[str, str], say: Progress) -> list[PrivateNode]:
    """Start the first node by *order*, then the others, which join it; nothing of them is left after an error."""
    started = PrivateNode.launch([order], environ, say)
    try:
        first = started[0]
        say(f"RabbitMQ {first.version} is up at {first.endpoint}; {nodes - 1} more nodes join it …")
        others = [
            replace(
                order,
                name=f"{order.cluster}-{number}",
                seed=first.name,
                epmd_port=first.server.epmd_port,
                called=_called(number),
            )
            for number in range(2, nodes + 1)
        ]
        started += PrivateNode.launch(others, environ, say)
        PrivateCluster(first.name, started).demand_formed()
    except BaseException:
        for node in started:
            node.stop()
        raise
    for node in started[1:]:
        say(f"RabbitMQ {node.version} is up at {node.endpoint}")
    return started


def _called(number: int) -> str:
    return f"node {number} of the private cluster"

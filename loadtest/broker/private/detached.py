"""
Private nodes and clusters that live on their own: `loadtest broker start`, `status`, `logs` and `stop`.

What is known of each is in its run folder, `node.json`; whether it lives, by the folder's lock, which its server holds.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loadtest.broker.endpoint import Endpoint
from loadtest.broker.private import node_config
from loadtest.broker.private.launch import Progress
from loadtest.broker.private.node_server import OUTPUT, NodeOrder, NodeServer
from loadtest.broker.private.ports import LOOPBACK, PortBlock
from loadtest.broker.private.private_cluster import SIZES, PrivateCluster, check_size
from loadtest.broker.private.private_node import PrivateNode
from loadtest.broker.private.run_folder import (
    DETACHED_MARK,
    MARKER,
    RunFolder,
    is_held,
    remove_leftover,
    state_folder,
    write_private,
)
from loadtest.broker.processes.held_process import HeldProcess
from loadtest.errors import BrokerError, UsageError
from loadtest.scenario.grammar.node_environment import VARIABLE

DEFAULT_NAME: Final = "default"
LOG_LINES: Final = 50
_RECORD: Final = "node.json"
_LOOPBACK_NAMES: Final = (LOOPBACK, "localhost")


@dataclass(frozen=True, slots=True)
class DetachedNode:
    """
    A node as its record says, and whether it lives; `url` holds the password, its config's or its own.

    `cluster` is the name that it was started by; it is the node's own, if it is alone.
    """

    name: str
    cluster: str
    url: str
    management_url: str | None
    version: str
    pid: int
    plugins: Sequence[str]
    config: str | None
    script: str
    environment: Mapping[str, str]
    base_port: int
    epmd_port: int
    started_at: str
    folder: Path
    is_running: bool

    @property
    def endpoint(self) -> Endpoint:
        """Where and as whom to connect."""
        return Endpoint.parse(self.url)

    @property
    def is_paused(self) -> bool:
        """Whether its server stands still (SIGSTOP)."""
        held = HeldProcess.of_marked(self.pid, MARKER, str(self.folder))
        if held is None:
            return False
        with contextlib.closing(held):
            return held.is_paused


def start_detached(
    name: str = DEFAULT_NAME,
    *,
    nodes: int = 1,
    config: Path | None = None,
    plugins: Sequence[str] | None = None,
    server: Path | None = None,
    tls: bool = False,
    environ: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> PrivateCluster:
    """
    Start a node, or a cluster of several, that lives until `stop_detached`; as `PrivateCluster.start`, which see.

    Raises:
        BrokerError: If one of that name lives, or as for `PrivateCluster.start`.
    """
    check_size(nodes)
    _make_room(name, environ)
    cluster = PrivateCluster.start(
        nodes=nodes,
        config=config,
        plugins=plugins or node_config.DEFAULT_PLUGINS,
        server=server,
        name=name,
        tls=tls,
        detached=True,
        environ=environ,
        progress=progress,
    )
    try:
        for node in cluster.nodes:
            _write_record(node, cluster.name)
    except BaseException:
        cluster.stop()
        raise
    return cluster


def running_nodes(environ: Mapping[str, str] | None = None) -> list[DetachedNode]:
    """Return the detached nodes by name, with those that have ended and were not stopped: their logs are there."""
    folders = sorted(_nodes_folder(environ).iterdir())
    marked = [folder for folder in folders if (folder / DETACHED_MARK).exists() and (folder / _RECORD).exists()]
    return [node for folder in marked if (node := _read(folder)) is not None]


def find_nodes(name: str, environ: Mapping[str, str] | None = None) -> list[DetachedNode]:
    """
    Return the detached nodes that were started as *name*: one, or those of a cluster, the first of it first.

    Raises:
        UsageError: If there is none.
    """
    nodes = running_nodes(environ)
    found = [node for node in nodes if node.cluster == name]
    if not found:
        others = ", ".join(dict.fromkeys(node.cluster for node in nodes)) or "none"
        raise UsageError(f"there is no private node {name!r}; there are: {others}")
    return found


def find_node(name: str, environ: Mapping[str, str] | None = None, number: int = 1) -> DetachedNode:
    """
    Return the detached node *name*, of a cluster its node *number*, from 1.

    Raises:
        UsageError: If there is none.
    """
    nodes = find_nodes(name, environ)
    if not 1 <= number <= len(nodes):
        raise UsageError(f"{name} has no node {number}; it has {'one' if len(nodes) == 1 else f'1 to {len(nodes)}'}")
    return nodes[number - 1]


def find_cluster(endpoints: Sequence[Endpoint], environ: Mapping[str, str]) -> PrivateCluster | None:
    """
    Return the node, or cluster, of `loadtest broker start` at *endpoints*, to be harmed; None if these are not its own.

    It stays whose it is: `PrivateCluster.stop` lets it run.
    """
    if not all(endpoint.host in _LOOPBACK_NAMES for endpoint in endpoints):
        return None
    ports = {endpoint.port for endpoint in endpoints}
    detached = running_nodes(environ)
    names = {node.cluster for node in detached if node.is_running and node.endpoint.port in ports}
    members = [node for node in detached if node.cluster in names]
    if len(names) != 1 or not ports <= {member.endpoint.port for member in members}:
        return None
    return PrivateCluster(names.pop(), [_adopt(member, environ) for member in members], is_found=True)


def detached_management_url(endpoint: Endpoint, environ: Mapping[str, str]) -> str | None:
    """Return where the management API of the detached node at *endpoint* is; None if none of them is there."""
    if endpoint.host not in _LOOPBACK_NAMES:
        return None
    here = (node for node in running_nodes(environ) if node.is_running and node.endpoint.port == endpoint.port)
    return next((node.management_url for node in here), None)


def stop_detached(name: str = DEFAULT_NAME, environ: Mapping[str, str] | None = None) -> int:
    """
    End what was started as *name*, remove its folders, and return how many nodes that were.

    At once: its data goes too, so there is nothing to be shut down in order.

    Raises:
        UsageError: If there is none.
    """
    folders = _halfway(name, environ) or [node.folder for node in find_nodes(name, environ)]
    for folder in folders:
        remove_leftover(folder.parent, folder.name)
    return len(folders)


def tail_logs(
    name: str = DEFAULT_NAME, lines: int = LOG_LINES, environ: Mapping[str, str] | None = None, number: int = 1
) -> str:
    """
    Return the last *lines* lines of the log of a node (`find_node`), or of what it printed if it has logged nothing.

    Raises:
        UsageError: If there is none.
    """
    folder = find_node(name, environ, number).folder
    logs = sorted((folder / "log").glob("*.log"), key=lambda path: path.stat().st_mtime)
    text = "".join(path.read_text(errors="replace") for path in logs) or (folder / OUTPUT).read_text(errors="replace")
    return "".join(text.splitlines(keepends=True)[-lines:])


def _nodes_folder(environ: Mapping[str, str] | None) -> Path:
    return state_folder(os.environ if environ is None else environ)


def _make_room(name: str, environ: Mapping[str, str] | None) -> None:
    """Remove what is left of an earlier *name*; refuse if it lives."""
    earlier = [node for node in running_nodes(environ) if node.cluster == name]
    living = [node for node in earlier if node.is_running]
    if living:
        what = "node" if living[0].name == name else "cluster"
        raise BrokerError(f"a private {what} named {name} runs already ({living[0].folder})")
    for node in earlier:
        remove_leftover(node.folder.parent, node.folder.name)


def _halfway(name: str, environ: Mapping[str, str] | None) -> list[Path]:
    """Return the folders of nodes whose `start_detached` was killed before it had written down who they are."""
    nodes = _nodes_folder(environ)
    folders = [nodes / name, *(nodes / f"{name}-{number}" for number in range(1, max(SIZES) + 1))]
    marked = [folder for folder in folders if (folder / DETACHED_MARK).exists()]
    return [folder for folder in marked if not (folder / _RECORD).exists()]


def _write_record(node: PrivateNode, cluster: str) -> None:
    order = node.server.order
    record = {
        "name": node.name,
        "cluster": cluster,
        "url": node.endpoint.url,
        "management_url": node.management_url,
        "version": node.version,
        "pid": node.pid,
        "plugins": list(node.plugins),
        "config": str(order.config) if order.config is not None else None,
        "script": str(order.script),
        "environment": dict(node.server.told),
        "base_port": node.server.ports.base,
        "epmd_port": node.server.epmd_port,
        "started_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    write_private(node.folder / _RECORD, json.dumps(record, indent=1))


def _read(folder: Path) -> DetachedNode | None:
    """Return what the record says; None if the node was removed meanwhile."""
    try:
        record = json.loads((folder / _RECORD).read_text())
    except FileNotFoundError:
        return None
    # Of a node that an older loadtest started; it cannot be started again, but looked at and stopped.
    older = {"cluster": folder.name, "script": "", "environment": {}, "base_port": 0, "epmd_port": 0}
    return DetachedNode(**older | record, folder=folder, is_running=is_held(folder))


def _adopt(node: DetachedNode, environ: Mapping[str, str]) -> PrivateNode:
    """Return a node that somebody else started; one that is started again is written down anew."""
    order = NodeOrder(
        script=Path(node.script),
        name=node.name,
        config=Path(node.config) if node.config is not None else None,
        plugins=tuple(node.plugins),
        detached=True,
        epmd_port=node.epmd_port,
        called=f"the private node {node.name}",
    )
    folder = RunFolder.found(node.folder)
    told = {VARIABLE: json.dumps(dict(node.environment))}
    server = NodeServer(order, folder, PortBlock(node.base_port), {**environ, **told})
    server.adopt(node.pid, node.version)
    adopted = PrivateNode(server, folder)
    server.on_spawn = lambda: _write_record(adopted, node.cluster)
    return adopted

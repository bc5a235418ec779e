"""
Private nodes that live on their own: `loadtest broker start`, `status`, `logs` and `stop`.

What is known of each is in its run folder, `node.json`; whether it lives, by the folder's lock, which its server holds.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loadtest.broker import node_config
from loadtest.broker.endpoint import Endpoint
from loadtest.broker.launch import Progress
from loadtest.broker.ports import LOOPBACK
from loadtest.broker.private_node import PrivateNode
from loadtest.broker.run_folder import DETACHED_MARK, is_held, remove_leftover, state_folder
from loadtest.errors import UsageError

DEFAULT_NAME: Final = "default"
LOG_LINES: Final = 50
_RECORD: Final = "node.json"
_LOOPBACK_NAMES: Final = (LOOPBACK, "localhost")


@dataclass(frozen=True, slots=True)
class DetachedNode:
    """A node as its record says, and whether it lives; `url` holds the password, its config's or guest's."""

    name: str
    url: str
    management_url: str | None
    version: str
    pid: int
    plugins: Sequence[str]
    config: str | None
    started_at: str
    folder: Path
    is_running: bool

    @property
    def endpoint(self) -> Endpoint:
        """Where and as whom to connect."""
        return Endpoint.parse(self.url)


def start_detached(
    name: str = DEFAULT_NAME,
    *,
    config: Path | None = None,
    plugins: Sequence[str] | None = None,
    server: Path | None = None,
    environ: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> PrivateNode:
    """
    Start a node that lives until `stop_detached`; as `PrivateNode.start`, which see.

    Raises:
        BrokerError: If one of that name lives, or as for `PrivateNode.start`.
    """
    node = PrivateNode.start(
        config=config,
        plugins=plugins or node_config.DEFAULT_PLUGINS,
        server=server,
        name=name,
        detached=True,
        environ=environ,
        progress=progress,
    )
    record = {
        "name": name,
        "url": node.endpoint.url,
        "management_url": node.management_url,
        "version": node.version,
        "pid": node.pid,
        "plugins": list(node.plugins),
        "config": str(config.absolute()) if config is not None else None,
        "started_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    (node.folder / _RECORD).write_text(json.dumps(record, indent=1))
    return node


def running_nodes(environ: Mapping[str, str] | None = None) -> list[DetachedNode]:
    """Return the detached nodes by name, with those that have ended and were not stopped: their logs are there."""
    folders = sorted(state_folder(os.environ if environ is None else environ).iterdir())
    return [_read(folder) for folder in folders if (folder / DETACHED_MARK).exists() and (folder / _RECORD).exists()]


def find_node(name: str, environ: Mapping[str, str] | None = None) -> DetachedNode:
    """
    Return the detached node *name*.

    Raises:
        UsageError: If there is none.
    """
    nodes = running_nodes(environ)
    found = next((node for node in nodes if node.name == name), None)
    if found is None:
        others = ", ".join(node.name for node in nodes) or "none"
        raise UsageError(f"there is no private node {name!r}; there are: {others}")
    return found


def detached_management_url(endpoint: Endpoint, environ: Mapping[str, str]) -> str | None:
    """Return where the management API of the detached node at *endpoint* is; None if none of them is there."""
    if endpoint.host not in _LOOPBACK_NAMES:
        return None
    here = (node for node in running_nodes(environ) if node.is_running and node.endpoint.port == endpoint.port)
    return next((node.management_url for node in here), None)


def stop_detached(name: str = DEFAULT_NAME, environ: Mapping[str, str] | None = None) -> None:
    """
    End the node *name* and remove its folder, at once: its data goes too, so there is nothing to be shut down in order.

    Raises:
        UsageError: If there is none.
    """
    node = find_node(name, environ)
    remove_leftover(node.folder.parent, node.folder.name)


def tail_logs(name: str = DEFAULT_NAME, lines: int = LOG_LINES, environ: Mapping[str, str] | None = None) -> str:
    """
    Return the last *lines* lines of the log of the node *name*, or of what it printed if it has logged nothing.

    Raises:
        UsageError: If there is none.
    """
    folder = find_node(name, environ).folder
    logs = sorted((folder / "log").glob("*.log"), key=lambda path: path.stat().st_mtime)
    text = "".join(path.read_text(errors="replace") for path in logs) or (folder / "output").read_text(errors="replace")
    return "".join(text.splitlines(keepends=True)[-lines:])


def _read(folder: Path) -> DetachedNode:
    record = json.loads((folder / _RECORD).read_text())
    return DetachedNode(**record, folder=folder, is_running=is_held(folder))

"""
A broker of one's own: a RabbitMQ node started for a run, on the loopback address only, and gone with it.

How it is brought up is `launch`'s, where it lives `run_folder`'s, that it ends with the tool `child_process`'s
business. How nodes behave: docs/broker.md.
"""

from __future__ import annotations

import atexit
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from loadtest.broker import node_config
from loadtest.broker.endpoint import Endpoint
from loadtest.broker.launch import Launched, NodeOrder, PortClashError, Progress, end, launch
from loadtest.broker.marked_process import kill_marked
from loadtest.broker.ports import LOOPBACK
from loadtest.broker.run_folder import MARKER, RunFolder, state_folder
from loadtest.broker.server import NO_SERVER, find_server
from loadtest.errors import BrokerError, UsageError

_ATTEMPTS: Final = 4


class PrivateNode:
    """
    A running node that this process started; as a context manager it is stopped at the end.

    It is stopped when the process ends, too, and dies with it if that is killed. A process forked from this one does
    not own it: there `stop` does nothing. A detached node is nobody's: it runs until `stop`, or
    `detached.stop_detached` in whatever process.
    """

    def __init__(self, order: NodeOrder, folder: RunFolder, launched: Launched) -> None:
        self._order = order
        self._folder = folder
        self._launched = launched
        self._owner = os.getpid()
        self.name: Final = order.name
        self.folder: Final = folder.path
        self.version: Final = launched.version
        self.pid: Final = launched.server.pid

    @classmethod
    def start(
        cls,
        *,
        config: Path | None = None,
        plugins: Sequence[str] = node_config.DEFAULT_PLUGINS,
        server: Path | None = None,
        name: str | None = None,
        detached: bool = False,
        environ: Mapping[str, str] | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """
        Start a node and return it when it is up.

        Args:
            config: A rabbitmq.conf, or, if its name ends in `.config`, an advanced.config.
            plugins: Plugins to enable.
            server: `--server`, as `find_server` takes it.
            name: Of the node and its folder; by default a new one.
            detached: Whether it outlives this process.
            environ: The environment to look into and to hand on; by default this process's.
            progress: Takes a line of text each time there is something to tell.

        Raises:
            UsageError: If the config cannot be read, or a name or the server is not one.
            BrokerError: If there is no server, the node refuses to start, or lacks a plugin.
        """
        environ = os.environ if environ is None else environ
        say = progress or (lambda _: None)
        script = find_server(server, environ)
        if script is None:
            raise BrokerError(NO_SERVER)
        node_name = name or f"run-{secrets.token_hex(4)}"
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,40}", node_name):
            raise UsageError(f"node name {node_name!r}: letters, digits, - and _ make a name, up to 40")
        order = NodeOrder(script, node_name, config.absolute() if config else None, tuple(plugins), detached)
        folder = RunFolder.create(state_folder(environ), node_name, detached=detached)
        say(f"starting a private RabbitMQ node with {script} …")
        try:
            node = cls(order, folder, _launch_on_free_ports(order, folder, environ, say))
        except BaseException:
            folder.remove()
            raise
        if detached:
            folder.release()
        else:
            atexit.register(node.stop)
        say(f"RabbitMQ {node.version} is up at {node.endpoint}")
        return node

    @property
    def endpoint(self) -> Endpoint:
        """Where and as whom to connect; the user and vhost are those that the config sets up, if it does."""
        return Endpoint(
            host=LOOPBACK,
            port=self._launched.ports.amqp,
            vhost=self._setting("default_vhost", "/"),
            username=self._setting("default_user", "guest"),
            password=self._setting("default_pass", "guest"),
        )

    @property
    def tls_port(self) -> int | None:
        """The port for AMQP over TLS, if the config has a listener for it."""
        return self._launched.ports.amqps if node_config.has_tls_listener(self.listeners) else None

    @property
    def management_url(self) -> str | None:
        """Where the management API is, if the node has the plugin."""
        return self._plugin_url(node_config.MANAGEMENT)

    @property
    def prometheus_url(self) -> str | None:
        """Where the metrics for Prometheus are, if the node has the plugin."""
        return self._plugin_url(node_config.PROMETHEUS)

    @property
    def plugins(self) -> tuple[str, ...]:
        """The plugins that were asked for."""
        return tuple(self._order.plugins)

    @property
    def config(self) -> str:
        """The rabbitmq.conf in effect, passwords and the like replaced, with an advanced.config after it."""
        advanced = self.folder / "advanced.config"
        text = (self.folder / "rabbitmq.conf").read_text() + self.listeners
        terms = node_config.without_secret_terms(advanced.read_text()) if advanced.exists() else ""
        return node_config.without_secrets(text) + terms

    @property
    def listeners(self) -> str:
        """The part of the configuration that says where the node listens."""
        return (self.folder / "conf.d" / "99-listeners.conf").read_text()

    @property
    def is_alive(self) -> bool:
        """Whether the server runs."""
        return self._launched.server.poll() is None

    def logs(self) -> str:
        """Return all the node has logged."""
        return "".join(path.read_text(errors="replace") for path in sorted((self.folder / "log").glob("*.log")))

    def kill(self) -> None:
        """End the server as a crash would (SIGKILL); its folder stays until `stop`."""
        end(self._launched.server)

    def stop(self) -> None:
        """End the node and remove its folder; at once, as its data goes too, and a shutdown takes 3.10 six seconds."""
        if os.getpid() != self._owner:
            return
        atexit.unregister(self.stop)
        end(self._launched.server, self._launched.epmd)
        self._folder.remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        """Return the node's name, version, pid and address."""
        return f"<PrivateNode {self.name} {self.version} pid {self.pid} at {self.endpoint.address}>"

    def _plugin_url(self, plugin: str) -> str | None:
        index = node_config.listening_plugins(self._order.plugins).get(plugin)
        return None if index is None else f"http://{LOOPBACK}:{self._launched.ports.of_plugin(index)}"

    def _setting(self, key: str, default: str) -> str:
        return node_config.setting((self.folder / "rabbitmq.conf").read_text(), key, default)


def _launch_on_free_ports(
    order: NodeOrder, folder: RunFolder, environ: Mapping[str, str], progress: Progress
) -> Launched:
    """Launch the node, again on other ports if another program took one of them."""
    for _ in range(_ATTEMPTS):
        try:
            return launch(order, folder, environ, progress)
        except PortClashError:
            kill_marked(MARKER, str(folder.path))
            progress("a port was taken by another program meanwhile; trying others …")
    raise BrokerError(f"other programs took the ports of the private node {_ATTEMPTS} times in a row; try again")

"""
A broker of one's own: a RabbitMQ node started for a run, on the loopback address only, and gone with it.

How it is brought up is `launch`'s, how its server comes and goes `node_server`'s, where it lives `run_folder`'s, that
it ends with the tool `child_process`'s business. How nodes behave: docs/broker.md.
"""

from __future__ import annotations

import atexit
import os
import re
import secrets
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from loadtest.broker.endpoint import DEFAULT_PASSWORD, DEFAULT_USER, Endpoint
from loadtest.broker.faults.alarms import DISK, MEMORY, Alarm
from loadtest.broker.private import node_config
from loadtest.broker.private.certificates import authority_of
from loadtest.broker.private.launch import Launch, Progress, end, launched_setting, read_log
from loadtest.broker.private.node_server import NodeOrder, NodeServer
from loadtest.broker.private.ports import LOOPBACK
from loadtest.broker.private.run_folder import RunFolder, state_folder
from loadtest.broker.private.server import NO_SERVER, find_server
from loadtest.broker.tls import Tls
from loadtest.errors import BrokerError, UsageError
from loadtest.scenario.grammar.node_environment import shown_environment

NODE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,40}")


class PrivateNode:
    """
    A node that this process started; as a context manager it is stopped at the end.

    It is stopped when the process ends, too, and dies with it if that is killed. A process forked from this one does
    not own it: there `stop` does nothing. A detached node is nobody's: it runs until `stop`, or
    `detached.stop_detached` in whatever process.

    Attributes:
        name: Of the node, before `@localhost`, and of its folder.
        server: Its process, which may be killed, stopped, paused and started again as long as the node is there.
    """

    def __init__(self, server: NodeServer, folder: RunFolder, epmd: subprocess.Popen[bytes] | None = None) -> None:
        self._folder = folder
        self._epmd = epmd
        self._owner = os.getpid()
        self._memory = Alarm(server, MEMORY)
        self._disk = Alarm(server, DISK)
        self.server: Final = server
        self.name: Final = server.order.name
        self.folder: Final = folder.path
        if server.order.detached:
            folder.release()
        else:
            atexit.register(self.stop)

    @classmethod
    def start(
        cls,
        *,
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
        Start a node and return it when it is up.

        Args:
            config: A rabbitmq.conf, or, if its name ends in `.config`, an advanced.config.
            plugins: Plugins to enable.
            server: `--server`, as `find_server` takes it.
            name: Of the node and its folder; by default a new one.
            tls: Whether clients reach it over TLS, with certificates made for it.
            detached: Whether it outlives this process.
            environ: The environment to look into and to hand on; by default this process's.
            progress: Takes a line of text each time there is something to tell.

        Raises:
            UsageError: If the config cannot be read, or a name or the server is not one.
            BrokerError: If there is no server, the node refuses to start, or lacks a plugin.
        """
        environ = os.environ if environ is None else environ
        say = progress or (lambda _: None)
        script = demand_server(server, environ)
        order = NodeOrder(
            script=script,
            name=check_name(name or f"run-{secrets.token_hex(4)}"),
            config=config.absolute() if config else None,
            plugins=tuple(plugins),
            detached=detached,
            cookie=new_cookie(),
            tls=tls,
            user=new_user(),
            password=new_password(),
        )
        say(f"starting a private RabbitMQ node with {script} …")
        [node] = cls.launch([order], environ, say)
        say(f"RabbitMQ {node.version} is up at {node.endpoint}")
        return node

    @classmethod
    def launch(cls, orders: Sequence[NodeOrder], environ: Mapping[str, str], say: Progress) -> list[Self]:
        """
        Start nodes at the same time, and return them when all are up.

        Raises:
            UsageError: As `start`; then, as after any error, nothing of them is left.
            BrokerError: As `start`.
        """
        folders: list[RunFolder] = []
        launches: list[Launch] = []
        try:
            for order in orders:
                folders.append(RunFolder.create(state_folder(environ), order.name, detached=order.detached))
                launches.append(Launch(order, folders[-1], environ, say))
                launches[-1].begin()
            servers = [launch.finish() for launch in launches]
        except BaseException:
            for launch in launches:
                launch.undo()
            for folder in folders:
                folder.remove()
            raise
        started = zip(servers, folders, launches, strict=True)
        return [cls(server, folder, launch.epmd) for server, folder, launch in started]

    @property
    def endpoint(self) -> Endpoint:
        """Where and as whom to connect: user, password and vhost of the config, else those that are the node's own."""
        authority = authority_of(self.folder)
        return Endpoint(
            host=LOOPBACK,
            port=self.server.ports.amqp if authority is None else self.server.ports.amqps,
            tls=None if authority is None else Tls(cacertfile=authority),
            vhost=self._setting("default_vhost", "/"),
            username=self._setting("default_user", DEFAULT_USER),
            password=self._setting("default_pass", DEFAULT_PASSWORD),
        )

    @property
    def erlang_name(self) -> str:
        """The name by which the broker knows the node."""
        return f"{self.name}@{node_config.HOST}"

    @property
    def version(self) -> str:
        """The version of RabbitMQ."""
        return self.server.version

    @property
    def pid(self) -> int:
        """The process of the server, or of the last one, if it does not run."""
        return self.server.pid

    @property
    def tls_port(self) -> int | None:
        """The port for AMQP over TLS, if the config has a listener for it."""
        return self.server.ports.amqps if node_config.has_tls_listener(self.listeners) else None

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
        return tuple(self.server.order.plugins)

    @property
    def config(self) -> str:
        """The rabbitmq.conf in effect, passwords and the like replaced, with an advanced.config after it."""
        advanced = self.folder / "advanced.config"
        text = (self.folder / "rabbitmq.conf").read_text() + self.listeners
        terms = node_config.without_secret_terms(advanced.read_text()) if advanced.exists() else ""
        return node_config.without_secrets(text) + terms

    @property
    def environment(self) -> dict[str, str]:
        """What its process was told besides its config, secrets replaced."""
        return shown_environment(self.server.told)

    @property
    def listeners(self) -> str:
        """The part of the configuration that says where the node listens."""
        return (self.folder / "conf.d" / "99-listeners.conf").read_text()

    @property
    def nodes(self) -> tuple[PrivateNode, ...]:
        """Itself: where a broker may have several nodes, as a `PrivateCluster`, it is one that has one."""
        return (self,)

    @property
    def is_alive(self) -> bool:
        """Whether the server runs."""
        return self.server.is_running

    def logs(self) -> str:
        """Return all the node has logged."""
        return read_log(self.folder)

    def kill(self) -> None:
        """End the server as a crash would (SIGKILL); its folder stays until `stop`."""
        self.server.kill()

    def memory_alarm(self, *, on: bool) -> None:
        """Raise or clear the node's memory alarm; errors as `Alarm.turn`."""
        self._memory.turn(on=on)

    def disk_alarm(self, *, on: bool) -> None:
        """Raise or clear the node's disk alarm; errors as `Alarm.turn`."""
        self._disk.turn(on=on)

    def stop(self) -> None:
        """End the node and remove its folder; at once, as its data goes too, and a shutdown takes 3.10 six seconds."""
        if os.getpid() != self._owner:
            return
        atexit.unregister(self.stop)
        self.server.kill()
        self.server.let_go()
        end(self._epmd)
        self._folder.remove()
        self.server.ports.release()

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
        index = node_config.listening_plugins(self.plugins).get(plugin)
        return None if index is None else f"http://{LOOPBACK}:{self.server.ports.of_plugin(index)}"

    def _setting(self, key: str, default: str) -> str:
        return launched_setting(self.folder, key, default)


def check_name(name: str) -> str:
    """
    Return *name*.

    Raises:
        UsageError: If it is no name for a node.
    """
    if not NODE_NAME.fullmatch(name):
        raise UsageError(f"node name {name!r}: letters, digits, - and _ make a name, up to 40")
    return name


def new_cookie() -> str:
    """Return a secret by which nodes and tools of one cluster know each other."""
    return secrets.token_hex(16)


def new_user() -> str:
    """Return a name for the administrator of a node or cluster."""
    return f"loadtest-{secrets.token_hex(4)}"


def new_password() -> str:
    """Return a password for it: every local user can reach the node's ports, and `guest` is what they try first."""
    return secrets.token_hex(16)


def demand_server(explicit: Path | None, environ: Mapping[str, str]) -> Path:
    """
    Return the `rabbitmq-server` to start, as `find_server`.

    Raises:
        BrokerError: If there is none.
    """
    script = find_server(explicit, environ)
    if script is None:
        raise BrokerError(NO_SERVER)
    return script

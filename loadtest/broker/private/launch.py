"""
Bringing a private node up for the first time: its files, its port mapper, its server, on a block of free ports.

Or saying why it does not come up. How its server then comes and goes is `node_server`'s.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from loadtest.broker.private import boot, node_config
from loadtest.broker.private.certificates import write_certificates
from loadtest.broker.private.node_server import NodeOrder, NodeServer, PortClashError
from loadtest.broker.private.ports import LOOPBACK, PortBlock
from loadtest.broker.private.run_folder import MARKER, RunFolder, write_private
from loadtest.broker.private.server import find_epmd
from loadtest.broker.processes.child_process import start_child
from loadtest.broker.processes.marked_process import kill_marked
from loadtest.errors import BrokerError, UsageError

EPMD_TIMEOUT_S: Final = 5.0

# The log is written with a delay of 0.2 s. Where a config keeps it silent, nothing comes, and the plugins go unchecked.
LOG_TIMEOUT_S: Final = 2.0
USER_FILE: Final = Path("conf.d", "96-user.conf")
_ATTEMPTS: Final = 4
_POLL_S: Final = 0.02
_FOLDER_MODE: Final = 0o700

Progress = Callable[[str], None]


class Launch:
    """
    One node on its way up: `begin`, then `finish`, so that several can be on their way at a time.

    Attributes:
        server: The node's server, up after `finish`.
        epmd: Its port mapper; None where it uses another's, or has started its own.
    """

    def __init__(self, order: NodeOrder, folder: RunFolder, environ: Mapping[str, str], progress: Progress) -> None:
        self._order = order
        self._folder = folder
        self._environ = environ
        self._progress = progress
        self._clashed = False
        self.server: NodeServer | None = None
        self.epmd: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        """
        Start it; that a port was taken is mended by `finish`.

        Raises:
            UsageError: If its config cannot be read.
            BrokerError: If it cannot be started at all.
        """
        try:
            self._start()
        except PortClashError:
            self._clashed = True

    def finish(self) -> NodeServer:
        """
        Return its server when it is up, on other ports if another program took one of those tried first.

        Raises:
            BrokerError: If it refuses to start (in its own words), lacks a plugin, or listens beyond the loopback
                address. The caller then has to `undo`.
        """
        for _ in range(_ATTEMPTS):
            try:
                if self._clashed:
                    self._start_again()
                server = self._begun()
                server.wait_until_up()
            except PortClashError:
                self._clashed = True
            else:
                _check_plugins(self._order, server.folder)
                return server
        raise BrokerError(f"other programs took the ports of the private node {_ATTEMPTS} times in a row; try again")

    def undo(self) -> None:
        """End what was started and give up its ports; the folder stays."""
        if self.server is not None:
            self.server.kill()
            self.server.ports.release()
        end(self.epmd)
        self.server, self.epmd = None, None

    def _begun(self) -> NodeServer:
        if self.server is None:
            raise RuntimeError("a launch begins before it is finished")
        return self.server

    def _start_again(self) -> None:
        self.undo()
        kill_marked(MARKER, str(self._folder.path))
        self._progress("a port was taken by another program meanwhile; trying others …")
        self._start()
        self._clashed = False

    def _start(self) -> None:
        server = self.server = NodeServer(self._order, self._folder, PortBlock.reserve(), self._environ)
        _write_files(self._order, self._folder.path, server.ports, self._progress)
        if self._order.epmd_port is None:
            self.epmd = _start_epmd(server, bound=not self._order.detached)
        server.spawn()


def end(process: subprocess.Popen[bytes] | None) -> None:
    """Kill a child, if there is one, and wait for it."""
    if process is not None:
        process.kill()
        process.wait()


def _write_files(order: NodeOrder, folder: Path, ports: PortBlock, progress: Progress) -> None:
    """Write cookie, configuration and plugins, anew at each attempt; data of a failed attempt goes."""
    shutil.rmtree(folder / "data", ignore_errors=True)
    for name in ("conf.d", "data", "log", "config"):
        (folder / name).mkdir(mode=_FOLDER_MODE, exist_ok=True)
    write_private(folder / ".erlang.cookie", order.cookie)
    # Erlang takes no other mode.
    (folder / ".erlang.cookie").chmod(0o400)
    user_config = _read_config(order.config)
    is_advanced = order.config is not None and order.config.suffix == ".config"
    config, left_out = ("", []) if is_advanced else node_config.without_listeners(user_config)
    if left_out:
        why = f"since a private node listens on {LOOPBACK} only and joins nobody else's cluster"
        progress(f"{order.config}: left out, {why}: {'; '.join(left_out)}")
    if is_advanced:
        write_private(folder / "advanced.config", user_config)
    write_private(folder / "rabbitmq.conf", config)
    listeners = node_config.render_listeners(order.plugins, ports, "" if is_advanced else user_config, tls=order.tls)
    certificates = write_certificates(folder, node_config.HOST) if order.tls else ""
    write_private(folder / "conf.d" / "97-tls.conf", certificates)
    settings = node_config.render_user(order.user, order.password, user_config)
    write_private(folder / USER_FILE, settings)
    membership = node_config.render_membership(order.cluster, order.seed)
    write_private(folder / "conf.d" / "98-cluster.conf", membership)
    write_private(folder / "conf.d" / "99-listeners.conf", listeners)
    write_private(folder / "enabled_plugins", node_config.render_plugins(order.plugins))


def _read_config(config: Path | None) -> str:
    if config is None:
        return ""
    try:
        return config.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--config {config}: {getattr(error, 'strerror', None) or 'it is not text'}") from error


def _start_epmd(server: NodeServer, *, bound: bool) -> subprocess.Popen[bytes] | None:
    """Start the node's port mapper, in the foreground: it then ends with us, as one started by the node would not."""
    program = find_epmd(server.environ)
    if program is None:
        return None
    command = [str(program), "-port", str(server.epmd_port), "-address", LOOPBACK]
    output = server.folder / "epmd.output"
    epmd = start_child(command, environ=server.environ, folder=server.folder, output=output, bound=bound)
    deadline = time.monotonic() + EPMD_TIMEOUT_S
    while epmd.poll() is None:
        if _accepts(server.epmd_port):
            return epmd
        if time.monotonic() > deadline:
            end(epmd)
            raise BrokerError(f"epmd does not answer on port {server.epmd_port} after {EPMD_TIMEOUT_S:.0f} s")
        time.sleep(_POLL_S)
    raise PortClashError


def _check_plugins(order: NodeOrder, folder: Path) -> None:
    """Refuse a node without a plugin that was asked for: RabbitMQ itself passes over unknown ones without a word."""
    deadline = time.monotonic() + LOG_TIMEOUT_S
    while (started := boot.started_plugins(read_log(folder))) is None and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    missing = [plugin for plugin in order.plugins if started is not None and plugin not in started]
    if missing:
        raise BrokerError(
            f"the RabbitMQ of {order.script} has no plugin {', '.join(missing)}; "
            f"`{order.script.with_name('rabbitmq-plugins')} list` shows those it has"
        )


def launched_setting(folder: Path, key: str, default: str) -> str:
    """Return what the configuration in *folder*, the user's or ours, says of the user, password or vhost at first."""
    files = [folder / name for name in ("rabbitmq.conf", "advanced.config", USER_FILE)]
    told = "\n".join(file.read_text() for file in files if file.exists())
    return node_config.first_setting(told, key, default)


def read_log(folder: Path) -> str:
    """Return all that the node in *folder* has logged."""
    return "".join(path.read_text(errors="replace") for path in sorted((folder / "log").glob("*.log")))


def _accepts(port: int) -> bool:
    with contextlib.suppress(OSError):
        socket.create_connection((LOOPBACK, port), 1.0).close()
        return True
    return False

"""
One attempt to bring a private node up in its folder, on one block of ports.

Writes the node's files, starts its port mapper and its server, and waits until it is up, or says why it is not.
"""

from __future__ import annotations

import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loadtest.broker import boot, node_config
from loadtest.broker.child_process import start_child
from loadtest.broker.listening import foreign_listeners
from loadtest.broker.ports import LOOPBACK, PortBlock
from loadtest.broker.run_folder import RunFolder
from loadtest.broker.server import find_epmd
from loadtest.errors import BrokerError, UsageError

BOOT_TIMEOUT_S: Final = 90.0
EPMD_TIMEOUT_S: Final = 5.0
LISTENER_TIMEOUT_S: Final = 5.0

# The log is written with a delay of 0.2 s. Where a config keeps it silent, nothing comes, and the plugins go unchecked.
LOG_TIMEOUT_S: Final = 2.0
_LAST_WORDS_S: Final = 0.2
_POLL_S: Final = 0.02

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class NodeOrder:
    """
    What a private node is to be.

    Attributes:
        script: The `rabbitmq-server` to start.
        name: Of the node, before `@localhost`.
        config: The user's rabbitmq.conf, or, if its name ends in `.config`, advanced.config.
        plugins: Plugins to enable.
        detached: Whether it outlives this process.
    """

    script: Path
    name: str
    config: Path | None
    plugins: Sequence[str]
    detached: bool


@dataclass(frozen=True, slots=True)
class Launched:
    """A node that is up: its processes (no port mapper where the node started its own), its ports and version."""

    server: subprocess.Popen[bytes]
    epmd: subprocess.Popen[bytes] | None
    ports: PortBlock
    version: str


class PortClashError(Exception):
    """Another program took a port between its being found free and the node's listening on it."""


def launch(order: NodeOrder, folder: RunFolder, environ: Mapping[str, str], progress: Progress) -> Launched:
    """
    Start a node as *order* says in *folder* and return it when it is up.

    Raises:
        BrokerError: If the node refuses to start (in its own words), lacks a plugin, or listens beyond the loopback
            address.
        PortClashError: If a port was taken meanwhile. Then, as after any error, the caller kills what else carries the
            folder's marker.
    """
    ports = PortBlock.reserve()
    started: list[subprocess.Popen[bytes]] = []
    try:
        _write_files(order, folder.path, ports, progress)
        node_environ = node_config.node_environment(folder.path, order.name, ports, environ)
        epmd = _start_epmd(order, folder.path, ports, node_environ)
        started += [epmd] if epmd is not None else []
        server = start_child(
            [order.script],
            environ=node_environ,
            folder=folder.path,
            output=folder.path / "output",
            bound=not order.detached,
            keep=(folder.lock,) if order.detached else (),
        )
        started.append(server)
        output = _wait_until_up(order, folder.path, ports, server)
        _check_plugins(order, folder.path)
        return Launched(server, epmd, ports, boot.broker_version(output) or "unknown")
    except BaseException:
        end(*started)
        raise
    finally:
        ports.release()


def end(*processes: subprocess.Popen[bytes] | None) -> None:
    """Kill the processes and wait for them."""
    for process in processes:
        if process is not None:
            process.kill()
            process.wait()


def _write_files(order: NodeOrder, folder: Path, ports: PortBlock, progress: Progress) -> None:
    """Write cookie, configuration and plugins, anew at each attempt; data of a failed attempt goes."""
    shutil.rmtree(folder / "data", ignore_errors=True)
    (folder / "output").unlink(missing_ok=True)
    for name in ("conf.d", "data", "log", "config"):
        (folder / name).mkdir(exist_ok=True)
    cookie = folder / ".erlang.cookie"
    cookie.unlink(missing_ok=True)
    cookie.touch(mode=0o400)
    cookie.chmod(0o600)
    cookie.write_text(secrets.token_hex(16))
    cookie.chmod(0o400)
    user_config = _read_config(order.config)
    is_advanced = order.config is not None and order.config.suffix == ".config"
    config, left_out = ("", []) if is_advanced else node_config.without_listeners(user_config)
    if left_out:
        progress(f"{order.config}: left out, since a private node listens on {LOOPBACK} only: {'; '.join(left_out)}")
    if is_advanced:
        (folder / "advanced.config").write_text(user_config)
    (folder / "rabbitmq.conf").write_text(config)
    (folder / "conf.d" / "99-listeners.conf").write_text(
        node_config.render_listeners(order.plugins, ports, "" if is_advanced else user_config)
    )
    (folder / "enabled_plugins").write_text(node_config.render_plugins(order.plugins))


def _read_config(config: Path | None) -> str:
    if config is None:
        return ""
    try:
        return config.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--config {config}: {getattr(error, 'strerror', None) or 'it is not text'}") from error


def _start_epmd(
    order: NodeOrder, folder: Path, ports: PortBlock, environ: Mapping[str, str]
) -> subprocess.Popen[bytes] | None:
    """Start the node's port mapper, in the foreground: it then ends with us, as one started by the node would not."""
    program = find_epmd(environ)
    if program is None:
        return None
    command = [str(program), "-port", str(ports.epmd), "-address", LOOPBACK]
    epmd = start_child(command, environ=environ, folder=folder, output=folder / "epmd.output", bound=not order.detached)
    deadline = time.monotonic() + EPMD_TIMEOUT_S
    while epmd.poll() is None:
        if _accepts(ports.epmd):
            return epmd
        if time.monotonic() > deadline:
            end(epmd)
            raise BrokerError(f"epmd does not answer on port {ports.epmd} after {EPMD_TIMEOUT_S:.0f} s")
        time.sleep(_POLL_S)
    raise PortClashError


def _wait_until_up(order: NodeOrder, folder: Path, ports: PortBlock, server: subprocess.Popen[bytes]) -> str:
    """Wait until the boot is complete and AMQP is answered; return all the node printed."""
    deadline = time.monotonic() + BOOT_TIMEOUT_S
    while not boot.has_started(output := _read_output(folder)):
        if boot.has_failed(output) or server.poll() is not None:
            # An error is printed in several pieces, and the node then waits a second before it exits.
            time.sleep(_LAST_WORDS_S)
            output = _read_output(folder)
            if _names_clash(output) and any(str(port) in output for port in ports.all):
                raise PortClashError
            raise BrokerError(f"the private node refused to start: {boot.refusal(output, folder, order.config)}")
        if time.monotonic() > deadline:
            words = boot.refusal(output, folder, order.config)
            raise BrokerError(f"the private node is not up after {BOOT_TIMEOUT_S:.0f} s; it last said: {words}")
        time.sleep(_POLL_S)
    _check_loopback(server.pid)
    deadline = time.monotonic() + LISTENER_TIMEOUT_S
    while not boot.answers_amqp(ports.amqp):
        if time.monotonic() > deadline:
            raise BrokerError(
                f"the private node does not listen on {LOOPBACK}:{ports.amqp}, as its config says otherwise"
            )
        time.sleep(_POLL_S)
    return output


def _read_output(folder: Path) -> str:
    return (folder / "output").read_text(errors="replace")


def _names_clash(output: str) -> bool:
    return any(word in output for word in ("eaddrinuse", "dist_port_already_used", "could_not_start_listener"))


def _check_plugins(order: NodeOrder, folder: Path) -> None:
    """Refuse a node without a plugin that was asked for: RabbitMQ itself passes over unknown ones without a word."""
    deadline = time.monotonic() + LOG_TIMEOUT_S
    while (started := boot.started_plugins(_read_log(folder))) is None and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    missing = [plugin for plugin in order.plugins if started is not None and plugin not in started]
    if missing:
        raise BrokerError(
            f"the RabbitMQ of {order.script} has no plugin {', '.join(missing)}; "
            f"`{order.script.with_name('rabbitmq-plugins')} list` shows those it has"
        )


def _read_log(folder: Path) -> str:
    return "".join(path.read_text(errors="replace") for path in sorted((folder / "log").glob("*.log")))


def _check_loopback(pid: int) -> None:
    """Refuse a node that others can reach, through an advanced.config or a plugin whose listener we do not know."""
    foreign = foreign_listeners(pid)
    if foreign:
        raise BrokerError(
            f"the private node would listen beyond this machine, on {', '.join(foreign)}: "
            f"say in its config that this listener is to use {LOOPBACK}"
        )


def _accepts(port: int) -> bool:
    try:
        socket.create_connection((LOOPBACK, port), 1.0).close()
    except OSError:
        return False
    return True

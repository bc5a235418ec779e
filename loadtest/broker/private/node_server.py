"""
The server of a private node: the process that is killed, stopped, paused and started again while all else stays.

Folder, ports, name and cookie are the node's; a server that starts again finds its data, and its cluster. Each method
is bounded in time, and under gevent lets others run while it waits.
"""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from loadtest.broker.private import boot, node_config
from loadtest.broker.private.ports import LOOPBACK, PortBlock
from loadtest.broker.private.run_folder import MARKER, RunFolder
from loadtest.broker.processes.child_process import start_child
from loadtest.broker.processes.held_process import HeldProcess
from loadtest.broker.processes.listening import foreign_listeners
from loadtest.errors import BrokerError

BOOT_TIMEOUT_S: Final = 90.0
STOP_TIMEOUT_S: Final = 30.0
LISTENER_TIMEOUT_S: Final = 5.0
SIGNAL_TIMEOUT_S: Final = 5.0
OUTPUT: Final = "output"

_LAST_WORDS_S: Final = 0.2
_POLL_S: Final = 0.02


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
        cookie: The secret that it shares with its cluster; not needed of a node that is there.
        epmd_port: Where its port mapper is; None for one of its own.
        cluster: The name of its cluster; None for a node alone.
        seed: The name of the node whose cluster it joins at its first start; None for none.
        tls: Whether it is to be reached over TLS, with certificates of its own.
        user, password: Of the administrator that it is to have, where the config sets up none; not needed of a node
            that is there.
        called: What errors call it.
    """

    script: Path
    name: str
    config: Path | None
    plugins: Sequence[str]
    detached: bool
    cookie: str = field(default="", repr=False)
    epmd_port: int | None = None
    cluster: str | None = None
    seed: str | None = None
    tls: bool = False
    user: str = ""
    password: str = field(default="", repr=False)
    called: str = "the private node"


class PortClashError(Exception):
    """Another program took a port between its being found free and the node's listening on it."""


class NodeServer:
    """
    A node's server, which runs or does not; not thread-safe, but for several greenlets at a time.

    Attributes:
        pid: Of its process, or of the last one.
        environ: Of the tools of the node.
        told: Variables that its process has besides.
        on_spawn: Called each time that it has a new process.
    """

    def __init__(self, order: NodeOrder, folder: RunFolder, ports: PortBlock, environ: Mapping[str, str]) -> None:
        self.order: Final = order
        self.ports: Final = ports
        self.epmd_port: Final = order.epmd_port or ports.epmd
        self.environ: Final = node_config.node_environment(folder.path, order.name, ports, self.epmd_port, environ)
        self.told: Final = node_config.told_environment(environ)
        self.version = "unknown"
        self.pid = 0
        self.on_spawn: Callable[[], None] = lambda: None
        self._folder = folder
        self._process: HeldProcess | None = None
        self._ordered_end = False

    @property
    def folder(self) -> Path:
        """Where it runs."""
        return self._folder.path

    @property
    def is_running(self) -> bool:
        """Whether its process is there; one that is paused, or not up yet, is."""
        return self._process is not None and self._process.is_running

    @property
    def is_paused(self) -> bool:
        """Whether its process stands still."""
        return self._process is not None and self._process.is_paused

    def adopt(self, pid: int, version: str) -> None:
        """Take the process *pid* for the server, if it is one of this folder: that of a node that somebody started."""
        self.pid, self.version = pid, version
        self._process = HeldProcess.of_marked(pid, MARKER, str(self.folder))

    def spawn(self) -> None:
        """
        Start the process, and do not wait until it is up.

        Raises:
            BrokerError: If it cannot be started, or somebody else holds the folder.
        """
        self._folder.hold(SIGNAL_TIMEOUT_S)
        (self.folder / OUTPUT).unlink(missing_ok=True)
        child = start_child(
            [self.order.script],
            environ=node_config.server_environment(self.environ, self.told),
            folder=self.folder,
            output=self.folder / OUTPUT,
            bound=not self.order.detached,
            keep=(self._folder.lock,) if self.order.detached else (),
        )
        if self._process is not None:
            self._process.close()
        self._process = HeldProcess.of_child(child)
        self._ordered_end = False
        self.pid = child.pid
        self.on_spawn()

    def wait_until_up(self) -> None:
        """
        Wait until the boot is complete and AMQP is answered.

        Raises:
            BrokerError: If it refuses to start, in its own words, was ended meanwhile, or listens beyond the loopback
                address.
            PortClashError: If it finds one of its ports taken.
        """
        deadline = time.monotonic() + BOOT_TIMEOUT_S
        while not boot.has_started(output := self._output()):
            if boot.has_failed(output) or not self.is_running:
                raise self._refusal()
            if time.monotonic() > deadline:
                raise BrokerError(
                    f"{self.order.called} is not up after {BOOT_TIMEOUT_S:.0f} s; it last said: {self._words(output)}"
                )
            time.sleep(_POLL_S)
        self._check_loopback()
        deadline = time.monotonic() + LISTENER_TIMEOUT_S
        while not boot.answers_amqp(self.ports.amqp):
            if not self.is_running:
                raise self._refusal()
            if time.monotonic() > deadline:
                raise BrokerError(
                    f"{self.order.called} does not listen on {LOOPBACK}:{self.ports.amqp}, as its config says otherwise"
                )
            time.sleep(_POLL_S)
        self.version = boot.broker_version(output) or self.version

    def start(self) -> None:
        """
        Have it up: start it, if it does not run, on the data and ports that it had; resume it, if it is paused.

        A node whose whole cluster went down may wait for the others: `PrivateCluster.start_all` starts them together.

        Raises:
            BrokerError: As `spawn` and `wait_until_up`, which see.
        """
        if self.is_running:
            self.resume()
        else:
            self.spawn()
        self.wait_until_started()

    def wait_until_started(self) -> None:
        """Wait until a server that was started again is up; errors as `start`."""
        try:
            self.wait_until_up()
        except PortClashError as error:
            raise BrokerError(f"{self.order.called} cannot start again: a program took one of its ports") from error
        finally:
            if self.order.detached:
                # Its server holds the lock now, or nobody does.
                self._folder.release()

    def kill(self) -> None:
        """End it as a crash would (SIGKILL), paused or not; nothing if it does not run."""
        self._end(signal.SIGKILL, SIGNAL_TIMEOUT_S)

    def stop(self) -> None:
        """
        Shut it down in order (SIGTERM) and wait; nothing if it does not run. RabbitMQ 3.10 takes some six seconds.

        Raises:
            BrokerError: If it is not down after 30 s; it is killed then.
        """
        self.resume()
        if not self._end(signal.SIGTERM, STOP_TIMEOUT_S):
            self.kill()
            raise BrokerError(f"{self.order.called} did not stop within {STOP_TIMEOUT_S:.0f} s and was killed")

    def restart(self) -> None:
        """Shut it down in order and start it again; errors as `stop` and `start`."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """
        Have its process stand still (SIGSTOP): its connections stay, and nothing answers; nothing if it does not run.

        Its helpers (name resolution and the like) do nothing unasked, so they are left alone. Standing still, too, they
        would not notice that it was killed, and stay for ever.
        """
        if self._process is not None:
            self._process.pause(SIGNAL_TIMEOUT_S, outlives_us=self.order.detached)

    def resume(self) -> None:
        """Have a paused process go on (SIGCONT); nothing if it is not paused."""
        if self._process is not None:
            self._process.resume()

    def let_go(self) -> None:
        """Give up the hold on the process, which goes on as it is."""
        if self._process is not None:
            self._process.close()

    def _end(self, number: signal.Signals, timeout_s: float) -> bool:
        if self._process is None:
            return True
        self._ordered_end = True
        self._process.send(number)
        return self._process.wait_ended(timeout_s)

    def _refusal(self) -> Exception:
        """Return why it did not come up."""
        # An error is printed in several pieces, and the node then waits a second before it exits.
        time.sleep(_LAST_WORDS_S)
        output = self._output()
        if self._ordered_end:
            return BrokerError(f"{self.order.called} was ended while it started")
        if _names_clash(output) and any(str(port) in output for port in self.ports.all):
            return PortClashError()
        return BrokerError(f"{self.order.called} refused to start: {self._words(output)}")

    def _words(self, output: str) -> str:
        return boot.refusal(output, self.folder, self.order.config)

    def _output(self) -> str:
        with contextlib.suppress(FileNotFoundError):
            return (self.folder / OUTPUT).read_text(errors="replace")
        return ""

    def _check_loopback(self) -> None:
        """Refuse a node that others can reach, through an advanced.config or a plugin whose listener we do not know."""
        foreign = foreign_listeners(self.pid)
        if foreign:
            raise BrokerError(
                f"{self.order.called} would listen beyond this machine, on {', '.join(foreign)}: "
                f"say in its config that this listener is to use {LOOPBACK}"
            )


def _names_clash(output: str) -> bool:
    return any(word in output for word in ("eaddrinuse", "dist_port_already_used", "could_not_start_listener"))

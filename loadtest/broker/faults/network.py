"""
The network between a run's users and the broker: a proxy of our own in a process of its own, and what is done to it.

Only what is given its `endpoints` goes through it. Knows no time: `faults` decides when. The proxy itself is
`loadtest.broker.proxy`; it dies with this process, even by kill -9.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

import loadtest
from loadtest.broker.endpoint import ENVIRONMENT_NAMES, Endpoint
from loadtest.broker.processes.child_process import start_child
from loadtest.broker.processes.held_process import HeldProcess
from loadtest.broker.proxy.link import LOOPBACK
from loadtest.broker.proxy.shaper import Shape
from loadtest.errors import BrokerError

ANSWER_TIMEOUT_S: Final = 10.0
"""An order takes less than a millisecond; the look-up of hosts, at the begin, what the system's resolver takes."""

_END_TIMEOUT_S: Final = 5.0
_CHUNK_BYTES: Final = 1 << 16


class Network:
    """
    The links to the nodes of one broker, one each; safe across greenlets.

    Attributes:
        endpoints: How to reach the nodes by way of the links, in their order.
    """

    def __init__(self, nodes: Sequence[Endpoint], process: HeldProcess, control: socket.socket) -> None:
        """Take over a process that was started for *nodes*; use `start`."""
        self._process = process
        self._control = control
        self._rest = b""
        self._lock = threading.Lock()
        ports = self._ask({"do": "open", "nodes": [[node.host, node.port] for node in nodes]})["ports"]
        self.endpoints = tuple(node.through(LOOPBACK, port) for node, port in zip(nodes, ports, strict=True))

    @classmethod
    def start(cls, nodes: Sequence[Endpoint], environ: Mapping[str, str]) -> Self:
        """
        Return links to *nodes* to which nothing is done yet.

        Raises:
            BrokerError: If the proxy cannot be started, or does not know a host.
        """
        ours, theirs = socket.socketpair()
        # Its own package, wherever this one was found; the broker's password is no business of its.
        own = {"PYTHONPATH": str(Path(loadtest.__file__).parents[1])}
        kept = {name: value for name, value in environ.items() if name not in ENVIRONMENT_NAMES}
        try:
            child = start_child(
                [sys.executable, "-S", "-m", "loadtest.broker.proxy"],
                environ=kept | own,
                folder=Path("/"),
                output=Path(os.devnull),
                bound=True,
                control=theirs.fileno(),
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        ours.settimeout(ANSWER_TIMEOUT_S)
        process = HeldProcess.of_child(child)
        try:
            return cls(nodes, process, ours)
        except BaseException:
            ours.close()
            _end(process)
            raise

    @property
    def pid(self) -> int:
        """The proxy's process."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the proxy is there; without it no user reaches the broker."""
        return self._process.is_running

    def slow(self, links: Sequence[int], shape: Shape) -> None:
        """
        Do *shape* to what passes, from now on.

        Args:
            links: Positions of the nodes.
            shape: What is done in each direction.

        Raises:
            BrokerError: As all that follow: if the proxy is gone.
        """
        self._ask(
            {
                "do": "slow",
                "links": list(links),
                "latency_ns": shape.latency_ns,
                "jitter_ns": shape.jitter_ns,
                "bandwidth_bytes_per_s": shape.bandwidth_bytes_per_s,
            }
        )

    def hold(self, links: Sequence[int]) -> None:
        """Let nothing pass and tell nobody, until `restore`."""
        self._ask({"do": "cut", "links": list(links), "how": "black-hole"})

    def reset(self, links: Sequence[int], *, refuses: bool = False) -> None:
        """Break all connections with a RST to both sides; with *refuses*, refuse new ones until `restore`."""
        self._ask({"do": "cut", "links": list(links), "how": "reset", "refuses": refuses})

    def restore(self, links: Sequence[int], *, cut: bool = True, slow: bool = True) -> None:
        """End what *cut* the links, or made them *slow*, or both: what was held passes, in its order."""
        self._ask({"do": "restore", "links": list(links), "cut": cut, "slow": slow})

    def count(self) -> tuple[list[int], list[int]]:
        """Return, for each link, how many connections go through it and how many bytes it holds."""
        answer = self._ask({"do": "count"})
        return answer["connections"], answer["held_bytes"]

    def last_words(self) -> str:
        """Return why a proxy that has ended by itself did, as far as it said so."""
        try:
            return str(self._receive().get("error", ""))
        except OSError:
            return ""

    def close(self) -> None:
        """End the proxy, and with it every connection that still goes through it."""
        self._control.close()
        _end(self._process)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, order: Mapping[str, Any]) -> dict[str, Any]:
        with self._lock:
            try:
                self._control.sendall(json.dumps(order).encode() + b"\n")
                answer = self._receive()
            except OSError as error:
                raise BrokerError(f"the network proxy does not answer: {error.strerror or error}") from error
        if "error" in answer:
            raise BrokerError(f"the network proxy: {answer['error']}")
        return answer

    def _receive(self) -> dict[str, Any]:
        while b"\n" not in self._rest:
            chunk = self._control.recv(_CHUNK_BYTES)
            if not chunk:
                raise ConnectionError("it has ended")
            self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer


def _end(process: HeldProcess) -> None:
    """See a process end whose input has, or kill it."""
    if not process.wait_ended(_END_TIMEOUT_S):
        process.send(signal.SIGKILL)
        process.wait_ended(_END_TIMEOUT_S)
    process.close()

"""
What the proxy is told, and what it answers: JSON, one a line, by its standard input and output.

The first command is `open`, with the nodes; it is answered with the ports, in their order. All others name links by
their position. There is no port by which somebody else could give commands.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
from collections.abc import Callable, Mapping
from typing import Any, Final

from loadtest.broker.proxy.link import Link
from loadtest.broker.proxy.loop import READ, Loop
from loadtest.broker.proxy.proxied_connection import resolve
from loadtest.broker.proxy.shaper import Shape

_IN: Final = 0
_OUT: Final = 1
_CHUNK_BYTES: Final = 1 << 16


class ProxyCommands:
    """Carries out what comes in, and ends the loop when nothing more can."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._links: list[Link] = []
        self._rest = b""
        self._deeds: Mapping[str, Callable[[Mapping[str, Any]], Mapping[str, Any]]] = {
            "open": self._open,
            "slow": self._slow,
            "cut": self._cut,
            "restore": self._restore,
            "count": self._count,
        }
        os.set_blocking(_IN, False)  # the standard library's signature
        loop.watch(_IN, READ, self._read)

    def _read(self, _: int) -> None:
        try:
            chunk = os.read(_IN, _CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        if not chunk:
            self._loop.is_over = True
            return
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._answer(json.loads(line))

    def _answer(self, command: Mapping[str, Any]) -> None:
        try:
            answer = self._deeds[command["do"]](command)
        except OSError as error:
            answer = {"error": error.strerror or str(error)}
        os.write(_OUT, json.dumps(answer).encode() + b"\n")

    def _open(self, command: Mapping[str, Any]) -> Mapping[str, Any]:
        self._links = [Link(resolve(host, port), self._loop) for host, port in command["nodes"]]
        return {"ports": [link.port for link in self._links]}

    def _slow(self, command: Mapping[str, Any]) -> Mapping[str, Any]:
        shape = Shape(command["latency_ns"], command["jitter_ns"], command["bandwidth_bytes_per_s"])
        for link in self._chosen(command):
            link.slow(shape)
        return {}

    def _cut(self, command: Mapping[str, Any]) -> Mapping[str, Any]:
        for link in self._chosen(command):
            if command["how"] == "reset":
                link.reset(refuses=command["refuses"])
            else:
                link.hold()
        return {}

    def _restore(self, command: Mapping[str, Any]) -> Mapping[str, Any]:
        for link in self._chosen(command):
            if command["cut"]:
                link.restore()
            if command["slow"]:
                link.unslow()
        return {}

    def _count(self, _: Mapping[str, Any]) -> Mapping[str, Any]:
        return {
            "connections": [link.connections for link in self._links],
            "held_bytes": [link.held_bytes for link in self._links],
        }

    def _chosen(self, command: Mapping[str, Any]) -> list[Link]:
        return [self._links[number] for number in command["links"]]


def main() -> None:
    """Carry out commands and forward bytes until the input ends."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS has a limit below what it says
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # two descriptors a connection
    # What is made here refers to itself in a few places that live as long as a connection; a pause would be latency.
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    loop = Loop()
    ProxyCommands(loop)
    try:
        loop.run()
    except Exception as error:
        # Whoever gave the commands is the only one to be told.
        os.write(_OUT, json.dumps({"error": f"it has failed: {error!r}"}).encode() + b"\n")
        raise

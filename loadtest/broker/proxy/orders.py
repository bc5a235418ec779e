"""
What the proxy is told, and what it answers: JSON, one a line, by its standard input and output.

The first order is `open`, with the nodes; it is answered with the ports, in their order. All others name links by
their position. There is no port by which somebody else could give orders.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
from collections.abc import Callable, Mapping
from typing import Any, Final

from loadtest.broker.proxy.lane import Shape
from loadtest.broker.proxy.link import Link
from loadtest.broker.proxy.loop import READ, Loop
from loadtest.broker.proxy.pair import resolve

_IN: Final = 0
_OUT: Final = 1
_CHUNK_BYTES: Final = 1 << 16


class Orders:
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

    def _answer(self, order: Mapping[str, Any]) -> None:
        try:
            answer = self._deeds[order["do"]](order)
        except OSError as error:
            answer = {"error": error.strerror or str(error)}
        os.write(_OUT, json.dumps(answer).encode() + b"\n")

    def _open(self, order: Mapping[str, Any]) -> Mapping[str, Any]:
        self._links = [Link(resolve(host, port), self._loop) for host, port in order["nodes"]]
        return {"ports": [link.port for link in self._links]}

    def _slow(self, order: Mapping[str, Any]) -> Mapping[str, Any]:
        shape = Shape(order["latency_ns"], order["jitter_ns"], order["bandwidth_bytes_per_s"])
        for link in self._chosen(order):
            link.slow(shape)
        return {}

    def _cut(self, order: Mapping[str, Any]) -> Mapping[str, Any]:
        for link in self._chosen(order):
            if order["how"] == "reset":
                link.reset(refuses=order["refuses"])
            else:
                link.hold()
        return {}

    def _restore(self, order: Mapping[str, Any]) -> Mapping[str, Any]:
        for link in self._chosen(order):
            if order["cut"]:
                link.restore()
            if order["slow"]:
                link.unslow()
        return {}

    def _count(self, _: Mapping[str, Any]) -> Mapping[str, Any]:
        return {
            "connections": [link.connections for link in self._links],
            "held_bytes": [link.held_bytes for link in self._links],
        }

    def _chosen(self, order: Mapping[str, Any]) -> list[Link]:
        return [self._links[number] for number in order["links"]]


def main() -> None:
    """Carry out orders and forward bytes until the input ends."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS has a limit below what it says
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # two descriptors a connection
    # What is made here refers to itself in a few places that live as long as a connection; a pause would be latency.
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    loop = Loop()
    Orders(loop)
    try:
        loop.run()
    except Exception as error:
        # Whoever gave the orders is the only one to be told.
        os.write(_OUT, json.dumps({"error": f"it has failed: {error!r}"}).encode() + b"\n")
        raise

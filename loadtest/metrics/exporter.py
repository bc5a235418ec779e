"""
The address that Prometheus scrapes: a small HTTP server on the run's own hub.

prometheus_client makes the answer, gevent serves it; a client that reads slowly holds up nobody but itself. Knows
nothing of what is told.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import gevent
from gevent.event import Event
from gevent.pool import Pool
from gevent.pywsgi import WSGIServer
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import make_wsgi_app

from loadtest.errors import UsageError
from loadtest.metrics.families import RunFamilies
from loadtest.metrics.standing import Standing

PORTS: Final = range(65_536)
CLOSE_S: Final = 0.1
"""What is being answered when all ends has so long to be read."""


class Exporter:
    """
    Serves `standing` from its making to `close`.

    Attributes:
        standing: To be told of runs.
        port: Where it listens.
        url: What Prometheus is to scrape.
    """

    def __init__(self, host: str, port: int) -> None:
        """
        Begin to serve; a *port* of 0 is any free one.

        Raises:
            UsageError: If nobody can listen there.
        """
        self.standing = Standing()
        registry = CollectorRegistry(auto_describe=False)
        registry.register(RunFamilies(self.standing, pause=lambda: gevent.sleep(0)))
        listener = _listen(host, port)
        self.port: int = listener.getsockname()[1]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.port}/metrics"
        self._app = make_wsgi_app(registry, disable_compression=True)
        self._last_scrape: Event | None = None
        self._server = WSGIServer(listener, self._answer, spawn=Pool(), log=None, error_log=None)
        self._server.start()

    def wait_scraped(self, timeout_s: float) -> bool:
        """Block until a scrape that begins now or later has been answered; returns False if none came in time."""
        self._last_scrape = Event()
        return bool(self._last_scrape.wait(timeout_s))

    def close(self) -> None:
        """Serve no longer."""
        self._server.stop(timeout=CLOSE_S)

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request; a WSGI application (PEP 3333)."""
        scraped = self._last_scrape if environ["REQUEST_METHOD"] == "GET" else None
        parts = self._app(environ, start_response)
        return parts if scraped is None else _Awaited(parts, scraped.set)


class _Awaited:
    """The parts of an answer, whose end is told: a WSGI server calls `close` when it has sent all."""

    def __init__(self, parts: Iterable[bytes], sent: Callable[[], None]) -> None:
        self._parts = parts
        self.close = sent

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._parts)


def _listen(host: str, port: int) -> socket.socket:
    if port not in PORTS:
        raise UsageError(f"--prometheus-port {port}: a port is 0 to {PORTS[-1]:,}; 0 is any free one")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        # In the system's words alone: Python adds the address, which is named already. Names have errors of their own.
        is_of_name = isinstance(error, socket.gaierror) or error.errno is None
        reason = error.strerror if is_of_name else os.strerror(error.errno or 0)
        raise UsageError(f"--prometheus-port {port}: cannot listen at {host}: {reason}") from error
    listener.settimeout(0)  # gevent waits, not the socket
    return listener

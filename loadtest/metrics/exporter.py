"""
The address that Prometheus scrapes: a small HTTP server on the run's own hub.

prometheus_client makes the answer, gevent serves it; a client that reads slowly holds up nobody but itself. Knows
nothing of what is told.
"""

from __future__ import annotations

import socket
from typing import Final

from gevent.pywsgi import WSGIServer
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import make_wsgi_app

from loadtest.errors import UsageError
from loadtest.metrics.families import RunFamilies
from loadtest.metrics.tally import Tally

LOOPBACK: Final = "127.0.0.1"


class Exporter:
    """
    Serves `tally` from its making to `close`.

    Attributes:
        tally: To be fed with the records of runs.
        port: Where it listens.
    """

    def __init__(self, host: str, port: int) -> None:
        """
        Begin to serve; a *port* of 0 is any free one.

        Raises:
            UsageError: If nobody can listen there.
        """
        self.tally = Tally()
        registry = CollectorRegistry(auto_describe=False)
        registry.register(RunFamilies(self.tally))
        try:
            listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise UsageError(f"--prometheus-port {port}: cannot listen at {host}: {reason}") from error
        self.port: int = listener.getsockname()[1]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.port}/metrics"
        app = make_wsgi_app(registry, disable_compression=True)
        listener.settimeout(0)  # gevent waits, not the socket
        self._server = WSGIServer(listener, app, log=None, error_log=None)
        self._server.start()

    def close(self) -> None:
        """Serve no longer."""
        self._server.stop(timeout=0.1)

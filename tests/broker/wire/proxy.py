"""A proxy in front of a broker: plain or terminating TLS, that a test can hold, or cut."""

from __future__ import annotations

import copy
import ssl
from typing import Any, Self

import gevent
import gevent.server
import gevent.socket
import gevent.ssl
import pika


class Proxy:
    """
    Forwards to the broker of *parameters*; with *tls*, what arrives is TLS.

    Attributes:
        parameters: How to reach the broker through the proxy.
        is_held: Set it to stop reading from clients.
    """

    def __init__(self, parameters: pika.ConnectionParameters, tls: ssl.SSLContext | None = None) -> None:
        self._target = (parameters.host, parameters.port)
        self._tls = tls
        self._sockets: list[Any] = []
        self._server = gevent.server.StreamServer(("127.0.0.1", 0), self._forward)
        self._server.start()
        self.is_held = False
        self.parameters = copy.copy(parameters)
        self.parameters.host, self.parameters.port = "127.0.0.1", self._server.server_port

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()
        self._server.stop(timeout=0)

    def cut(self) -> None:
        """Close all connections at once."""
        for sock in self._sockets:
            sock.close()

    def _forward(self, client: Any, _: object) -> None:
        try:
            if self._tls is not None:
                client = gevent.ssl.SSLSocket(sock=client, server_side=True, _context=self._tls)
        except OSError:
            client.close()
            return
        server = gevent.socket.create_connection(self._target)
        self._sockets += [client, server]
        back = gevent.spawn(self._copy, server, client, holds=False)
        self._copy(client, server, holds=True)
        back.kill()
        client.close()
        server.close()

    def _copy(self, source: Any, target: Any, *, holds: bool) -> None:
        try:
            while data := source.recv(65536):
                while holds and self.is_held:
                    gevent.sleep(0.01)
                target.sendall(data)
        except OSError:
            return
        finally:
            # The other direction ends with this one.
            target.close()

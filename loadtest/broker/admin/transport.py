"""
A socket to an endpoint, TLS included, within a deadline; every way in which that fails, in a line.

Knows nothing of AMQP. Blocking calls with time-outs only: under gevent's monkey patching they wait in its hub,
without it in the thread.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from typing import Any, Final

from loadtest.broker.endpoint import Endpoint
from loadtest.errors import BrokerError

# getaddrinfo's answer: family, type, protocol, canonical name, address.
_Address = tuple[Any, Any, int, str, Any]

_NOT_TLS: Final = {
    "WRONG_VERSION_NUMBER",
    "RECORD_LAYER_FAILURE",
    "UNEXPECTED_MESSAGE",
    "HTTP_REQUEST",
    "PACKET_LENGTH_TOO_LONG",
}


class Deadline:
    """The instant by which all of a conversation's waiting must be over."""

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._ends = time.monotonic() + timeout_s

    def left_s(self) -> float:
        """
        Return the seconds that remain, above 0.

        Raises:
            TimeoutError: If none remain.
        """
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


def connect(endpoint: Endpoint, deadline: Deadline) -> socket.socket:
    """
    Return a connected socket, TLS agreed if the endpoint asks for it.

    Raises:
        BrokerError: If the name is unknown, nobody answers or TLS fails.
        UsageError: If a TLS file cannot be used.
    """
    context = endpoint.tls.context() if endpoint.tls is not None else None
    try:
        plain = _connect_any(endpoint, _resolve(endpoint, deadline), deadline)
    except TimeoutError as error:
        raise _fault(endpoint, f"no answer within {deadline.timeout_s:g} s") from error
    if context is None:
        return plain
    try:
        plain.settimeout(deadline.left_s())
        return context.wrap_socket(plain, server_hostname=endpoint.server_hostname)
    except (OSError, ValueError) as error:
        plain.close()
        raise _fault(endpoint, tls_fault(error, deadline)) from error


def tls_fault(error: OSError | ValueError, deadline: Deadline) -> str:
    """Return what a failed TLS handshake, or an alert that came after it, means."""
    if isinstance(error, ssl.SSLCertVerificationError):
        said = error.verify_message.rstrip(".")
        remedy = "give the authority with cacertfile=…, another name with server_name_indication=…"
        return f"TLS: its certificate is refused: {said} ({remedy})"
    if isinstance(error, TimeoutError):
        return f"TLS: no answer within {deadline.timeout_s:g} s; is this the port for TLS?"
    if isinstance(error, ssl.SSLError) and error.reason and error.reason not in _NOT_TLS:
        return f"TLS failed: {error.reason.replace('_', ' ').lower()}"
    if isinstance(error, ssl.SSLError | ConnectionError):
        return "TLS failed: this port does not speak TLS; use amqp:// or the port for TLS (5671)"
    return f"TLS failed: {error}"


def _resolve(endpoint: Endpoint, deadline: Deadline) -> list[_Address]:
    """Look the host up in a thread: the system's resolver takes as long as it likes, and cannot be interrupted."""
    found: list[list[_Address] | OSError] = []

    def run() -> None:
        try:
            found.append(socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            found.append(error if isinstance(error, OSError) else OSError(0, "not a host name"))

    lookup = threading.Thread(target=run, name="host look-up", daemon=True)
    lookup.start()
    lookup.join(deadline.left_s())
    if not found:
        raise _fault(endpoint, f"the look-up of host {endpoint.host} takes more than {deadline.timeout_s:g} s")
    if isinstance(found[0], OSError):
        raise _fault(endpoint, f"unknown host {endpoint.host} ({found[0].strerror})") from found[0]
    return found[0]


def _connect_any(endpoint: Endpoint, addresses: list[_Address], deadline: Deadline) -> socket.socket:
    """Connect to the first address that takes it; `localhost` is often two, of which one listens."""
    refused: OSError | None = None
    for family, kind, protocol, _, address in addresses:
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(deadline.left_s())
            connection.connect(address)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except TimeoutError:
            connection.close()
            raise
        except OSError as error:
            connection.close()
            refused = error
        else:
            return connection
    reason = "connection refused: nothing listens there" if isinstance(refused, ConnectionRefusedError) else refused
    raise _fault(endpoint, getattr(reason, "strerror", None) or str(reason)) from refused


def _fault(endpoint: Endpoint, fault: str) -> BrokerError:
    return BrokerError(f"broker {endpoint.redacted}: {fault}")

"""
From host and port to a stream: name, TCP, TLS.

Knows nothing of AMQP. Blocks the greenlet, with one time limit for all of it; needs no monkey patching.
"""

from __future__ import annotations

import _socket
import ssl
from typing import TYPE_CHECKING, Final

import gevent
import gevent.socket
from pika import exceptions, tcp_socket_opts

from loadtest.wire.connection.stream import Stream, StreamHandler
from loadtest.wire.connection.tls_layer import TlsLayer

if TYPE_CHECKING:
    import pika

_CHUNK_BYTES: Final = 1 << 14


def dial(parameters: pika.connection.Parameters, handler: StreamHandler, timeout_s: float) -> Stream:
    """
    Return a connected stream, its TLS handshake done if *parameters* ask for TLS.

    Raises:
        pika.exceptions.AMQPConnectionError: If that fails or takes longer than *timeout_s*; its cause says why.
    """
    where = f"{parameters.host}:{parameters.port}"
    try:
        with gevent.Timeout(timeout_s, TimeoutError(f"no answer within {timeout_s:g} s")):
            return _dial(parameters, handler)
    except (OSError, UnicodeError) as error:
        raise exceptions.AMQPConnectionError(f"{where}: {_reason(error)}") from error


def _dial(parameters: pika.connection.Parameters, handler: StreamHandler) -> Stream:
    sock = gevent.socket.create_connection((parameters.host, parameters.port))
    try:
        sock.setsockopt(gevent.socket.IPPROTO_TCP, gevent.socket.TCP_NODELAY, 1)
        tcp_socket_opts.set_sock_opts(parameters.tcp_options, sock)
        tls = None
        if parameters.ssl_options is not None:
            options = parameters.ssl_options
            tls = TlsLayer(options.context, options.server_hostname or parameters.host)
            tls.handshake(sock.sendall, lambda: sock.recv(_CHUNK_BYTES))
    except BaseException:
        sock.close()
        raise
    # The bare socket: gevent's wrapper costs 0.3 µs a call, and its waiting must not happen on the hub.
    return Stream(_socket.socket(sock.family, sock.type, sock.proto, fileno=sock.detach()), handler, tls)


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or error}"
    return getattr(error, "strerror", None) or str(error)

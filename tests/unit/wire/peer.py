"""A peer on a loopback port that a test plays by hand: it shakes hands as a broker does, then says what it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

import gevent
import gevent.server
import gevent.socket
import pika
from gevent.queue import Queue
from pika import frame, spec

from loadtest.wire.connection.channel import Channel
from loadtest.wire.connection.connection import Connection

HANDSHAKE = (
    (
        spec.Connection.Start(server_properties={"capabilities": {"publisher_confirms": True, "basic.nack": True}}),
        spec.Connection.StartOk,
    ),
    (spec.Connection.Tune(channel_max=100, frame_max=4096, heartbeat=0), spec.Connection.TuneOk),
    (None, spec.Connection.Open),
)


class Peer:
    """
    Accepts one connection at a time; *play* runs once for each, with the peer.

    Attributes:
        parameters: How to reach it.
        sock: The connection at hand.
    """

    def __init__(self, play: Callable[[Peer], object]) -> None:
        self._play = play
        self._server = gevent.server.StreamServer(("127.0.0.1", 0), self._serve)
        self._server.start()
        self.parameters = pika.ConnectionParameters("127.0.0.1", self._server.server_port)
        self.sock: Any = None
        self._buffer = b""
        self.ended: Queue[BaseException | None] = Queue()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(timeout=0)
        if self.sock is not None:
            self.sock.close()

    def _serve(self, sock: Any, _: object) -> None:
        self.sock, self._buffer = sock, b""
        # Without it Nagle holds a last word back, and a hard close drops it.
        sock.setsockopt(gevent.socket.IPPROTO_TCP, gevent.socket.TCP_NODELAY, 1)
        try:
            self._play(self)
        except (OSError, EOFError) as error:
            self.ended.put(error)
        else:
            self.ended.put(None)

    def shake_hands(self) -> None:
        """Open the connection as a broker does."""
        while len(self._buffer) < 8:
            self._buffer += self.sock.recv(8 - len(self._buffer))
        self._buffer = b""
        for method, expected in HANDSHAKE:
            if method is not None:
                self.send(0, method)
            self.expect(expected)
        self.send(0, spec.Connection.OpenOk())

    def open_channel(self) -> None:
        """Answer one Channel.Open."""
        channel = self.expect(spec.Channel.Open).channel_number
        self.send(channel, spec.Channel.OpenOk())

    def answer_close(self) -> None:
        """Answer Channel.Close and Connection.Close until the connection is closed."""
        while True:
            received = self.next_frame()
            method = getattr(received, "method", None)
            if isinstance(method, spec.Channel.Close):
                self.send(received.channel_number, spec.Channel.CloseOk())
            elif isinstance(method, spec.Connection.Close):
                self.send(0, spec.Connection.CloseOk())
                return

    def send(self, channel: int, method: Any) -> None:
        """Send one method frame."""
        self.sock.sendall(frame.Method(channel, method).marshal())

    def expect(self, kind: type) -> Any:
        """Return the next frame whose method is of *kind*; others are passed over."""
        while True:
            received = self.next_frame()
            if isinstance(getattr(received, "method", None), kind):
                return received

    def next_frame(self) -> Any:
        """Return the next frame of the client."""
        while True:
            consumed, value = frame.decode_frame(self._buffer)
            if value is not None:
                self._buffer = self._buffer[consumed:]
                return value
            received = self.sock.recv(65536)
            if not received:
                raise EOFError
            self._buffer += received


@contextmanager
def opened(play: Callable[[Peer], object]) -> Iterator[tuple[Connection, Peer]]:
    """Give a connection to a peer that shakes hands, then plays."""

    def shake_hands_and_play(peer: Peer) -> None:
        peer.shake_hands()
        play(peer)

    with Peer(shake_hands_and_play) as peer:
        connection = Connection.open(peer.parameters, timeout_s=20)
        yield connection, peer
        connection.abort()


@contextmanager
def with_channel(play: Callable[[Peer], object]) -> Iterator[tuple[Connection, Channel]]:
    """Give a connection with an open channel to a peer that then plays."""

    def open_and_play(peer: Peer) -> None:
        peer.open_channel()
        play(peer)

    with opened(open_and_play) as (connection, _):
        yield connection, connection.open_channel()


def wait_closed(connection: Connection) -> Exception:
    """Return why *connection* is closed, once it is."""
    while connection.closed_by is None:
        gevent.sleep(0.001)
    return connection.closed_by

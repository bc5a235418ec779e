from __future__ import annotations

import time

import gevent
import pika
import pytest
from gevent.event import Event
from pika import exceptions, spec

from loadtest.wire.connection.connection import Connection
from tests.unit.wire.peer import Peer, opened


def test_a_connection_opens_and_closes() -> None:
    """The limits are as negotiated; closing is answered, told once, and harmless when repeated."""
    with opened(Peer.answer_close) as (connection, _):
        closed: list[Exception] = []
        connection.on_closed = closed.append
        frame_max = connection.frame_max
        connection.close()
        connection.close()

        assert (4096, 1) == (frame_max, len(closed))
        assert isinstance(connection.closed_by, exceptions.ConnectionClosedByClient)


def test_a_silent_peer_is_given_up() -> None:
    """A peer that never answers is an error that names it, long before it would."""
    with Peer(lambda peer: peer.sock.recv(100) and gevent.sleep(20)) as peer:
        began = time.monotonic()
        with pytest.raises(exceptions.AMQPConnectionError, match=f"127.0.0.1:{peer.parameters.port} within 0.05 s"):
            Connection.open(peer.parameters, timeout_s=0.05)

    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    "answer, error",
    [
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", exceptions.InvalidFrameError, id="http"),
        pytest.param(b"AMQP\x00\x01\x00\x00", exceptions.IncompatibleProtocolError, id="another AMQP"),
        pytest.param(b"", exceptions.IncompatibleProtocolError, id="hangs up"),
        pytest.param(b"\x15\x03\x03\x00\x02\x02\x46", exceptions.InvalidFrameError, id="tls alert"),
    ],
)
def test_a_peer_that_is_no_broker_is_named_at_once(answer: bytes, error: type[Exception]) -> None:
    """What does not speak AMQP 0-9-1 is an error without waiting for the time-out."""

    def play(peer: Peer) -> None:
        peer.sock.recv(8)
        peer.sock.sendall(answer)
        peer.sock.close()

    with Peer(play) as peer, pytest.raises(error):
        Connection.open(peer.parameters)


def test_a_closed_port_is_named(refusing_port: int) -> None:
    """A refused connection is an AMQP error with host, port and reason."""
    with pytest.raises(exceptions.AMQPConnectionError, match=f"127.0.0.1:{refusing_port}: Connection refused"):
        Connection.open(pika.ConnectionParameters("127.0.0.1", refusing_port))


def test_an_unknown_host_is_named() -> None:
    """A host name without an address is an AMQP error."""
    with pytest.raises(exceptions.AMQPConnectionError, match=r"^no-such-host\.invalid:5672: "):
        Connection.open(pika.ConnectionParameters("no-such-host.invalid"))


def test_refused_credentials_carry_the_brokers_words() -> None:
    """A broker that closes during the handshake is an AMQPConnectionError with its reply text."""

    def play(peer: Peer) -> None:
        peer.sock.recv(8)
        peer.send(0, spec.Connection.Start(server_properties={}))
        peer.expect(spec.Connection.StartOk)
        peer.send(0, spec.Connection.Close(403, "ACCESS_REFUSED - Login was refused", 0, 0))
        peer.sock.close()

    with Peer(play) as peer, pytest.raises(exceptions.ProbableAuthenticationError, match="ACCESS_REFUSED"):
        Connection.open(peer.parameters)


def test_an_interrupted_opening_leaves_no_socket() -> None:
    """A greenlet killed while it opens a connection hangs up."""
    has_begun = Event()

    def play(peer: Peer) -> None:
        peer.sock.recv(8)
        has_begun.set()
        peer.next_frame()

    with Peer(play) as peer:
        opening = gevent.spawn(Connection.open, peer.parameters)
        has_begun.wait()
        opening.kill()

        assert isinstance(peer.ended.get(), EOFError)


def test_a_close_without_answer_ends_in_time() -> None:
    """A broker that does not answer Connection.Close is hung up on after the time-out."""
    with opened(lambda peer: gevent.sleep(20)) as (connection, _):
        began = time.monotonic()
        connection.close(timeout_s=0.05)

        assert time.monotonic() - began < 10
        assert "no answer to Connection.Close" in str(connection.closed_by)

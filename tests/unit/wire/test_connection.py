from __future__ import annotations

import socket
import struct
import time
from typing import Any

import gevent
import pika
import pytest
from pika import exceptions, frame, spec

from loadtest.wire.connection.receive_buffer import ReceiveBuffer
from tests.unit.wire.frames import ack, content, deliver, stamp_bytes
from tests.unit.wire.peer import Peer, opened, wait_closed, with_channel


def test_garbage_closes_the_connection_and_fails_what_waits() -> None:
    """Bytes that are not AMQP close connection and channels with a protocol error; calls under way raise it."""

    def play(peer: Peer) -> None:
        peer.expect(spec.Queue.Declare)
        peer.sock.sendall(b"\x00" * 100)

    with with_channel(play) as (connection, channel):
        closed: list[Exception] = []
        connection.on_closed = channel.on_closed = closed.append
        with pytest.raises(exceptions.InvalidFrameError):
            channel.queue_declare("q")

        assert [connection.closed_by] * 2 == closed
        with pytest.raises(exceptions.InvalidFrameError):
            channel.write(b"")


@pytest.mark.parametrize(
    "intruder",
    [
        pytest.param(ack(1, channel=9), id="ack"),
        pytest.param(deliver(1, channel=9), id="delivery"),
        pytest.param(frame.Header(0, 0, pika.BasicProperties()).marshal(), id="header on channel 0"),
        pytest.param(deliver(1, channel=0), id="delivery on channel 0"),
    ],
)
def test_frames_of_channels_that_are_not_open_close_the_connection(intruder: bytes) -> None:
    """A frame for a channel that does not exist is a protocol error; pika would pass over it."""
    with opened(lambda peer: peer.sock.sendall(intruder)) as (connection, _):
        assert isinstance(wait_closed(connection), exceptions.UnexpectedFrameError)


def test_a_connection_cut_off_fails_what_waits() -> None:
    """A reset of the connection raises StreamLostError in the calls and gets under way."""

    def play(peer: Peer) -> None:
        peer.expect(spec.Basic.Get)
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.sock.close()

    with with_channel(play) as (connection, channel):
        declaring = gevent.spawn(channel.queue_declare, "q")
        with pytest.raises(exceptions.StreamLostError):
            channel.basic_get("q")
        with pytest.raises(exceptions.StreamLostError):
            declaring.get()
        with pytest.raises(exceptions.StreamLostError):
            connection.open_channel()


def test_the_brokers_last_word_is_heard_by_a_publisher() -> None:
    """A publisher whose write fails still learns the reason that the broker gave before it hung up."""

    def play(peer: Peer) -> None:
        peer.send(0, spec.Connection.Close(320, "CONNECTION_FORCED - test", 0, 0))
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.sock.close()

    with opened(play) as (connection, peer):
        peer.ended.get()
        # Not a turn for the hub before this: the socket is reset, and its last bytes are unread.
        for _ in range(10):
            connection.write(bytes(100_000))

        error = wait_closed(connection)
        assert isinstance(error, exceptions.ConnectionClosedByBroker)
        assert 320 == error.reply_code


class RaisingSink:
    """A sink with a fault."""

    def __init__(self, raises_on: str) -> None:
        self._raises_on = raises_on

    def __getattr__(self, name: str) -> Any:
        def call(*_: Any) -> bool:
            if name == self._raises_on:
                raise KeyError(name)
            return True

        return call


@pytest.mark.parametrize("method, count", [("on_message", 1), ("on_one", 3), ("on_run", 100)])
def test_a_fault_in_a_sink_ends_its_connection(method: str, count: int) -> None:
    """What a sink raises on the hub closes its connection with that error, and is not swallowed."""

    def play(peer: Peer) -> None:
        peer.expect(spec.Basic.Consume)
        peer.send(1, spec.Basic.ConsumeOk("c1"))
        peer.sock.sendall(b"".join(deliver(tag, stamp=stamp_bytes(seq=tag)) for tag in range(1, count + 1)))

    with with_channel(play) as (connection, channel):
        sink: Any = RaisingSink(method)
        channel.basic_consume("q", sink)

        assert f"KeyError('{method}')" == repr(wait_closed(connection))


def test_a_fault_in_a_confirm_callback_ends_its_connection() -> None:
    """What a confirm callback raises closes the connection with that error."""

    def fault(*_: object) -> None:
        raise KeyError("confirms")

    def play(peer: Peer) -> None:
        peer.expect(spec.Confirm.Select)
        peer.send(1, spec.Confirm.SelectOk())
        peer.sock.sendall(ack(1))

    with with_channel(play) as (connection, channel):
        channel.on_confirms = fault
        channel.confirm_select()

        assert isinstance(wait_closed(connection), KeyError)


def test_a_fault_in_a_close_callback_keeps_nobody_from_being_told(capsys: pytest.CaptureFixture[str]) -> None:
    """What one `on_closed` raises is printed; the other channels, the connection and its callers still hear."""

    def fault(_: Exception) -> None:
        raise KeyError("on_closed")

    def play(peer: Peer) -> None:
        peer.open_channel()
        peer.open_channel()
        peer.expect(spec.Queue.Declare)

    with opened(play) as (connection, _):
        first, second = connection.open_channel(), connection.open_channel()
        told: list[Exception] = []
        first.on_closed = connection.on_closed = fault
        second.on_closed = told.append
        with pytest.raises(exceptions.StreamLostError):
            second.queue_declare("q")

        assert [wait_closed(connection)] == told
        assert 2 == capsys.readouterr().err.count("KeyError: 'on_closed'")


def test_blocked_and_unblocked_are_told() -> None:
    """The broker's reason for blocking reaches the callback, and so does the end of it."""

    def play(peer: Peer) -> None:
        peer.expect(spec.Channel.Open)
        peer.send(0, spec.Connection.Blocked("low on memory"))
        peer.send(0, spec.Connection.Unblocked())
        peer.send(1, spec.Channel.OpenOk())

    with opened(play) as (connection, _):
        told: list[object] = []
        connection.on_blocked = lambda reason: told.append((reason, connection.is_blocked))
        connection.on_unblocked = lambda: told.append(connection.is_blocked)
        connection.open_channel()

        assert [("low on memory", True), False] == told


def test_waiting_to_write_ends_with_the_connection() -> None:
    """A publisher held back by a peer that does not read gets False in time, and the error when the connection goes."""
    with opened(lambda peer: gevent.sleep(4)) as (connection, peer):
        connection.write(bytes(50_000_000))  # more than the sockets' buffers ever hold
        in_time = connection.wait_writable(0.01)
        gevent.spawn_later(0.01, peer.sock.close)

        assert not in_time
        with pytest.raises(exceptions.StreamLostError):
            connection.wait_writable()


def test_bytes_that_the_kernel_does_not_take_are_kept_in_order() -> None:
    """What is written while the peer does not read arrives whole and in order, though the caller reuses its buffer."""
    received = bytearray()

    def play(peer: Peer) -> None:
        gevent.sleep(0.05)
        while len(received) < 8 * 1_000_000:
            received.extend(peer.sock.recv(1 << 20))

    with opened(play) as (connection, peer):
        buffer = bytearray(1_000_000)
        for number in range(8):
            buffer[:] = bytes((number,)) * len(buffer)
            connection.write(memoryview(buffer))
        peer.ended.get()

        assert b"".join(bytes((number,)) * 1_000_000 for number in range(8)) == received


def test_an_abandoned_get_does_not_mix_up_the_next() -> None:
    """A get that its greenlet gave up still takes its answer, so the next get has its own."""

    def play(peer: Peer) -> None:
        peer.expect(spec.Basic.Get)
        peer.expect(spec.Basic.Get)
        for tag, body in ((1, b"first"), (2, b"S" * 5000)):
            method = spec.Basic.GetOk(tag, False, "", "q", 0)
            peer.sock.sendall(content(1, method, pika.BasicProperties(), body))
        peer.expect(spec.Basic.Get)
        peer.send(1, spec.Basic.GetEmpty())

    with with_channel(play) as (_, channel):
        with gevent.Timeout(0.01, False):
            channel.basic_get("q")
        second = channel.basic_get("q")

        assert second is not None
        assert b"S" * 5000 == second.body
        assert channel.basic_get("q") is None


def test_lone_and_many_confirms_reach_their_callbacks() -> None:
    """Acks that come alone go to `on_confirm`, runs and nacks to `on_confirms`."""

    def play(peer: Peer) -> None:
        peer.expect(spec.Confirm.Select)
        peer.send(1, spec.Confirm.SelectOk())
        peer.sock.sendall(ack(1) + b"".join(ack(tag) for tag in range(2, 30)))
        peer.send(1, spec.Basic.Nack(31, True))

    with with_channel(play) as (_, channel):
        alone: list[tuple[int, bool]] = []
        many: list[tuple[list[int], list[bool], bool]] = []
        channel.on_confirm = lambda tag, multiple: alone.append((tag, multiple))
        channel.on_confirms = lambda tags, multiple, nack: many.append((tags.tolist(), multiple.tolist(), nack))
        channel.confirm_select()
        while not many or not many[-1][2]:
            gevent.sleep(0.001)

        assert ([31], [True], True) == many[-1]
        tags = [tag for tag, _ in alone] + [tag for run in many[:-1] for tag in run[0]]
        assert list(range(1, 30)) == sorted(tags)


def test_a_message_larger_than_the_receive_buffer_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message in one piece that does not fit the buffer makes it grow."""
    small = ReceiveBuffer(1000)
    monkeypatch.setattr("loadtest.wire.connection.stream.hub_buffer", lambda: small)
    body = bytes(4000)

    def play(peer: Peer) -> None:
        for _ in range(2):
            peer.expect(spec.Basic.Get)
            message = content(1, spec.Basic.GetOk(1, False, "", "q", 0), pika.BasicProperties(), body)
            for at in range(0, len(message), 700):
                peer.sock.sendall(message[at : at + 700])
                gevent.sleep(0)

    with with_channel(play) as (_, channel):
        bodies = [got.body for got in (channel.basic_get("q"), channel.basic_get("q")) if got is not None]

    assert [body, body] == bodies
    assert 4096 <= len(small.memory) <= 16384


def test_instants_are_those_of_the_read() -> None:
    """`read_ns` is when the bytes at hand were read, the same for all that came with them."""

    def play(peer: Peer) -> None:
        peer.expect(spec.Basic.Consume)
        peer.send(1, spec.Basic.ConsumeOk("c1"))
        peer.sock.sendall(b"".join(deliver(tag, stamp=stamp_bytes(seq=tag)) for tag in range(1, 6)))

    class Clock(RaisingSink):
        def on_one(self, *_: object) -> None:
            """Note the instant."""
            instants.append(connection.read_ns)

    instants: list[int] = []
    with with_channel(play) as (connection, channel):
        before_ns = time.monotonic_ns()
        clock: Any = Clock("nothing")
        channel.basic_consume("q", clock)
        while len(instants) < 4:
            gevent.sleep(0.001)

        assert 1 == len(set(instants))
        assert before_ns < instants[0] < time.monotonic_ns()

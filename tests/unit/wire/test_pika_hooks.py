"""Each test says which behaviour of pika, beyond its public interface, `loadtest.wire` relies on."""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pika.connection
import pytest
from pika import exceptions, frame, spec


class Bare(pika.connection.Connection):  # type: ignore[misc]
    """The least that pika accepts as an adapter: it notes what is asked of it."""

    def __init__(self, **parameters: Any) -> None:
        self.sent: list[Any] = []
        self.asked: list[str] = []
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.ended: list[Exception] = []
        super().__init__(
            pika.ConnectionParameters(**parameters),
            lambda _: self.asked.append("opened"),
            lambda _, error: self.ended.append(error),
            lambda _, error: self.ended.append(error),
            internal_connection_workflow=False,
        )

    def _adapter_connect_stream(self) -> None:
        self.asked.append("connect")

    def _adapter_disconnect_stream(self) -> None:
        self.asked.append("disconnect")

    def _adapter_emit_data(self, data: bytes) -> None:
        self.sent.append(frame.decode_frame(data)[1])

    def _adapter_call_later(self, delay: float, callback: Callable[[], None]) -> object:
        self.timers.append((delay, callback))
        return len(self.timers)

    def _adapter_remove_timeout(self, timeout_id: object) -> None:
        self.asked.append(f"remove {timeout_id}")

    def _adapter_add_callback_threadsafe(self, callback: Callable[[], None]) -> None:
        raise NotImplementedError

    def receive(self, channel: int, method: Any) -> None:
        """Process one method frame."""
        self._process_frame(frame.Method(channel, method))

    def last_method(self) -> Any:
        """Return the method of the frame sent last."""
        return self.sent[-1].method


def opened(heartbeat: int = 0, **parameters: Any) -> Bare:
    """Return an adapter whose handshake is done."""
    bare = Bare(heartbeat=heartbeat, **parameters)
    bare._on_stream_connected()
    bare.receive(
        0, spec.Connection.Start(server_properties={"capabilities": {"publisher_confirms": True, "basic.nack": True}})
    )
    bare.receive(0, spec.Connection.Tune(2047, 131072, 60))
    bare.receive(0, spec.Connection.OpenOk())
    return bare


def opened_channel(bare: Bare) -> Any:
    """Return an open channel of *bare*."""
    channel = bare.channel(on_open_callback=lambda _: None)
    bare.receive(channel.channel_number, spec.Channel.OpenOk())
    return channel


def test_a_connection_without_workflow_does_not_connect() -> None:
    """`internal_connection_workflow=False`: nothing is asked of the adapter before `_on_stream_connected`."""
    bare = Bare()

    assert ([], []) == (bare.asked, bare.sent)


def test_the_handshake_runs_on_frames_alone() -> None:
    """`_on_stream_connected` and `_process_frame` carry the handshake, at whose end the params are as negotiated."""
    bare = opened(frame_max=8192)

    assert ["opened"] == bare.asked
    assert bare.is_open
    assert 8192 == bare.params.frame_max
    kinds = (spec.Connection.StartOk, spec.Connection.TuneOk, spec.Connection.Open)
    assert isinstance(bare.sent[0], frame.ProtocolHeader)
    assert [True] * 3 == [isinstance(sent.method, kind) for sent, kind in zip(bare.sent[1:], kinds, strict=True)]


@pytest.mark.parametrize("offered", [0, 4096, 131072, 1 << 20])
def test_no_frame_is_above_128_kb(offered: int) -> None:
    """The negotiated frame_max lies between 1 and 131,072, whatever the broker offers."""
    bare = Bare()
    bare._on_stream_connected()
    bare.receive(0, spec.Connection.Start(server_properties={}))
    bare.receive(0, spec.Connection.Tune(2047, offered, 60))

    assert 0 < bare.params.frame_max <= 131_072


def test_terminating_asks_for_the_end_and_waits_for_it() -> None:
    """`_terminate_stream` asks the adapter to disconnect; `_on_stream_terminated(None)` then tells the error kept."""
    bare = opened()
    error = KeyError("reason")
    bare._terminate_stream(error)
    before = list(bare.ended)
    bare._on_stream_terminated(None)

    assert (["opened", "disconnect"], [], [error]) == (bare.asked, before, bare.ended)
    assert bare.is_closed


def test_a_lost_stream_closes_the_channels_first() -> None:
    """`_on_stream_terminated(error)` gives channels the error, then the connection, and leaves no channel."""
    bare = opened()
    order: list[object] = []
    channel = opened_channel(bare)
    channel.add_on_close_callback(lambda _, error: order.append(("channel", error)))
    bare.add_on_close_callback(lambda _, error: order.append(("connection", error)))
    error = exceptions.StreamLostError("gone")

    bare._on_stream_terminated(error)

    assert [("channel", error), ("connection", error)] == order
    assert {} == bare._channels


@pytest.mark.parametrize(
    "frames, kind",
    [
        pytest.param(0, exceptions.IncompatibleProtocolError, id="before Start"),
        pytest.param(1, exceptions.ProbableAuthenticationError, id="after Start"),
        pytest.param(2, exceptions.ProbableAccessDeniedError, id="after Tune"),
    ],
)
def test_a_stream_lost_in_the_handshake_is_explained(frames: int, kind: type[Exception]) -> None:
    """Pika tells from the state what a StreamLostError during the handshake probably means."""
    bare = Bare()
    bare._on_stream_connected()
    for method in (spec.Connection.Start(server_properties={}), spec.Connection.Tune(0, 0, 0))[:frames]:
        bare.receive(0, method)
    bare._on_stream_terminated(exceptions.StreamLostError("gone"))

    assert isinstance(bare.ended[0], kind)


def test_the_heartbeat_checker_looks_at_bytes_received() -> None:
    """Bytes counted in `bytes_received` are life; without them the checker terminates the stream."""
    bare = opened(heartbeat=10)
    _, check = bare.timers[1]
    bare.bytes_received += 1
    check()
    alive = list(bare.asked)
    _, check = bare.timers[-1]
    check()

    assert ["opened"] == alive
    assert "disconnect" in bare.asked
    assert [5.0, 15] == [delay for delay, _ in bare.timers[:2]]


def test_heartbeats_are_sent_by_timer() -> None:
    """The checker sends a heartbeat through `_adapter_emit_data` each half interval."""
    bare = opened(heartbeat=10)
    bare.timers[0][1]()

    assert isinstance(bare.sent[-1], frame.Heartbeat)


def test_rpc_sends_now_and_calls_back_for_its_answer_alone() -> None:
    """`Channel._rpc` sends, and calls back once for the reply whose arguments match."""
    bare = opened()
    channel = opened_channel(bare)
    answers: list[Any] = []
    channel._rpc(spec.Basic.Cancel("c1"), answers.append, [(spec.Basic.CancelOk, {"consumer_tag": "c1"})])
    bare.receive(1, spec.Basic.CancelOk("other"))
    bare.receive(1, spec.Basic.CancelOk("c1"))
    bare.receive(1, spec.Basic.CancelOk("c1"))

    assert "c1" == bare.last_method().consumer_tag
    assert ["c1"] == [answer.method.consumer_tag for answer in answers]


def deliver_to(bare: Bare, consumer_tag: str) -> None:
    """Process the frames of one delivery."""
    bare.receive(1, spec.Basic.Deliver(consumer_tag, 1, False, "", "q"))
    bare._process_frame(frame.Header(1, 1, pika.BasicProperties()))
    bare._process_frame(frame.Body(1, b"x"))


def test_deliveries_reach_the_consumer_until_it_is_cleaned_up() -> None:
    """A consumer cancelled by `_rpc` still gets deliveries; after `_cleanup_consumer_ref` its tag is free again."""
    bare = opened()
    channel = opened_channel(bare)
    taken: list[bytes] = []
    channel.basic_consume("q", lambda *parts: taken.append(parts[3]), True, False, "c1")
    bare.receive(1, spec.Basic.ConsumeOk("c1"))
    channel._rpc(spec.Basic.Cancel("c1"), lambda _: None, [(spec.Basic.CancelOk, {"consumer_tag": "c1"})])
    deliver_to(bare, "c1")
    bare.receive(1, spec.Basic.CancelOk("c1"))
    channel._cleanup_consumer_ref("c1")
    channel.basic_consume("q", lambda *_: None, True, False, "c1")

    assert [b"x"] == taken


def test_pikas_own_cancel_drops_deliveries() -> None:
    """The reason for not using `basic_cancel`: under auto-ack it drops what is on its way."""
    bare = opened()
    channel = opened_channel(bare)
    taken: list[bytes] = []
    channel.basic_consume("q", lambda *parts: taken.append(parts[3]), True, False, "c1")
    bare.receive(1, spec.Basic.ConsumeOk("c1"))
    channel.basic_cancel("c1", lambda _: None)
    deliver_to(bare, "c1")

    assert [] == taken


def test_a_get_ok_goes_to_the_callback_once() -> None:
    """`_on_getok_callback` takes one Get-Ok and is then forgotten; Get-Empty makes pika forget it too."""
    bare = opened()
    channel = opened_channel(bare)
    taken: list[bytes] = []
    channel._on_getok_callback = lambda *parts: taken.append(parts[3])
    for _ in range(2):
        bare.receive(1, spec.Basic.GetOk(1, False, "", "q", 0))
        bare._process_frame(frame.Header(1, 1, pika.BasicProperties()))
        bare._process_frame(frame.Body(1, b"x"))
    after_get_ok = channel._on_getok_callback
    channel._on_getok_callback = lambda *_: None
    bare.receive(1, spec.Basic.GetEmpty())

    assert ([b"x"], None, None) == (taken, after_get_ok, channel._on_getok_callback)


def test_frames_of_unknown_channels_are_passed_over() -> None:
    """The reason for our own check: pika says nothing about a delivery on a channel that is not in `_channels`."""
    bare = opened()
    deliver_to(bare, "c1")

    assert ([], True) == (bare.ended, bare.is_open)


def test_a_whole_frame_is_decoded_with_its_length() -> None:
    """`decode_frame` of exactly one frame consumes all of it, and of bytes yields bytes."""
    raw = frame.Header(1, 5, pika.BasicProperties(headers={"lt": bytes(24)})).marshal()
    consumed, value = frame.decode_frame(raw)

    assert (len(raw), bytes) == (consumed, type(value.properties.headers["lt"]))


def test_every_way_in_and_out_goes_through_our_tables() -> None:
    """Pika looks its table functions up in `pika.data` at each call, and a content class in `spec.props`."""
    raw = frame.Header(1, 0, pika.BasicProperties(headers={"price": 9.9, "of": [{"x": 0.5}]})).marshal()
    declare = frame.Method(1, spec.Queue.Declare(queue="q", arguments={"price": 9.9})).marshal()
    late = raw[:-1].replace(b"d" + struct.pack(">d", 9.9), b"T" + b"\xff" * 8) + b"\xce"

    assert frame.decode_frame(raw)[1].properties.headers == {"price": 9.9, "of": [{"x": 0.5}]}
    assert frame.decode_frame(declare)[1].method.arguments == {"price": 9.9}
    assert frame.decode_frame(late)[1].properties.headers["price"] == (1 << 64) - 1


def test_a_reason_cut_within_a_character_is_text() -> None:
    """The broker cuts a reply text at 255 bytes; pika's decoder would give bytes then, for which nobody is prepared."""
    text = f"NOT_FOUND - no queue '{'ä' * 110}"[:-1].encode() + b"\xc3"
    raw = frame.Method(1, spec.Channel.Close(404, text, 0, 0)).marshal()
    method = frame.decode_frame(raw)[1].method

    assert isinstance(method, spec.Channel.Close)
    assert method.reply_text == text[:-1].decode() + "\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize(
    "module",
    [
        "broker.admin.conversation",
        "broker.admin.run_topology",
        "wire.frames.gets",
        "wire.connection.channel",
        "clients.blocking_client",
    ],
)
def test_the_hooks_are_there_wherever_pika_is(module: str) -> None:
    """Each way to a broker brings them, by whatever module a program begins with."""
    code = f"import loadtest.{module}, pika.data; print(pika.data.decode_table.__module__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["loadtest.fields"]

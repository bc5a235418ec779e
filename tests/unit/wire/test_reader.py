from __future__ import annotations

import struct

import pika
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pika import exceptions, frame, spec

from tests.unit.wire.frames import (
    FRAME_MAX,
    RecordingHandler,
    ack,
    content,
    deliver,
    events_by_pika,
    feed,
    method_frame,
    stamp_bytes,
)

PROPERTY = settings(
    max_examples=120, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)

BODIES = (b"", b"Hello World!", b'{"aaa":123,"bbb":456}', bytes(range(100)), b"L" * (2 * FRAME_MAX + 5))
PLAIN_PROPERTIES = (
    pika.BasicProperties(),
    pika.BasicProperties(content_type="application/json", delivery_mode=2, headers={"source": "web", "n": [1, None]}),
)
OTHERS = (
    frame.Heartbeat().marshal(),
    method_frame(spec.Basic.Nack(5, True, False)),
    method_frame(spec.Basic.Cancel("c9")),
    method_frame(spec.Queue.DeclareOk("q", 5, 1), 2),
    method_frame(spec.Basic.GetEmpty()),
    method_frame(spec.Connection.Blocked("low on memory"), 0),
    content(
        1, spec.Basic.Return(312, "NO_ROUTE", "ex", "key"), pika.BasicProperties(headers={"lt": bytes(24)}), b"body"
    ),
    content(2, spec.Basic.GetOk(3, False, "ex", "key", 998), pika.BasicProperties(delivery_mode=2), b"got"),
    content(2, spec.Basic.GetOk(4, True, "", "", 0), pika.BasicProperties(), b""),
    content(2, spec.Basic.GetOk(4, True, "", "k", 0), pika.BasicProperties(), b"G" * (FRAME_MAX + 1)),
)

stamps = st.builds(
    stamp_bytes,
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**63 - 1),
    st.integers(-(2**63), 2**63 - 1),
)


@st.composite
def delivery_runs(draw: st.DrawFn) -> bytes:
    """Draw deliveries of one shape, one to thirty in a row."""
    channel = draw(st.integers(1, 2))
    consumer_tag = draw(st.sampled_from(["c1", "c2", "amq.ctag-x"]))
    redelivered = draw(st.booleans())
    key = draw(st.sampled_from(["key", "key-2", ""]))
    body = draw(st.sampled_from(BODIES))
    first_tag = draw(st.integers(1, 2**63))
    stamped = draw(st.booleans())
    properties = None if stamped else draw(st.sampled_from(PLAIN_PROPERTIES))
    return b"".join(
        deliver(
            first_tag + offset,
            channel=channel,
            consumer_tag=consumer_tag,
            redelivered=redelivered,
            routing_key=key,
            properties=properties,
            body=body,
            stamp=draw(stamps) if stamped else None,
        )
        for offset in range(draw(st.sampled_from([1, 1, 1, 2, 5, 13, 30])))
    )


@st.composite
def ack_runs(draw: st.DrawFn) -> bytes:
    """Draw acks of one channel, one to forty in a row."""
    channel = draw(st.integers(1, 2))
    first_tag = draw(st.integers(0, 2**63))
    multiple = draw(st.lists(st.booleans(), min_size=1, max_size=40))
    return b"".join(
        ack(first_tag + offset, channel=channel, multiple=is_multiple) for offset, is_multiple in enumerate(multiple)
    )


streams = st.lists(st.one_of(delivery_runs(), ack_runs(), st.sampled_from(OTHERS)), min_size=1, max_size=12).map(
    b"".join
)
cut_places = st.lists(st.integers(0, 10**6), max_size=8)


@PROPERTY
@given(streams, cut_places)
def test_any_cut_of_a_valid_stream_gives_the_events_that_pika_gives(stream: bytes, cuts: list[int]) -> None:
    """However a stream of valid frames is cut, its events are those of pika's decoder, and nothing is left."""
    expected, failed = events_by_pika(stream)
    assert not failed
    handler = RecordingHandler()

    rest = feed(handler, stream, cuts)

    assert (expected, b"") == (handler.events, rest)


@PROPERTY
@given(streams, cut_places, st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 255)), min_size=1, max_size=3))
def test_damaged_bytes_give_what_pika_gives_or_an_error(
    stream: bytes, cuts: list[int], flips: list[tuple[int, int]]
) -> None:
    """A damaged stream gives pika's events up to the damage, then an error or the wait for more."""
    damaged = bytearray(stream)
    for place, flip in flips:
        damaged[place % len(damaged)] ^= flip
    expected, fails = events_by_pika(bytes(damaged))
    handler = RecordingHandler()

    rest, failed = b"", False
    try:
        rest = feed(handler, bytes(damaged), cuts)
    except exceptions.ProtocolSyntaxError:
        failed = True

    assert expected[: len(handler.events)] == handler.events
    assert fails or (not failed and expected == handler.events)
    assert not fails or failed or rest


@PROPERTY
@given(st.binary(min_size=8, max_size=200), cut_places)
def test_garbage_is_an_error_or_waits_for_more(garbage: bytes, cuts: list[int]) -> None:
    """Random bytes end in a protocol error, or wait for the rest of a frame of legal size."""
    handler = RecordingHandler()
    try:
        rest = feed(handler, garbage, cuts)
    except exceptions.ProtocolSyntaxError:
        rest = b""

    assert events_by_pika(garbage)[0][: len(handler.events)] == handler.events
    assert len(rest) < FRAME_MAX


@PROPERTY
@given(st.integers(0, 10**6), st.integers(1, 255), st.integers(12, 60), st.data())
def test_a_corrupted_byte_never_passes_for_intact(place: int, flip: int, count: int, data: st.DataObject) -> None:
    """Of a run with one damaged byte of a body, exactly the damaged message is handed on with its body as it is."""
    victim = data.draw(st.integers(1, count - 1))
    body = b"0123456789" * 3
    messages = [bytearray(deliver(tag + 1, body=body, stamp=stamp_bytes(seq=tag))) for tag in range(count)]
    messages[victim][len(messages[victim]) - 1 - len(body) + place % len(body)] ^= flip
    handler = RecordingHandler(intact=[body])

    feed(handler, b"".join(messages))

    assert [body] * (count - 1) == [event[4] for event in handler.events if event[2]["delivery_tag"] != victim + 1]
    assert body != handler.events[victim][4]
    assert count - 2 == handler.fast


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", id="http"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01", id="tls"),
        pytest.param(b"\x01\x00\x01\xff\xff\xff\xff\x00", id="size above frame_max"),
        pytest.param(method_frame(spec.Basic.Cancel("c"))[:-1] + b"\xcd", id="frame-end"),
        pytest.param(struct.pack(">BHIIB", 1, 1, 4, 0x00FF00FF, 0xCE), id="unknown method"),
        pytest.param(struct.pack(">BHIHB", 1, 1, 2, 0x003C, 0xCE), id="method cut short"),
        pytest.param(frame.Header(1, 5, pika.BasicProperties()).marshal(), id="header without method"),
        pytest.param(frame.Body(1, b"x").marshal(), id="body without header"),
        pytest.param(
            method_frame(spec.Basic.Deliver("c", 1, False, "", ""))
            + frame.Header(1, 1, pika.BasicProperties()).marshal()
            + frame.Body(1, b"xx").marshal(),
            id="body too long",
        ),
        pytest.param(
            method_frame(spec.Basic.Deliver("c", 1, False, "", "")) + struct.pack(">BHI", 2, 1, FRAME_MAX) + bytes(20),
            id="header above frame_max behind a delivery",
        ),
    ],
)
def test_what_is_not_amqp_is_an_error_at_once(stream: bytes) -> None:
    """Bytes that cannot be AMQP 0-9-1 are a protocol error without waiting for more."""
    handler = RecordingHandler()

    with pytest.raises(exceptions.ProtocolSyntaxError):
        feed(handler, stream)
    assert [] == handler.events


def test_the_error_shows_what_came() -> None:
    """The error of a peer that does not speak AMQP quotes it."""
    with pytest.raises(exceptions.InvalidFrameError, match=r"HTTP/1\.1 400"):
        feed(RecordingHandler(), b"HTTP/1.1 400 Bad Request\r\n\r\n")


def test_reading_stops_when_told() -> None:
    """After `is_stopped` is set no further frame is handed on."""
    handler = RecordingHandler()
    handler.reader.is_stopped = True

    assert deliver(1) == feed(handler, deliver(1))

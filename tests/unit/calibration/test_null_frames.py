"""Counting of publishes and making of deliveries, on frames that pika makes and reads."""

from __future__ import annotations

import struct
from typing import Any

import pika
import pytest
from pika import frame, spec

from loadtest.calibration.null_frames import DeliveryBlock, confirm, count_acks, frame_bytes, take_published

BODY = b"Hello World!"


def published(body: bytes = BODY, *, routing_key: str = "key", channel: int = 1, headers: Any = None) -> bytes:
    """Return the frames of one publish; bodies over 100 bytes take several."""
    pieces = [body[at : at + 100] for at in range(0, len(body), 100)]
    return b"".join(
        (
            frame.Method(channel, spec.Basic.Publish(exchange="ex", routing_key=routing_key)).marshal(),
            frame.Header(channel, len(body), pika.BasicProperties(headers=headers)).marshal(),
            *(frame.Body(channel, piece).marshal() for piece in pieces),
        )
    )


def decoded(data: bytes) -> list[Any]:
    """Return the frames that pika reads in *data*, all of it."""
    frames = []
    while data:
        consumed, value = frame.decode_frame(data)
        assert consumed, "a frame is not whole"
        frames.append(value)
        data = data[consumed:]
    return frames


@pytest.mark.parametrize("body", [b"", BODY, bytes(1000)], ids=["empty", "one frame", "ten frames"])
def test_run_of_publishes_is_counted(body: bytes) -> None:
    """Whole publishes of one shape are counted in one step, a cut one behind them is left."""
    one = published(body)
    taken = take_published(memoryview(b"head" + 5 * one + one[:-1]), 4)

    assert taken is not None
    assert (5, 5 * len(one), one) == (taken.messages, taken.size, bytes(taken.first))


def test_run_ends_at_another_shape() -> None:
    """A publish with another routing key, or a body of another size, ends the run."""
    one = published()
    for other in (published(routing_key="yek"), published(BODY + b"!")):
        taken = take_published(memoryview(3 * one + other), 0)

        assert taken is not None
        assert 3 == taken.messages


@pytest.mark.parametrize("cut", range(1, len(published())), ids=str)
def test_cut_publish_is_not_taken(cut: int) -> None:
    """A publish that has not come whole is none, wherever it is cut."""
    assert take_published(memoryview(published()[:cut]), 0) is None


def test_other_frames_are_not_publishes() -> None:
    """A method frame that is no publish is not counted as one, and its size is known."""
    qos = frame.Method(1, spec.Basic.Qos(0, 200, False)).marshal()

    assert take_published(memoryview(qos), 0) is None
    assert frame_bytes(memoryview(qos), 0) == len(qos)


def test_acks_of_consumers_are_passed_over() -> None:
    """A run of acks is measured up to the first other frame."""
    acks = b"".join(frame.Method(1, spec.Basic.Ack(tag, True)).marshal() for tag in (200, 400, 600))
    qos = frame.Method(1, spec.Basic.Qos(0, 200, False)).marshal()

    assert len(acks) == count_acks(memoryview(acks + qos), 0)


def test_confirm_covers_all_before() -> None:
    """A confirm is one ack with `multiple`."""
    (value,) = decoded(confirm(3, 192))

    assert (3, 192, True) == (value.channel_number, value.method.delivery_tag, value.method.multiple)


def test_block_counts_on_with_each_replay() -> None:
    """Deliveries carry the published message on the consumer's channel, with tags and seqs that count on for ever."""
    stamp = struct.pack(">IIQq", 7, 0, 0, 42)
    block = DeliveryBlock(published(headers={"lt": stamp}), channel=9, consumer_tag="c1", messages=4)
    first = decoded(bytes(block.view))
    block.advance()
    frames = first + decoded(bytes(block.view))
    deliveries, headers = frames[::3], frames[1::3]

    assert {9} == {value.channel_number for value in frames}
    assert list(range(1, 9)) == [value.method.delivery_tag for value in deliveries]
    assert {("c1", "ex", "key", False)} == {
        (d.method.consumer_tag, d.method.exchange, d.method.routing_key, d.method.redelivered) for d in deliveries
    }
    assert [(7, 0, seq, 42) for seq in range(8)] == [
        struct.unpack(">IIQq", header.properties.headers["lt"]) for header in headers
    ]
    assert {BODY} == {value.fragment for value in frames[2::3]}


def test_block_without_stamp() -> None:
    """A message without a stamp is replayed as it is, delivery tags apart."""
    block = DeliveryBlock(published(), channel=1, consumer_tag="c1", messages=2)

    assert [1, 2] == [value.method.delivery_tag for value in decoded(bytes(block.view))[::3]]

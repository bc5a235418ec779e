from __future__ import annotations

import numpy as np
import pytest

from loadtest.wire.frames.ack_frames import encode_acks
from loadtest.wire.frames.acks import MIN_VECTOR_RUN, ack_head
from tests.unit.wire.frames import RecordingHandler, ack, deliver, events_by_pika, feed


def test_the_head_of_an_ack() -> None:
    """An ack of channel 3 begins with these bytes."""
    assert "01 0003 0000000d 003c0050".replace(" ", "") == ack_head(3).hex()


@pytest.mark.parametrize("count", [1, 2, 30])
@pytest.mark.parametrize("multiple", [False, True])
def test_acks_are_written_as_pika_writes_them(count: int, multiple: bool) -> None:
    """A run of acks equals pika's frames, one after the other."""
    tags = np.arange(7, 7 + count, dtype=np.uint64) << np.uint64(40)

    encoded = bytes(encode_acks(3, tags, multiple=multiple))

    assert encoded == b"".join(ack(int(tag), channel=3, multiple=multiple) for tag in tags)


@pytest.mark.parametrize("count", [1, 2, MIN_VECTOR_RUN - 1, MIN_VECTOR_RUN, 500])
def test_a_run_ends_where_something_else_begins(count: int) -> None:
    """Acks up to another channel's ack, a delivery and a nack keep their order and number."""
    run = b"".join(ack(tag, multiple=tag % 3 == 0) for tag in range(1, count + 1))
    stream = run + ack(5, channel=2) + run + deliver(1) + run

    handler = RecordingHandler()
    rest = feed(handler, stream)

    assert events_by_pika(stream) == (handler.events, False)
    assert b"" == rest


def test_reserved_bits_are_ignored_as_pika_does() -> None:
    """Only the first bit of the last octet says `multiple`."""
    stream = b"".join(ack(tag)[:-2] + bytes((tag % 4, 0xCE)) for tag in range(50))
    handler = RecordingHandler()

    feed(handler, stream)

    assert events_by_pika(stream) == (handler.events, False)

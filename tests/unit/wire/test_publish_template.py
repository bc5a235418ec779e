from __future__ import annotations

import copy

import numpy as np
import pika
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pika import frame, spec

from loadtest.wire.frames.publish_template import MAX_BATCH, PublishTemplate
from loadtest.wire.frames.stamp_position import StampPlace
from tests.unit.wire.frames import stamp_bytes

WORD = 0x500007
SENT_NS = 10**12


def cycle(
    keys: list[str], bodies: list[bytes], stamp: StampPlace = "headers", block: int = 1 << 16, frame_max: int = 4096
) -> PublishTemplate:
    """Return a cycle with the odds and ends that the tests do not vary."""
    return PublishTemplate(
        channel_number=3,
        frame_max=frame_max,
        exchange="ex",
        routing_keys=keys,
        bodies=bodies,
        properties=pika.BasicProperties(delivery_mode=2, headers={"source": "web"}),
        mandatory=True,
        stamp=stamp,
        run_publisher=WORD,
        max_block_bytes=block,
    )


def marshalled_by_pika(
    seq: int, intended_ns: int, keys: list[str], bodies: list[bytes], place: StampPlace, frame_max: int = 4096
) -> bytes:
    """Return one message as pika would send it."""
    stamp = stamp_bytes(WORD, min(max((SENT_NS - intended_ns) // 1000, 0), 2**32 - 1), seq, intended_ns)
    properties = pika.BasicProperties(delivery_mode=2, headers={"source": "web"})
    body = bodies[seq % len(bodies)]
    if place == "headers":
        properties = copy.copy(properties)
        properties.headers = {"source": "web", "lt": stamp}
    elif place == "body":
        body = stamp + body[24:]
    method = spec.Basic.Publish(exchange="ex", routing_key=keys[seq % len(keys)], mandatory=True)
    step = frame_max - 8
    return b"".join(
        part.marshal()
        for part in (
            frame.Method(3, method),
            frame.Header(3, len(body), properties),
            *(frame.Body(3, body[at : at + step]) for at in range(0, len(body), step)),
        )
    )


def test_the_bytes_on_the_wire() -> None:
    """One message is exactly these bytes: Basic.Publish, a header frame with the stamp, a body frame."""
    one = PublishTemplate(1, 131072, "", ["hello"], [b"Hi"], pika.BasicProperties(), False, "headers", WORD)

    assert (
        "01 0001 0000000e 003c0028 0000 00 05 68656c6c6f 00 ce "
        "02 0001 00000032 003c 0000 0000000000000002 2000 00000020 026c74 78 00000018 "
        "00500007 00000005 0000000000000009 0000000000000001 ce "
        "03 0001 00000002 4869 ce"
    ).replace(" ", "") == one.encode(9, 1, np.array([1]), 5_500).hex()


@settings(max_examples=60, derandomize=True, deadline=None, database=None)
@given(
    st.integers(1, 20),
    st.lists(st.integers(24, 9000), min_size=1, max_size=4),
    st.sampled_from(["headers", "body", "none"]),
    st.sampled_from([1, 3000, 40_000, 1 << 20]),
    st.integers(0, 2**40),
    st.lists(st.integers(1, 40), min_size=1, max_size=8),
)
def test_any_batches_equal_what_pika_marshals(
    key_count: int, sizes: list[int], place: StampPlace, block: int, first_seq: int, batches: list[int]
) -> None:
    """Whatever the cycle, the block and the batches, the bytes are those of pika's marshalling, message by message."""
    keys = [f"key-{number * number}" for number in range(key_count)]
    bodies = [bytes((number,)) * size for number, size in enumerate(sizes)]
    under_test = cycle(keys, bodies, place, block)
    seq = first_seq
    for batch in batches:
        count = min(batch, under_test.max_batch)
        intended_ns = SENT_NS - 1_500 * np.arange(-2, count - 2)

        encoded = bytes(under_test.encode(seq, len(intended_ns), intended_ns, SENT_NS))

        assert encoded == b"".join(
            marshalled_by_pika(seq + offset, int(instant), keys, bodies, place)
            for offset, instant in enumerate(intended_ns)
        )
        seq += count


@pytest.mark.parametrize("count", [1, 20])
@pytest.mark.parametrize(
    "late_ns, lateness_us",
    [(-5_000_000, 0), (999, 0), (1_000, 1), ((2**32 - 1) * 1000, 2**32 - 1), (2**32 * 1000, 2**32 - 1)],
)
def test_lateness_saturates(count: int, late_ns: int, lateness_us: int) -> None:
    """Lateness is whole microseconds between 0 and the largest u32, for lone messages and for batches."""
    encoded = bytes(cycle(["k"], [bytes(24)], "body").encode(0, count, np.full(count, SENT_NS - late_ns), SENT_NS))

    assert count == encoded.count(stamp_bytes(WORD, lateness_us, 0)[:8])


def test_an_empty_body_has_no_body_frame() -> None:
    """A message of 0 bytes is a method and a header frame."""
    encoded = bytes(cycle(["k"], [b""]).encode(0, 1, np.array([SENT_NS]), SENT_NS))

    assert marshalled_by_pika(0, SENT_NS, ["k"], [b""], "headers") == encoded


def test_no_limit_of_frames_is_one_frame() -> None:
    """A negotiated frame_max of 0 means no limit: the body is one frame."""
    body = b"x" * 300_000
    encoded = bytes(cycle(["k"], [body], frame_max=0).encode(0, 1, np.array([SENT_NS]), SENT_NS))

    assert marshalled_by_pika(0, SENT_NS, ["k"], [body], "headers", 1 << 20) == encoded


def test_large_bodies_do_not_multiply() -> None:
    """The block stays within its bound, and holds one message where a message is larger than the bound."""
    bodies = [bytes((number,)) * 100_000 for number in range(20)]
    several = cycle([f"key-{number}" for number in range(7)], bodies, block=1 << 20)
    one = cycle(["key"], bodies, block=1)

    several.encode(0, several.max_batch, SENT_NS, SENT_NS)
    one.encode(0, one.max_batch, SENT_NS, SENT_NS)

    assert 10 == several.max_batch
    assert len(several._block) <= 1 << 20
    assert (1, True) == (one.max_batch, len(one._block) < 110_000)


def test_a_lone_publisher_holds_a_lone_message() -> None:
    """A publisher that only ever sends one at a time holds no more than its cycle."""
    lone = cycle(["key"], [b"x" * 12])
    for seq in range(5):
        lone.encode(seq, 1, SENT_NS, SENT_NS)

    assert len(lone._block) < 200


def test_batches_are_bounded() -> None:
    """A batch above `max_batch` is an error, not a truncation."""
    small = cycle(["key"], [b"x" * 12], block=1 << 20)

    assert MAX_BATCH == small.max_batch
    with pytest.raises(ValueError, match="at most 4096"):
        small.encode(0, MAX_BATCH + 1, 0, 0)


def test_an_empty_batch_is_no_bytes() -> None:
    """No instants, no bytes."""
    assert b"" == bytes(cycle(["key"], [b"x"]).encode(5, 0, np.empty(0, np.int64), 0))


@pytest.mark.parametrize(
    "keys, bodies, stamp, error",
    [
        pytest.param([], [b"x"], "headers", "at least one", id="no key"),
        pytest.param(["k"], [], "headers", "at least one", id="no body"),
        pytest.param(["k"], [bytes(24), bytes(23)], "body", "at least 24 bytes", id="body too short"),
    ],
)
def test_impossible_cycles_are_refused(keys: list[str], bodies: list[bytes], stamp: StampPlace, error: str) -> None:
    """A cycle without keys or bodies, or with no room for its stamp, is an error."""
    with pytest.raises(ValueError, match=error):
        cycle(keys, bodies, stamp)

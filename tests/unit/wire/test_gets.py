from __future__ import annotations

import pika
import pytest
from pika import spec

from loadtest.stamp import Stamp
from loadtest.wire.frames.gets import GetOk, PropertyShapes, parse_get_ok
from tests.unit.wire.frames import content, stamp_bytes

METHOD = spec.Basic.GetOk(9, True, "zhenshiceshi", "111112", 998)


def get_ok(properties: pika.BasicProperties, body: bytes = b"body") -> bytes:
    """Return the frames of a Get-Ok."""
    return content(2, METHOD, properties, body)


@pytest.mark.parametrize(
    "properties, body, stamp",
    [
        pytest.param({"headers": {"lt": stamp_bytes(1, 2, 3, 4)}}, b"x", Stamp(1, 2, 3, 4), id="stamp in the headers"),
        pytest.param({"delivery_mode": 2}, stamp_bytes(1, 2, 3, 4) + b"x", Stamp(1, 2, 3, 4), id="stamp in the body"),
        pytest.param({"content_type": "text/plain", "headers": {"a": [1]}}, b"", None, id="no stamp"),
    ],
)
def test_a_get_ok_is_what_pika_would_make_of_it(
    properties: dict[str, object], body: bytes, stamp: Stamp | None
) -> None:
    """All parts of a message got are read from its bytes, the first time and with the shape known."""
    shapes = PropertyShapes()
    for _ in range(2):
        got = parse_get_ok(get_ok(pika.BasicProperties(**properties), body), shapes)

        assert got is not None
        assert (9, True, "zhenshiceshi", "111112", 998, body) == (
            got.delivery_tag, got.redelivered, got.exchange, got.routing_key, got.message_count, got.body,
        )  # fmt: skip
        assert stamp == got.stamp
        assert pika.BasicProperties(**properties) == got.properties
        assert stamp == got.stamp


def test_a_known_shape_takes_the_new_stamp() -> None:
    """Of messages of one shape each has its own stamp."""
    shapes = PropertyShapes()
    stamps = []
    for seq in range(3):
        got = parse_get_ok(get_ok(pika.BasicProperties(headers={"lt": stamp_bytes(seq=seq), "z": 1})), shapes)
        assert got is not None
        stamps.append(got.stamp)

    assert [Stamp(7, 0, seq, 0) for seq in range(3)] == stamps


def test_properties_of_one_length_are_told_apart() -> None:
    """Properties of the same length and other bytes are decoded anew."""
    shapes = PropertyShapes()
    keys = []
    for kind in ("aa", "bb", "aa"):
        got = parse_get_ok(get_ok(pika.BasicProperties(content_type=kind)), shapes)
        assert got is not None
        keys.append(got.properties.content_type)

    assert ["aa", "bb", "aa"] == keys


@pytest.mark.parametrize("place", ["method end", "header end", "body end", "routing key length"])
def test_what_is_malformed_is_left_to_pika(place: str) -> None:
    """A Get-Ok with a wrong byte in its structure is not taken."""
    raw = bytearray(get_ok(pika.BasicProperties(delivery_mode=2)))
    body_frame = raw.rindex(b"\x03\x00\x02")
    header_frame = raw.index(b"\xce\x02\x00\x02") + 1
    at = {
        "method end": header_frame - 1,
        "header end": body_frame - 1,
        "body end": len(raw) - 1,
        "routing key length": raw.index(b"\x06111112"),
    }[place]
    raw[at] ^= 1

    assert parse_get_ok(bytes(raw), PropertyShapes()) is None


def test_one_put_together_by_pika_is_the_same() -> None:
    """A message of several body frames, decoded by pika, has the same parts."""
    got = GetOk(1, False, "ex", "key", 0, pika.BasicProperties(headers={"lt": stamp_bytes(1, 2, 3, 4)}), b"b")

    assert Stamp(1, 2, 3, 4) == got.stamp

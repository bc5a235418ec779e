from __future__ import annotations

import numpy as np
import pika
import pytest

from loadtest.stamp import STAMP_DTYPE, STAMP_STRUCT, Stamp, run_publisher_word
from loadtest.wire.frames.stamp_position import read_stamp, stamp_offset

RAW = bytes.fromhex("00500007 00000005 0000000000000009 ffffffffffffffff".replace(" ", ""))
STAMP = Stamp(run_publisher=0x500007, lateness_us=5, seq=9, intended_ns=-1)


def header_payload(**properties: object) -> bytes:
    """Return the property flags and properties as pika marshals them."""
    return b"".join(pika.BasicProperties(**properties).encode())


def test_the_layout_is_the_contracts() -> None:
    """Struct and dtype lay the stamp out big-endian: u32, u32, u64, i64."""
    array = np.zeros(1, STAMP_DTYPE)
    array[0] = tuple(STAMP)

    assert RAW == STAMP_STRUCT.pack(*STAMP)
    assert RAW == array.tobytes()


def test_the_word_holds_run_and_publisher() -> None:
    """The first word is the run tag above the publisher id, and is taken apart again."""
    word = run_publisher_word(0xABC, 0xFFFFF)

    assert 0xABCFFFFF == word
    assert (0xABC, 0xFFFFF) == (Stamp(word, 0, 0, 0).run_tag, Stamp(word, 0, 0, 0).publisher_id)


@pytest.mark.parametrize("run_tag, publisher_id", [(-1, 0), (4096, 0), (0, -1), (0, 1 << 20)])
def test_words_that_do_not_fit_are_refused(run_tag: int, publisher_id: int) -> None:
    """A tag of more than 12 bits or an id of more than 20 is an error."""
    with pytest.raises(ValueError, match="not within"):
        run_publisher_word(run_tag, publisher_id)


@pytest.mark.parametrize(
    "headers, body, expected",
    [
        pytest.param({"lt": RAW}, b"", STAMP, id="header"),
        pytest.param({"lt": RAW}, bytes(24), STAMP, id="header before body"),
        pytest.param(None, RAW + b"rest", STAMP, id="body"),
        pytest.param({"lt": RAW[:-1]}, b"", None, id="header too short"),
        pytest.param({"lt": "x" * 24}, b"", None, id="header of another type"),
        pytest.param({}, RAW[:-1], None, id="body too short"),
    ],
)
def test_a_stamp_is_read_from_header_or_body(
    headers: dict[str, object] | None, body: bytes, expected: Stamp | None
) -> None:
    """The header field counts, else the body's first 24 bytes, else there is none."""
    assert expected == read_stamp(headers, body)


EVERY_TYPE = {
    "bool": True,
    "int": 5,
    "long": 1 << 40,
    "none": None,
    "text": "lt",
    "table": {"lt": bytes(24)},
    "array": [1, "two", {"three": 3}],
    "bytes": b"\x02ltx\x00\x00\x00\x18" + bytes(24),
}


@pytest.mark.parametrize(
    "properties, is_found",
    [
        pytest.param({"headers": {"lt": RAW}}, True, id="alone"),
        pytest.param(
            {"headers": {**EVERY_TYPE, "lt": RAW, "z": 1}, "content_type": "text/plain"}, True, id="among all"
        ),
        pytest.param({"content_encoding": "gzip", "headers": {"lt": RAW}, "priority": 1}, True, id="behind encoding"),
        pytest.param({"headers": EVERY_TYPE}, False, id="only within other values"),
        pytest.param({"headers": {"lt": RAW[:-1]}}, False, id="too short"),
        pytest.param({"headers": {"lt": 5}}, False, id="another type"),
        pytest.param({"content_type": "x"}, False, id="no headers"),
    ],
)
def test_the_offset_is_where_pika_put_it(properties: dict[str, object], is_found: bool) -> None:
    """The offset points at the stamp in the header field `lt` itself, never at bytes that look like it."""
    payload = header_payload(**properties)

    offset = stamp_offset(payload, 0)

    assert is_found == (offset is not None and payload[offset : offset + 24] == RAW)
    assert is_found or offset is None


@pytest.mark.parametrize("cut", range(2, 24))
def test_a_cut_header_is_an_error(cut: int) -> None:
    """A header frame that ends too early is a ValueError, not an offset."""
    payload = header_payload(content_type="text/plain", headers={"key": 1, "lt": RAW})

    with pytest.raises(ValueError, match="cut or malformed"):
        stamp_offset(payload[:cut], 0)


def test_an_unknown_field_type_is_an_error() -> None:
    """A field whose size cannot be known ends the walk with an error."""
    payload = header_payload(headers={"key": True}).replace(b"t\x01", b"?\x01")

    with pytest.raises(ValueError, match="unknown field type"):
        stamp_offset(payload, 0)

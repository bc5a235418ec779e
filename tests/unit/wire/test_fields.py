"""Field tables: read whatever the bytes are, equal to pika wherever pika can read them, and written for every value."""

from __future__ import annotations

import importlib.util
import math
import struct
from datetime import UTC, datetime
from decimal import Decimal
from types import ModuleType
from typing import Any

import pika.data
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest import fields
from loadtest.pika_codec import ContentProperties
from tests.broker.clients.foreign import CONTENTS, FIELDS, long, short, table


def plain_pika_data() -> ModuleType:
    """Return pika's module as it is without our hooks."""
    spec = importlib.util.spec_from_file_location("plain_pika_data", pika.data.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PLAIN = plain_pika_data()
SIZES = {"t": 1, "b": 1, "B": 1, "s": 2, "u": 2, "U": 2, "I": 4, "i": 4, "f": 4, "D": 5, "l": 8, "L": 8, "T": 8, "d": 8}
fixed = st.sampled_from(sorted(SIZES)).flatmap(
    lambda kind: st.binary(min_size=SIZES[kind], max_size=SIZES[kind]).map(lambda content: kind.encode() + content)
)
lengthy = st.tuples(st.sampled_from([b"S", b"x"]), st.binary(max_size=20)).map(lambda parts: parts[0] + long(parts[1]))
leaves = fixed | lengthy | st.just(b"V")
names = st.binary(max_size=12) | st.just(b"n" * 255)


def tables_of(values: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Return tables of such values."""
    return st.lists(st.tuples(names, values), max_size=6).map(lambda entries: table(*entries))


values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda items: b"A" + long(b"".join(items)))
        | tables_of(inner).map(lambda content: b"F" + content)
    ),
    max_leaves=12,
)


def as_pika_has_it(value: Any) -> Any:
    """Return a value as pika decodes it, which cuts fractions off."""
    if isinstance(value, float):
        return int(value)
    if isinstance(value, dict):
        return {name: as_pika_has_it(item) for name, item in value.items()}
    return [as_pika_has_it(item) for item in value] if isinstance(value, list) else value


@given(tables_of(values))
def test_any_table_is_read_and_equals_pikas_where_pika_reads_it(content: bytes) -> None:
    """Random tables of all types: read to their end, and with pika's values wherever pika has any."""
    found, end = fields.decode_table(content, 0)

    assert end == len(content)
    try:
        by_pika, pika_end = PLAIN.decode_table(content, 0)
    except (ValueError, OverflowError, OSError):  # a timestamp that is no date; infinity; what is no number
        return
    assert (as_pika_has_it(found), end) == (by_pika, pika_end)


@given(st.binary(max_size=60) | tables_of(st.binary(max_size=30)), st.integers(0, 4))
def test_any_bytes_are_a_header(content: bytes, offset: int) -> None:
    """Whatever follows the property flags, a content header is decoded, and a table keeps to its length."""
    ContentProperties().decode(content, offset)
    ContentProperties().decode(struct.pack(">H", 1 << 13) + content)
    try:
        _, end = fields.decode_table(content, 0)
    except fields.FieldError:
        return
    assert end == 4 + struct.unpack_from(">I", content)[0] <= len(content)


@pytest.mark.parametrize("name", CONTENTS)
def test_no_content_header_is_an_error(name: str) -> None:
    """Each of the headers that the brokers are tried with is decoded."""
    ContentProperties().decode(CONTENTS[name])


def test_what_can_be_read_is_kept() -> None:
    """An unknown type hides what follows it in its own table, and nothing else."""
    inner = b"F" + table((b"a", b"t\x01"), (b"b", FIELDS["unknown type"]), (b"c", b"V"))
    content = struct.pack(">H", 1 << 13 | 1 << 11) + table((b"inner", inner), (b"after", b"B\x05")) + b"\x07"
    decoded = ContentProperties().decode(content)

    assert (decoded.headers, decoded.priority) == ({"inner": {"a": True}, "after": 5}, 7)


def test_values_that_pika_does_not_read() -> None:
    """Fractions are kept, and a timestamp that is no date is its number."""
    seen = {name: fields.decode_value(content, 0)[0] for name, content in FIELDS.items() if name != "unknown type"}

    assert seen["double"] == 9.9
    assert math.isinf(seen["infinity"])
    assert math.isnan(seen["no number"])
    assert seen["timestamp"] == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert seen["timestamp in milliseconds"] == 1_700_000_000_000
    assert seen["timestamp before 1970"] == (1 << 64) - 1
    assert seen["decimal"] == Decimal("1.23")


python_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 63) - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=40), python_values, max_size=5))
def test_what_is_written_is_read_again(values: dict[str, Any]) -> None:
    """Every value of a scenario comes back equal; where pika can write it, the bytes are pika's."""
    encoded = fields.encode_table(values)

    assert fields.decode_table(encoded, 0) == (values, len(encoded))
    pieces: list[bytes] = []
    try:
        PLAIN.encode_table(pieces, values)
    except PLAIN.exceptions.UnsupportedAMQPFieldException:
        return
    assert b"".join(pieces) == encoded


@pytest.mark.parametrize(
    "value", [Decimal("1.25"), Decimal("-3E+4"), Decimal(0), datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)], ids=str
)
def test_dates_and_decimals_are_written_as_pika_does(value: Any) -> None:
    """They come from locustfiles, not from YAML."""
    pieces: list[bytes] = []
    PLAIN.encode_value(pieces, value)

    assert b"".join(pieces) == fields.encode_value(value)


@pytest.mark.parametrize(
    "value",
    [1 << 63, -(1 << 63) - 1, Decimal("1E+20"), Decimal("NaN"), 1j, {"n" * 256: 1}, [{"a": {1, 2}}]],
    ids=repr,
)
def test_what_amqp_does_not_have_is_an_error(value: Any) -> None:
    """Numbers of more than 64 bits, names of more than 255 bytes, and other types of Python."""
    with pytest.raises(fields.FieldError):
        fields.encode_value(value)


def test_short_strings() -> None:
    """As bytes where they are no UTF-8; cut ones are an error."""
    assert fields.decode_short_string(short("ä".encode()) + short(b"\xc3"), 3) == (b"\xc3", 5)
    with pytest.raises(fields.FieldError):
        fields.decode_short_string(b"\x05abc", 0)

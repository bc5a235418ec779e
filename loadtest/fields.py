"""
AMQP field tables: headers and arguments as bytes, and back.

Encoding writes every value that a scenario may hold; decoding reads every table that a broker may deliver, also what
does not fit Python's types. Types and their octets follow RabbitMQ's errata to AMQP 0-9-1, section 4.2.5.5
(https://www.rabbitmq.com/amqp-0-9-1-errata), and the values are those that pika gives, with two exceptions: a number
with a fraction keeps it (pika cuts it off, and fails on infinity), and a timestamp that is no date is its number.
"""

from __future__ import annotations

import calendar
import contextlib
import struct
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

MAX_SHORT_STRING_BYTES: Final = 255
# Tables within tables beyond this many levels stay bytes: a frame has room for 26,000, more than Python can recurse.
MAX_DEPTH: Final = 64

_LENGTH: Final = struct.Struct(">I")
_INT32: Final = range(-(1 << 31), 1 << 31)
_FIXED: Final[Mapping[int, struct.Struct]] = {
    ord(kind): struct.Struct(f">{code}")
    for kind, code in {
        "b": "b", "B": "B", "s": "h", "U": "h", "u": "H", "I": "i", "i": "I", "l": "q", "L": "q", "f": "f", "d": "d",
    }.items()
}  # fmt: skip
_DECIMAL: Final = struct.Struct(">Bi")
_TIMESTAMP: Final = struct.Struct(">Q")


class FieldError(ValueError):
    """A value that AMQP cannot carry, or bytes that are no value."""


def encode_short_string(text: str | bytes) -> bytes:
    """
    Return a short string with its length.

    Raises:
        FieldError: If it has more than 255 bytes.
    """
    content = text.encode() if isinstance(text, str) else bytes(text)
    if len(content) > MAX_SHORT_STRING_BYTES:
        raise FieldError(f"a text of {len(content)} bytes; a short string has at most {MAX_SHORT_STRING_BYTES}")
    return bytes((len(content),)) + content


def encode_table(table: Mapping[str, Any] | None) -> bytes:
    """
    Return a table with its length.

    Raises:
        FieldError: If a value or a name cannot be carried.
    """
    content = b"".join(encode_short_string(name) + encode_value(value) for name, value in (table or {}).items())
    return _LENGTH.pack(len(content)) + content


def encode_value(value: Any) -> bytes:
    """
    Return a value with its type octet.

    Raises:
        FieldError: If its type is none of AMQP's, or a whole number needs more than 64 bits.
    """
    encode = _ENCODERS.get(type(value))
    if encode is None:
        encode = next((each for kind, each in _ENCODERS.items() if isinstance(value, kind)), None)
    if encode is None:
        raise FieldError(f"{value!r} of type {type(value).__name__}, which AMQP does not have")
    try:
        return encode(value)
    except (struct.error, OverflowError) as error:
        raise FieldError(f"{value!r} does not fit its AMQP type: {error}") from error


def _encode_int(value: int) -> bytes:
    return struct.pack(">ci", b"I", value) if value in _INT32 else struct.pack(">cq", b"l", value)


def _encode_decimal(value: Decimal) -> bytes:
    sign, digits, exponent = value.normalize().as_tuple()
    if not isinstance(exponent, int):
        raise FieldError(f"the decimal {value}, which is no number")
    scale = max(0, -exponent)
    whole = int("".join(map(str, digits))) * 10 ** max(0, exponent)
    return b"D" + _DECIMAL.pack(scale, -whole if sign else whole)


def _encode_list(values: list[Any] | tuple[Any, ...]) -> bytes:
    content = b"".join(map(encode_value, values))
    return b"A" + _LENGTH.pack(len(content)) + content


def _encode_text(text: str) -> bytes:
    content = text.encode()
    return b"S" + _LENGTH.pack(len(content)) + content


def _encode_bytes(content: bytes | bytearray) -> bytes:
    return b"x" + _LENGTH.pack(len(content)) + bytes(content)


# In this order, as a bool is an int.
_ENCODERS: Final[dict[type, Callable[[Any], bytes]]] = {
    str: _encode_text,
    bytes: _encode_bytes,
    bytearray: _encode_bytes,
    bool: lambda value: b"t\x01" if value else b"t\x00",
    int: _encode_int,
    float: lambda value: b"d" + _FIXED[ord("d")].pack(value),
    Decimal: _encode_decimal,
    datetime: lambda value: b"T" + _TIMESTAMP.pack(calendar.timegm(value.utctimetuple())),
    dict: lambda value: b"F" + encode_table(value),
    list: _encode_list,
    tuple: _encode_list,
    type(None): lambda _: b"V",
}


def decode_short_string(encoded: bytes, offset: int) -> tuple[str | bytes, int]:
    """
    Return the short string at *offset*, as bytes if it is no UTF-8, and where it ends.

    Raises:
        FieldError: If *encoded* ends before it does.
    """
    start = offset + 1
    if start > len(encoded) or start + encoded[offset] > len(encoded):
        raise FieldError("a short string that is cut off")
    end = start + encoded[offset]
    return _text_or_bytes(encoded[start:end]), end


def decode_table(encoded: bytes, offset: int, depth: int = 0) -> tuple[dict[str | bytes, Any], int]:
    """
    Return the table at *offset* and where it ends.

    A value that cannot be read ends what is known of its own table: those after it are left out, as only its type says
    where it ends. Of two values of one name the last counts.

    Raises:
        FieldError: If *encoded* ends before the table does.
    """
    start, end = _extent(encoded, offset)
    table: dict[str | bytes, Any] = {}
    at = start
    with contextlib.suppress(FieldError):
        while at < end:
            name, at = decode_short_string(encoded, at)
            value, at = decode_value(encoded, at, depth)
            if at > end:
                break
            table[name] = value
    return table, end


def decode_value(encoded: bytes, offset: int, depth: int = 0) -> tuple[Any, int]:
    """
    Return the value whose type octet is at *offset*, and where it ends.

    Raises:
        FieldError: If its type is none of AMQP's, or *encoded* ends before it does.
    """
    if offset >= len(encoded):
        raise FieldError("a value that is cut off")
    kind, at = encoded[offset], offset + 1
    try:
        if kind in _FIXED:
            return _FIXED[kind].unpack_from(encoded, at)[0], at + _FIXED[kind].size
        match kind:
            case 0x74:  # t
                return bool(encoded[at]), at + 1
            case 0x56:  # V
                return None, at
            case 0x54:  # T
                return _date_or_number(_TIMESTAMP.unpack_from(encoded, at)[0]), at + _TIMESTAMP.size
            case 0x44:  # D
                scale, digits = _DECIMAL.unpack_from(encoded, at)
                return Decimal(digits) * Decimal(10) ** -scale, at + _DECIMAL.size
    except (struct.error, IndexError):
        raise FieldError("a value that is cut off") from None
    return _decode_long(kind, encoded, at, depth)


def _decode_long(kind: int, encoded: bytes, offset: int, depth: int) -> tuple[Any, int]:
    """Return a value that begins with its length."""
    if kind not in b"SxAF":
        raise FieldError(f"a value of the unknown type {kind:#04x}")
    start, end = _extent(encoded, offset)
    if kind == ord("S"):
        return _text_or_bytes(encoded[start:end]), end
    if kind == ord("x") or depth >= MAX_DEPTH:
        return encoded[start:end], end
    if kind == ord("F"):
        return decode_table(encoded, offset, depth + 1)
    values: list[Any] = []
    at = start
    with contextlib.suppress(FieldError):
        while at < end:
            value, at = decode_value(encoded, at, depth + 1)
            if at > end:
                break
            values.append(value)
    return values, end


def _extent(encoded: bytes, offset: int) -> tuple[int, int]:
    """Return where the content begins and ends whose length is at *offset*."""
    start = offset + _LENGTH.size
    if start > len(encoded):
        raise FieldError("a length that is cut off")
    end = start + _LENGTH.unpack_from(encoded, offset)[0]
    if end > len(encoded):
        raise FieldError("a value that is cut off")
    return start, end


def _text_or_bytes(content: bytes) -> str | bytes:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content


def _date_or_number(seconds: int) -> datetime | int:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        # Milliseconds, or a time before 1970, of a client that does not keep to seconds since then.
        return seconds

"""
Where in a message the stamp (`loadtest.stamp`) travels: the header field ``lt``, or the head of the body.

As header field it is of type byte array, 24 bytes. Knows nothing of connections; offsets into raw header frames follow
the AMQP 0-9-1 specification, section 4.2.5.5 (field tables), with RabbitMQ's errata for the types.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final, Literal

from loadtest.stamp import STAMP_BYTES, STAMP_HEADER, STAMP_STRUCT, Stamp

StampPlace = Literal["headers", "body", "none"]

_FLAG_CONTENT_TYPE: Final = 1 << 15
_FLAG_CONTENT_ENCODING: Final = 1 << 14
_FLAG_HEADERS: Final = 1 << 13
_FLAG_MORE_FLAGS: Final = 1
_FLAGS: Final = struct.Struct(">H")
_LENGTH: Final = struct.Struct(">I")
# Octets of the field values of fixed size, behind their type octet (RabbitMQ's "table of AMQP 0-9-1 field types").
_FIXED_FIELD_BYTES: Final[Mapping[int, int]] = {
    ord(kind): size
    for kind, size in {
        "t": 1, "b": 1, "B": 1, "s": 2, "u": 2, "U": 2, "I": 4, "i": 4, "f": 4,
        "D": 5, "L": 8, "l": 8, "d": 8, "T": 8, "V": 0,
    }.items()
}  # fmt: skip
_LONG_FIELDS: Final = frozenset(b"SxAF")
_BYTE_ARRAY: Final = ord("x")


def read_stamp(headers: Mapping[str, object] | None, body: bytes) -> Stamp | None:
    """
    Return the stamp of a message as pika decodes it: header field `lt`, else the first 24 bytes of the body.

    Whatever a foreign body begins with is a stamp by this rule: only the run tag tells whose it is.
    """
    raw = headers.get(STAMP_HEADER) if headers else None
    if isinstance(raw, bytes) and len(raw) == STAMP_BYTES:
        return Stamp._make(STAMP_STRUCT.unpack(raw))
    if len(body) >= STAMP_BYTES:
        return Stamp._make(STAMP_STRUCT.unpack_from(body))
    return None


def stamp_offset(header: bytes, first_property: int) -> int | None:
    """
    Return where in *header* the 24 bytes of the header field `lt` begin, None if there are none.

    Args:
        header: A header frame, or its payload.
        first_property: Where the property flags are.

    Raises:
        ValueError: If the field table cannot be walked.
    """
    try:
        (flags,) = _FLAGS.unpack_from(header, first_property)
        if flags & _FLAG_MORE_FLAGS or not flags & _FLAG_HEADERS:
            return None
        position = first_property + 2
        for flag in (_FLAG_CONTENT_TYPE, _FLAG_CONTENT_ENCODING):
            if flags & flag:
                position += 1 + header[position]
        (table_bytes,) = _LENGTH.unpack_from(header, position)
        return _walk_table(header, position + 4, position + 4 + table_bytes)
    except (struct.error, IndexError) as error:
        raise ValueError(f"header frame is cut or malformed: {error}") from error


def _walk_table(header: bytes, position: int, end: int) -> int | None:
    found = None
    key = STAMP_HEADER.encode()
    while position < end:
        key_bytes = header[position]
        name = header[position + 1 : position + 1 + key_bytes]
        position += 1 + key_bytes
        kind = header[position]
        position += 1
        size = _FIXED_FIELD_BYTES.get(kind)
        if size is None:
            if kind not in _LONG_FIELDS:
                raise ValueError(f"unknown field type {kind:#x}")
            (size,) = _LENGTH.unpack_from(header, position)
            position += 4
            # The last of several fields of one name counts, as it does in the dict that pika makes of the table.
            if name == key:
                found = position if kind == _BYTE_ARRAY and size == STAMP_BYTES else None
        elif name == key:
            found = None
        position += size
    return found

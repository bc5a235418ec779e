"""
Messages of other programs, written by hand: every field type, and what no client library of ours would write.

Nothing here is pika's or the tool's encoder. `CONTENTS` are content headers, from the property flags on (AMQP 0-9-1,
section 4.2.6.1); which of them a broker takes is the broker's affair, and `put` says so.
"""

from __future__ import annotations

import struct

from pika import exceptions

from loadtest.broker.endpoint import Endpoint
from loadtest.wire.connection.connection import Connection

HEADERS, TIMESTAMP, CORRELATION_ID, CONTENT_TYPE, MESSAGE_ID = 1 << 13, 1 << 6, 1 << 10, 1 << 15, 1 << 7
MAX_FRAME_BYTES = 131_072


def short(text: bytes) -> bytes:
    """Return a short string."""
    return bytes([len(text)]) + text


def long(content: bytes) -> bytes:
    """Return what begins with a length of four octets."""
    return struct.pack(">I", len(content)) + content


def table(*entries: tuple[bytes, bytes]) -> bytes:
    """Return a field table of names and values, the latter with their type octets."""
    return long(b"".join(short(name) + value for name, value in entries))


def headed(*entries: tuple[bytes, bytes]) -> bytes:
    """Return a content header with nothing but headers."""
    return struct.pack(">H", HEADERS) + table(*entries)


def nested(levels: int, kind: bytes) -> bytes:
    """Return arrays, or tables, one within the other."""
    value = b"V"
    for _ in range(levels):
        value = kind + long(value if kind == b"A" else short(b"k") + value)
    return value


FIELDS = {
    "bool": b"t\x01", "bool that is neither 0 nor 1": b"t\x07", "int8": b"b\xff", "uint8": b"B\xff",
    "int16": b"s\xff\xfe", "uint16": b"u\xff\xfe", "int32": b"I" + b"\xff" * 4, "uint32": b"i" + b"\xff" * 4,
    "int64": b"l" + b"\x80" + b"\0" * 7, "int64 as L": b"L" + b"\xff" * 8, "int16 as U": b"U\xff\xfe",
    "float": b"f" + struct.pack(">f", 1.5), "double": b"d" + struct.pack(">d", 9.9),
    "decimal": b"D\x02\0\0\0\x7b", "decimal of scale 255": b"D\xff\x7f\xff\xff\xff",
    "long string": b"S" + long(b"text"), "long string that is no UTF-8": b"S" + long(b"\xff\xfe\0"),
    "bytes": b"x" + long(bytes(range(256))), "empty array": b"A" + long(b""), "empty table": b"F" + table(),
    "array": b"A" + long(b"t\x01V" + b"T" + b"\xff" * 8 + b"S" + long(b"\xff")), "void": b"V",
    "table": b"F" + table((b"\xff", b"V"), (b"", b"t\0")),
    "timestamp": b"T" + struct.pack(">Q", 1_700_000_000),
    "timestamp in milliseconds": b"T" + struct.pack(">Q", 1_700_000_000_000),
    "timestamp before 1970": b"T" + struct.pack(">q", -1),
    "timestamp of the year 10000": b"T" + struct.pack(">Q", 253_402_300_800),
    "largest timestamp": b"T" + b"\xff" * 8,
    "infinity": b"d" + struct.pack(">d", float("inf")), "no number": b"f" + struct.pack(">f", float("nan")),
    "500 arrays deep": nested(500, b"A"), "10,000 arrays deep": nested(10_000, b"A"),
    "5,000 tables deep": nested(5_000, b"F"), "unknown type": b"Z\x01",
}  # fmt: skip
CONTENTS = {
    "no property": b"\0\0",
    **{name: headed((b"a", b"V"), (b"field", value), (b"z", b"t\x01")) for name, value in FIELDS.items()},
    "empty headers": headed(),
    "names that are empty, long and no UTF-8": headed((b"", b"V"), (b"n" * 255, b"V"), (b"\xc3", b"V")),
    "one name twice": headed((b"a", b"t\x01"), (b"a", b"V")),
    "as many headers as a frame holds": headed(*[(b"%05d" % n, b"I" + bytes(4)) for n in range(11_900)]),
    "as long a header as a frame holds": headed((b"a", b"S" + long(b"\xff" * (MAX_FRAME_BYTES - 200)))),
    "a stamp's name with another value": headed((b"lt", b"T" + b"\xff" * 8)),
    "a stamp of another run": headed((b"lt", b"x" + long(b"\xff" * 24))),
    "deaths that are none": headed((b"x-death", b"S" + long(b"x"))),
    "property timestamp": struct.pack(">HQ", TIMESTAMP, (1 << 64) - 1),
    "properties that are no UTF-8": struct.pack(">H", CONTENT_TYPE | CORRELATION_ID | MESSAGE_ID)
    + short(b"\xff" * 255) + short(b"\xc3") + short(b"\0"),
    "more flags, which are none": struct.pack(">HH", HEADERS | 1, 0) + table((b"a", b"V")),
    "more flags, and none follow": struct.pack(">H", 1),
    "bytes behind the properties": struct.pack(">H", 0) + b"\xff\xff\xff",
}  # fmt: skip


def message(channel: int, queue: str, content: bytes, *, mandatory: bool = False) -> bytes:
    """Return the frames of Basic.Publish to the default exchange."""

    def frame(kind: int, payload: bytes) -> bytes:
        return struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"

    body = b"foreign"
    method = struct.pack(">HHH", 60, 40, 0) + short(b"") + short(queue.encode()) + bytes([mandatory])
    return frame(1, method) + frame(2, struct.pack(">HHQ", 60, 0, len(body)) + content) + frame(3, body)


def put(endpoint: Endpoint, queue: str, contents: dict[str, bytes]) -> list[str]:
    """Publish a message of each of *contents* and return the names of those that the broker took."""
    taken = []
    connection: Connection | None = None
    for name, content in contents.items():
        if connection is None or connection.closed_by is not None:
            connection = Connection.open(endpoint.pika_parameters())
        try:
            channel = connection.open_channel()
            channel.write(message(channel.channel_number, queue, content))
            channel.queue_declare(queue, passive=True)  # its answer comes once the message before it is taken
            taken.append(name)
            channel.close()
        except exceptions.AMQPError:
            continue
    if connection is not None:
        connection.close()
    return taken

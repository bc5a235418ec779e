"""
The layout of AMQP 0-9-1 frames, as far as the hot path reads them without pika.

Knows nothing of sockets, channels' states or stamps. Follows the AMQP 0-9-1 specification, section 4.2: a frame is
type (octet), channel (short), size (long), payload, frame-end (octet 0xCE); a content is a method frame, a header frame
and as many body frames as its body size needs.
"""

from __future__ import annotations

import struct
from typing import Final

FRAME_METHOD: Final = 1
FRAME_HEADER: Final = 2
FRAME_BODY: Final = 3
FRAME_HEARTBEAT: Final = 8
FRAME_KINDS: Final = frozenset({FRAME_METHOD, FRAME_HEADER, FRAME_BODY, FRAME_HEARTBEAT})
FRAME_END: Final = 0xCE
# Type, channel and size in front of the payload; the frame-end octet behind it.
FRAME_HEAD_BYTES: Final = 7
FRAME_OVERHEAD_BYTES: Final = 8

# Class and method id as one unsigned long, as the payload of a method frame begins (spec section 4.2.4).
BASIC_RETURN: Final = 0x003C0032
BASIC_DELIVER: Final = 0x003C003C
BASIC_GET_OK: Final = 0x003C0047
BASIC_ACK: Final = 0x003C0050
BASIC_REJECT: Final = 0x003C005A
BASIC_NACK: Final = 0x003C0078
CONTENT_METHODS: Final = frozenset({BASIC_RETURN, BASIC_DELIVER, BASIC_GET_OK})

HEAD: Final = struct.Struct(">BHI")
METHOD_HEAD: Final = struct.Struct(">BHII")
U32: Final = struct.Struct(">I")
U64: Final = struct.Struct(">Q")

# What `message_end` answers when it cannot name an end.
INCOMPLETE: Final = 0
IRREGULAR: Final = -1
# Bytes of a header frame's payload in front of the property flags: class id, weight, body size.
CONTENT_HEAD_BYTES: Final = 12


def message_end(buffer: bytearray, start: int, end: int, max_payload_bytes: int) -> int:
    """
    Return the position behind the message whose method frame begins at *start*.

    The method frame itself is known to be whole. Only the lengths are read: frame-end octets and contents are not
    checked.

    Returns:
        The position; `INCOMPLETE` if *end* cuts a message that looks regular so far; `IRREGULAR` if what follows is not
        one header frame and at most one body frame of the same channel, in a row and none too large. Waiting for the
        rest of an incomplete message cannot stall anything: its content cannot end without those bytes.
    """
    _, channel, method_bytes = HEAD.unpack_from(buffer, start)
    header: int = start + FRAME_OVERHEAD_BYTES + method_bytes
    header_bytes = _payload_bytes(buffer, header, end, (FRAME_HEADER, channel), max_payload_bytes)
    body = header + FRAME_OVERHEAD_BYTES + header_bytes
    if header_bytes <= 0 or body > end:
        return min(header_bytes, INCOMPLETE)
    if header_bytes < CONTENT_HEAD_BYTES:
        return IRREGULAR
    body_size: int = U64.unpack_from(buffer, header + FRAME_HEAD_BYTES + 4)[0]
    if body_size == 0:
        return body
    body_bytes = _payload_bytes(buffer, body, end, (FRAME_BODY, channel), max_payload_bytes)
    if body_bytes > 0 and body_bytes != body_size:
        return IRREGULAR
    stop = body + FRAME_OVERHEAD_BYTES + body_bytes
    return stop if body_bytes > 0 and stop <= end else min(body_bytes, INCOMPLETE)


def _payload_bytes(buffer: bytearray, at: int, end: int, expected: tuple[int, int], max_payload_bytes: int) -> int:
    """Return the payload's size of the frame at *at* if it is of the expected kind and channel, and not too large."""
    if at + FRAME_HEAD_BYTES > end:
        return INCOMPLETE
    kind, channel, size = HEAD.unpack_from(buffer, at)
    return int(size) if (kind, channel) == expected and 0 < size <= max_payload_bytes else IRREGULAR

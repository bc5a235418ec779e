"""
Deliveries recognised by their bytes: templates learned from verified messages, matched alone or in runs.

Owns the comparison. Knows nothing of connections, of what else arrives, or of what the stamps mean. A template is one
delivery's three frames (Basic.Deliver, header, at most one body frame) in which two places are free: the delivery tag
and the 24 bytes of the stamp. Everything else must be equal, frame sizes, routing key, redelivered flag and body
included, so that a message that matches is exactly the message pika would have decoded, and a body with one wrong byte
never matches.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

import numpy as np

from loadtest.stamp import STAMP_BYTES, STAMP_VOID
from loadtest.wire.frames.frame_layout import CONTENT_HEAD_BYTES, FRAME_HEAD_BYTES, FRAME_OVERHEAD_BYTES, HEAD, U64
from loadtest.wire.frames.stamp_position import stamp_offset

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from loadtest.wire.sink import DeliverySink

# Runs shorter than this are cheaper one by one than in arrays (1.9 µs each, 4 µs a run).
MIN_VECTOR_RUN: Final = 3
# One comparison covers at most this many bytes: it stays within the second-level cache, and bounds a template's memory.
_MAX_TILE_BYTES: Final = 1 << 18
_TAG_BYTES: Final = 8
_KEY_TAIL_BYTES: Final = 16
# Class and method id in front of a method's arguments.
_METHOD_ID_BYTES: Final = 4
_TAG_DTYPE: Final = np.dtype(">u8")
_NO_TAGS: Final = np.empty(0, _TAG_DTYPE)
_NO_STAMPS: Final = np.empty(0, STAMP_VOID)


class DeliveryTemplate:
    """
    The shape of one delivery.

    Attributes:
        stride: Bytes of one message on the wire.
        sink: Who takes the messages.
        successor: The template that came after this one last time.
        last_run: How many messages in a row matched, the last time.
        used: Whether it matched since the book last looked.
    """

    __slots__ = (
        "_laid_out", "_most", "_pattern", "_pattern_stamps", "_pattern_tags", "_raw", "_stamps", "_strides",
        "_suffix_at", "_tags", "body_bytes", "key", "last_run", "middle", "prefix", "redelivered", "sink", "stamp_at",
        "stride", "successor", "suffix", "tag_at", "used",
    )  # fmt: skip

    def __init__(self, raw: bytes, sink: DeliverySink) -> None:
        """
        Learn the shape of *raw*, the whole frames of one delivery.

        Raises:
            ValueError: If the frames are malformed.
        """
        consumer_tag_bytes = raw[FRAME_HEAD_BYTES + _METHOD_ID_BYTES]
        header = FRAME_OVERHEAD_BYTES + HEAD.unpack_from(raw)[2]
        self._raw = raw
        self.sink = sink
        self.stride = len(raw)
        self.tag_at = FRAME_HEAD_BYTES + _METHOD_ID_BYTES + 1 + consumer_tag_bytes
        self.body_bytes: int = U64.unpack_from(raw, header + FRAME_HEAD_BYTES + 4)[0]
        self.redelivered = bool(raw[self.tag_at + _TAG_BYTES] & 1)
        key = template_key(raw, 0, self.stride)
        if key is None:
            raise ValueError("the lengths in the frames do not fit together")
        self.key = key
        self.stamp_at = _stamp_place(raw, header, self.body_bytes)
        constant_at = self.tag_at + _TAG_BYTES
        self.prefix = raw[: self.tag_at]
        if self.stamp_at is None:
            self.middle, self.suffix, self._suffix_at = raw[constant_at:], b"", self.stride
        else:
            self._suffix_at = self.stamp_at + STAMP_BYTES
            self.middle, self.suffix = raw[constant_at : self.stamp_at], raw[self._suffix_at :]
        self.successor: DeliveryTemplate | None = None
        self.last_run = 0
        self.used = False
        self._most = max(_MAX_TILE_BYTES // self.stride, 1)
        self._strides = (self.stride,)
        # Nothing is laid out before a run comes.
        self._laid_out = 0
        self._pattern = memoryview(b"")
        self._tags = self._pattern_tags = _NO_TAGS
        self._stamps = self._pattern_stamps = _NO_STAMPS

    @property
    def constants(self) -> tuple[bytes, bytes, bytes]:
        """What is in front of the delivery tag, between it and the stamp, and behind the stamp."""
        return self.prefix, self.middle, self.suffix

    def matches(self, buffer: bytearray, at: int, end: int) -> bool:
        """Return whether the whole message at *at* is of this shape (about 250 ns)."""
        return (
            end - at >= self.stride
            and buffer.startswith(self.prefix, at)
            and buffer.startswith(self.middle, at + self.tag_at + _TAG_BYTES)
            and buffer.startswith(self.suffix, at + self._suffix_at)
        )

    def take_one(self, buffer: bytearray, at: int) -> None:
        """Hand the matching message at *at* to the sink."""
        (tag,) = U64.unpack_from(buffer, at + self.tag_at)
        if self.stamp_at is None:
            self.sink.on_unstamped(np.array([tag], _TAG_DTYPE), self.body_bytes, self.redelivered)
        else:
            stamp = at + self.stamp_at
            self.sink.on_one(tag, bytes(buffer[stamp : stamp + STAMP_BYTES]), self.body_bytes, self.redelivered)

    def count_matches(self, buffer: bytearray, received: NDArray[np.uint8], at: int, count: int) -> int:
        """
        Return how many of the *count* messages from *at* on match before the first that does not.

        The pattern holds the template again and again. The free places are copied from what was received into it,
        then everything is compared in one step by `memcmp` (0.2 µs for 24 messages; comparing as arrays takes 2). Only
        where something differs do arrays say where.
        """
        count = min(count, self._most)
        if count > self._laid_out:
            # Grown by doubling, so that a thousand consumers with short runs hold next to nothing.
            self._lay_out(1 << (count - 1).bit_length())
        size = count * self.stride
        tags = self._tags = np.ndarray((count,), _TAG_DTYPE, received, at + self.tag_at, self._strides)
        self._pattern_tags[:count] = tags
        if self.stamp_at is not None:
            stamps = self._stamps = np.ndarray((count,), STAMP_VOID, received, at + self.stamp_at, self._strides)
            self._pattern_stamps[:count] = stamps
        if buffer.startswith(self._pattern[:size], at):
            return count
        same = received[at : at + size] == np.frombuffer(self._pattern, np.uint8, size)
        return int(same.argmin()) // self.stride

    def take_run(self, count: int) -> None:
        """Hand the first *count* messages of what `count_matches` has just compared on to the sink."""
        tags = self._tags[:count]
        if self.stamp_at is None:
            self.sink.on_unstamped(tags, count * self.body_bytes, self.redelivered)
        else:
            self.sink.on_run(tags, self._stamps[:count], count * self.body_bytes, self.redelivered)

    def _lay_out(self, copies: int) -> None:
        self._laid_out = copies
        pattern = bytearray(self._raw * copies)
        self._pattern = memoryview(pattern)
        self._pattern_tags = np.ndarray((copies,), _TAG_DTYPE, pattern, self.tag_at, self._strides)
        if self.stamp_at is not None:
            self._pattern_stamps = np.ndarray((copies,), STAMP_VOID, pattern, self.stamp_at, self._strides)


def template_key(buffer: bytes | bytearray, at: int, end: int) -> bytes | None:
    """
    Return what messages of one shape have in common and most others do not; None if *end* comes too early.

    That is the method frame without the delivery tag, the header frame up to its body size, and the end of the body as
    far as no stamp can be there: a hundred bodies of one size must not be tried one after the other.
    """
    header = at + FRAME_OVERHEAD_BYTES + HEAD.unpack_from(buffer, at)[2]
    until = header + FRAME_HEAD_BYTES + CONTENT_HEAD_BYTES
    if until > end:
        return None
    body_bytes = U64.unpack_from(buffer, until - U64.size)[0]
    body = header + FRAME_OVERHEAD_BYTES + HEAD.unpack_from(buffer, header)[2] + FRAME_HEAD_BYTES
    stop = body + body_bytes
    if stop > end:
        return None
    tail = max(body + STAMP_BYTES if body_bytes >= STAMP_BYTES else body, stop - _KEY_TAIL_BYTES)
    tag = at + FRAME_HEAD_BYTES + _METHOD_ID_BYTES + 1 + buffer[at + FRAME_HEAD_BYTES + _METHOD_ID_BYTES]
    return bytes(buffer[at:tag] + buffer[tag + _TAG_BYTES : until] + buffer[tail:stop])


def _stamp_place(raw: bytes, header: int, body_bytes: int) -> int | None:
    """Return where the stamp is: the header field, else the head of a body long enough (the rule of `read_stamp`)."""
    try:
        in_header = stamp_offset(raw, header + FRAME_HEAD_BYTES + CONTENT_HEAD_BYTES)
    except struct.error as error:
        raise ValueError(str(error)) from error
    if in_header is not None:
        return in_header
    return len(raw) - 1 - body_bytes if body_bytes >= STAMP_BYTES else None

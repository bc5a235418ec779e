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

from loadtest.wire.framing import CONTENT_HEAD_BYTES, FRAME_HEAD_BYTES, FRAME_OVERHEAD_BYTES, HEAD, U64
from loadtest.wire.stamp import STAMP_BYTES, STAMP_STRUCT, stamp_offset

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from loadtest.wire.sink import DeliverySink

# Runs shorter than this are cheaper one by one (1 µs each) than in arrays (10 µs a run).
MIN_VECTOR_RUN: Final = 10
# One comparison covers at most this many bytes: it stays within the second-level cache, and bounds a template's memory.
_MAX_TILE_BYTES: Final = 1 << 18
_TAG_BYTES: Final = 8
_KEY_TAIL_BYTES: Final = 16
# Class and method id in front of a method's arguments.
_METHOD_ID_BYTES: Final = 4
_TAG_VOID: Final = np.dtype((np.void, _TAG_BYTES))
_STAMP_VOID: Final = np.dtype((np.void, STAMP_BYTES))


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
        "_equal", "_raw", "_suffix_at", "_tile", "body_bytes", "key", "last_run", "middle", "prefix", "redelivered",
        "sink", "stamp_at", "stride", "successor", "suffix", "tag_at", "used",
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
        self._tile: NDArray[np.uint8] | None = None
        self._equal: NDArray[np.bool_] | None = None

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
            self.sink.on_unstamped(np.array([tag], np.uint64), self.body_bytes, self.redelivered)
        else:
            word, lateness_us, seq, intended_ns = STAMP_STRUCT.unpack_from(buffer, at + self.stamp_at)
            self.sink.on_one(tag, word, lateness_us, seq, intended_ns, self.body_bytes, self.redelivered)

    def count_matches(self, received: NDArray[np.uint8], at: int, count: int) -> int:
        """
        Return how many of the *count* messages from *at* on match before the first that does not (about 12 ns each).

        The tile holds the template again and again. The free places are copied from what was received into the tile,
        then everything is compared in one contiguous step: half the cost of comparing the constant columns.
        """
        count = min(count, max(_MAX_TILE_BYTES // self.stride, 1))
        size = count * self.stride
        tile, equal = self._tile_of(size)
        strides = (self.stride,)
        np.ndarray((count,), _TAG_VOID, tile, self.tag_at, strides)[:] = np.ndarray(
            (count,), _TAG_VOID, received, at + self.tag_at, strides
        )
        if self.stamp_at is not None:
            np.ndarray((count,), _STAMP_VOID, tile, self.stamp_at, strides)[:] = np.ndarray(
                (count,), _STAMP_VOID, received, at + self.stamp_at, strides
            )
        same = np.equal(received[at : at + size], tile[:size], out=equal[:size])
        return count if same.all() else int(same.argmin()) // self.stride

    def take_run(self, received: NDArray[np.uint8], at: int, count: int) -> None:
        """Hand the *count* matching messages from *at* on to the sink, as columns that do not alias *received*."""
        strides = (self.stride,)
        tags = np.ndarray((count,), ">u8", received, at + self.tag_at, strides).astype(np.uint64)
        n_bytes = count * self.body_bytes
        if self.stamp_at is None:
            self.sink.on_unstamped(tags, n_bytes, self.redelivered)
            return
        stamp = at + self.stamp_at
        self.sink.on_run(
            tags,
            np.ndarray((count,), ">u4", received, stamp, strides).astype(np.uint32),
            np.ndarray((count,), ">u4", received, stamp + 4, strides).astype(np.uint32),
            np.ndarray((count,), ">i8", received, stamp + 8, strides).astype(np.int64),
            np.ndarray((count,), ">i8", received, stamp + 16, strides).astype(np.int64),
            n_bytes,
            self.redelivered,
        )

    def _tile_of(self, size: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        # Grown by doubling, so that a thousand consumers with short runs hold next to nothing.
        if self._tile is None or self._equal is None or len(self._tile) < size:
            copies = 1 << (size // self.stride - 1).bit_length()
            self._tile = np.frombuffer(bytearray(self._raw * copies), np.uint8)
            self._equal = np.empty(len(self._tile), np.bool_)
        return self._tile, self._equal


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

"""
The null broker's view of frames: counting what is published, and the block of deliveries that it replays.

Pure: bytes in, counts and bytes out. Knows nothing of sockets. Frames are pika's; only runs of publishes of one shape
are counted without decoding, by comparing method and header frame of each with the first one's.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pika import frame, spec

from loadtest.wire.frames.frame_layout import CONTENT_HEAD_BYTES, FRAME_HEAD_BYTES, FRAME_OVERHEAD_BYTES
from loadtest.wire.frames.stamp_position import stamp_offset

_HEAD: Final = struct.Struct(">BHI")
_U64: Final = struct.Struct(">Q")
_PUBLISH: Final = struct.pack(">I", spec.Basic.Publish.INDEX)
_ACK: Final = struct.pack(">I", spec.Basic.Ack.INDEX)
_ACK_FRAME_BYTES: Final = 21
_DELIVERY_TAG_BYTES: Final = 8
_STAMP_SEQ_AT: Final = 8


class Published(NamedTuple):
    """
    A run of publishes of one shape.

    Attributes:
        messages: How many whole ones.
        size: Bytes of them all.
        first: The frames of the first one; the others differ in stamp or body only.
    """

    messages: int
    size: int
    first: memoryview


def frame_bytes(data: memoryview, at: int) -> int:
    """Return the bytes of the frame at *at*, 0 if it is not whole."""
    if len(data) - at < FRAME_OVERHEAD_BYTES:
        return 0
    size = FRAME_OVERHEAD_BYTES + int(_HEAD.unpack_from(data, at)[2])
    return size if len(data) - at >= size else 0


def take_published(data: memoryview, at: int) -> Published | None:
    """Return the run of whole publishes that begins at *at*, None if there is none or it is not whole."""
    if not is_publish(data, at):
        return None
    stride = _message_bytes(data, at)
    if not stride:
        return None
    compared = frame_bytes(data, at)
    compared += FRAME_HEAD_BYTES + CONTENT_HEAD_BYTES
    count = (len(data) - at) // stride
    table = np.frombuffer(data, np.uint8, count * stride, at).reshape(count, stride)[:, :compared]
    same = (table == table[0]).all(axis=1)
    messages = count if same.all() else int(same.argmin())
    return Published(messages, messages * stride, data[at : at + stride])


def is_publish(data: memoryview, at: int) -> bool:
    """Return whether the method frame of a publish begins at *at*."""
    return bytes(data[at + FRAME_HEAD_BYTES : at + FRAME_HEAD_BYTES + 4]) == _PUBLISH


def count_acks(data: memoryview, at: int) -> int:
    """Return the bytes of the run of whole Basic.Ack frames at *at*: a consumer's, which are swallowed."""
    count = (len(data) - at) // _ACK_FRAME_BYTES
    if not count or bytes(data[at + FRAME_HEAD_BYTES : at + FRAME_HEAD_BYTES + 4]) != _ACK:
        return 0
    heads = np.frombuffer(data, np.uint8, count * _ACK_FRAME_BYTES, at).reshape(count, _ACK_FRAME_BYTES)[:, :11]
    same = (heads == heads[0]).all(axis=1)
    return _ACK_FRAME_BYTES * (count if same.all() else int(same.argmin()))


def confirm(channel: int, delivery_tag: int) -> bytes:
    """Return the ack of all messages up to *delivery_tag*."""
    return bytes(frame.Method(channel, spec.Basic.Ack(delivery_tag, multiple=True)).marshal())


class DeliveryBlock:
    """
    One published message as many deliveries in a row, to be replayed for ever.

    Between two replays only the delivery tags, and the seqs of stamped messages, count on: a consumer that checks sees
    what a broker could have sent.
    """

    def __init__(self, published: bytes, channel: int, consumer_tag: str, messages: int) -> None:
        """Make the block of *messages* deliveries of the one message whose frames are *published*."""
        method_bytes, method = frame.decode_frame(published)
        deliver = spec.Basic.Deliver(
            consumer_tag,
            0,
            False,  # noqa: FBT003 (pika's signature)
            method.method.exchange,
            method.method.routing_key,
        )
        content = bytearray(published[method_bytes:])
        # Content frames keep all but the channel that they were published on.
        at = 0
        while at < len(content):
            struct.pack_into(">H", content, at + 1, channel)
            at += frame_bytes(memoryview(content), at)
        head = bytes(frame.Method(channel, deliver).marshal())
        self._stride = len(head) + len(content)
        self._tag_at = FRAME_HEAD_BYTES + 4 + 1 + len(consumer_tag.encode())
        stamp = stamp_offset(bytes(content), FRAME_HEAD_BYTES + CONTENT_HEAD_BYTES)
        self._messages = messages
        self._block = bytearray((head + bytes(content)) * messages)
        self._tags = self._column(self._tag_at)
        self._seqs = None if stamp is None else self._column(len(head) + stamp + _STAMP_SEQ_AT)
        self._tags[:] = np.arange(1, messages + 1)
        if self._seqs is not None:
            self._seqs[:] = np.arange(messages)

    @property
    def messages(self) -> int:
        """How many deliveries are in the block."""
        return self._messages

    @property
    def view(self) -> memoryview:
        """The bytes of the block."""
        return memoryview(self._block)

    def advance(self) -> None:
        """Count on for the next replay."""
        self._tags += self._messages
        if self._seqs is not None:
            self._seqs += self._messages

    def _column(self, at: int) -> NDArray[np.uint64]:
        return np.ndarray((self._messages,), ">u8", self._block, at, (self._stride,))


def _message_bytes(data: memoryview, at: int) -> int:
    """Return the bytes of the whole message whose method frame is at *at*, 0 if it is not whole."""
    method = frame_bytes(data, at)
    header = frame_bytes(data, at + method) if method else 0
    if not header:
        return 0
    (missing,) = _U64.unpack_from(data, at + method + FRAME_HEAD_BYTES + 4)
    end = at + method + header
    while missing:
        body = frame_bytes(data, end)
        if not body:
            return 0
        missing -= body - FRAME_OVERHEAD_BYTES
        end += body
    return end - at

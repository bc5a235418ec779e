"""
Confirms recognised by their bytes: a run of Basic.Ack frames of one channel as two columns.

Knows nothing of connections or of what was published; `ack_frames` is the other way round. An ack is 21 bytes: frame
head (7), method id (4), delivery tag (8), `multiple` (1), frame-end octet (1). Basic.Nack is rare and stays pika's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from loadtest.wire.frames.frame_layout import BASIC_ACK, FRAME_END, FRAME_METHOD, METHOD_HEAD, U64

if TYPE_CHECKING:
    from numpy.typing import NDArray

ACK_BYTES: Final = 21
ACK_PAYLOAD_BYTES: Final = 13
_HEAD_BYTES: Final = 11
_TAG_AT: Final = 11
_MULTIPLE_AT: Final = 19
_END_AT: Final = 20
# Fewer acks than this are cheaper one by one (0.7 µs each) than in arrays (9 µs a run).
MIN_VECTOR_RUN: Final = 10


class AckRun(NamedTuple):
    """
    A run of acks of one channel.

    Attributes:
        tags: Delivery tags in the order in which they arrived.
        multiple: For each, whether it covers all tags up to it.
    """

    tags: NDArray[np.uint64]
    multiple: NDArray[np.bool_]


def ack_head(channel_number: int) -> bytes:
    """Return the 11 bytes with which every ack of a channel begins."""
    return METHOD_HEAD.pack(FRAME_METHOD, channel_number, ACK_PAYLOAD_BYTES, BASIC_ACK)


def read_ack(buffer: bytearray, at: int) -> tuple[int, bool] | None:
    """Return tag and `multiple` of the whole ack at *at*, None if it is not well formed (pika then says how)."""
    if buffer[at + _END_AT] != FRAME_END:
        return None
    # Bits above the first are reserved; pika ignores them, so does this.
    return U64.unpack_from(buffer, at + _TAG_AT)[0], bool(buffer[at + _MULTIPLE_AT] & 1)


def count_acks(buffer: bytearray, received: NDArray[np.uint8], at: int, count: int) -> int:
    """Return how many of the *count* acks from *at* on are acks of the same channel as the first, which is one."""
    # Two overlapping words cover the head; equality needs no byte order, so native words spare the swap.
    first_word, second_word = buffer[at : at + 8], buffer[at + 7 : at + _HEAD_BYTES]
    strides = (ACK_BYTES,)
    same = np.ndarray((count,), "=u8", received, at, strides) == np.frombuffer(first_word, "=u8")
    same &= np.ndarray((count,), "=u4", received, at + 7, strides) == np.frombuffer(second_word, "=u4")
    same &= received[at + _END_AT : at + count * ACK_BYTES : ACK_BYTES] == FRAME_END
    return count if same.all() else int(same.argmin())


def read_acks(received: NDArray[np.uint8], at: int, count: int) -> AckRun:
    """Return the *count* acks from *at* on as columns that do not alias *received*."""
    strides = (ACK_BYTES,)
    tags = np.ndarray((count,), ">u8", received, at + _TAG_AT, strides).astype(np.uint64)
    multiple = (np.ndarray((count,), np.uint8, received, at + _MULTIPLE_AT, strides) & 1).astype(np.bool_)
    return AckRun(tags, multiple)

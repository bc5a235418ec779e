"""
Answers to deliveries as bytes: a run of Basic.Ack, Nack or Reject frames of one channel, made in one step.

The opposite of `acks`, which reads them. Knows nothing of when to answer how.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from loadtest.wire.frames.acks import ACK_PAYLOAD_BYTES, ack_head
from loadtest.wire.frames.frame_layout import BASIC_NACK, BASIC_REJECT, FRAME_END, FRAME_METHOD, METHOD_HEAD, U64

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Ack, Nack and Reject are alike but for what their bits mean.
_FRAME: Final = np.dtype([("head", "S11"), ("tag", ">u8"), ("bits", "u1"), ("end", "u1")])
_METHODS: Final = {"nack": BASIC_NACK, "reject": BASIC_REJECT}
# Nack has `multiple` before `requeue` (RabbitMQ's amqp0-9-1.extended.xml), Reject has it alone.
_REQUEUE: Final = {"nack": 2, "reject": 1}


def encode_acks(channel_number: int, tags: NDArray[np.uint64], *, multiple: bool) -> bytes:
    """Return a Basic.Ack frame for each of *tags* (at least one), in their order, all with the same `multiple`."""
    return _frames(ack_head(channel_number), tags, int(multiple))


def encode_refusals(channel_number: int, tags: NDArray[np.uint64], method: str, *, requeue: bool) -> bytes:
    """Return a frame of Basic.Nack (*method* "nack") or Basic.Reject ("reject") for each of *tags*, one at least."""
    head = METHOD_HEAD.pack(FRAME_METHOD, channel_number, ACK_PAYLOAD_BYTES, _METHODS[method])
    return _frames(head, tags, _REQUEUE[method] if requeue else 0)


def _frames(head: bytes, tags: NDArray[np.uint64], bits: int) -> bytes:
    if len(tags) == 1:
        return head + U64.pack(int(tags[0])) + bytes((bits, FRAME_END))
    frames = np.empty(len(tags), _FRAME)
    # As opaque bytes: numpy's "S" would take the trailing zeros of the head away when read, but writes them all.
    frames["head"] = head
    frames["tag"] = tags
    frames["bits"] = bits
    frames["end"] = FRAME_END
    return frames.tobytes()

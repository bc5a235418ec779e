"""
Acks as bytes: a run of Basic.Ack frames of one channel, made in one step.

The opposite of `acks`, which reads them. Knows nothing of when to acknowledge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from loadtest.wire.acks import ack_head
from loadtest.wire.framing import FRAME_END, U64

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FRAME: Final = np.dtype([("head", "S11"), ("tag", ">u8"), ("multiple", "u1"), ("end", "u1")])


def encode_acks(channel_number: int, tags: NDArray[np.uint64], *, multiple: bool) -> bytes:
    """Return a Basic.Ack frame for each of *tags* (at least one), in their order, all with the same `multiple`."""
    if len(tags) == 1:
        return ack_head(channel_number) + U64.pack(int(tags[0])) + bytes((multiple, FRAME_END))
    frames = np.empty(len(tags), _FRAME)
    # As opaque bytes: numpy's "S" would take the trailing zeros of the head away when read, but writes them all.
    frames["head"] = ack_head(channel_number)
    frames["tag"] = tags
    frames["multiple"] = multiple
    frames["end"] = FRAME_END
    return frames.tobytes()

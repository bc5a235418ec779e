"""
The memory into which sockets are read: one buffer a hub, for all its connections.

A thousand connections must not hold a thousand buffers. A read callback of the hub runs to its end before the next one
begins, and what it leaves unread is kept by its own connection, so one buffer serves them all. Knows nothing of frames.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

import gevent
import numpy as np

if TYPE_CHECKING:
    from gevent.hub import Hub

# A read takes what has gathered; at saturation some 30 messages of 150 bytes, or a few frames of 128 KB.
RECEIVE_BYTES: Final = 1 << 18


class ReceiveBuffer:
    """
    A buffer under its three names.

    Attributes:
        memory: As bytes; its length is fixed.
        view: For `recv_into`.
        array: For numpy.
    """

    __slots__ = ("array", "memory", "view")

    def __init__(self, size: int = RECEIVE_BYTES) -> None:
        """Allocate *size* bytes."""
        self._allocate(size)

    def ensure(self, size: int) -> None:
        """Make room for *size* bytes; the content may be lost."""
        if size > len(self.memory):
            self._allocate(1 << (size - 1).bit_length())

    def _allocate(self, size: int) -> None:
        self.memory = bytearray(size)
        self.view = memoryview(self.memory)
        self.array = np.frombuffer(self.memory, np.uint8)


_buffers: WeakKeyDictionary[Hub, ReceiveBuffer] = WeakKeyDictionary()


def hub_buffer() -> ReceiveBuffer:
    """Return the receive buffer of this thread's hub."""
    hub = gevent.get_hub()
    buffer = _buffers.get(hub)
    if buffer is None:
        buffer = _buffers[hub] = ReceiveBuffer()
    return buffer

"""One of the two sockets of a connection through the proxy: what it is watched for, and how it is closed."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from typing import Final

from loadtest.broker.proxy.loop import NOTHING, READ, WRITE, Loop

_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)  # SO_LINGER on, for 0 s


def _nothing() -> None:
    """Stand for a callback that is not set yet."""


def reset_on_close(sock: socket.socket) -> None:
    """Have the peer get a RST, and no more bytes, when *sock* is closed."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)


class End:
    """
    One of the two sockets of a connection through the proxy.

    Attributes:
        is_connected: Whether it can be written to.
        on_readable, on_writable, on_connected: Called when it is, while that is wanted.
    """

    def __init__(self, sock: socket.socket, loop: Loop, *, is_connected: bool) -> None:
        self.sock = sock
        self.is_connected = is_connected
        self.on_readable: Callable[[], None] = _nothing
        self.on_writable: Callable[[], None] = _nothing
        self.on_connected: Callable[[], None] = _nothing
        self._loop = loop
        self._wanted = NOTHING
        sock.setblocking(False)  # noqa: FBT003  # the standard library's signature
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def want_read(self, wanted: bool) -> None:  # noqa: FBT001  # called for every piece
        """Have `on_readable` called while there is something to read, or no longer."""
        self._want(self._wanted | READ if wanted else self._wanted & ~READ)

    def want_write(self, *, wanted: bool) -> None:
        """Have `on_writable` called while it takes something, or no longer; before it is connected, `on_connected`."""
        self._want(self._wanted | WRITE if wanted else self._wanted & ~WRITE)

    def _want(self, events: int) -> None:
        if events != self._wanted:
            self._wanted = events
            self._loop.watch(self.sock, events, self._ready)

    def _ready(self, events: int) -> None:
        # Closed, or wanted no longer, since the selector saw it.
        if events & self._wanted & WRITE:
            if self.is_connected:
                self.on_writable()
            else:
                self.on_connected()
        if events & self._wanted & READ:
            self.on_readable()

    def end_writing(self) -> None:
        """Say that nothing more will come."""
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            return  # it is gone, as reading will tell

    def close(self, *, resets: bool = False) -> None:
        """Close it; with *resets*, so that the peer gets a RST and no more bytes."""
        self._want(NOTHING)
        if resets:
            reset_on_close(self.sock)
        self.sock.close()

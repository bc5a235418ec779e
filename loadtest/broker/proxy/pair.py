"""
A connection through the proxy: the client's socket, the broker's, and a pipe each way.

Knows how connections begin and end: half-closed, reset, refused. What is on its way is the pipes'.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from loadtest.broker.proxy.direction import Direction
from loadtest.broker.proxy.loop import NOTHING, READ, WRITE, Loop
from loadtest.broker.proxy.pipe import Pipe

Address = tuple[int, Any]
"""Address family and socket address, as `socket.getaddrinfo` has them."""

_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)  # SO_LINGER on, for 0 s
_UNDER_WAY: Final = {0, errno.EINPROGRESS, errno.EAGAIN}


class End:
    """
    One of the two sockets.

    Attributes:
        is_connected: Whether it can be written to.
    """

    def __init__(self, sock: socket.socket, loop: Loop, *, is_connected: bool) -> None:
        self.sock = sock
        self.is_connected = is_connected
        self.reads: Pipe
        self.writes: Pipe
        self.connected: Callable[[], None]
        self._loop = loop
        self._wanted = NOTHING
        sock.setblocking(False)  # noqa: FBT003  # the standard library's signature
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def want_read(self, wanted: bool) -> None:  # noqa: FBT001  # called for every piece
        """Have `reads` called while there is something to read, or no longer."""
        self._want(self._wanted | READ if wanted else self._wanted & ~READ)

    def want_write(self, *, wanted: bool) -> None:
        """Have `writes` called while it takes something, or no longer; before it is connected, `connected`."""
        self._want(self._wanted | WRITE if wanted else self._wanted & ~WRITE)

    def _want(self, events: int) -> None:
        if events != self._wanted:
            self._wanted = events
            self._loop.watch(self.sock, events, self._ready)

    def _ready(self, events: int) -> None:
        # Closed, or wanted no longer, since the selector saw it.
        if events & self._wanted & WRITE:
            if self.is_connected:
                self.writes.write()
            else:
                self.connected()
        if events & self._wanted & READ:
            self.reads.read()

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
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.sock.close()


class Pair:
    """
    A client's connection and that to the broker which belongs to it.

    Attributes:
        up: What goes to the broker.
        down: What comes from it.
    """

    def __init__(
        self, client: socket.socket, addresses: Sequence[Address], up: Direction, down: Direction, loop: Loop
    ) -> None:
        self._loop = loop
        self._client = End(client, loop, is_connected=True)
        self._broker: End | None = None
        self._addresses = iter(addresses)
        self._directions = (up, down)
        self.is_closed = False
        self.on_closed: Callable[[], None] = lambda: None

    def open(self) -> None:
        """Begin to connect to the broker; that it cannot be reached resets the client at once."""
        broker = self._dial()
        if broker is None:
            self.is_closed = True
            self._client.close(resets=True)
            self.on_closed()
            return
        self._broker = broker
        up, down = self._directions
        self.up = self._client.reads = broker.writes = Pipe(self, self._client, broker, up)
        self.down = self._client.writes = broker.reads = Pipe(self, broker, self._client, down)
        broker.connected = self._connected
        broker.want_write(wanted=True)
        self.up.go_on()

    def look_again(self, now_ns: int) -> None:
        """Go by what is done to the link now."""
        if self._broker is not None and not self._broker.is_connected:
            # That the broker has taken the connection, or not, is news, too, that does not pass while it is cut.
            self._broker.want_write(wanted=not self._directions[0].is_cut)
        for pipe in self.pipes:
            pipe.come_out(now_ns)
            pipe.write()
            pipe.go_on()

    @property
    def pipes(self) -> Iterator[Pipe]:
        """Both directions."""
        if self._broker is not None:
            yield self.up
            yield self.down

    def other(self, pipe: Pipe) -> Pipe:
        """Return the way back."""
        return self.down if pipe is self.up else self.up

    def note_ended(self) -> None:
        """Close, if both directions have ended."""
        if self.up.has_ended and self.down.has_ended:
            self._close(resets=False)

    def reset(self) -> None:
        """Break the connection: both peers get a RST, and what was under way is lost."""
        self._close(resets=True)

    def _close(self, *, resets: bool) -> None:
        if self.is_closed:
            return
        self.is_closed = True
        self._client.close(resets=resets)
        if self._broker is not None:
            self._broker.close(resets=resets)
        self.on_closed()

    def _dial(self) -> End | None:
        """Begin to connect to the next address that does not refuse at once; None if there is none left."""
        for family, address in self._addresses:
            sock = socket.socket(family, socket.SOCK_STREAM)
            end = End(sock, self._loop, is_connected=False)
            if sock.connect_ex(address) in _UNDER_WAY:
                return end
            sock.close()
        return None

    def _connected(self) -> None:
        """Take it that the attempt to connect has ended, well or not."""
        broker = self._broker
        if broker is None or broker.is_connected:
            return
        error = broker.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if not error:
            broker.is_connected = True
            broker.want_write(wanted=False)
            self.up.write()
            self.down.go_on()
            return
        another = self._dial()
        if another is None:
            self.reset()
            return
        # In place of the one that failed: the pipes keep their end.
        broker.close()
        broker.sock = another.sock
        broker.want_write(wanted=True)


def refuse(client: socket.socket) -> None:
    """Reset a connection that has just been accepted."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    client.close()


def resolve(host: str, port: int) -> list[Address]:
    """
    Return the addresses of a host, in the system's order.

    Raises:
        OSError: If it has none.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [(int(family), address) for family, _, _, _, address in found]
    if not addresses:
        raise OSError(errno.EHOSTUNREACH, os.strerror(errno.EHOSTUNREACH))
    return addresses

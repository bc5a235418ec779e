"""
A connection through the proxy: the client's socket, the broker's, and a pipe each way.

Knows how connections begin and end: half-closed, reset, refused. What is on its way is the pipes'.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from loadtest.broker.proxy.direction import Direction
from loadtest.broker.proxy.loop import Loop
from loadtest.broker.proxy.pipe import Pipe
from loadtest.broker.proxy.socket_end import End, reset_on_close

Address = tuple[int, Any]
"""Address family and socket address, as `socket.getaddrinfo` has them."""

_UNDER_WAY: Final = {0, errno.EINPROGRESS, errno.EAGAIN}


class ProxiedConnection:
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
        self.up = Pipe(self, self._client, broker, up)
        self.down = Pipe(self, broker, self._client, down)
        self._client.on_readable, self._client.on_writable = self.up.read, self.down.write
        broker.on_readable, broker.on_writable = self.down.read, self.up.write
        broker.on_connected = self._connected
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
    reset_on_close(client)
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

"""A link to one broker node: the port that clients connect to, their connections, and what is done to them."""

from __future__ import annotations

import random
import socket
from collections.abc import Sequence
from typing import Final

from loadtest.broker.proxy.direction import Direction
from loadtest.broker.proxy.loop import NOTHING, READ, Loop
from loadtest.broker.proxy.proxied_connection import Address, ProxiedConnection
from loadtest.broker.proxy.shaper import PLAIN, Shape, Shaper
from loadtest.clock import NS_PER_MS, monotonic_ns

LOOPBACK: Final = "127.0.0.1"
_BACKLOG: Final = 4_096  # Linux's own limit, net.core.somaxconn
_ACCEPTS: Final = 100
_ACCEPT_PAUSE_NS: Final = 100 * NS_PER_MS


class Link:
    """
    The way to one node.

    Attributes:
        port: Where it is entered, on the loopback address.
    """

    def __init__(self, addresses: Sequence[Address], loop: Loop) -> None:
        """
        Listen for clients.

        Raises:
            OSError: If there is no free port.
        """
        self._addresses = addresses
        self._loop = loop
        self._connections: set[ProxiedConnection] = set()
        chance = random.Random()  # noqa: S311  # jitter, no secret
        self._up = Direction(Shaper(chance), loop, self._count)
        self._down = Direction(Shaper(chance), loop, self._count)
        self._is_held = False
        # Bound, and never listening: nobody else gets the port while connections are refused.
        self._reservation = _bind(0)
        self.port: Final = int(self._reservation.getsockname()[1])
        self._listener: socket.socket | None = None
        self._listen()

    @property
    def held_bytes(self) -> int:
        """What is kept in memory of what is on its way."""
        return sum(pipe.held_bytes for connection in self._connections for pipe in connection.pipes)

    @property
    def connections(self) -> int:
        """How many connections go through it."""
        return len(self._connections)

    def slow(self, shape: Shape) -> None:
        """Do *shape* to all that enters from now on."""
        now_ns = monotonic_ns()
        for direction in (self._up, self._down):
            direction.reshape(shape, now_ns)
        self._look_again()

    def hold(self) -> None:
        """Let nothing pass, in either direction, and tell nobody: the system accepts connections, and that is all."""
        self._set_held(is_held=True)

    def reset(self, *, refuses: bool) -> None:
        """Break every connection; with *refuses*, refuse those that come until `restore`."""
        for connection in list(self._connections):
            connection.reset()
        if refuses and self._listener is not None:
            self._loop.watch(self._listener, NOTHING, self._accept)
            self._listener.close()
            self._listener = None

    def restore(self) -> None:
        """Let everything pass again, what was held first."""
        if self._listener is None:
            self._listen()
        self._set_held(is_held=False)

    def unslow(self) -> None:
        """Do nothing more to what enters."""
        self.slow(PLAIN)

    def _set_held(self, *, is_held: bool) -> None:
        self._is_held = is_held
        for direction in (self._up, self._down):
            direction.is_cut = is_held
            direction.set_turn()
        self._look_again()
        self._await_clients(0)

    def _look_again(self) -> None:
        """Have every connection go by what is done to the link now."""
        now_ns = monotonic_ns()
        for connection in list(self._connections):
            connection.look_again(now_ns)

    # --- clients -------------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        self._listener = _bind(self.port)
        self._listener.listen(_BACKLOG)
        self._await_clients(0)

    def _await_clients(self, _: int) -> None:
        if self._listener is not None:
            self._loop.watch(self._listener, NOTHING if self._is_held else READ, self._accept)

    def _accept(self, _: int) -> None:
        for _turn in range(_ACCEPTS):
            if self._listener is None or self._is_held:
                return
            try:
                client, _address = self._listener.accept()
            except BlockingIOError:
                return
            except OSError:
                # No descriptor is left, most likely; the client waits until there is one.
                self._loop.watch(self._listener, NOTHING, self._accept)
                self._loop.at(monotonic_ns() + _ACCEPT_PAUSE_NS, self._await_clients)
                return
            self._connect(client)

    def _connect(self, client: socket.socket) -> None:
        connection = ProxiedConnection(client, self._addresses, self._up, self._down, self._loop)
        self._connections.add(connection)
        connection.on_closed = lambda: self._connections.discard(connection)
        connection.open()
        if not connection.is_closed:
            # The system has shaken hands already; on a real link that takes the way there and back.
            connection.up.delay(monotonic_ns() + 3 * self._up.shaper.shape.latency_ns)

    def _count(self) -> int:
        return len(self._connections)


def _bind(port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        bound.setblocking(False)  # noqa: FBT003  # the standard library's signature
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((LOOPBACK, port))
    except OSError:
        bound.close()
        raise
    return bound

"""One direction of a link at work: its shaper, whether it is cut, and the connections that wait for their turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from loadtest.broker.proxy.loop import Loop
    from loadtest.broker.proxy.shaper import Shape, Shaper

LINK_BYTES: Final = 1 << 26
PIPE_BYTES: Final = 1 << 24
"""
What all connections of a direction, and one of them, may have on their way: 64 and 16 MiB.

One gets 320 MB/s through a link of 50 ms; Linux's own TCP, with 4 to 6 MB (tcp_wmem, tcp_rmem), would get 100.
"""

PLAIN_PIPE_BYTES: Final = 1 << 19
"""The same while nothing is done to the link: there is no way to be on, only a target that takes less than comes."""


class Direction:
    """
    One direction of a link, shared by its connections.

    Attributes:
        is_cut: Whether nothing passes.
        connections: How many there are now.
    """

    def __init__(self, shaper: Shaper, loop: Loop, connections: Callable[[], int]) -> None:
        self.shaper = shaper
        self.loop = loop
        self.is_cut = False
        self._connections = connections
        self._waiting: deque[Callable[[], None]] = deque()
        self._is_turn_set = False

    @property
    def window_bytes(self) -> int:
        """The most that one connection may have on its way, in this direction."""
        return min(PLAIN_PIPE_BYTES if self.shaper.is_plain else PIPE_BYTES, LINK_BYTES // max(1, self._connections()))

    def reshape(self, shape: Shape, now_ns: int) -> None:
        """Do *shape* to what enters from now on, and let those in that waited because of what was done until now."""
        self.shaper.reshape(shape, now_ns)
        self._take_turns(now_ns)

    def wait_turn(self, resume: Callable[[], None]) -> None:
        """Call *resume* when the shaper has room again, after those that wait already."""
        self._waiting.append(resume)
        self.set_turn()

    def set_turn(self) -> None:
        """See to it that those that wait get their turn."""
        if self._waiting and not self._is_turn_set:
            self._is_turn_set = True
            self.loop.at(self.shaper.room_ns, self._take_turns)

    def _take_turns(self, now_ns: int) -> None:
        self._is_turn_set = False
        self.shaper.is_awaited = True
        # As many as wait now: one that comes back has had its turn.
        for _ in range(len(self._waiting)):
            if self.is_cut or not self.shaper.has_room(now_ns):
                break
            self._waiting.popleft()()
        self.shaper.is_awaited = False
        if not self.is_cut:
            self.set_turn()

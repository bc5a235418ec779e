"""
One direction of one connection: from the socket that it reads to the one that it writes, by way of a shaper.

Owns the bytes on their way, in their order. While nothing is done to a link they go from one socket to the other in
one buffer. Otherwise each piece that is read gets the instant at which it comes out, and never before the piece ahead.
"""

from __future__ import annotations

import enum
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Final, Protocol

from loadtest.clock import monotonic_ns

if TYPE_CHECKING:
    from loadtest.broker.proxy.direction import Direction
    from loadtest.broker.proxy.socket_end import End

PLAIN_BYTES: Final = 1 << 18
"""The most that is read at once while nothing is done to the link."""

_buffer = memoryview(bytearray(PLAIN_BYTES))
_PIECES: Final = 64  # of one call to the system, which takes up to 1,024 (IOV_MAX)
_PIECE_BYTES: Final = 128  # what Python needs to keep a piece, besides its bytes


class Mark(enum.Enum):
    """What comes after the last byte: the end of this direction, or that of the connection."""

    END = "the source sends no more"
    RESET = "the connection is broken"


class PipeOwner(Protocol):
    """
    The connection that a pipe is one direction of.

    Attributes:
        is_closed: Whether it has ended, both ways.
    """

    is_closed: bool

    def other(self, pipe: Pipe) -> Pipe:
        """Return the way back."""

    def note_ended(self) -> None:
        """Close, if both directions have ended."""

    def reset(self) -> None:
        """Break the connection."""


class Pipe:
    """
    The bytes that go from *source* to *target*.

    Attributes:
        held_bytes: What it holds, in memory.
        has_ended: Whether all has come out that ever will.
    """

    def __init__(self, connection: PipeOwner, source: End, target: End, direction: Direction) -> None:
        self._owner = connection
        self._source = source
        self._target = target
        self._direction = direction
        self._entered: deque[tuple[int, bytes | Mark]] = deque()
        self._out: deque[bytes | memoryview] = deque()
        self._not_before_ns = 0
        self._is_due_set = False
        self._is_read_out = False  # there is nothing more to come from the source
        self._is_ending = False
        self._is_waiting = False
        self.held_bytes = 0
        self.has_ended = False

    def delay(self, until_ns: int) -> None:
        """Let nothing out before *until_ns*."""
        self._not_before_ns = max(self._not_before_ns, until_ns)

    # --- in ------------------------------------------------------------------------------------------------------

    def read(self) -> None:
        """Take what the source has, up to what may be on its way at a time."""
        if self._is_read_out:
            return
        if self._direction.shaper.is_plain and not (self._entered or self._out) and self._target.is_connected:
            if self._pass_on():
                return  # the source is watched as before
        else:
            self._take()
        self.go_on()

    def resume(self) -> None:
        """Take a piece, now that it is this connection's turn on the shaper."""
        self._is_waiting = False
        if not self._owner.is_closed:
            self.read()
            self.go_on()

    def go_on(self) -> None:
        """Watch the source, unless nothing more may be taken of it for now."""
        if self._owner.is_closed:
            return
        direction = self._direction
        can_read = not (self._is_read_out or direction.is_cut or self._is_waiting)
        if can_read and self.held_bytes < direction.window_bytes and not direction.shaper.has_room(monotonic_ns()):
            self._is_waiting = True
            direction.wait_turn(self.resume)
            can_read = False
        self._source.want_read(can_read and self.held_bytes < direction.window_bytes)

    def _pass_on(self) -> bool:
        """Hand on what is there without keeping it, and return whether all of it went; the rest is kept."""
        try:
            count = self._source.sock.recv_into(_buffer)
        except BlockingIOError:
            return False
        except OSError:
            self._enter(Mark.RESET)
            return False
        if not count:
            self._enter(Mark.END)
            return False
        try:
            sent = self._target.sock.send(_buffer[:count])
        except BlockingIOError:
            sent = 0
        except OSError:
            self._target_is_gone()
            return False
        if sent < count:
            self._keep(bytes(_buffer[sent:count]))
            self._target.want_write(wanted=True)
        return sent == count

    def _take(self) -> bool:
        """Take one piece, and return whether there was one."""
        direction = self._direction
        most = min(direction.shaper.quantum_bytes, direction.window_bytes - self.held_bytes)
        if most <= 0 or direction.is_cut or not direction.shaper.has_room(monotonic_ns()):
            return False
        try:
            piece = self._source.sock.recv(most)
        except BlockingIOError:
            return False
        except OSError:
            self._enter(Mark.RESET)
            return False
        self._enter(piece or Mark.END)
        return bool(piece)

    def _enter(self, piece: bytes | Mark) -> None:
        """Put what was read, or what has become of the source, on its way."""
        now_ns = monotonic_ns()
        size = 0 if isinstance(piece, Mark) else len(piece)
        due_ns = self._not_before_ns = max(self._direction.shaper.enter(size, now_ns), self._not_before_ns)
        if isinstance(piece, Mark):
            self._is_read_out = True
        else:
            self.held_bytes += size + _PIECE_BYTES
        self._entered.append((due_ns, piece))
        if due_ns <= now_ns:
            self.come_out(now_ns)
        else:
            self._await_due()

    # --- out -----------------------------------------------------------------------------------------------------

    def _await_due(self) -> None:
        if self._entered and not self._is_due_set:
            self._is_due_set = True
            self._direction.loop.at(self._entered[0][0], self._fall_due)

    def _fall_due(self, now_ns: int) -> None:
        self._is_due_set = False
        self.come_out(now_ns)

    def come_out(self, now_ns: int) -> None:
        """Hand on what has come out of the shaper by *now_ns*; nothing while the link is cut."""
        if self._owner.is_closed or self._direction.is_cut:
            return
        while self._entered and self._entered[0][0] <= now_ns:
            piece = self._entered.popleft()[1]
            if piece is Mark.RESET:
                self._owner.reset()
                return
            if piece is Mark.END:
                self._is_ending = True
            elif isinstance(piece, bytes):
                self._out.append(piece)
        self._await_due()
        self.write()

    def write(self) -> None:
        """Give the target what it takes of what has come out."""
        target, out = self._target, self._out
        if self._owner.is_closed:
            return
        if not target.is_connected:
            if self._is_ending:
                self._owner.reset()  # nobody waits any more for what was never reached
            return
        if self._direction.is_cut:
            target.want_write(wanted=False)
            return
        try:
            while out:
                self._sent(target.sock.sendmsg(list(islice(out, _PIECES))))
        except BlockingIOError:
            target.want_write(wanted=True)
        except OSError:
            self._target_is_gone()
            return
        else:
            target.want_write(wanted=False)
            if self._is_ending and not self.has_ended:
                self.has_ended = True
                target.end_writing()
                self._owner.note_ended()
        self.go_on()

    def _keep(self, piece: bytes) -> None:
        self.held_bytes += len(piece) + _PIECE_BYTES
        self._out.append(piece)

    def _sent(self, count: int) -> None:
        out = self._out
        self.held_bytes -= count
        while out and count >= len(out[0]):
            count -= len(out.popleft())
            self.held_bytes -= _PIECE_BYTES
        if count:
            out[0] = memoryview(out[0])[count:]

    def _target_is_gone(self) -> None:
        """Take no more; the source hears of it by the way back, behind what the target had said before it went."""
        self._is_read_out = True
        self._entered.clear()
        self._out.clear()
        self.held_bytes = 0
        self._target.want_write(wanted=False)
        self._owner.other(self).break_off()

    def break_off(self) -> None:
        """Take what the source has left, and end the connection behind it."""
        while not self._is_read_out and self._take():
            pass
        if not self._owner.is_closed:
            self._enter(Mark.RESET)

"""
A connection to the broker for greenlets: open, write, wait, close.

Owns the life of one connection. Knows nothing of what is published or consumed. Frames are read on the hub by a
`FrameReader`; what is not hot goes to pika through `PikaAdapter`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Self

import gevent
from gevent.event import Event
from pika import exceptions

from loadtest.wire.connection.adapter import PikaAdapter
from loadtest.wire.connection.blocking_call import Call, tell
from loadtest.wire.connection.channel import Channel
from loadtest.wire.connection.dialer import dial

if TYPE_CHECKING:
    import pika
    from pika import frame, spec

    from loadtest.wire.connection.stream import Stream

DEFAULT_TIMEOUT_S: Final = 10.0
# A few batches: enough to keep the socket busy between two turns of the publisher, little enough that a blocked broker
# is noticed soon. PerfTest and the Java client leave this to the socket's own buffers.
DEFAULT_HIGH_WATER_BYTES: Final = 1 << 18


class Connection:
    """
    An open connection.

    Callbacks run on the hub and must not block. What they raise closes the connection; from `on_closed` it is printed.

    Attributes:
        on_closed: Called once when the connection is closed, by whomever, with the reason.
        on_blocked: Called with the broker's reason when it stops reading from publishers.
        on_unblocked: Called when it reads again.
        closed_by: Why the connection is closed, None while it is open.
        high_water_bytes: Unsent bytes above which `wait_writable` waits.
        is_blocked: Whether the broker has said that it blocks this connection.
    """

    def __init__(self, parameters: pika.connection.Parameters) -> None:
        """Prepare; use `open` instead."""
        self.on_closed: Callable[[Exception], None] | None = None
        self.on_blocked: Callable[[str], None] | None = None
        self.on_unblocked: Callable[[], None] | None = None
        self.closed_by: Exception | None = None
        self.high_water_bytes = DEFAULT_HIGH_WATER_BYTES
        self.is_blocked = False
        self._stream: Stream | None = None
        self._opening: Call[None] = Call()
        self._closed = Event()
        self._drained = Event()
        self._adapter = PikaAdapter(
            parameters,
            on_open=lambda _: self._opening.succeed(None),
            on_open_error=lambda _, error: self._note_closed(error),
            on_close=lambda _, error: self._note_closed(error),
        )
        self._adapter.drained = self._note_drained
        self._adapter.add_on_connection_blocked_callback(self._note_blocked)
        self._adapter.add_on_connection_unblocked_callback(self._note_unblocked)

    @classmethod
    def open(cls, parameters: pika.connection.Parameters, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> Self:
        """
        Return an open connection; blocks the greenlet.

        Raises:
            pika.exceptions.AMQPConnectionError: If the broker cannot be reached, refuses, or takes longer than
                *timeout_s* in all. Its subclasses `ProbableAuthenticationError` and `ProbableAccessDeniedError` carry
                the broker's reply code and text.
            pika.exceptions.ProtocolSyntaxError: If the peer sends what is not AMQP 0-9-1.
        """
        connection = cls(parameters)
        deadline = time.monotonic() + timeout_s
        connection._stream = dial(parameters, connection._adapter, timeout_s)
        connection._adapter.attach(connection._stream)
        where = f"{parameters.host}:{parameters.port}"
        try:
            connection._opening.wait(max(deadline - time.monotonic(), 0))
        except gevent.Timeout:
            error = exceptions.AMQPConnectionError(f"no AMQP answer from {where} within {timeout_s:g} s")
            connection._abort(error)
            raise error from None
        except BaseException:
            connection._abort(exceptions.ConnectionOpenAborted(f"opening of {where} was interrupted"))
            raise
        return connection

    @property
    def parameters(self) -> pika.connection.Parameters:
        """The parameters as negotiated: `frame_max`, `channel_max`, `heartbeat`."""
        return self._adapter.params

    @property
    def frame_max(self) -> int:
        """The negotiated frame_max in bytes; 0 means no limit."""
        return int(self._adapter.params.frame_max)

    @property
    def server_properties(self) -> dict[str, object]:
        """What the broker says of itself: product, version, platform and more."""
        return dict(self._adapter.server_properties or {})

    @property
    def read_ns(self) -> int:
        """When the bytes now being handed out were read (CLOCK_MONOTONIC)."""
        return self._stream.read_ns if self._stream is not None else 0

    @property
    def failed_method(self) -> str | None:
        """The method for which the broker closed the connection or a channel of it, last; None if it named none."""
        return self._adapter.failed_method

    def gather(self, waited_ns: int) -> None:
        """
        Let reads wait for more bytes, if the messages just read have waited *waited_ns*, and that is long.

        For who does nothing with what is read that the broker waits for, such as an ack. See `gathering`.
        """
        if self._stream is not None:
            self._stream.gather(waited_ns)

    @property
    def unsent_bytes(self) -> int:
        """Bytes written that the kernel has not taken yet."""
        return self._stream.unsent_bytes if self._stream is not None else 0

    def open_channel(self) -> Channel:
        """
        Return a new open channel; blocks the greenlet.

        Raises:
            pika.exceptions.AMQPError: If the connection is closed, or closes meanwhile, or no channel number is free.
        """
        self._raise_if_closed()
        opened: Call[None] = Call()
        channel = Channel(self, self._adapter, opened)
        opened.wait()
        return channel

    def write(self, buffer: bytes | memoryview, *, borrowed: bool = False) -> None:
        """
        Hand whole frames to the socket at once; what the kernel does not take is copied.

        Not if the buffer is *borrowed*: then it stays as it is until `wait_writable(unsent_bytes=0)` returns.

        Raises:
            Exception: `closed_by`, if the connection is closed.
        """
        if self.closed_by is not None:
            raise self.closed_by
        self._adapter.send(buffer, borrowed=borrowed)

    def wait_writable(self, timeout_s: float | None = None, *, unsent_bytes: int | None = None) -> bool:
        """
        Block the greenlet while more than *unsent_bytes* (by default `high_water_bytes`) are unsent.

        Returns:
            False if that is still so after *timeout_s*.

        Raises:
            Exception: `closed_by`, if the connection is closed or closes meanwhile.
        """
        most = self.high_water_bytes if unsent_bytes is None else unsent_bytes
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while self.closed_by is None and self.unsent_bytes > most:
            self._drained.clear()
            left_s = None if deadline is None else deadline - time.monotonic()
            if left_s is not None and left_s <= 0:
                return False
            self._drained.wait(left_s)
        self._raise_if_closed()
        return True

    def close(self, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        """
        Close in order: unsent bytes, channels, connection; after *timeout_s* hang up. Harmless when closed already.

        Deliveries that are on their way meanwhile still reach their sinks.
        """
        if self.closed_by is not None:
            return
        with gevent.Timeout(timeout_s, False):  # noqa: FBT003 (gevent's way to say: do not raise)
            self._close_channels()
            if self._adapter.is_open:
                self._adapter.close()
            self._closed.wait()
        self._abort(exceptions.ConnectionClosedByClient(200, f"no answer to Connection.Close within {timeout_s:g} s"))

    def abort(self) -> None:
        """Hang up at once, without a word to the broker; for faults and tests."""
        self._abort(exceptions.ConnectionClosedByClient(200, "aborted"))

    def _close_channels(self) -> None:
        for channel in list(self._adapter.channels.values()):
            try:
                channel.close()
            except exceptions.AMQPError:
                # It is closed then, whatever the reason; the connection's own reason is what counts.
                continue

    def _abort(self, error: Exception) -> None:
        if self.closed_by is None:
            self._adapter.fail(error)
            self._closed.wait(1)

    def _raise_if_closed(self) -> None:
        if self.closed_by is not None:
            raise self.closed_by

    def _note_closed(self, error: Exception) -> None:
        self.closed_by = error
        if self._stream is not None:
            self._stream.close()
        self._opening.fail(error)
        self._closed.set()
        self._drained.set()
        tell(self.on_closed, error)

    def _note_drained(self) -> None:
        if self.unsent_bytes <= self.high_water_bytes:
            self._drained.set()

    def _note_blocked(self, _: pika.connection.Connection, method_frame: frame.Method[spec.Connection.Blocked]) -> None:
        self.is_blocked = True
        if self.on_blocked is not None:
            self.on_blocked(str(method_frame.method.reason))

    def _note_unblocked(self, _: pika.connection.Connection, _frame: frame.Method[spec.Connection.Unblocked]) -> None:
        self.is_blocked = False
        if self.on_unblocked is not None:
            self.on_unblocked()

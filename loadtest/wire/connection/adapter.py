"""
pika's connection on our stream: everything but the hot path stays pika's.

Owns the seam: what `pika.connection.Connection` asks of an adapter, and how frames reach it. Handshake, heartbeats,
blocked and unblocked, closing and every unusual frame are pika's code, unchanged. Each private name of pika used here
has a test in `tests/unit/wire/test_pika_hooks.py` that says which behaviour is relied on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import gevent
import pika.connection
from pika import exceptions, frame, spec

from loadtest.wire.close_reason import CLOSES, failed_method
from loadtest.wire.frames.reader import DEFAULT_FRAME_MAX, FrameReader

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from loadtest.wire.connection.receive_buffer import ReceiveBuffer
    from loadtest.wire.connection.stream import Stream
    from loadtest.wire.sink import DeliverySink


class HubTimer:
    """One call later on the hub, as pika's heartbeat checker wants it."""

    __slots__ = ("_timer",)

    def __init__(self, delay_s: float, call: Callable[[], None]) -> None:
        """Call *call* once, *delay_s* from now."""
        self._timer = gevent.get_hub().loop.timer(delay_s)
        self._timer.start(self._fire, call, update=True)

    def cancel(self) -> None:
        """Do not call, if it has not been called yet."""
        self._timer.stop()
        self._timer.close()

    def _fire(self, call: Callable[[], None]) -> None:
        self.cancel()
        call()


class ChannelEvents(Protocol):
    """A channel of ours, as far as frames that do not pass through pika concern it."""

    def close(self) -> None:
        """Close it."""

    def take_get_ok(self, message: bytes) -> bool:
        """Answer the oldest get; False if there is none, or the message is not well formed."""

    def take_ack(self, tag: int, multiple: bool) -> None:  # noqa: FBT001 (a column)
        """Take an ack that came alone."""

    def take_acks(self, tags: NDArray[np.uint64], multiple: NDArray[np.bool_]) -> None:
        """Take a run of acks."""


class PikaAdapter(pika.connection.Connection):
    """
    A pika connection whose bytes come from and go to a `Stream`; it is also that stream's and its reader's handler.

    Attributes:
        channels: Our channels by number, for the events that do not pass through pika.
        drained: Called when fewer bytes are unsent than before.
        failed_method: The method that the last Close from the broker names; None if there was none, or it names none.
        verified_sink: Set by a channel while pika hands it the last frame of a delivery that the sink verified.
    """

    def __init__(
        self,
        parameters: pika.connection.Parameters,
        on_open: Callable[[pika.connection.Connection], None],
        on_open_error: Callable[[pika.connection.Connection, Exception], None],
        on_close: Callable[[pika.connection.Connection, Exception], None],
    ) -> None:
        """Prepare; `attach` a stream to begin the AMQP handshake."""
        self._stream: Stream | None = None
        self.drained: Callable[[], None] = lambda: None
        self.channels: dict[int, ChannelEvents] = {}
        self.failed_method: str | None = None
        self.verified_sink: DeliverySink | None = None
        self.reader = FrameReader(self, frame_max=DEFAULT_FRAME_MAX)
        super().__init__(parameters, on_open, on_open_error, on_close, internal_connection_workflow=False)

    def attach(self, stream: Stream) -> None:
        """Begin the AMQP handshake on *stream*."""
        self._stream = stream
        stream.start()
        self._on_stream_connected()

    def fail(self, error: Exception) -> None:
        """End the connection with *error*; its callbacks come from the hub, soon."""
        if self._stream is not None and not self._stream.is_closed:
            self._terminate_stream(error)

    def send(self, data: bytes | memoryview, *, borrowed: bool = False) -> None:
        """Write frames that pika did not marshal; *borrowed* as in `Stream.write`."""
        if self._stream is None:
            raise exceptions.ConnectionWrongStateError("the connection has no stream yet")
        self.bytes_sent += len(data)
        self._stream.write(data, borrowed=borrowed)

    # What the stream asks.

    def on_received(self, buffer: ReceiveBuffer, end: int) -> int:
        """Read frames; pika's heartbeat checker takes any bytes for a sign of life."""
        if self._stream is not None:
            self.bytes_received = self._stream.received_bytes
        return self.reader.feed(buffer.memory, buffer.array, end)

    def on_lost(self, error: Exception | None) -> None:
        """Tell pika that the stream is gone."""
        self.reader.is_stopped = True
        what = "the peer closed the connection" if error is None else repr(error)
        if not self.is_closed:
            self._on_stream_terminated(exceptions.StreamLostError(f"Stream connection lost: {what}"))

    def on_failed(self, error: Exception) -> None:
        """End the connection with what a callback raised; if it has ended already, have the hub print it."""
        if self._stream is None or self._stream.is_closed:
            gevent.get_hub().handle_error(self, type(error), error, error.__traceback__)
        else:
            self._terminate_stream(error)

    def on_drained(self) -> None:
        """Tell the connection."""
        self.drained()

    # What the reader asks.

    def on_frame(self, frame_value: frame.Frame | frame.ProtocolHeader) -> DeliverySink | None:
        """Let pika process the frame."""
        if isinstance(frame_value, frame.ProtocolHeader):
            version = f"{frame_value.major}-{frame_value.minor}-{frame_value.revision}"
            raise exceptions.IncompatibleProtocolError(f"the peer wants AMQP {version}, not 0-9-1")
        channel_number = frame_value.channel_number
        if channel_number and channel_number not in self._channels:
            raise exceptions.UnexpectedFrameError(f"{frame_value!r} for channel {channel_number}, which is not open")
        if not channel_number and not _belongs_to_connection(frame_value):
            raise exceptions.UnexpectedFrameError(frame_value)
        self.verified_sink = None
        if isinstance(frame_value, frame.Method) and isinstance(frame_value.method, CLOSES):
            self.failed_method = failed_method(frame_value.method)
        self._process_frame(frame_value)
        return self.verified_sink

    def on_get_ok(self, channel_number: int, message: bytes) -> bool:
        """Hand a Get-Ok to its channel."""
        channel = self.channels.get(channel_number)
        return channel is not None and channel.take_get_ok(message)

    def on_ack(self, channel_number: int, tag: int, multiple: bool) -> None:  # noqa: FBT001 (a column)
        """Hand a confirm to its channel."""
        self._confirming(channel_number).take_ack(tag, multiple)

    def on_acks(self, channel_number: int, tags: NDArray[np.uint64], multiple: NDArray[np.bool_]) -> None:
        """Hand a run of confirms to its channel."""
        self._confirming(channel_number).take_acks(tags, multiple)

    def _confirming(self, channel_number: int) -> ChannelEvents:
        channel = self.channels.get(channel_number)
        if channel is None:
            raise exceptions.UnexpectedFrameError(f"Basic.Ack for channel {channel_number}, which is not open")
        return channel

    # What pika asks of an adapter.

    def _adapter_call_later(self, delay: float, callback: Callable[[], Any]) -> HubTimer:
        return HubTimer(delay, lambda: self._guarded(callback))

    def _adapter_remove_timeout(self, timeout_id: object) -> None:
        if isinstance(timeout_id, HubTimer):
            timeout_id.cancel()

    def _adapter_add_callback_threadsafe(self, callback: Callable[..., Any]) -> None:
        gevent.get_hub().loop.run_callback_threadsafe(self._guarded, callback)

    def _adapter_connect_stream(self) -> None:
        # Only called for pika's own way of connecting, which `internal_connection_workflow=False` turns off.
        raise NotImplementedError

    def _adapter_disconnect_stream(self) -> None:
        self.reader.is_stopped = True
        if self._stream is not None:
            self._stream.close()
        # Later, as pika's contract says: the caller may be in the middle of processing a frame.
        gevent.get_hub().loop.run_callback(self._guarded, self._end_stream)

    def _adapter_emit_data(self, data: bytes) -> None:
        if self._stream is not None:
            self._stream.write(data)

    def _end_stream(self) -> None:
        if not self.is_closed:
            self._on_stream_terminated(None)

    def _guarded(self, call: Callable[[], Any]) -> None:
        """Run a callback of the hub; what it raises ends the connection, as the hub would only print it."""
        try:
            call()
        except Exception as error:  # noqa: BLE001
            self.on_failed(error)

    def _on_connection_open_ok(self, method_frame: frame.Method[spec.Connection.OpenOk]) -> None:
        self.reader.frame_max = self.params.frame_max
        super()._on_connection_open_ok(method_frame)


def _belongs_to_connection(frame_value: frame.Frame) -> bool:
    if isinstance(frame_value, frame.Method):
        return bool(frame_value.method.INDEX >> 16 == spec.Connection.INDEX)
    return isinstance(frame_value, frame.Heartbeat)

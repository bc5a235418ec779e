"""
A channel for greenlets: consuming, getting, publishing and confirms, and callbacks for what the broker sends by itself.

Owns one pika channel and its consumers' sinks. Knows nothing of users, rates or ledgers. A call raises the reason if
the channel or the connection closes before the answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import numpy as np
from pika import frame, spec

from loadtest.stamp import Stamp
from loadtest.wire.connection.basic_get import Getting
from loadtest.wire.connection.blocking_call import Call, tell
from loadtest.wire.connection.declaring_channel import Arguments, DeclaringChannel
from loadtest.wire.frames.acks import ack_head
from loadtest.wire.frames.frame_layout import FRAME_END, U64
from loadtest.wire.frames.gets import GetOk
from loadtest.wire.frames.stamp_position import read_stamp
from loadtest.wire.sink import DeliverySink

if TYPE_CHECKING:
    import pika
    from numpy.typing import NDArray

    from loadtest.wire.connection.adapter import PikaAdapter

__all__ = ["Arguments", "Channel", "DeliverySink", "GetOk", "Returned"]

_SINGLE: Final = bytes((0, FRAME_END))
_MULTIPLE: Final = bytes((1, FRAME_END))


class Returned(NamedTuple):
    """A mandatory message that the broker could not route; `stamp` says which one it was."""

    stamp: Stamp | None
    reply_code: int
    reply_text: str
    exchange: str
    routing_key: str
    properties: pika.BasicProperties
    body: bytes


class ChannelOwner(Protocol):
    """The connection of a channel, as far as users of the channel concern it."""

    @property
    def frame_max(self) -> int:
        """The negotiated frame_max in bytes; 0 means no limit."""

    def wait_writable(self, timeout_s: float | None = None, *, unsent_bytes: int | None = None) -> bool:
        """Block the greenlet while more than *unsent_bytes* are unsent; see `Connection`."""


class Channel(DeclaringChannel):
    """
    An open channel.

    Callbacks run on the hub and must not block. What they raise closes the connection; from `on_closed` it is printed.

    Attributes:
        connection: What it is a channel of.
        channel_number: Its number on the connection.
        on_closed: Called once when it is closed, by whomever, with the reason.
        on_returned: Called with each mandatory message that comes back.
        on_cancelled: Called with the tag of a consumer that the broker has cancelled.
        on_confirms: Called with delivery tags, their `multiple` flags, and whether they are nacks; the arrays are its
            own.
        on_confirm: If set, called with tag and `multiple` of an ack that came alone, which spares two arrays (1 µs).
    """

    def __init__(self, connection: ChannelOwner, adapter: PikaAdapter, opened: Call[None]) -> None:
        """Ask for a channel; use `Connection.open_channel` instead."""
        super().__init__()
        self._calls.add(opened)
        self.connection = connection
        self.on_closed: Callable[[Exception], None] | None = None
        self.on_returned: Callable[[Returned], None] | None = None
        self.on_cancelled: Callable[[str], None] | None = None
        self.on_confirms: Callable[[NDArray[np.uint64], NDArray[np.bool_], bool], None] | None = None
        self.on_confirm: Callable[[int, bool], None] | None = None
        self._adapter = adapter
        self._sinks: dict[str, DeliverySink] = {}
        self._consumers = 0
        self._pika = adapter.channel(on_open_callback=lambda _: opened.succeed(None))
        self.channel_number: int = self._pika.channel_number
        self._ack_head = ack_head(self.channel_number)
        self._getting = Getting(self._pika)
        self._pika.add_on_close_callback(self._note_closed)
        self._pika.add_on_cancel_callback(self._note_cancelled)
        self._pika.add_on_return_callback(self._note_returned)
        adapter.channels[self.channel_number] = self

    def write(self, buffer: bytes | memoryview, *, borrowed: bool = False) -> None:
        """
        Hand whole frames of this channel to the socket at once; *borrowed* as in `Connection.write`.

        A connection that closes has closed its channels before, so one look is enough.

        Raises:
            Exception: `closed_by`, if the channel is closed: frames on it would end the connection.
        """
        if self.closed_by is not None:
            raise self.closed_by
        self._adapter.send(buffer, borrowed=borrowed)

    def basic_qos(self, prefetch_count: int, *, global_qos: bool = False) -> None:
        """Limit the unacknowledged deliveries of each consumer started from now on (*global_qos*: of the channel)."""
        self._call(
            lambda done: self._pika.basic_qos(prefetch_count=prefetch_count, global_qos=global_qos, callback=done)
        )

    def confirm_select(self) -> None:
        """Have every message published on this channel confirmed, from delivery tag 1 on."""
        self._call(lambda done: self._pika.confirm_delivery(self._take_confirm, callback=done))

    def basic_consume(
        self,
        queue: str,
        sink: DeliverySink,
        *,
        auto_ack: bool = False,
        exclusive: bool = False,
        arguments: Arguments | None = None,
        consumer_tag: str | None = None,
    ) -> str:
        """Start a consumer and return its tag; deliveries may reach *sink* before this returns."""
        if consumer_tag is None:
            # Short: the tag is in every delivery. pika's own has 39 bytes.
            self._consumers += 1
            consumer_tag = f"c{self._consumers}"
        tag = consumer_tag
        if tag in self._sinks:
            raise ValueError(f"consumer tag {tag!r} is in use on this channel")
        self._sinks[tag] = sink
        table = None if arguments is None else dict(arguments)
        try:
            self._call(
                lambda done: self._pika.basic_consume(
                    queue, self._take_message, auto_ack, exclusive, tag, table, callback=done
                )
            )
        except BaseException:
            self._sinks.pop(tag, None)
            raise
        return tag

    def basic_cancel(self, consumer_tag: str) -> None:
        """
        Stop a consumer. Deliveries on their way still reach its sink before this returns.

        pika's own `basic_cancel` would drop those, or reject them without a word.
        """
        if consumer_tag not in self._sinks:
            return
        self._call(
            lambda done: self._pika._rpc(
                spec.Basic.Cancel(consumer_tag=consumer_tag),
                done,
                [(spec.Basic.CancelOk, {"consumer_tag": consumer_tag})],
            )
        )
        self._pika._cleanup_consumer_ref(consumer_tag)
        self._drop_consumer(consumer_tag)

    def basic_get(self, queue: str, *, auto_ack: bool = False) -> GetOk | None:
        """Return one message, None if the queue is empty."""
        return self._getting.get(queue, self.write, auto_ack=auto_ack)

    def basic_ack(self, delivery_tag: int, *, multiple: bool = False) -> None:
        """Acknowledge a delivery, or all up to it."""
        self.write(self._ack_head + U64.pack(delivery_tag) + (_MULTIPLE if multiple else _SINGLE))

    def basic_nack(self, delivery_tag: int, *, multiple: bool = False, requeue: bool = True) -> None:
        """Refuse a delivery, or all up to it."""
        self._write_method(spec.Basic.Nack(delivery_tag, multiple, requeue))

    def basic_reject(self, delivery_tag: int, *, requeue: bool = True) -> None:
        """Refuse a delivery."""
        self._write_method(spec.Basic.Reject(delivery_tag, requeue))

    def close(self) -> None:
        """Cancel the consumers, then close; harmless when closed already, or closed by the broker meanwhile."""
        try:
            for consumer_tag in list(self._sinks):
                self.basic_cancel(consumer_tag)
            if self.closed_by is None:
                self._call(self._begin_close)
        except Exception:
            if self.closed_by is None:
                raise

    # What the adapter hands on, without pika.

    def take_get_ok(self, message: bytes) -> bool:
        """Answer the oldest get; False if there is none, or the message is not well formed."""
        return self._getting.take(message)

    def take_ack(self, tag: int, multiple: bool) -> None:  # noqa: FBT001 (a column)
        """Hand on an ack that came alone."""
        if self.on_confirm is not None:
            self.on_confirm(tag, multiple)
        else:
            self.take_acks(np.array([tag], np.uint64), np.array([multiple], np.bool_))

    def take_acks(self, tags: NDArray[np.uint64], multiple: NDArray[np.bool_]) -> None:
        """Hand on a run of acks."""
        if self.on_confirms is not None:
            self.on_confirms(tags, multiple, False)  # noqa: FBT003 (a column)

    # What pika hands on.

    def _take_message(
        self, _: object, method: spec.Basic.Deliver, properties: pika.BasicProperties, body: bytes
    ) -> None:
        sink = self._sinks[method.consumer_tag]
        verified = sink.on_message(
            method.delivery_tag, method.redelivered, properties, body, method.exchange, method.routing_key
        )
        if verified:
            self._adapter.verified_sink = sink

    def _take_confirm(self, method_frame: frame.Method[Any]) -> None:
        if self.on_confirms is not None:
            method = method_frame.method
            tags = np.array([method.delivery_tag], np.uint64)
            self.on_confirms(tags, np.array([method.multiple], np.bool_), isinstance(method, spec.Basic.Nack))

    def _note_returned(
        self, _: object, method: spec.Basic.Return, properties: pika.BasicProperties, body: bytes
    ) -> None:
        if self.on_returned is not None:
            self.on_returned(
                Returned(
                    read_stamp(properties.headers, body),
                    method.reply_code,
                    method.reply_text,
                    method.exchange,
                    method.routing_key,
                    properties,
                    body,
                )
            )

    def _note_cancelled(self, method_frame: frame.Method[spec.Basic.Cancel]) -> None:
        consumer_tag = str(method_frame.method.consumer_tag)
        self._drop_consumer(consumer_tag)
        if self.on_cancelled is not None:
            self.on_cancelled(consumer_tag)

    def _note_closed(self, _: object, error: Exception) -> None:
        self.closed_by = error
        self._adapter.channels.pop(self.channel_number, None)
        self._adapter.reader.forget_consumers(self.channel_number)
        self._sinks.clear()
        for call in list(self._calls):
            call.fail(error)
        self._getting.fail(error)
        tell(self.on_closed, error)

    def _begin_close(self, _: object) -> None:
        # Closing answers every call with its reason, this one included.
        if self._pika.is_open:
            self._pika.close()

    def _drop_consumer(self, consumer_tag: str) -> None:
        self._sinks.pop(consumer_tag, None)
        self._adapter.reader.forget_consumers()

    def _write_method(self, method: Any) -> None:
        self.write(frame.Method(self.channel_number, method).marshal())

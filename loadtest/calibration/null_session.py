"""
One connection of the null broker: what a client's methods are answered with, and what it counts.

Bytes in, bytes out; knows nothing of sockets. What it does not answer (acks, flow, heartbeats) it swallows.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from pika import frame, spec

from loadtest.calibration.null_frames import confirm, count_acks, frame_bytes, is_publish, take_published
from loadtest.wire.frames.frame_layout import FRAME_METHOD

COUNTS: Final = struct.Struct("=QQ")
# Clients ask for no confirms where the server does not say that it knows them.
_SERVER_PROPERTIES: Final = {
    "product": "null broker",
    "version": "0",
    "capabilities": {"publisher_confirms": True, "basic.nack": True, "consumer_cancel_notify": True},
}
_CHANNEL_MAX: Final = 2047
_FRAME_MAX: Final = 131072


class Counts:
    """Messages published and delivered so far, in memory shared with whoever reads the file."""

    def __init__(self, path: Path) -> None:
        """Begin at 0 in the file *path*, which is made."""
        path.write_bytes(bytes(COUNTS.size))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), COUNTS.size)
        self.published = 0
        self.delivered = 0

    def show(self) -> None:
        """Make the counts seen."""
        COUNTS.pack_into(self._map, 0, self.published, self.delivered)


def read_counts(path: Path) -> tuple[int, int]:
    """Return the messages published and delivered that a null broker's file says."""
    published, delivered = COUNTS.unpack(path.read_bytes())
    return published, delivered


class NullSession:
    """
    One connection's protocol: bytes in, bytes to be sent out.

    Attributes:
        outgoing: What is to be sent next.
        consumers: Channel and tag of each consumer.
        first: The frames of the first message that was published on this connection.
    """

    def __init__(self, counts: Counts) -> None:
        self.outgoing = bytearray()
        self.consumers: list[tuple[int, str]] = []
        self.first: bytes | None = None
        self.is_over = False
        self._counts = counts
        self._rest = b""
        self._confirmed: dict[int, int] = {}
        self._answers: dict[type[Any], Callable[[int, Any], Any]] = {
            spec.Connection.StartOk: lambda _, __: spec.Connection.Tune(_CHANNEL_MAX, _FRAME_MAX, 0),
            spec.Connection.Open: lambda _, __: spec.Connection.OpenOk(),
            spec.Connection.Close: lambda _, __: spec.Connection.CloseOk(),
            spec.Channel.Open: lambda _, __: spec.Channel.OpenOk(),
            spec.Channel.Close: lambda _, __: spec.Channel.CloseOk(),
            spec.Exchange.Declare: lambda _, __: spec.Exchange.DeclareOk(),
            spec.Exchange.Delete: lambda _, __: spec.Exchange.DeleteOk(),
            spec.Queue.Declare: lambda _, asked: spec.Queue.DeclareOk(asked.queue or "null", 0, 0),
            spec.Queue.Bind: lambda _, __: spec.Queue.BindOk(),
            spec.Queue.Purge: lambda _, __: spec.Queue.PurgeOk(0),
            spec.Queue.Delete: lambda _, __: spec.Queue.DeleteOk(0),
            spec.Basic.Qos: lambda _, __: spec.Basic.QosOk(),
            spec.Basic.Get: lambda _, __: spec.Basic.GetEmpty(),
            spec.Basic.Consume: self._consume,
            spec.Basic.Cancel: self._cancel,
            spec.Confirm.Select: self._select,
        }

    def take(self, received: bytes) -> None:
        """Take what the client sent."""
        data = memoryview(self._rest + received if self._rest else received)
        at = 0
        if bytes(data[:4]) == b"AMQP":
            at = 8
            self._send(0, spec.Connection.Start(server_properties=_SERVER_PROPERTIES))
        while size := self._take_some(data, at):
            at += size
        self._rest = bytes(data[at:])

    def _take_some(self, data: memoryview, at: int) -> int:
        """Take what begins at *at* and return its bytes, 0 if it is not whole."""
        published = take_published(data, at)
        if published is not None:
            self._publish(data, at, published.messages)
            self.first = self.first or bytes(published.first)
            return published.size
        size = count_acks(data, at)
        if size:
            return size
        size = frame_bytes(data, at)
        if not size or is_publish(data, at):
            return 0
        if data[at] == FRAME_METHOD:
            self._answer(bytes(data[at : at + size]))
        return size

    def _publish(self, data: memoryview, at: int, messages: int) -> None:
        self._counts.published += messages
        (channel,) = struct.unpack_from(">H", data, at + 1)
        if channel in self._confirmed:
            self._confirmed[channel] += messages
            self.outgoing += confirm(channel, self._confirmed[channel])

    def _answer(self, raw: bytes) -> None:
        _, received = frame.decode_frame(raw)
        method = received.method
        answer = self._answers.get(type(method))
        if answer is not None:
            self._send(received.channel_number, answer(received.channel_number, method))
        if isinstance(method, spec.Connection.Close):
            self.is_over = True

    def _consume(self, channel: int, method: Any) -> Any:
        tag = method.consumer_tag or f"null-{channel}"
        self.consumers.append((channel, tag))
        return spec.Basic.ConsumeOk(tag)

    def _cancel(self, channel: int, method: Any) -> Any:
        self.consumers.remove((channel, method.consumer_tag))
        return spec.Basic.CancelOk(method.consumer_tag)

    def _select(self, channel: int, _: Any) -> Any:
        self._confirmed[channel] = 0
        return spec.Confirm.SelectOk()

    def _send(self, channel: int, method: Any) -> None:
        self.outgoing += frame.Method(channel, method).marshal()

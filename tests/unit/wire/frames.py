"""
Frames for tests: made by pika, and read by pika as the oracle that the reader is held against.

`events_by_pika` decodes frame by frame; a `RecordingHandler` notes what a `FrameReader` hands on. Both have the same
words for what they saw, deliveries with everything in them: equality says that nothing was lost, invented or changed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pika
from numpy.typing import NDArray
from pika import frame, spec

from loadtest.stamp import STAMP_BYTES
from loadtest.wire.frames.gets import PropertyShapes, parse_get_ok
from loadtest.wire.frames.reader import FrameReader

FRAME_MAX = 4096
Event = tuple[Any, ...]


def content(
    channel: int, method: Any, properties: pika.BasicProperties, body: bytes, frame_max: int = FRAME_MAX
) -> bytes:
    """Return the frames of one message as the broker sends them."""
    parts = [frame.Method(channel, method).marshal(), frame.Header(channel, len(body), properties).marshal()]
    step = frame_max - 8
    parts += [frame.Body(channel, body[at : at + step]).marshal() for at in range(0, len(body), step)]
    return b"".join(parts)


def deliver(
    tag: int,
    *,
    channel: int = 1,
    consumer_tag: str = "c1",
    redelivered: bool = False,
    exchange: str = "ex",
    routing_key: str = "key",
    properties: pika.BasicProperties | None = None,
    body: bytes = b"Hello World!",
    stamp: bytes | None = None,
) -> bytes:
    """Return the frames of one delivery, with *stamp* as its header field if it is given."""
    headers = {} if stamp is None else {"lt": stamp}
    method = spec.Basic.Deliver(consumer_tag, tag, redelivered, exchange, routing_key)
    return content(channel, method, properties or pika.BasicProperties(headers=headers), body)


def stamp_bytes(word: int = 7, lateness_us: int = 0, seq: int = 0, intended_ns: int = 0) -> bytes:
    """Return a stamp, packed independently of the code under test."""
    return struct.pack(">IIQq", word, lateness_us, seq, intended_ns)


def ack(tag: int, *, channel: int = 1, multiple: bool = False) -> bytes:
    """Return one Basic.Ack."""
    return method_frame(spec.Basic.Ack(tag, multiple), channel)


def method_frame(method: Any, channel: int = 1) -> bytes:
    """Return one method frame."""
    return bytes(frame.Method(channel, method).marshal())


class Assembler:
    """Puts decoded frames together to events, and refuses contents that are out of order."""

    def __init__(self) -> None:
        self._contents: dict[int, list[Any]] = {}

    def take(self, frame_value: Any) -> list[Event]:
        """Return the events that *frame_value* completes."""
        channel = getattr(frame_value, "channel_number", 0)
        if isinstance(frame_value, frame.Method):
            method = frame_value.method
            if isinstance(method, (spec.Basic.Deliver, spec.Basic.GetOk, spec.Basic.Return)):
                if channel in self._contents:
                    raise ValueError("content within content")
                self._contents[channel] = [method, None, b""]
                return []
            if isinstance(method, spec.Basic.Ack):
                return [("ack", channel, method.delivery_tag, method.multiple)]
            return [("method", channel, repr(method))]
        if isinstance(frame_value, frame.Header):
            under_way = self._contents[channel]
            if under_way[1] is not None:
                raise ValueError("second header")
            under_way[1] = frame_value
        elif isinstance(frame_value, frame.Body):
            under_way = self._contents[channel]
            under_way[2] += frame_value.fragment
            if len(under_way[2]) > under_way[1].body_size:
                raise ValueError("body too long")
        else:
            return [(type(frame_value).__name__,)]
        return self._completed(channel)

    def _completed(self, channel: int) -> list[Event]:
        method, header, body = self._contents[channel]
        if len(body) < header.body_size:
            return []
        del self._contents[channel]
        return [message_event(channel, method, header.properties, body)]


def message_event(channel: int, method: Any, properties: pika.BasicProperties, body: bytes) -> Event:
    """Return the event of one whole message, with everything in it."""
    return (type(method).__name__, channel, vars(method), vars(properties), body)


def events_by_pika(stream: bytes, frame_max: int = FRAME_MAX) -> tuple[list[Event], bool]:
    """Return what pika's decoder sees in *stream*, and whether it ends with an error."""
    assembler, at = Assembler(), 0
    events: list[Event] = []
    while len(stream) - at >= 8:
        head = stream[at : at + 7]
        is_frame = head[0] in {1, 2, 3, 8}
        if not is_frame and not head.startswith(b"AMQP"):
            return events, True
        if is_frame and struct.unpack(">BHI", head)[2] + 8 > frame_max:
            return events, True
        try:
            consumed, frame_value = frame.decode_frame(stream[at:])
            if frame_value is None:
                break
            events += assembler.take(frame_value)
        except Exception:  # noqa: BLE001 (pika's decoder fails in many ways)
            return events, True
        at += consumed
    return events, False


class RecordingSink:
    """The sink of one consumer: notes each fast delivery as the whole message that its template says it is."""

    def __init__(self, handler: RecordingHandler) -> None:
        self._handler = handler
        self.fast = 0

    def on_run(
        self,
        tags: NDArray[np.uint64],
        stamps: NDArray[np.void],
        n_bytes: int,
        redelivered: bool,
    ) -> None:
        """Note a run."""
        for tag, stamp in zip(tags.tolist(), stamps, strict=True):
            self._note(tag, stamp.tobytes(), n_bytes // len(tags), redelivered)

    def on_one(self, tag: int, stamp: bytes, n_bytes: int, redelivered: bool) -> None:
        """Note one."""
        self._note(tag, stamp, n_bytes, redelivered)

    def on_unstamped(self, tags: NDArray[np.uint64], n_bytes: int, redelivered: bool) -> None:
        """Note a run without stamps."""
        for tag in tags.tolist():
            self._note(tag, None, n_bytes // len(tags), redelivered)

    def on_message(
        self,
        tag: int,
        redelivered: bool,
        properties: pika.BasicProperties,
        body: bytes,
        exchange: str,
        routing_key: str,
    ) -> bool:
        """Never called: the handler stands between."""
        raise AssertionError

    def _note(self, tag: int, stamp: bytes | None, n_bytes: int, redelivered: bool) -> None:
        template = self._handler.reader._book._current
        assert template is not None
        assert template.sink is self
        raw = bytearray(template._raw)
        raw[template.tag_at : template.tag_at + 8] = struct.pack(">Q", tag)
        if stamp is not None:
            assert template.stamp_at is not None
            raw[template.stamp_at : template.stamp_at + STAMP_BYTES] = stamp
        (event,), failed = events_by_pika(bytes(raw), 1 << 20)
        assert not failed
        assert (len(event[4]), event[2]["redelivered"]) == (n_bytes, redelivered)
        self.fast += 1
        self._handler.events.append(event)


class RecordingHandler:
    """Notes what a reader hands on; deliveries count as verified if their body (behind a stamp) is among *intact*."""

    def __init__(self, intact: Iterable[bytes] | None = None, frame_max: int = FRAME_MAX) -> None:
        self.reader = FrameReader(self, frame_max=frame_max)
        self.events: list[Event] = []
        self.sinks: dict[tuple[int, str], RecordingSink] = {}
        self._intact = None if intact is None else set(intact)
        self._assembler = Assembler()
        self._shapes = PropertyShapes()

    @property
    def fast(self) -> int:
        """How many deliveries came by a template."""
        return sum(sink.fast for sink in self.sinks.values())

    def on_frame(self, frame_value: Any) -> RecordingSink | None:
        """Note what the frame completes; verify deliveries."""
        events = self._assembler.take(frame_value)
        self.events += events
        if not events or events[0][0] != "Deliver":
            return None
        _, channel, method, _, body = events[0]
        if self._intact is not None and body not in self._intact:
            return None
        return self.sinks.setdefault((channel, method["consumer_tag"]), RecordingSink(self))

    def on_get_ok(self, channel_number: int, message: bytes) -> bool:
        """Note a Get-Ok read from its bytes."""
        got = parse_get_ok(message, self._shapes)
        if got is None:
            return False
        method = spec.Basic.GetOk(got.delivery_tag, got.redelivered, got.exchange, got.routing_key, got.message_count)
        self.events.append(message_event(channel_number, method, got.properties, got.body))
        return True

    def on_ack(self, channel_number: int, tag: int, multiple: bool) -> None:
        """Note a lone ack."""
        self.events.append(("ack", channel_number, tag, multiple))

    def on_acks(self, channel_number: int, tags: NDArray[np.uint64], multiple: NDArray[np.bool_]) -> None:
        """Note a run of acks."""
        assert tags.base is None
        self.events += [
            ("ack", channel_number, tag, is_multiple)
            for tag, is_multiple in zip(tags.tolist(), multiple.tolist(), strict=True)
        ]


def feed(handler: RecordingHandler, stream: bytes, cuts: Sequence[int] = ()) -> bytes:
    """
    Feed *stream* to the handler's reader in pieces that end at *cuts*, and return what it left.

    The memory behind each piece is filled with noise, as a reused receive buffer is.
    """
    rest = b""
    positions = [*sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    start = 0
    for stop in positions:
        piece = rest + stream[start:stop]
        start = stop
        memory = bytearray(piece + b"\x01\x00\x01\x00\x00\x00\x0d\x00\x3c\x00\x50" * 20)
        done = handler.reader.feed(memory, np.frombuffer(memory, np.uint8), len(piece))
        memory[:] = bytes(len(memory))
        rest = piece[done:]
    return rest

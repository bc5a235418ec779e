"""
What arrives on a connection, in exact order: runs of deliveries, runs of acks, and everything else as pika's frames.

Owns the walk through a receive buffer. Knows nothing of sockets, and of channels only whose content is under way.
Correct first: whatever bytes come, what is handed on equals what pika's decoder says; what is not AMQP 0-9-1 is an
error that names it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from pika import exceptions, frame

from loadtest.wire.frames.acks import (
    ACK_BYTES,
    ACK_PAYLOAD_BYTES,
    MIN_VECTOR_RUN,
    ack_head,
    count_acks,
    read_ack,
    read_acks,
)
from loadtest.wire.frames.frame_layout import (
    BASIC_ACK,
    BASIC_DELIVER,
    BASIC_GET_OK,
    CONTENT_METHODS,
    FRAME_BODY,
    FRAME_END,
    FRAME_HEAD_BYTES,
    FRAME_KINDS,
    FRAME_METHOD,
    FRAME_OVERHEAD_BYTES,
    HEAD,
    INCOMPLETE,
    U32,
    message_end,
)
from loadtest.wire.frames.templates import TemplateCache

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from loadtest.wire.sink import DeliverySink

# RabbitMQ's default, and the most that pika negotiates. A larger frame comes from a peer that does not speak AMQP.
DEFAULT_FRAME_MAX: Final = 131072
_PROTOCOL_HEADER_BYTES: Final = 8
_SHOWN_BYTES: Final = 32
_FIRST_BYTES: Final = FRAME_KINDS | {ord("A")}


class FrameHandler(Protocol):
    """Who takes what is read. Raising from any method ends the reading; the position is then undefined."""

    def on_frame(self, frame_value: frame.Frame | frame.ProtocolHeader) -> DeliverySink | None:
        """Take one frame; return the sink that has just verified a delivery because of it, if there is one."""

    def on_get_ok(self, channel_number: int, message: bytes) -> bool:
        """Take a whole Get-Ok (method, header, at most one body frame); return False to have it as frames."""

    def on_ack(self, channel_number: int, tag: int, multiple: bool) -> None:  # noqa: FBT001 (a column)
        """Take a lone Basic.Ack."""

    def on_acks(self, channel_number: int, tags: NDArray[np.uint64], multiple: NDArray[np.bool_]) -> None:
        """Take a run of Basic.Ack of one channel."""


class FrameReader:
    """
    The reader of one connection. Its state is which contents are under way and the templates it has learned.

    Attributes:
        is_stopped: Set it to end the reading after the current event; it stays so.
        frame_max: Largest frame accepted, in bytes with its overhead.
    """

    def __init__(self, handler: FrameHandler, *, frame_max: int = DEFAULT_FRAME_MAX) -> None:
        """Begin between two frames, with no template."""
        self._handler = handler
        self.frame_max = frame_max
        self.is_stopped = False
        self._book = TemplateCache()
        # Channels between a content's method frame and its last body frame: body bytes missing, None before the header.
        self._contents: dict[int, int | None] = {}
        self._last_ack_run = 0
        self._end = 0
        self._verified: DeliverySink | None = None

    def feed(self, buffer: bytearray, received: NDArray[np.uint8], end: int) -> int:
        """
        Hand on all whole frames in ``buffer[:end]`` and return how many bytes they were.

        A delivery or Get-Ok that is cut by *end* may be left whole for the next call.

        Args:
            buffer: Begins at a frame's first byte. Nothing handed on aliases it.
            received: The same memory as an array.
            end: Behind the last valid byte.

        Raises:
            pika.exceptions.InvalidFrameError: If a frame cannot be decoded.
            pika.exceptions.UnexpectedFrameError: If contents are out of order.
        """
        self._end = end
        at = 0
        while end - at >= FRAME_OVERHEAD_BYTES and not self.is_stopped:
            kind, channel, size = HEAD.unpack_from(buffer, at)
            taken = 0
            if kind == FRAME_METHOD and size >= U32.size and end - at > FRAME_HEAD_BYTES + U32.size:
                (method,) = U32.unpack_from(buffer, at + FRAME_HEAD_BYTES)
                if method == BASIC_DELIVER and not self._contents:
                    taken = self._book.take(buffer, received, at, end)
                elif method == BASIC_ACK and size == ACK_PAYLOAD_BYTES:
                    taken = self._take_acks(channel, buffer, received, at, end)
                if not taken and method in CONTENT_METHODS:
                    taken = self._take_message(channel, method, buffer, at, end)
                    if taken == INCOMPLETE:
                        break
            if taken <= 0:
                taken = self._take_frame(kind, size, buffer, at, end)
                if not taken:
                    break
            at += taken
        if at < end and buffer[at] not in _FIRST_BYTES:
            # Said now: a peer that does not speak AMQP may send no eighth byte.
            self._take_protocol_header(buffer, at)
        return at

    def forget_consumers(self, channel_number: int | None = None) -> None:
        """Drop what was learned, because a consumer is gone; with its channel if that is gone too."""
        self._book.forget_all()
        if channel_number is not None:
            self._contents.pop(channel_number, None)

    def _take_acks(self, channel: int, buffer: bytearray, received: NDArray[np.uint8], at: int, end: int) -> int:
        count = (end - at) // ACK_BYTES
        if count == 0:
            return 0
        if count >= MIN_VECTOR_RUN and buffer.startswith(ack_head(channel), at + ACK_BYTES):
            # As with deliveries: never look much further than the last run went.
            count = count_acks(buffer, received, at, min(count, max(2 * self._last_ack_run, 4 * MIN_VECTOR_RUN)))
            self._last_ack_run = count
            if count:
                self._handler.on_acks(channel, *read_acks(received, at, count))
                return count * ACK_BYTES
        ack = read_ack(buffer, at)
        if ack is None:
            return 0
        self._handler.on_ack(channel, *ack)
        return ACK_BYTES

    def _take_message(self, channel: int, method: int, buffer: bytearray, at: int, end: int) -> int:
        """
        Take a whole message that is one header frame and at most one body frame.

        Returns:
            Its bytes; `INCOMPLETE`; or `IRREGULAR` if it has to go frame by frame.
        """
        if channel in self._contents:
            raise exceptions.UnexpectedFrameError(f"a message on channel {channel} within another one's content")
        size = HEAD.unpack_from(buffer, at)[2]
        self._check_size(size, buffer, at)
        if at + FRAME_OVERHEAD_BYTES + size > end:
            return INCOMPLETE
        stop = message_end(buffer, at, end, self.frame_max - FRAME_OVERHEAD_BYTES)
        if stop <= 0:
            return stop
        raw = bytes(memoryview(buffer)[at:stop])
        if method == BASIC_GET_OK and self._handler.on_get_ok(channel, raw):
            return stop - at
        position = at
        while position < stop:
            kind, _, size = HEAD.unpack_from(buffer, position)
            position += self._take_frame(kind, size, buffer, position, stop)
        # The sink has seen the last frame's message by now, and said whether it was intact.
        if self._verified is not None and method == BASIC_DELIVER and not self.is_stopped:
            self._book.learn(raw, self._verified)
        return stop - at

    def _take_frame(self, kind: int, size: int, buffer: bytearray, at: int, end: int) -> int:
        """Decode the frame at *at* with pika, hand it on and return its bytes, 0 if it is not whole."""
        if kind not in FRAME_KINDS:
            return self._take_protocol_header(buffer, at)
        self._check_size(size, buffer, at)
        stop = at + FRAME_OVERHEAD_BYTES + size
        if stop > end:
            return 0
        if buffer[stop - 1] != FRAME_END:
            raise exceptions.InvalidFrameError(f"frame without frame-end octet: {self._shown(buffer, at)}")
        if kind == FRAME_BODY:
            # As pika decodes it, without the copy that it makes on the way: what large bodies cost is copies.
            channel = HEAD.unpack_from(buffer, at)[1]
            fragment = bytes(memoryview(buffer)[at + FRAME_HEAD_BYTES : stop - 1])
            frame_value: frame.Frame = frame.Body(channel, fragment)
        else:
            frame_value = self._decode(buffer, at, stop)
        self._note_content(frame_value)
        self._verified = self._handler.on_frame(frame_value)
        return FRAME_OVERHEAD_BYTES + size

    def _decode(self, buffer: bytearray, at: int, stop: int) -> frame.Frame:
        """Return what pika decodes of the whole frame that lies between *at* and *stop*."""
        try:
            _, frame_value = frame.decode_frame(bytes(memoryview(buffer)[at:stop]))
        # pika's decoder fails in many ways on what is no frame: KeyError for an unknown method, struct.error, and more.
        except Exception as error:
            raise exceptions.InvalidFrameError(
                f"frame cannot be decoded ({error!r}): {self._shown(buffer, at)}"
            ) from error
        if frame_value is None:
            raise exceptions.InvalidFrameError(f"frame cannot be decoded: {self._shown(buffer, at)}")
        return frame_value

    def _take_protocol_header(self, buffer: bytearray, at: int) -> int:
        if not buffer.startswith(b"AMQP", at):
            raise exceptions.InvalidFrameError(f"the peer does not speak AMQP 0-9-1: it sent {self._shown(buffer, at)}")
        _, frame_value = frame.decode_frame(bytes(buffer[at : at + _PROTOCOL_HEADER_BYTES]))
        if frame_value is not None:
            self._handler.on_frame(frame_value)
        return _PROTOCOL_HEADER_BYTES

    def _check_size(self, size: int, buffer: bytearray, at: int) -> None:
        if size + FRAME_OVERHEAD_BYTES > self.frame_max:
            raise exceptions.InvalidFrameError(
                f"frame of {size} bytes is above the negotiated frame_max {self.frame_max}: {self._shown(buffer, at)}"
            )

    def _note_content(self, frame_value: frame.Frame | frame.ProtocolHeader) -> None:
        """
        Keep account of the contents under way.

        "Content frames on a specific channel are strictly sequential" (AMQP 0-9-1, section 4.2.6). pika's assembler
        takes frames that are not for others, or fails with an AttributeError.
        """
        channel = getattr(frame_value, "channel_number", 0)
        if isinstance(frame_value, frame.Method):
            if frame_value.method.INDEX in CONTENT_METHODS:
                if channel in self._contents:
                    raise exceptions.UnexpectedFrameError(frame_value)
                self._contents[channel] = None
        elif isinstance(frame_value, frame.Header):
            if self._contents.get(channel, 0) is not None:
                raise exceptions.UnexpectedFrameError(frame_value)
            self._expect_body(channel, frame_value.body_size)
        elif isinstance(frame_value, frame.Body):
            missing = self._contents.get(channel)
            if missing is None or len(frame_value.fragment) > missing:
                raise exceptions.UnexpectedFrameError(frame_value)
            self._expect_body(channel, missing - len(frame_value.fragment))

    def _expect_body(self, channel: int, missing: int) -> None:
        if missing:
            self._contents[channel] = missing
        else:
            del self._contents[channel]

    def _shown(self, buffer: bytearray, at: int) -> str:
        # Not beyond the valid bytes: what lies there came on another connection.
        return repr(bytes(buffer[at : min(at + _SHOWN_BYTES, self._end)]))

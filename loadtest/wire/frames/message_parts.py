"""
The marshalled parts of a publisher's messages, and how they are put together.

Owns what pika marshals: one method frame per routing key, one header frame per body. Body frames are cut from the
bodies as a message is written, so that large bodies are not held twice. Knows nothing of blocks, batches or instants.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from pika import frame, spec

from loadtest.stamp import STAMP_BYTES, STAMP_HEADER
from loadtest.wire.frames.frame_layout import (
    CONTENT_HEAD_BYTES,
    FRAME_BODY,
    FRAME_END,
    FRAME_HEAD_BYTES,
    FRAME_OVERHEAD_BYTES,
    HEAD,
)
from loadtest.wire.frames.stamp_position import StampPlace, stamp_offset

if TYPE_CHECKING:
    import pika
    from numpy.typing import NDArray

# With no frame_max negotiated (0), a body frame's size is bounded by its unsigned long alone; half of that is enough.
_UNLIMITED_FRAGMENT_BYTES = 1 << 31


class MessageParts:
    """
    Message *seq* is method frame ``seq % keys``, header and body frames ``seq % bodies``.

    Attributes:
        steps: After how many messages the bytes repeat, stamps apart.
        largest_bytes: Size of the largest message on the wire.
    """

    def __init__(
        self,
        *,
        channel_number: int,
        frame_max: int,
        exchange: str,
        routing_keys: Sequence[str],
        bodies: Sequence[bytes],
        properties: pika.BasicProperties,
        mandatory: bool,
        stamp: StampPlace,
    ) -> None:
        """
        Marshal the parts.

        Raises:
            ValueError: If there is no routing key or body, or a body is too short for its stamp.
        """
        if not routing_keys or not bodies:
            raise ValueError("a publisher needs at least one routing key and one body")
        if stamp == "body" and min(map(len, bodies)) < STAMP_BYTES:
            raise ValueError(f"a body that carries the stamp needs at least {STAMP_BYTES} bytes")
        if stamp == "headers":
            properties = copy.copy(properties)
            properties.headers = {**(properties.headers or {}), STAMP_HEADER: bytes(STAMP_BYTES)}
        self._channel_number = channel_number
        self._fragment_bytes = frame_max - FRAME_OVERHEAD_BYTES if frame_max else _UNLIMITED_FRAGMENT_BYTES
        self._bodies = bodies
        self._methods = [
            frame.Method(
                channel_number, spec.Basic.Publish(exchange=exchange, routing_key=key, mandatory=mandatory)
            ).marshal()
            for key in routing_keys
        ]
        self._headers = [frame.Header(channel_number, len(body), properties).marshal() for body in bodies]
        # The same in every header frame: they differ in their body size alone.
        inside = stamp_offset(self._headers[0], FRAME_HEAD_BYTES + CONTENT_HEAD_BYTES)
        self._stamp_in_header = inside if stamp == "headers" else None
        self._method_bytes = np.array([len(method) for method in self._methods], np.int64)
        self._content_bytes = np.array([self._content_size(index) for index in range(len(bodies))], np.int64)
        self.steps = math.lcm(len(self._methods), len(bodies))
        self.largest_bytes = int(self._method_bytes.max() + self._content_bytes.max())

    def sizes(self, first_seq: int, count: int) -> NDArray[np.int64]:
        """Return the bytes on the wire of messages *first_seq* … in order."""
        seqs = np.arange(first_seq, first_seq + count)
        sizes: NDArray[np.int64] = self._method_bytes[seqs % len(self._methods)]
        sizes += self._content_bytes[seqs % len(self._bodies)]
        return sizes

    def write(self, seq: int, block: memoryview, at: int) -> int:
        """Write message *seq* at *at* and return where its stamp begins (meaningless for a message without one)."""
        method = self._methods[seq % len(self._methods)]
        body = self._bodies[seq % len(self._bodies)]
        header = self._headers[seq % len(self._bodies)]
        header_at = at + len(method)
        body_at = header_at + len(header)
        block[at:header_at] = method
        block[header_at:body_at] = header
        self._write_body(memoryview(body), block, body_at)
        return body_at + FRAME_HEAD_BYTES if self._stamp_in_header is None else header_at + self._stamp_in_header

    def _write_body(self, body: memoryview, block: memoryview, at: int) -> None:
        for start in range(0, len(body), self._fragment_bytes):
            fragment = body[start : start + self._fragment_bytes]
            HEAD.pack_into(block, at, FRAME_BODY, self._channel_number, len(fragment))
            at += FRAME_HEAD_BYTES
            block[at : at + len(fragment)] = fragment
            at += len(fragment)
            block[at] = FRAME_END
            at += 1

    def _content_size(self, index: int) -> int:
        body_bytes = len(self._bodies[index])
        fragments = -(-body_bytes // self._fragment_bytes)
        return len(self._headers[index]) + body_bytes + fragments * FRAME_OVERHEAD_BYTES

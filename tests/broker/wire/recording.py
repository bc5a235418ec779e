"""A sink and small ways of publishing and waiting, for tests against a broker."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import gevent
import numpy as np
import pika
from numpy.typing import NDArray

from loadtest.clock import monotonic_ns
from loadtest.stamp import STAMP_DTYPE, STAMP_STRUCT, run_publisher_word
from loadtest.wire.connection.channel import Channel
from loadtest.wire.frames.publish_template import PublishTemplate
from loadtest.wire.frames.stamp_position import StampPlace, read_stamp

WORD = run_publisher_word(5, 7)


class RecordingSink:
    """Notes the seq of each delivery, and which way it came."""

    def __init__(self, bodies: Sequence[bytes] = (), acknowledge: Callable[[int], None] | None = None) -> None:
        self.seqs: list[int] = []
        self.tags: list[int] = []
        self.fast = 0
        self.corrupted = 0
        self.n_bytes = 0
        self.redelivered = 0
        self._bodies = bodies
        self._acknowledge = acknowledge

    def on_run(
        self,
        tags: NDArray[np.uint64],
        stamps: NDArray[np.void],
        n_bytes: int,
        redelivered: bool,
    ) -> None:
        """Note a run."""
        columns = stamps.view(STAMP_DTYPE)
        assert (columns["run_publisher"] == WORD).all()
        self.seqs += columns["seq"].tolist()
        self.fast += len(tags)
        self._note(tags.tolist(), n_bytes, redelivered)

    def on_one(self, tag: int, stamp: bytes, n_bytes: int, redelivered: bool) -> None:
        """Note one."""
        publisher_word, _, seq, _ = STAMP_STRUCT.unpack(stamp)
        assert publisher_word == WORD
        self.seqs.append(seq)
        self.fast += 1
        self._note([tag], n_bytes, redelivered)

    def on_unstamped(self, tags: NDArray[np.uint64], n_bytes: int, redelivered: bool) -> None:
        """Note deliveries without a stamp."""
        self.fast += len(tags)
        self._note(tags.tolist(), n_bytes, redelivered)

    def on_message(
        self,
        tag: int,
        redelivered: bool,
        properties: pika.BasicProperties,
        body: bytes,
        exchange: str,
        routing_key: str,
    ) -> bool:
        """Note one that pika decoded."""
        stamp = read_stamp(properties.headers, body)
        if stamp is not None:
            self.seqs.append(stamp.seq)
            if self._bodies and body != self._bodies[stamp.seq % len(self._bodies)]:
                self.corrupted += 1
        self._note([tag], len(body), redelivered)
        return True

    def _note(self, tags: list[int], n_bytes: int, redelivered: bool) -> None:
        self.tags += tags
        self.n_bytes += n_bytes
        self.redelivered += len(tags) if redelivered else 0
        if self._acknowledge is not None:
            self._acknowledge(tags[-1])


def cycle_for(
    channel: Channel,
    routing_keys: Sequence[str],
    bodies: Sequence[bytes] = (b"Hello World!",),
    *,
    exchange: str = "",
    mandatory: bool = False,
    stamp: StampPlace = "headers",
) -> PublishTemplate:
    """Return a cycle of messages for *channel*."""
    return PublishTemplate(
        channel_number=channel.channel_number,
        frame_max=channel.connection.frame_max,
        exchange=exchange,
        routing_keys=routing_keys,
        bodies=bodies,
        properties=pika.BasicProperties(delivery_mode=1),
        mandatory=mandatory,
        stamp=stamp,
        run_publisher=WORD,
    )


def publish(channel: Channel, cycle: PublishTemplate, count: int, first_seq: int = 0) -> None:
    """Publish messages *first_seq* … respecting back-pressure."""
    seq, end = first_seq, first_seq + count
    while seq < end:
        batch = min(cycle.max_batch, end - seq)
        now_ns = monotonic_ns()
        channel.write(cycle.encode(seq, batch, now_ns, now_ns))
        channel.connection.wait_writable()
        seq += batch


def wait_until(condition: Callable[[], object], timeout_s: float = 30.0) -> None:
    """Block the greenlet until *condition* is true; an AssertionError after *timeout_s*."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        gevent.sleep(0.002)

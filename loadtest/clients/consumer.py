"""
Consumers: deliveries are taken in runs, as wire reads them, and acknowledged as the scenario says.

Knows queues, prefetch and acks; what a message is worth is decided by delivery_verifier.py.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import gevent
import numpy as np
from gevent.event import Event

from loadtest.clients.client import CONNECTION_ERRORS, END_TIMEOUT_S, BulkClient
from loadtest.clients.consumer_role import ConsumerRole
from loadtest.clients.deliveries.acknowledger import Acknowledger
from loadtest.clients.deliveries.delivery_verifier import DeliveryVerifier
from loadtest.clock import monotonic_ns
from loadtest.stamp import STAMP_DTYPE, STAMP_STRUCT
from loadtest.wire.connection.read_coalescing import MEASURE_NS
from loadtest.wire.frames.stamp_position import read_stamp

if TYPE_CHECKING:
    import pika
    from numpy.typing import NDArray

    from loadtest.clients.worker_run import WorkerRun
    from loadtest.scenario import ConsumerSpec
    from loadtest.wire.connection.channel import Channel
    from loadtest.wire.connection.connection import Connection


class Consumer(ConsumerRole, BulkClient["ConsumerSpec"]):
    """
    One consumer: a connection, a channel, a subscription to each of its queues.

    Works until the run has drained; one with `messages` is done when it has taken that many, and gives back what comes
    beyond them unless the broker acknowledges by itself.
    """

    def __init__(self, run: WorkerRun, spec: ConsumerSpec) -> None:
        super().__init__(run, spec)
        self._channel: Channel | None = None
        self._left = spec.messages  # None: without a limit
        self._enough = Event()
        self._consumer_tags: list[str] = []
        self._acknowledger: Acknowledger | None = None
        self._beyond: list[int] = []  # delivery tags beyond the limit
        self._unprocessed: deque[tuple[NDArray[np.uint64], NDArray[np.int64] | None]] = deque()
        self._processing = 0  # messages of the run that is being processed
        self._arrived = Event()
        # Nothing waits for a consumer that neither acknowledges nor leaves off.
        self._gathers = spec.ack.mode == "auto" and spec.messages is None
        self._looked_ns = 0

    def prepare(self, connection: Connection, channel: Channel) -> None:  # noqa: ARG002
        """Set the prefetch; deliveries begin only at the group's start, or when the user comes back to its work."""
        self._channel = channel
        self._forget()
        self._acknowledger = Acknowledger(
            self._spec, channel, lambda name, count: self._run.recorder.count(self._spec.group, name, count)
        )
        channel.on_cancelled = self._cancelled
        if self._spec.prefetch and self._spec.ack.mode != "auto":
            channel.basic_qos(prefetch_count=self._spec.prefetch)

    def _forget(self) -> None:
        """Begin a channel: what was taken on the one before and not acknowledged will come again."""
        self._consumer_tags.clear()
        self._is_subscribed = False
        self._beyond.clear()
        self._unprocessed.clear()
        self._processing = 0
        self._enough.clear()
        self._arrived.clear()

    def work(self, start_ns: int) -> None:  # noqa: ARG002  # deliveries set the pace, not the clock
        """Consume until enough is taken, or the run has drained."""
        if self._left == 0:
            return
        self._subscribe()
        if self._spec.service_time:
            self._process()
        else:
            self._enough.wait()
        if not self._run.over.is_set():  # else `finish` does it
            self._unsubscribe()

    def unprocessed(self) -> int:
        """Return the messages taken whose processing time is not over."""
        return self._processing + sum(len(tags) for tags, _ in self._unprocessed)

    def finish(self) -> None:
        """
        Cancel the subscriptions, take what is on its way, and acknowledge, as a consumer that shuts down in order does.

        What the broker has sent with auto-ack is gone from its queue: it would be lost if it were not taken.
        """
        self.give_up()
        with gevent.Timeout(END_TIMEOUT_S, False):  # noqa: FBT003  # gevent's way to say: do not raise
            try:
                self._unsubscribe()
            except CONNECTION_ERRORS:
                # It has told the run of its loss by itself.
                return

    def give_up(self) -> None:
        """Wait for nothing more."""
        self._enough.set()
        self._arrived.set()

    def wants_more(self) -> bool:
        """Return whether it is to take more."""
        return self._left != 0

    @property
    def read_ns(self) -> int:
        """Return when the deliveries at hand were read from the socket."""
        assert self._connection is not None, "deliveries come over the connection"
        return self._connection.read_ns

    def came(self, stamps: NDArray[np.void]) -> None:
        """Look, now and then, how long the messages of a run have waited: at saturation reads may gather."""
        if self._gathers and self._connection is not None and self.read_ns - self._looked_ns > MEASURE_NS:
            self._looked_ns = self.read_ns
            intended_ns = int(stamps[-1:].view(STAMP_DTYPE)["intended_ns"][0])
            self._connection.gather(self.read_ns - self._run.recorder.clock_offset_ns - intended_ns)

    def room_for(self, count: int) -> int:
        """Return how many of *count* messages this consumer still takes."""
        return count if self._left is None or self._spec.ack.mode == "auto" else min(count, self._left)

    def taken(self, tags: NDArray[np.uint64], stamps: NDArray[np.void] | None) -> None:
        """
        Count deliveries of the channel and answer those that are due (called on the hub: never blocks).

        Args:
            tags: Ascending.
            stamps: Theirs; None if they have none.
        """
        self._run.last_taken_ns[self._spec.group] = self._useful_ns = self.read_ns
        if self._left is not None:
            self._left = max(0, self._left - len(tags))
        places = self._refused(len(tags), stamps) if self._refusal_policy is not None else None
        if self._spec.service_time:
            self._unprocessed.append((tags.astype(np.uint64), places))  # a copy: they are a view on what was read
            self._arrived.set()
        elif self._acknowledger is not None:
            self._acknowledger.settle(tags, places)
        if self._left == 0:
            self.give_up()

    def taken_one(self, tag: int, stamp: bytes | None) -> None:
        """Count one delivery and answer it if that is due (called on the hub: never blocks)."""
        if self._spec.service_time or self._left is not None or self._refusal_policy is not None:
            stamps = None if stamp is None else np.frombuffer(stamp, STAMP_DTYPE)
            self.taken(np.array([tag], np.uint64), stamps)
            return
        self._run.last_taken_ns[self._spec.group] = self._useful_ns = self.read_ns
        if self._acknowledger is not None:
            self._acknowledger.settle_one(tag)

    def leave(self, tags: NDArray[np.uint64]) -> None:
        """
        Put deliveries beyond the limit aside, to be given back when the subscription has ended.

        Given back at once they would come again and again until then, and a quorum queue drops what came 20 times.
        """
        self._beyond += tags.tolist()

    def _subscribe(self) -> None:
        channel = self._channel
        assert channel is not None, "work follows prepare"
        for queue, sink in zip(self._spec.queues, self._spec.sinks, strict=True):
            self._queue = queue
            verifier = DeliveryVerifier(self._run, self._spec, sink)
            tag = channel.basic_consume(
                queue,
                Subscription(self, verifier),
                auto_ack=self._spec.ack.mode == "auto",
                exclusive=self._spec.exclusive,
                arguments=dict(self._spec.arguments),
            )
            self._consumer_tags.append(tag)
            self._run.operations.accept(self._operation_key())
        self._is_subscribed = True

    def _unsubscribe(self) -> None:
        """End the subscriptions, acknowledge what is taken and give back what is not."""
        channel = self._channel
        if channel is None or self.is_lost:
            return
        for tag in self._consumer_tags:
            channel.basic_cancel(tag)
        if self._acknowledger is not None:
            self._acknowledger.settle_rest()
        beyond, self._beyond = self._beyond, []
        for delivery_tag in beyond:
            channel.basic_nack(delivery_tag)

    def _refused(self, count: int, stamps: NDArray[np.void] | None) -> NDArray[np.int64] | None:
        """Return the place of the refusal of each of *count* deliveries; None if none is refused."""
        assert self._refusal_policy is not None, "asked only where something is refused"
        if not self._refusal_policy.by_message:
            return self._refusal_policy.of_deliveries(count)
        if stamps is None:  # no message of this run
            return None
        return self._refusal_policy.of_messages(stamps.view(STAMP_DTYPE)["seq"].astype(np.int64))

    def _process(self) -> None:
        """Give each message its processing time, one after the other, and answer it when that is over."""
        free_ns = 0
        while self._unprocessed or not self._enough.is_set():
            if not self._unprocessed:
                self._arrived.clear()
                self._arrived.wait()
                continue
            tags, places = self._unprocessed.popleft()
            ends_ns = max(free_ns, monotonic_ns()) + np.cumsum(self._service_times.draw(len(tags)))
            free_ns = int(ends_ns[-1])
            done, self._processing = 0, len(tags)
            while done < len(tags):
                self._run.pacer.sleep_until_ns(int(ends_ns[done]))
                if self._run.over.is_set() or self._acknowledger is None:
                    return
                finished = max(done + 1, int(np.searchsorted(ends_ns, monotonic_ns(), side="right")))
                self._acknowledger.settle(tags[done:finished], None if places is None else places[done:finished])
                self._processing -= finished - done
                done = finished


class Subscription:
    """What wire hands one consumer's deliveries to: records them, then has them acknowledged."""

    def __init__(self, consumer: Consumer, verifier: DeliveryVerifier) -> None:
        self._consumer = consumer
        self._verifier = verifier

    def on_run(self, tags: NDArray[np.uint64], stamps: NDArray[np.void], n_bytes: int, redelivered: bool) -> None:
        """Take a run of deliveries that differ only in their stamp and delivery tag."""
        room = self._consumer.room_for(len(tags))
        if room < len(tags):
            self._consumer.leave(tags[room:])
            if not room:
                return
            n_bytes = n_bytes // len(tags) * room
            tags, stamps = tags[:room], stamps[:room]
        self._verifier.take_run(stamps, self._consumer.read_ns, n_bytes, redelivered)
        self._consumer.came(stamps)
        self._consumer.taken(tags, stamps)

    def on_one(self, tag: int, stamp: bytes, n_bytes: int, redelivered: bool) -> None:
        """Take one delivery of a known shape."""
        if not self._consumer.room_for(1):
            self._consumer.leave(np.array([tag], np.uint64))
            return
        self._verifier.take_one(stamp, self._consumer.read_ns, n_bytes, redelivered)
        self._consumer.taken_one(tag, stamp)

    def on_unstamped(self, tags: NDArray[np.uint64], n_bytes: int, redelivered: bool) -> None:
        """Take deliveries without a stamp: foreign, whoever sent them."""
        room = self._consumer.room_for(len(tags))
        if room < len(tags):
            self._consumer.leave(tags[room:])
            n_bytes, tags = n_bytes // len(tags) * room, tags[:room]
        if room:
            self._verifier.take_unstamped(room, n_bytes, redelivered)
            self._consumer.taken(tags, None)

    def on_message(  # a delivery has this many parts
        self,
        tag: int,
        redelivered: bool,
        properties: pika.BasicProperties,
        body: bytes,
        exchange: str,  # noqa: ARG002
        routing_key: str,  # noqa: ARG002
    ) -> bool:
        """Take one delivery of any shape; returns whether its shape may be taken in runs from now on."""
        if not self._consumer.room_for(1):
            self._consumer.leave(np.array([tag], np.uint64))
            return False
        whole = self._verifier.take_message(properties, body, self._consumer.read_ns, redelivered)
        stamp = read_stamp(properties.headers, body)
        self._consumer.taken_one(tag, None if stamp is None else STAMP_STRUCT.pack(*stamp))
        return whole

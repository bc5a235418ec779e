"""
The same users on `pika.BlockingConnection`, one call a message (`client: blocking`).

What an ordinary pika application gets from this broker: a publish with confirms waits for each confirm, which is a
confirm window of 1. Recorded and reported exactly as the bulk client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pika
import pika.exceptions

from loadtest.clock import NS_PER_S, NS_PER_US, monotonic_ns
from loadtest.traffic.getter import GetLoop
from loadtest.traffic.intake import Intake
from loadtest.traffic.member import Member, SeatT
from loadtest.wire.gets import GetOk
from loadtest.wire.stamp import STAMP_BYTES, STAMP_HEADER, STAMP_STRUCT, run_publisher_word

if TYPE_CHECKING:
    from pika.adapters.blocking_connection import BlockingChannel

    from loadtest.scenario import PublisherPlan
    from loadtest.traffic.run import Run

# How long a consumer may be deaf to the end of the run.
POLL_S: Final = 0.1
NEVER: Final = 2**62


class BlockingMember(Member[SeatT]):
    """A member with a `pika.BlockingConnection` and one channel, made cooperative by gevent's patched sockets."""

    def __init__(self, run: Run, seat: SeatT) -> None:
        super().__init__(run, seat)
        self._connection: pika.BlockingConnection | None = None
        self._channel: BlockingChannel | None = None

    def connect(self) -> None:
        """Open connection and channel."""
        self._connection = pika.BlockingConnection(self._parameters())
        self._channel = self._connection.channel()

    def close(self) -> None:
        """Close the connection if it is open."""
        self._closing = True
        if self._connection is not None and self._connection.is_open:
            self._connection.close()

    def _opened(self) -> BlockingChannel:
        assert self._channel is not None, "work follows connect"
        return self._channel


class BlockingPublisher(BlockingMember["PublisherPlan"]):
    """A publisher that calls `basic_publish` for each message."""

    role = "publisher"

    def __init__(self, run: Run, seat: PublisherPlan) -> None:
        super().__init__(run, seat)
        self._recorder = run.recorder.publisher(seat.group, seat.publisher_id)
        self._unsettled: int | None = None

    def connect(self) -> None:
        """Open connection and channel, and ask for confirms where the scenario wants them."""
        super().connect()
        if self._seat.confirm_window:
            self._opened().confirm_delivery()

    def outstanding(self) -> int:
        """Return 1 while a publish waits for its confirm."""
        return int(self._unsettled is not None)

    def finish(self) -> None:
        """Give up the publish whose confirm did not come: it is in doubt."""
        if self._unsettled is not None:
            self._recorder.in_doubt(np.array([self._unsettled]))
            self._unsettled = None

    def work(self, start_ns: int) -> None:
        """Publish one after the other until all is sent or the run stops."""
        arrivals, run = self._seat.arrivals, self._run
        limits = (self._seat.messages, arrivals.total if arrivals is not None else None)
        limit = min((each for each in limits if each is not None), default=NEVER)
        for seq in range(limit):
            if arrivals is None:
                intended_ns = monotonic_ns()
            else:
                intended_ns = start_ns + arrivals.intended_ns(seq)
                run.pacer.sleep_until_ns(min(intended_ns, run.stop_ns or NEVER))
            if run.stopping.is_set() or monotonic_ns() >= (run.stop_ns or NEVER):
                return
            if arrivals is not None:
                self._recorder.offered(1)
            self._publish(seq, intended_ns)

    def _publish(self, seq: int, intended_ns: int) -> None:
        seat = self._seat
        sent_ns = monotonic_ns() if seat.arrivals is not None else intended_ns
        word = run_publisher_word(self._run.run_tag, seat.publisher_id)
        stamp = STAMP_STRUCT.pack(word, max(0, (sent_ns - intended_ns) // NS_PER_US), seq, intended_ns)
        properties: dict[str, Any] = dict(seat.properties)
        body = seat.bodies[seq % len(seat.bodies)]
        if seat.stamp == "headers":
            properties["headers"] = {**(properties.get("headers") or {}), STAMP_HEADER: stamp}
        elif seat.stamp == "body":
            body = stamp + body[STAMP_BYTES:]
        seqs, intended, sent = np.array([seq]), np.array([intended_ns]), np.array([sent_ns])
        self._recorder.published(seq, intended, sent_ns, len(body))
        self._unsettled = seq if seat.confirm_window else None
        try:
            self._opened().basic_publish(
                seat.exchange,
                seat.routing_keys[seq % len(seat.routing_keys)],
                body,
                pika.BasicProperties(**properties),
                mandatory=seat.mandatory,
            )
        except pika.exceptions.UnroutableError:
            self._recorder.returned(seqs)
        except pika.exceptions.NackError:
            self._unsettled = None
            self._recorder.nacked(seqs, intended, sent, monotonic_ns())
        if self._unsettled is not None:
            self._unsettled = None
            self._recorder.confirmed(seqs, intended, sent, monotonic_ns())


class BlockingConsumer(BlockingMember["ConsumerPlan"]):
    """A consumer whose callback pika calls for each message."""

    role = "consumer"

    def work(self, start_ns: int) -> None:  # noqa: ARG002  # deliveries set the pace, not the clock
        """Consume until enough is taken, or the run has drained."""
        channel = self._opened()
        seat = self._seat
        if seat.prefetch and seat.ack.mode != "auto":
            channel.basic_qos(prefetch_count=seat.prefetch)
        taken = 0
        for queue, sink in zip(seat.queues, seat.sinks, strict=True):
            intake = Intake(self._run, self._run.recorder.delivery(seat.group, sink))

            def on_message(
                channel: BlockingChannel,
                method: pika.spec.Basic.Deliver,
                properties: pika.BasicProperties,
                body: bytes,
                intake: Intake = intake,
            ) -> None:
                nonlocal taken
                taken += 1
                self._run.last_taken_ns[seat.group] = monotonic_ns()
                intake.take_message(properties, body, monotonic_ns(), len(body), bool(method.redelivered))
                if seat.processing_time_ns and self._connection is not None:
                    self._connection.sleep(seat.processing_time_ns / NS_PER_S)
                if seat.ack.mode == "every" and taken % seat.ack.every == 0:
                    channel.basic_ack(method.delivery_tag, multiple=seat.ack.every > 1)

            channel.basic_consume(
                queue,
                on_message,
                auto_ack=seat.ack.mode == "auto",
                exclusive=seat.exclusive,
                arguments=dict(seat.arguments),
            )
        assert self._connection is not None, "work follows connect"
        while not self._run.over.is_set() and (seat.messages is None or taken < seat.messages):
            self._connection.process_data_events(time_limit=POLL_S)


class BlockingGetter(GetLoop, BlockingMember["GetterPlan"]):
    """A getter that calls `BlockingChannel.basic_get`."""

    def ask(self, queue: str) -> GetOk | None:
        """Call `basic_get`, and return None for Get-Empty."""
        method, properties, body = self._opened().basic_get(queue, auto_ack=self._seat.ack.mode == "auto")
        if method is None:
            return None
        return GetOk(
            delivery_tag=method.delivery_tag,
            redelivered=method.redelivered,
            exchange=method.exchange,
            routing_key=method.routing_key,
            message_count=method.message_count,
            properties=properties,
            body=body,
        )

    def acknowledge(self, delivery_tag: int, *, multiple: bool) -> None:
        """Call `basic_ack`."""
        self._opened().basic_ack(delivery_tag, multiple=multiple)

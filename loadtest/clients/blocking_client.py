"""
The same users on `pika.BlockingConnection`, one call a message (`client: blocking`).

What an ordinary pika application gets from this broker: a publish with confirms waits for each confirm, which is a
confirm window of 1. Recorded and reported exactly as the bulk client. Sockets that gevent has patched make it
cooperative.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import gevent
import numpy as np
import pika
import pika.exceptions

from loadtest.clients.client import END_TIMEOUT_S, Client, SpecT
from loadtest.clients.consumer_role import ConsumerRole
from loadtest.clients.deliveries.delivery_verifier import DeliveryVerifier
from loadtest.clients.deliveries.refusal_policy import KEPT
from loadtest.clients.getter import GetLoop
from loadtest.clients.offered_load import NEVER
from loadtest.clients.publisher_role import PublisherRole
from loadtest.clock import NS_PER_S, NS_PER_US, monotonic_ns
from loadtest.stamp import MAX_LATENESS_US, STAMP_BYTES, STAMP_HEADER, STAMP_STRUCT, run_publisher_word
from loadtest.wire.close_reason import failed_method
from loadtest.wire.frames.gets import GetOk
from loadtest.wire.frames.stamp_position import read_stamp

if TYPE_CHECKING:
    from pika.adapters.blocking_connection import BlockingChannel

    from loadtest.clients.worker_run import WorkerRun
    from loadtest.scenario import ConsumerSpec, GetterSpec, PublisherSpec  # noqa: F401  # named in bases

# How long a consumer may be deaf to the end of the run.
POLL_S: Final = 0.1


class BlockingClient(Client[SpecT]):
    """A member with a `pika.BlockingConnection` and one channel, which are its own greenlet's alone until it ends."""

    def __init__(self, run: WorkerRun, spec: SpecT) -> None:
        super().__init__(run, spec)
        self._connection: pika.BlockingConnection | None = None
        self._channel: BlockingChannel | None = None
        self._failed_method: str | None = None

    def connect(self) -> None:
        """Open connection and channel."""
        parameters = self._parameters()
        # It answers heartbeats only while it is called: one that waits a minute for its start would be closed.
        parameters.heartbeat = 0
        connection = self._connection = pika.BlockingConnection(parameters)
        connection.add_on_connection_blocked_callback(lambda _, frame: self._blocked(str(frame.method.reason)))
        connection.add_on_connection_unblocked_callback(lambda *_: self._unblocked())
        # pika drops what a Close says failed; its own objects, on which these are called, are there only in private.
        connection._impl.callbacks.add(0, pika.spec.Connection.Close, self._note_close)  # noqa: SLF001
        self._channel = connection.channel()
        self._channel._impl.add_callback(self._note_close, [pika.spec.Channel.Close])  # noqa: SLF001

    def failed_method(self) -> str | None:
        """Return the method for which the broker closed connection or channel; None if it named none."""
        return self._failed_method

    def _note_close(self, method_frame: Any) -> None:
        self._failed_method = failed_method(method_frame.method)

    def finish(self) -> None:
        """Wait until the user has ended by itself."""
        self.ended.wait(END_TIMEOUT_S)
        self.give_up()

    def disconnect(self) -> None:
        """Close the connection if it is open."""
        if self._connection is not None and self._connection.is_open:
            with gevent.Timeout(END_TIMEOUT_S, False):  # noqa: FBT003  # gevent's way to say: do not raise
                self._connection.close()

    def _opened(self) -> BlockingChannel:
        assert self._channel is not None, "work follows connect"
        return self._channel


class BlockingPublisher(PublisherRole, BlockingClient["PublisherSpec"]):
    """A publisher that calls `basic_publish` for each message."""

    def __init__(self, run: WorkerRun, spec: PublisherSpec) -> None:
        super().__init__(run, spec)
        self._unsettled: tuple[int, int] | None = None  # seq and intended instant

    def connect(self) -> None:
        """Open connection and channel, and ask for confirms where the scenario wants them."""
        super().connect()
        self._first_sent_ns = 0
        if self._spec.confirm_window:
            self._opened().confirm_delivery()
        else:
            self._opened().add_on_return_callback(self._returned)

    def outstanding(self) -> int:
        """Return 1 while a publish waits for its confirm."""
        return int(self._unsettled is not None)

    def finish(self) -> None:
        """Give up the publish whose confirm did not come; `close` ends a user that still waits for it."""
        self.give_up()

    def give_up(self) -> None:
        """Take the publish whose confirm did not come as in doubt."""
        if self._unsettled is not None:
            seq, due_ns = self._unsettled
            self._recorder.in_doubt((seq,), due_ns, monotonic_ns())
            self._unsettled = None

    def work(self, start_ns: int) -> None:
        """Publish one after the other until all is sent or the run stops."""
        arrivals, run = self._spec.arrivals, self._run
        self._offered_load.begin(start_ns)
        if self._connections > 1:
            self._resume(start_ns)
        while self._seq < self._offered_load.limit:
            seq = self._seq
            intended_ns = monotonic_ns()
            stop_ns = NEVER if run.stop_ns is None else run.stop_ns
            if arrivals is not None:
                intended_ns = start_ns + arrivals.intended_ns(seq)
                run.pacer.sleep_until_ns(min(intended_ns, stop_ns))
            if run.stopping.is_set() or monotonic_ns() >= stop_ns:
                break
            self._seq += 1
            self._publish(seq, intended_ns)
        if self._spec.mandatory and not self._spec.confirm_window and self._connection is not None:
            # A channel answers in the order in which it was asked: with this answer all that came back has come.
            self._opened().basic_qos(prefetch_count=0)
            self._connection.process_data_events(time_limit=0)

    def _resume(self, start_ns: int) -> None:
        """Begin on another connection: drop what fell due meanwhile, if the seat says so."""
        arrivals, now_ns = self._spec.arrivals, monotonic_ns()
        if arrivals is None or self._spec.on_outage != "drop":
            return
        due = self._offered_load.count_due(now_ns)
        if due > self._seq:
            self._recorder.dropped(due - self._seq, start_ns + arrivals.intended_ns(self._seq), now_ns)
            self._seq = due

    def _publish(self, seq: int, intended_ns: int) -> None:
        spec = self._spec
        sent_ns = monotonic_ns() if spec.arrivals is not None else intended_ns
        body, properties = self._message(seq, intended_ns, sent_ns)
        intended, sent = np.array([intended_ns]), np.array([sent_ns])
        self._recorder.published(seq, intended, sent_ns, len(body))
        self._unsettled = (seq, intended_ns) if spec.confirm_window else None
        self._first_sent_ns = self._first_sent_ns or sent_ns
        confirm = self._recorder.confirmed
        try:
            self._opened().basic_publish(
                spec.exchange,
                spec.routing_keys[seq % len(spec.routing_keys)],
                body,
                pika.BasicProperties(**properties),
                mandatory=spec.mandatory,
            )
        except pika.exceptions.UnroutableError:  # an ack has come besides
            self._recorder.returned((seq,))
        except pika.exceptions.NackError:
            confirm = self._recorder.nacked
        if self._unsettled is not None:
            self._unsettled = None
            self._did(monotonic_ns())
            confirm((seq,), intended, sent, self._useful_ns)

    def _message(self, seq: int, intended_ns: int, sent_ns: int) -> tuple[bytes, dict[str, Any]]:
        """Return body and properties of message *seq*, stamped."""
        spec = self._spec
        word = run_publisher_word(self._run.run_tag, spec.publisher_id)
        lateness_us = min(max(0, (sent_ns - intended_ns) // NS_PER_US), MAX_LATENESS_US)
        stamp = STAMP_STRUCT.pack(word, lateness_us, seq, intended_ns - self._run.recorder.clock_offset_ns)
        properties: dict[str, Any] = dict(spec.properties)
        body = spec.bodies[seq % len(spec.bodies)]
        if spec.stamp == "headers":
            properties["headers"] = {**(properties.get("headers") or {}), STAMP_HEADER: stamp}
        elif spec.stamp == "body":
            body = stamp + body[STAMP_BYTES:]
        return body, properties

    def _returned(
        self, _: BlockingChannel, method: pika.spec.Basic.Return, properties: pika.BasicProperties, body: bytes
    ) -> None:
        stamp = read_stamp(properties.headers, body) if self._spec.stamp != "none" else None
        if stamp is not None:
            self._recorder.returned((stamp.seq,))
            return
        self._note_unstamped(method.reply_code, method.reply_text)


class BlockingConsumer(ConsumerRole, BlockingClient["ConsumerSpec"]):
    """A consumer whose callback pika calls for each message."""

    def __init__(self, run: WorkerRun, spec: ConsumerSpec) -> None:
        super().__init__(run, spec)
        self._taken = 0
        self._accepted = 0
        self._is_working = False
        self._unacked_tag: int | None = None
        self._verifiers: dict[str, DeliveryVerifier] = {}

    def connect(self) -> None:
        """Open connection and channel."""
        self._is_subscribed = False
        super().connect()

    def unprocessed(self) -> int:
        """Return 1 while a message has its processing time; those behind it pika holds back."""
        return int(self._is_working)

    def work(self, start_ns: int) -> None:  # noqa: ARG002  # deliveries set the pace, not the clock
        """Consume until enough is taken, or the run has drained."""
        channel, spec = self._opened(), self._spec
        self._verifiers, self._unacked_tag = {}, None
        if spec.messages == 0:
            return
        channel.add_on_cancel_callback(lambda frame: self._cancelled(str(frame.method.consumer_tag)))
        if spec.prefetch and spec.ack.mode != "auto":
            channel.basic_qos(prefetch_count=spec.prefetch)
        for queue, sink in zip(spec.queues, spec.sinks, strict=True):
            self._queue = queue
            tag = channel.basic_consume(
                queue,
                self._on_message,
                auto_ack=spec.ack.mode == "auto",
                exclusive=spec.exclusive,
                arguments=dict(spec.arguments),
            )
            self._verifiers[tag] = DeliveryVerifier(self._run, spec, sink)
            self._run.operations.accept(self._operation_key())
        self._is_subscribed = True
        assert self._connection is not None, "work follows connect"
        while not self._has_enough():
            self._connection.process_data_events(time_limit=POLL_S)
            if not channel.is_open:
                raise channel._closing_reason  # noqa: SLF001  # pika tells it in no other way
            if self.is_lost:  # the subscription was cancelled
                return
        self._unsubscribe(channel)

    def _has_enough(self) -> bool:
        return self._run.over.is_set() or (self._spec.messages is not None and self._taken >= self._spec.messages)

    def _unsubscribe(self, channel: BlockingChannel) -> None:
        """End the subscriptions: pika rejects what it holds, or returns it where the broker sent it with auto-ack."""
        for tag in self._verifiers:
            for method, properties, body in channel.basic_cancel(tag):
                self._take(tag, method, properties, body)
        if self._unacked_tag is not None:
            channel.basic_ack(self._unacked_tag, multiple=True)

    def _on_message(
        self,
        channel: BlockingChannel,
        method: pika.spec.Basic.Deliver,
        properties: pika.BasicProperties,
        body: bytes,
    ) -> None:
        spec = self._spec
        if spec.ack.mode != "auto" and self._has_enough():
            channel.basic_reject(method.delivery_tag)
            return
        self._take(method.consumer_tag, method, properties, body)
        if spec.service_time and self._connection is not None and not self._run.over.is_set():
            self._is_working = True
            try:
                self._connection.sleep(int(self._service_times.draw(1)[0]) / NS_PER_S)
            finally:
                self._is_working = False
        if spec.ack.mode == "every" and not self._refuse(channel, method.delivery_tag, properties, body):
            self._accepted += 1
            self._unacked_tag = method.delivery_tag
            if self._accepted % spec.ack.every == 0:
                channel.basic_ack(method.delivery_tag, multiple=spec.ack.every > 1)
                self._unacked_tag = None

    def _refuse(self, channel: BlockingChannel, tag: int, properties: pika.BasicProperties, body: bytes) -> bool:
        """Refuse a delivery if it is one of those, and return whether it was."""
        if self._refusal_policy is None:
            return False
        if self._refusal_policy.by_message:
            stamp = read_stamp(properties.headers, body)
            place = KEPT if stamp is None else int(self._refusal_policy.of_messages(np.array([stamp.seq]))[0])
        else:
            place = int(self._refusal_policy.of_deliveries(1)[0])
        if place == KEPT:
            return False
        refusal = self._spec.refusals[place]
        refuse = channel.basic_nack if refusal.method == "nack" else channel.basic_reject
        refuse(tag, requeue=refusal.requeue)
        self._run.recorder.count(self._spec.group, "requeued" if refusal.requeue else "rejected", 1)
        return True

    def _take(self, tag: str, method: pika.spec.Basic.Deliver, properties: pika.BasicProperties, body: bytes) -> None:
        read_ns = self._useful_ns = monotonic_ns()
        self._taken += 1
        self._run.last_taken_ns[self._spec.group] = read_ns
        self._verifiers[tag].take_message(properties, body, read_ns, bool(method.redelivered))


class BlockingGetter(GetLoop, BlockingClient["GetterSpec"]):
    """A getter that calls `BlockingChannel.basic_get`."""

    def ask(self, queue: str) -> GetOk | None:
        """Call `basic_get`, and return None for Get-Empty."""
        method, properties, body = self._opened().basic_get(queue, auto_ack=self._spec.ack.mode == "auto")
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

"""
One AMQP connection for people's own locustfiles: each call is reported to Locust with its exact time.

Knows Locust's `request` event; not users nor scenarios. One message a call, but for `consume`.
"""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import gevent
import numpy as np
import pika
from gevent.event import AsyncResult, Event
from locust.exception import RescheduleTask
from pika.exceptions import AMQPError

from loadtest.clients.failures.reasons import describe
from loadtest.clock import NS_PER_MS, monotonic_ns
from loadtest.wire.connection.connection import Connection
from loadtest.wire.frames.publish_template import PublishTemplate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from locust.env import Environment
    from numpy.typing import NDArray

    from loadtest.wire.connection.channel import Arguments, Channel, Returned
    from loadtest.wire.frames.gets import GetOk

# As long as a broker under a memory alarm may be waited for; a test that waits longer measures the alarm.
CONFIRM_TIMEOUT_S: Final = 30.0
# Basic.Qos holds the prefetch in 16 bits, and 0 would be no limit.
MAX_PREFETCH: Final = 65_535


class RequestError(RescheduleTask):
    """
    A request failed; Locust's tables have it already.

    A task that does not catch it is over and the user goes on with its next, as with Locust's own `RescheduleTask`: no
    traceback for each of a thousand unroutable messages. Its cause is pika's exception, if there is one.
    """


class PublishError(RequestError):
    """A message was not taken: it came back unroutable, was refused, or no confirm came in time."""


class ConsumeError(RequestError):
    """The broker has cancelled the consumer: its queue was deleted, or moved to another node."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message that was consumed, and is acknowledged already."""

    delivery_tag: int
    redelivered: bool
    exchange: str
    routing_key: str
    properties: pika.BasicProperties
    body: bytes


@dataclass(slots=True)
class Request:
    """A request under way on *channel*; `size` is the bytes of body that it moved."""

    channel: Channel
    size: int = 0


class AmqpClient:
    """
    One connection and channel; calls block their greenlet only, and fire a `request` event each (but for `ack`).

    Connects at the first call, and again at the next call after a connection or channel was lost; that is a request of
    its own, `connect`. A call that fails fires its event with the exception, and raises it: a `RequestError`. For one
    greenlet at a time.
    """

    def __init__(self, environment: Environment, parameters: pika.ConnectionParameters) -> None:
        self._environment = environment
        self._parameters = parameters
        self._connection: Connection | None = None
        self._channel: Channel | None = None
        self._published = 0
        self._confirms: deque[tuple[int, AsyncResult]] = deque()
        self._came_back: list[Returned] = []
        self._taking: Taking | None = None

    def declare_queue(
        self,
        queue: str,
        *,
        durable: bool = True,
        exclusive: bool = False,
        auto_delete: bool = False,
        arguments: Arguments | None = None,
    ) -> str:
        """Declare a queue and return its name, which for "" is the broker's choice; reported as `declare`."""
        with self._request("declare", queue) as request:
            answer = request.channel.queue_declare(
                queue, durable=durable, exclusive=exclusive, auto_delete=auto_delete, arguments=arguments
            )
            return str(answer.queue)

    def declare_exchange(
        self, exchange: str, exchange_type: str = "direct", *, durable: bool = True, arguments: Arguments | None = None
    ) -> None:
        """Declare an exchange; reported as `declare`."""
        with self._request("declare", exchange) as request:
            request.channel.exchange_declare(exchange, exchange_type, durable=durable, arguments=arguments)

    def bind_queue(self, queue: str, exchange: str, routing_key: str = "", arguments: Arguments | None = None) -> None:
        """Bind a queue to an exchange; reported as `bind`."""
        with self._request("bind", f"{exchange}/{routing_key}") as request:
            request.channel.queue_bind(queue, exchange, routing_key, arguments)

    def delete_queue(self, queue: str) -> int:
        """Delete a queue and return how many messages went with it; reported as `delete`."""
        with self._request("delete", queue) as request:
            return request.channel.queue_delete(queue)

    def delete_exchange(self, exchange: str) -> None:
        """Delete an exchange; reported as `delete`."""
        with self._request("delete", exchange) as request:
            request.channel.exchange_delete(exchange)

    def publish(
        self,
        exchange: str,
        routing_key: str,
        body: bytes,
        properties: pika.BasicProperties | None = None,
        *,
        mandatory: bool = True,
        name: str | None = None,
    ) -> None:
        """
        Publish one message and wait for its confirm; reported as `publish`.

        Args:
            exchange: "" is the default exchange.
            routing_key: On the default exchange a queue's name.
            body: As it is sent.
            properties: Such as `pika.BasicProperties(delivery_mode=2)`.
            mandatory: Whether it is an error if no queue gets it.
            name: What Locust counts it under; by default `exchange/routing_key`, of which there may be too many.

        Raises:
            PublishError: If it is mandatory and no queue gets it, the broker refuses it, or does not answer.
            RequestError: If the connection or channel is lost.
        """
        with self._request("publish", name or f"{exchange}/{routing_key}") as request:
            channel, request.size = request.channel, len(body)
            frames = PublishTemplate(
                channel.channel_number, channel.connection.frame_max, exchange, [routing_key], [body],
                properties or pika.BasicProperties(), mandatory, "none", 0,
            )  # fmt: skip
            self._published += 1
            confirm = AsyncResult()
            self._confirms.append((self._published, confirm))
            channel.write(frames.encode(0, 1, 0, 0))
            try:
                confirm.get(timeout=CONFIRM_TIMEOUT_S)
            except gevent.Timeout:
                raise PublishError(f"no confirm within {CONFIRM_TIMEOUT_S:g} s") from None

    def get(self, queue: str, *, auto_ack: bool = True) -> GetOk | None:
        """Get one message, None if the queue is empty; without *auto_ack* it waits for `ack`; reported as `get`."""
        with self._request("get", queue) as request:
            answer = request.channel.basic_get(queue, auto_ack=auto_ack)
            request.size = len(answer.body) if answer is not None else 0
            return answer

    def ack(self, message: GetOk) -> None:
        """
        Acknowledge a message that was got without auto-ack; the broker does not answer, so nothing is reported.

        Raises:
            RequestError: If the channel that it came by is lost: the broker delivers it again.
        """
        assert self._channel is not None, "a message was got by it"
        try:
            self._channel.basic_ack(message.delivery_tag)
        except AMQPError as error:
            raise RequestError(describe(error)) from error

    def consume(self, queue: str, count: int, *, timeout_s: float = 30.0) -> list[Message]:
        """
        Take up to *count* messages (at most 65,535) with a consumer, acknowledge them and cancel it.

        Reported as `consume`, from the first word to the broker to its answer to the last.

        Returns:
            The messages in order of arrival; fewer than *count* if they do not come within *timeout_s*.

        Raises:
            ConsumeError: If the queue goes away meanwhile.
            RequestError: If there is no such queue, or the connection or channel is lost.
        """
        if not 1 <= count <= MAX_PREFETCH:
            raise ValueError(f"count is {count}: 1 to {MAX_PREFETCH:,} messages can be consumed at once")
        with self._request("consume", queue) as request:
            channel = request.channel
            # None is acknowledged before the last has come: so no more than are wanted are on their way.
            channel.basic_qos(prefetch_count=count)
            taking = self._taking = Taking(count)
            consumer_tag = channel.basic_consume(queue, taking)
            taking.ended.wait(timeout_s)
            if channel.closed_by is not None:
                raise channel.closed_by
            if taking.is_cancelled:
                raise ConsumeError(f"the broker cancelled the consumer of {queue}")
            channel.basic_cancel(consumer_tag)
            for message in taking.messages:  # one by one: a multiple would take what was got, and waits for `ack`, too
                channel.basic_ack(message.delivery_tag)
            request.size = sum(len(message.body) for message in taking.messages)
            return taking.messages

    def close(self) -> None:
        """Close the connection, if it is open."""
        if self._connection is not None:
            self._connection.close()
            self._connection = self._channel = None

    def _open(self) -> Channel:
        if self._channel is not None and self._channel.closed_by is None:
            return self._channel
        if self._connection is None or self._connection.closed_by is not None:
            with self._timed("connect", f"{self._parameters.host}:{self._parameters.port}"):
                self._connection = Connection.open(self._parameters)
        channel = self._channel = self._connection.open_channel()
        self._published = 0
        channel.on_confirms = self._confirmed
        self._came_back.clear()
        channel.on_returned = self._came_back.append
        channel.on_cancelled = self._cancelled
        channel.on_closed = self._lost
        channel.confirm_select()
        return channel

    def _confirmed(self, tags: NDArray[np.uint64], _multiple: NDArray[np.bool_], nack: bool) -> None:
        through = int(tags.max())
        # Calls of one client come one after the other, and so do their confirms.
        while self._confirms and self._confirms[0][0] <= through:
            _, confirm = self._confirms.popleft()
            if nack:
                confirm.set_exception(PublishError("the broker refused the message (Basic.Nack)"))
            elif self._came_back:
                returned = self._came_back.pop(0)
                confirm.set_exception(PublishError(f"unroutable: {returned.reply_code} {returned.reply_text}"))
            else:
                confirm.set(None)

    def _lost(self, error: Exception) -> None:
        while self._confirms:
            self._confirms.popleft()[1].set_exception(error)
        if self._taking is not None:
            self._taking.ended.set()

    def _cancelled(self, _: str) -> None:
        if self._taking is not None:
            self._taking.is_cancelled = True
            self._taking.ended.set()

    @contextmanager
    def _request(self, request_type: str, name: str) -> Iterator[Request]:
        """Time what is done inside on an open channel; to open one, where there is none, is not part of it."""
        request = Request(self._open())
        with self._timed(request_type, name, request):
            yield request

    @contextmanager
    def _timed(self, request_type: str, name: str, request: Request | None = None) -> Iterator[None]:
        """
        Time what is done inside and fire Locust's event with it.

        A greenlet that Locust kills in the middle fires none: the request neither failed nor came to its end.
        """
        began_ns = monotonic_ns()

        def fire(failure: Exception | None) -> None:
            self._environment.events.request.fire(  # type: ignore[no-untyped-call]  # Locust's events are not typed
                request_type=request_type,
                name=name,
                response_time=(monotonic_ns() - began_ns) / NS_PER_MS,
                response_length=request.size if request is not None else 0,
                exception=failure,
                context={},
            )

        try:
            yield
        except (AMQPError, OSError) as error:
            failure = RequestError(describe(error))
            fire(failure)
            raise failure from error
        except Exception as error:
            fire(error)
            raise
        fire(None)


class Taking:
    """The sink of a consumer that takes its messages one by one, in any shape."""

    def __init__(self, count: int) -> None:
        self.messages: list[Message] = []
        self.ended = Event()  # by enough messages, by the broker, or by the loss of the channel
        self.is_cancelled = False
        self._count = count

    def on_message(  # a delivery has this many parts
        self,
        tag: int,
        redelivered: bool,
        properties: pika.BasicProperties,
        body: bytes,
        exchange: str,
        routing_key: str,
    ) -> bool:
        """Keep one message; says that its shape is not to be taken in runs, which have no bodies."""
        self.messages.append(Message(tag, redelivered, exchange, routing_key, properties, body))
        if len(self.messages) >= self._count:
            self.ended.set()
        return False

    def on_run(self, *_: object) -> None:
        """Not called: no shape is ever learned."""
        raise NotImplementedError

    on_one = on_unstamped = on_run

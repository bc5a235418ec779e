"""
An ordinary locustfile: one user that publishes and one that consumes, on `pika.BlockingConnection`.

As it is written again and again: the time of a task is taken by the wall clock around the call and reported in ms.
"""

from __future__ import annotations

from locust import User, constant_throughput, events, task  # first: it patches the standard library  # isort: skip

import time
from typing import Any

import pika

from bench.pika_order import PikaOrder
from bench.works import EXCHANGE, QUEUE

ORDER = PikaOrder.from_environment()


class PikaUser(User):
    """A user with a connection and a channel."""

    abstract = True
    fixed_count = 1

    def on_start(self) -> None:
        """Connect."""
        self.connection = pika.BlockingConnection(pika.URLParameters(ORDER.url))
        self.channel = self.connection.channel()

    def report(self, name: str, began: float) -> None:
        """Tell Locust how long something took."""
        events.request.fire(  # type: ignore[no-untyped-call]
            request_type="AMQP",
            name=name,
            response_time=(time.time() - began) * 1000,
            response_length=ORDER.body_bytes,
            exception=None,
            context={},
        )


class PublishingUser(PikaUser):
    """Publishes a message a task."""

    if ORDER.rate_per_s is not None:
        wait_time = constant_throughput(ORDER.rate_per_s)

    def on_start(self) -> None:
        """Connect, and ask for confirms."""
        super().on_start()
        if ORDER.confirm:
            self.channel.confirm_delivery()
        self.body = bytes(ORDER.body_bytes)

    @task
    def publish(self) -> None:
        """Publish one message."""
        began = time.time()
        self.channel.basic_publish(EXCHANGE, QUEUE, self.body)
        self.report("confirm" if ORDER.confirm else "publish", began)


class ConsumingUser(PikaUser):
    """Takes a message a task."""

    def on_start(self) -> None:
        """Connect and consume."""
        super().on_start()
        if ORDER.ack_every:
            self.channel.basic_qos(prefetch_count=ORDER.prefetch)
        self.deliveries: Any = self.channel.consume(QUEUE, auto_ack=not ORDER.ack_every, inactivity_timeout=1)

    @task
    def consume(self) -> None:
        """Wait for one message and take it."""
        began = time.time()
        deliver, _, _ = next(self.deliveries)
        if deliver is None:
            return
        if ORDER.ack_every and deliver.delivery_tag % ORDER.ack_every == 0:
            self.channel.basic_ack(deliver.delivery_tag, multiple=True)
        self.report("consume", began)

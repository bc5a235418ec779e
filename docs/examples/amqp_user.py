"""
A locustfile of one's own: shops place orders, and a clerk takes them.

    locust -f docs/examples/amqp_user.py --headless -u 6 -r 6 -t 5s --host amqp://guest:guest@127.0.0.1:5672/

Each user has an AMQP connection, `self.amqp`; each call is a request in Locust's tables.
"""

from __future__ import annotations

import json
from itertools import count

import pika
from locust import constant_throughput, task

from loadtest import AmqpUser

EXCHANGE = "example-orders"
QUEUE = "example-orders-new"
order_numbers = count(1)


class Shop(AmqpUser):
    """Places ten orders a second, and asks now and then what the broker holds for it."""

    weight = 2
    wait_time = constant_throughput(10)

    def on_start(self) -> None:
        """Declare what is needed; to declare again what is there already changes nothing."""
        self.amqp.declare_exchange(EXCHANGE)
        self.amqp.declare_queue(QUEUE, arguments={"x-max-length": 100_000})
        self.amqp.bind_queue(QUEUE, EXCHANGE, routing_key="new")

    @task(9)
    def order(self) -> None:
        """Publish one persistent message; returns when the broker has confirmed it."""
        body = json.dumps({"order": next(order_numbers)}).encode()
        properties = pika.BasicProperties(content_type="application/json", delivery_mode=2)
        self.amqp.publish(EXCHANGE, "new", body, properties)

    @task(1)
    def take_back(self) -> None:
        """Get one message, look at it, acknowledge it."""
        message = self.amqp.get(QUEUE, auto_ack=False)
        if message is not None:
            json.loads(message.body)
            self.amqp.ack(message)


class Clerk(AmqpUser):
    """Takes orders ten at a time."""

    weight = 1

    def on_start(self) -> None:
        """Declare the queue: whoever comes first makes it."""
        self.amqp.declare_queue(QUEUE, arguments={"x-max-length": 100_000})

    @task
    def work(self) -> None:
        """Consume ten messages, or as many as come within a second."""
        for message in self.amqp.consume(QUEUE, 10, timeout_s=1):
            json.loads(message.body)

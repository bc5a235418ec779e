"""`pika.BlockingConnection` in a plain loop: a publisher, and a consumer in a process of its own."""

from __future__ import annotations

import multiprocessing
import sys
import time
from typing import Any

import pika

from bench.pika_order import PikaOrder
from bench.works import EXCHANGE, QUEUE


def publish(order: PikaOrder) -> None:
    """Publish until time is up, each message on its own, as pika's examples do."""
    connection = pika.BlockingConnection(pika.URLParameters(order.url))
    channel = connection.channel()
    if order.confirm:
        channel.confirm_delivery()
    body = bytes(order.body_bytes)
    began = time.monotonic()
    sent = 0
    while (elapsed := time.monotonic() - began) < order.seconds:
        if order.rate_per_s is not None and sent >= elapsed * order.rate_per_s:
            time.sleep(sent / order.rate_per_s - elapsed)
        channel.basic_publish(EXCHANGE, QUEUE, body)
        sent += 1
    connection.close()


def consume(order: PikaOrder) -> None:
    """Consume until the process is ended."""
    connection = pika.BlockingConnection(pika.URLParameters(order.url))
    channel = connection.channel()
    if order.ack_every:
        channel.basic_qos(prefetch_count=order.prefetch)

    def take(channel: Any, deliver: Any, _: Any, __: bytes) -> None:
        if order.ack_every and deliver.delivery_tag % order.ack_every == 0:
            channel.basic_ack(deliver.delivery_tag, multiple=True)

    channel.basic_consume(QUEUE, take, auto_ack=not order.ack_every)
    channel.start_consuming()


def main() -> int:
    """Publish in this process and consume in another."""
    order = PikaOrder.from_environment()
    consumer = multiprocessing.Process(target=consume, args=(order,), daemon=True)
    consumer.start()
    publish(order)
    consumer.terminate()
    consumer.join()
    return 0


if __name__ == "__main__":
    sys.exit(main())

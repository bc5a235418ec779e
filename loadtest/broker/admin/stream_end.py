"""
How many messages a stream has ever had: the offset after its last message.

A passive declaration does not say: it is answered with 0 messages and 0 consumers for a stream (RabbitMQ 3.10, 4.0 and
4.3). So its last chunk is read, by a consumer of its own that begins at `last`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pika

if TYPE_CHECKING:
    from loadtest.broker.endpoint import Endpoint

# Between two messages of a chunk; an empty stream costs this long.
QUIET_S: Final = 0.3
PREFETCH: Final = 1000


def stream_end(endpoint: Endpoint, queue: str) -> int:
    """
    Return the offset after the last message of a stream; 0 of one that is empty.

    Raises:
        pika.exceptions.AMQPError, OSError: If the broker or the stream is gone.
    """
    connection = pika.BlockingConnection(endpoint.pika_parameters())
    try:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=PREFETCH)
        end = 0
        arguments = {"x-stream-offset": "last"}
        for method, properties, _ in channel.consume(queue, inactivity_timeout=QUIET_S, arguments=arguments):
            if method is None:
                return end
            end = int((properties.headers or {}).get("x-stream-offset", end)) + 1
            channel.basic_ack(method.delivery_tag)
        return end
    finally:
        connection.close()

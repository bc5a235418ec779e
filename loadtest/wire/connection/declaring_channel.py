"""
Calls on a channel that block the greenlet until the broker answers; of them, those that shape exchanges and queues.

Knows nothing of messages. A call raises the reason if the channel or the connection closes before the answer: a pika
exception with `reply_code` and `reply_text` if the broker closed it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from loadtest.wire.connection.blocking_call import Call

if TYPE_CHECKING:
    import pika
    from pika import frame, spec

Arguments = Mapping[str, object]


class DeclaringChannel:
    """
    The part of a channel that asks and waits.

    Attributes:
        closed_by: Why the channel is closed, None while it is open.
    """

    closed_by: Exception | None
    _pika: pika.channel.Channel

    def __init__(self) -> None:
        self.closed_by = None
        self._calls: set[Call[Any]] = set()

    def queue_declare(
        self,
        queue: str,
        *,
        passive: bool = False,
        durable: bool = False,
        exclusive: bool = False,
        auto_delete: bool = False,
        arguments: Arguments | None = None,
    ) -> spec.Queue.DeclareOk:
        """Declare a queue; the answer has its name (given by the broker for ""), message count and consumer count."""
        return self._call(
            lambda done: self._pika.queue_declare(
                queue, passive, durable, exclusive, auto_delete, _table(arguments), callback=done
            )
        )

    def queue_delete(self, queue: str, *, if_unused: bool = False, if_empty: bool = False) -> int:
        """Delete a queue and return how many messages went with it."""
        reply = self._call(lambda done: self._pika.queue_delete(queue, if_unused, if_empty, callback=done))
        return int(reply.message_count)

    def queue_purge(self, queue: str) -> int:
        """Drop the ready messages of a queue and return how many they were."""
        return int(self._call(lambda done: self._pika.queue_purge(queue, callback=done)).message_count)

    def queue_bind(self, queue: str, exchange: str, routing_key: str = "", arguments: Arguments | None = None) -> None:
        """Bind a queue to an exchange."""
        self._call(lambda done: self._pika.queue_bind(queue, exchange, routing_key, _table(arguments), callback=done))

    def exchange_declare(
        self,
        exchange: str,
        exchange_type: str = "direct",
        *,
        passive: bool = False,
        durable: bool = False,
        auto_delete: bool = False,
        internal: bool = False,
        arguments: Arguments | None = None,
    ) -> None:
        """Declare an exchange."""
        self._call(
            lambda done: self._pika.exchange_declare(
                exchange, exchange_type, passive, durable, auto_delete, internal, _table(arguments), callback=done
            )
        )

    def exchange_delete(self, exchange: str, *, if_unused: bool = False) -> None:
        """Delete an exchange."""
        self._call(lambda done: self._pika.exchange_delete(exchange, if_unused, callback=done))

    def exchange_bind(
        self, destination: str, source: str, routing_key: str = "", arguments: Arguments | None = None
    ) -> None:
        """Bind exchange *destination* to exchange *source*."""
        self._call(
            lambda done: self._pika.exchange_bind(destination, source, routing_key, _table(arguments), callback=done)
        )

    def _call(self, begin: Callable[[Callable[[frame.Method[Any]], None]], object]) -> Any:
        """Begin a call with the callback for its answer, wait for it and return the answer's method."""
        if self.closed_by is not None:
            raise self.closed_by
        call: Call[frame.Method[Any]] = Call()
        self._calls.add(call)
        try:
            begin(call.succeed)
            return call.wait().method
        finally:
            self._calls.discard(call)


def _table(arguments: Arguments | None) -> dict[str, object] | None:
    return None if arguments is None else dict(arguments)

"""
What a broker forgets when a node goes down, declared again.

That is exchanges and queues that are not durable, and their bindings. Done once an outage, before users go on. What is
durable comes back with its node, and what somebody deleted stays deleted. Knows nothing of users.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadtest.clock import monotonic_ns
from loadtest.wire.connection.connection import Connection

if TYPE_CHECKING:
    import pika

    from loadtest.scenario.plan import DeclaredTopology
    from loadtest.wire.connection.channel import Channel


class TopologyRestorer:
    """Declares the transient part of a topology again."""

    def __init__(self, topology: DeclaredTopology) -> None:
        self._exchanges = [each for each in topology.exchanges if not each.passive and not each.durable]
        # An exclusive queue lives with the connection that declared it, which is not one of the users'.
        self._queues = [
            each
            for each in topology.queues
            if not each.passive and not each.exclusive and (not each.durable or each.auto_delete)
        ]
        names = {exchange.name for exchange in self._exchanges} | {queue.name for queue in self._queues}
        self._bindings = [each for each in topology.bindings if names & {each.source, each.destination}]
        self._restored_ns = 0

    def restore(self, node: pika.ConnectionParameters, lost_ns: int) -> None:
        """
        Declare what may be gone since *lost_ns*, unless that was done since; blocks the greenlet.

        Raises:
            pika.exceptions.AMQPError, OSError: If the broker is not there yet, or refuses.
        """
        if self._restored_ns > lost_ns or not (self._exchanges or self._queues):
            return
        connection = Connection.open(node)
        try:
            self._declare(connection.open_channel())
            self._restored_ns = monotonic_ns()
        finally:
            connection.close(timeout_s=1)

    def _declare(self, channel: Channel) -> None:
        for exchange in self._exchanges:
            channel.exchange_declare(
                exchange.name,
                exchange.type,
                durable=exchange.durable,
                auto_delete=exchange.auto_delete,
                internal=exchange.internal,
                arguments=exchange.arguments,
            )
        for queue in self._queues:
            channel.queue_declare(
                queue.name, durable=queue.durable, auto_delete=queue.auto_delete, arguments=queue.arguments
            )
        for binding in self._bindings:
            bind = channel.queue_bind if binding.destination_kind == "queue" else channel.exchange_bind
            bind(binding.destination, binding.source, binding.routing_key, binding.arguments)

"""The topology as declared: every `%d` written out, in an order in which it can be declared."""

from __future__ import annotations

from collections.abc import Iterator

from loadtest.scenario.grammar.topology import Binding, Exchange, Queue, Topology
from loadtest.scenario.plan import BindingSpec, DeclaredTopology, ExchangeSpec, QueueSpec
from loadtest.scenario.sequence import NUMBER, numbered, sequence


def declared_topology(topology: Topology) -> DeclaredTopology:
    """Return what is declared for a topology whose names have been checked."""
    return DeclaredTopology(
        vhost=topology.vhost,
        keep=topology.keep,
        exchanges=tuple(_exchange(name, exchange) for name, exchange in topology.exchanges.items()),
        queues=tuple(
            _queue(name, queue) for key, queue in topology.queues.items() for name in sequence(key, queue.count)
        ),
        bindings=tuple(spec for binding in topology.bindings for spec in _bindings(binding, topology)),
    )


def _exchange(name: str, exchange: Exchange) -> ExchangeSpec:
    return ExchangeSpec(
        name=name,
        type=exchange.type,
        durable=exchange.durable,
        auto_delete=exchange.auto_delete,
        internal=exchange.internal,
        arguments=exchange.all_arguments,
        passive=exchange.passive,
    )


def _queue(name: str, queue: Queue) -> QueueSpec:
    return QueueSpec(
        name=name,
        durable=queue.durable,
        exclusive=queue.exclusive,
        auto_delete=queue.auto_delete,
        arguments=queue.all_arguments,
        passive=queue.passive,
    )


def _bindings(binding: Binding, topology: Topology) -> Iterator[BindingSpec]:
    """Yield the bindings that one stands for: a queue of a sequence goes with the key of its number."""
    if binding.queue is None:
        yield BindingSpec(
            binding.exchange, binding.to_exchange or "", "exchange", binding.routing_key, binding.arguments
        )
        return
    count = topology.queues[binding.queue].count if NUMBER in binding.queue else None
    for number, queue in enumerate(sequence(binding.queue, count), start=1):
        key = binding.routing_key if count is None else numbered(binding.routing_key, number)
        yield BindingSpec(binding.exchange, queue, "queue", key, binding.arguments)

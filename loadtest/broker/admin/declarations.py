"""
Topology as AMQP methods, and the broker's refusals of them as lines for people.

Pure but for pika's method classes. Specification: AMQP 0-9-1, exchange and queue classes; exchange.bind is RabbitMQ's
(docs/e2e.md).
"""

from __future__ import annotations

import re
from typing import Any, Final

from pika import spec

from loadtest.broker.admin.conversation import Refusal
from loadtest.scenario.plan import BindingSpec, ExchangeSpec, QueueSpec

NOT_FOUND: Final = 404
INTERNAL_ERROR: Final = 541
_PRECONDITION_FAILED: Final = 406

_INEQUIVALENT: Final = re.compile(
    r"inequivalent arg '(?P<name>[^']+)' for .*: received (?P<asked>.+) but current is (?P<has>.+)"
)

# What a type that RabbitMQ does not have by itself needs (docs/exchanges.md, "Plugins").
_EXCHANGE_PLUGINS: Final = {
    "x-consistent-hash": "rabbitmq_consistent_hash_exchange",
    "x-delayed-message": "rabbitmq_delayed_message_exchange",
    "x-jms-topic": "rabbitmq_jms_topic_exchange",
    "x-modulus-hash": "rabbitmq_sharding",
    "x-random": "rabbitmq_random_exchange",
    "x-recent-history": "rabbitmq_recent_history_exchange",
}


def exchange_declare(exchange: ExchangeSpec, *, passive: bool = False) -> Any:
    """Return the method that declares *exchange*, or, if passive, asks whether there is one of its name."""
    return spec.Exchange.Declare(
        exchange=exchange.name,
        type=exchange.type,
        passive=passive,
        durable=exchange.durable,
        auto_delete=exchange.auto_delete,
        internal=exchange.internal,
        arguments=dict(exchange.arguments),
    )


def queue_declare(queue: QueueSpec) -> Any:
    """Return the method that declares *queue*."""
    return spec.Queue.Declare(
        queue=queue.name,
        durable=queue.durable,
        exclusive=queue.exclusive,
        auto_delete=queue.auto_delete,
        arguments=dict(queue.arguments),
    )


def queue_ask(name: str) -> Any:
    """Return the method that asks for a queue and its messages."""
    return spec.Queue.Declare(queue=name, passive=True, arguments={})


def bind(binding: BindingSpec) -> Any:
    """Return the method that makes *binding*."""
    arguments = dict(binding.arguments)
    if binding.destination_kind == "queue":
        return spec.Queue.Bind(
            queue=binding.destination, exchange=binding.source, routing_key=binding.routing_key, arguments=arguments
        )
    return spec.Exchange.Bind(
        destination=binding.destination, source=binding.source, routing_key=binding.routing_key, arguments=arguments
    )


def name_binding(binding: BindingSpec) -> str:
    """Return how messages name a binding."""
    return f"binding {binding.source} -> {binding.destination} by {binding.routing_key!r}"


def explain(what: str, refusal: Refusal, exchange_type: str | None = None) -> str:
    """
    Return in a line what the broker refuses and why.

    Args:
        what: The kind and name of the thing, such as `queue hello`.
        refusal: Its answer; its words are always in the line.
        exchange_type: The type asked for, if it is an exchange.
    """
    found = _INEQUIVALENT.search(refusal.text)
    if refusal.code == _PRECONDITION_FAILED and found:
        return (
            f"{what}: the broker has it with {found['name']} {_value(found['has'])}, the scenario asks for "
            f"{_value(found['asked'])}; delete it, or say in the scenario what it is ({refusal})"
        )
    if exchange_type is not None and (
        "unknown exchange type" in refusal.text or "invalid exchange type" in refusal.text
    ):
        plugin = _EXCHANGE_PLUGINS.get(exchange_type)
        remedy = f"enable its plugin {plugin}" if plugin else "it may need a plugin"
        return f"{what}: the broker has no exchange type {exchange_type}: {remedy} ({refusal})"
    return f"{what}: {refusal}"


def _value(text: str) -> str:
    """Return the bare value of `'true'` and of `the value 'x' of type 'longstr'`; `none` where there is none."""
    found = re.fullmatch(r"the value (.+) of type .+", text.strip())
    return (found[1] if found else text.strip()).strip("'")

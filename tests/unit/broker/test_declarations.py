"""`declarations`: the broker's refusals as lines for people. The texts are those of RabbitMQ 3.10."""

from __future__ import annotations

import pytest

from loadtest.broker.admin.conversation import Refusal
from loadtest.broker.admin.declarations import bind, exchange_declare, explain, queue_declare
from loadtest.scenario.plan import BindingSpec, ExchangeSpec, QueueSpec

DURABLE = (
    "PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'hello' in vhost '/': "
    "received 'false' but current is 'true'"
)
REMEDY = "delete it, or say in the scenario what it is"
MAX_LENGTH = (
    "PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue 'hello' in vhost '/': "
    "received the value '3' of type 'signedint' but current is none"
)
UNKNOWN_TYPE = "COMMAND_INVALID - unknown exchange type 'x-consistent-hash'"
EXPLAINED = {
    "inequivalent": (
        Refusal(406, DURABLE),
        None,
        f"the broker has it with durable true, the scenario asks for false; {REMEDY}",
    ),
    "inequivalent-argument": (
        Refusal(406, MAX_LENGTH),
        None,
        f"the broker has it with x-max-length none, the scenario asks for 3; {REMEDY}",
    ),
    "type-of-a-plugin": (
        Refusal(503, UNKNOWN_TYPE),
        "x-consistent-hash",
        "the broker has no exchange type x-consistent-hash: enable its plugin rabbitmq_consistent_hash_exchange",
    ),
    "type-of-nobody": (
        Refusal(503, "COMMAND_INVALID - unknown exchange type 'x-nix'"),
        "x-nix",
        "the broker has no exchange type x-nix: it may need a plugin",
    ),
}


@pytest.mark.parametrize("refusal, exchange_type, said", EXPLAINED.values(), ids=EXPLAINED.keys())
def test_explained(refusal: Refusal, exchange_type: str | None, said: str) -> None:
    """The line names the thing, says what is the matter and what to do, and ends with the broker's own words."""
    assert explain("queue hello", refusal, exchange_type) == f"queue hello: {said} ({refusal})"


def test_anything_else_is_in_the_brokers_words() -> None:
    """A refusal that is not known is passed on as it is."""
    refusal = Refusal(403, "ACCESS_REFUSED - access to queue 'hello' in vhost '/' refused for user 'ann'")

    assert explain("queue hello", refusal) == f"queue hello: {refusal}"


def test_methods_carry_everything() -> None:
    """Every property of a specification is in the method that declares it."""
    queue = queue_declare(QueueSpec("q", True, True, True, {"x-queue-type": "quorum"}, False))
    exchange = exchange_declare(ExchangeSpec("e", "topic", True, True, True, {"alternate-exchange": "a"}, False))
    to_queue = bind(BindingSpec("e", "q", "queue", "k", {"x-match": "any"}))
    to_exchange = bind(BindingSpec("e", "f", "exchange", "k", {}))

    assert (queue.queue, queue.durable, queue.exclusive, queue.auto_delete) == ("q", True, True, True)
    assert queue.arguments == {"x-queue-type": "quorum"}
    assert (exchange.exchange, exchange.type, exchange.durable) == ("e", "topic", True)
    assert (exchange.auto_delete, exchange.internal, exchange.passive) == (True, True, False)
    assert exchange.arguments == {"alternate-exchange": "a"}
    assert (to_queue.NAME, to_queue.queue, to_queue.exchange) == ("Queue.Bind", "q", "e")
    assert (to_queue.routing_key, to_queue.arguments) == ("k", {"x-match": "any"})
    assert (to_exchange.NAME, to_exchange.destination, to_exchange.source) == ("Exchange.Bind", "f", "e")

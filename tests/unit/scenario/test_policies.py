"""Policies of a broker as they decide what becomes of messages."""

from __future__ import annotations

from typing import Any

import pytest

from loadtest.scenario import Plan, build_plan, load_scenario
from loadtest.scenario.policies import with_policies

TEXT = """
name: t
topology:
  vhost: v
  exchanges: {dlx: {type: fanout}}
  queues:
    orders: {type: classic, arguments: {ARGUMENTS}}
    votes: {type: quorum}
    log: {type: stream}
    letters: {}
  bindings: [{exchange: dlx, queue: letters}]
publishers: {in: {routing_key: [orders, votes, log], messages: 10, body: {text: hi}}}
consumers: {out: {queue: orders}}
"""


def plan_of(arguments: str = "") -> Plan:
    """Return the plan of a scenario in vhost v."""
    return build_plan(load_scenario("s.yaml", text=TEXT.replace("ARGUMENTS", arguments)).scenario)


def policy(definition: dict[str, Any], **settings: Any) -> dict[str, Any]:
    """Return a policy as the management API has it."""
    usual = {"vhost": "v", "pattern": "^orders$", "apply-to": "queues", "priority": 0, "definition": definition}
    return usual | {key.replace("_", "-"): value for key, value in settings.items()}


TTL = {"message-ttl": 100}


@pytest.mark.parametrize(
    "policies, expected",
    [
        ([policy(TTL)], ("expired",)),
        ([policy({"max-length": 5})], ("maxlen",)),
        ([policy({"max-length": 5, "overflow": "reject-publish"})], None),
        ([policy(TTL, vhost="/")], None),
        ([policy(TTL, pattern="other")], None),
        ([policy(TTL, apply_to="exchanges")], None),
        ([policy(TTL, apply_to="quorum_queues")], None),
        ([policy(TTL, apply_to="classic_queues")], ("expired",)),
        ([policy(TTL, priority=1), policy({"max-length": 5}, priority=2)], ("maxlen",)),
        ([policy({**TTL, "dead-letter-exchange": "dlx"})], None),
        ([policy({**TTL, "dead-letter-exchange": "gone"})], ("expired",)),
        ([policy({**TTL, "dead-letter-exchange": "", "dead-letter-routing-key": "orders"})], ("expired",)),
    ],
    ids=["ttl", "length", "refuses", "another vhost", "another queue", "exchanges", "another type", "its type",
         "priority", "handed on", "handed on to nobody", "a circle"],
)  # fmt: skip
def test_a_policy_counts_like_the_argument(policies: list[dict[str, Any]], expected: tuple[str, ...] | None) -> None:
    """Where it applies to the queue, and no other of a higher priority does."""
    assert with_policies(plan_of(), "v", policies).may_drop.get("orders") == expected


def test_operators_policies_add_to_those_of_users() -> None:
    """One of each applies to a queue."""
    plan = with_policies(plan_of(), "v", [policy(TTL)], [policy({"max-length": 5})])

    assert plan.may_drop["orders"] == ("expired", "maxlen")


def test_dead_letters_of_a_policy_are_looked_for() -> None:
    """In the queue that nobody takes from."""
    plan = with_policies(plan_of(), "v", [policy({"dead-letter-exchange": "dlx"})])

    assert plan.dead_letter_queues == ("letters",)
    assert plan_of().dead_letter_queues == ()


def test_an_argument_wins_over_a_policy() -> None:
    """A queue that refuses by its argument does not drop by a policy."""
    plan = with_policies(
        plan_of("x-overflow: reject-publish"), "v", [policy({"max-length": 5, "overflow": "drop-head"})]
    )

    assert "orders" not in plan.may_drop


def test_quorum_queues_have_a_delivery_limit_and_streams_drop_nothing() -> None:
    """RabbitMQ 4.0 sets one of 20 by itself."""
    assert dict(plan_of().may_drop) == {"votes": ("delivery_limit",)}


ALTERNATES = """
name: t
topology:
  vhost: v
  exchanges: {in: {type: direct}, spare: {type: fanout}, other: {type: fanout}}
  queues: {taken: {}, kept: {}, others: {}}
  bindings:
    - {exchange: in, queue: taken, routing_key: a}
    - {exchange: spare, queue: kept}
    - {exchange: other, queue: others}
publishers: {in: {exchange: EXCHANGE, routing_key: [a, b], messages: 10, body: {text: hi}}}
consumers: {out: {queue: taken}}
"""


@pytest.mark.parametrize(
    "policies, expected",
    [
        ([], (("taken",), ())),
        ([{"apply_to": "exchanges"}], (("taken",), ("kept",))),
        ([{"apply_to": "all"}], (("taken",), ("kept",))),
        ([{"apply_to": "queues"}], (("taken",), ())),
        ([{"apply_to": "exchanges", "pattern": "out"}], (("taken",), ())),
    ],
    ids=["none", "exchanges", "all", "queues", "another"],
)
def test_an_alternate_exchange_by_policy_is_followed(
    policies: list[dict[str, Any]], expected: tuple[tuple[str, ...], ...]
) -> None:
    """As that of an argument: what no binding takes is due behind it, and its queue is looked at."""
    found = [
        policy({"alternate-exchange": "spare"}, **{"pattern": "^in$", **settings}) for settings in map(dict, policies)
    ]
    plan = with_policies(alternating("in"), "v", found)

    assert plan.publishers[0].routes == expected
    assert plan.untaken == expected[1]


def test_an_alternate_exchange_by_argument_goes_before_a_policy() -> None:
    """A broker asks for the argument first."""
    before = alternating("in", "in: {type: direct, alternate_exchange: other}")
    plan = with_policies(before, "v", [policy({"alternate-exchange": "spare"}, pattern="in", apply_to="exchanges")])

    assert plan.publishers[0].routes == (("taken",), ("others",))


def test_the_brokers_own_exchanges_have_policies_too() -> None:
    """Nothing is bound to amq.direct."""
    plan = with_policies(
        alternating("amq.direct"), "v", [policy({"alternate-exchange": "spare"}, pattern="^amq", apply_to="all")]
    )

    assert plan.publishers[0].routes == (("kept",), ("kept",))


def alternating(exchange: str, declared: str = "in: {type: direct}") -> Plan:
    """Return the plan of a publisher to *exchange*."""
    text = ALTERNATES.replace("EXCHANGE", exchange).replace("in: {type: direct}", declared)
    return build_plan(load_scenario("s.yaml", text=text).scenario)


@pytest.mark.parametrize("limit", [{"max-age": "1h"}, {"max-length-bytes": 1000}], ids=["age", "bytes"])
def test_retention_by_policy_is_a_streams(limit: dict[str, Any]) -> None:
    """A stream may drop its oldest messages by it."""
    plan = with_policies(plan_of(), "v", [policy(limit, pattern="log")])

    assert plan.may_drop["log"] == ("retention",)

"""
Policies of a broker, as far as they decide where messages go and what becomes of them.

Pure. A policy counts like the argument of its name; where a queue has both, RabbitMQ takes the lower of two numbers,
and of other values the argument. An operator policy adds to that in the same way. Sources: RabbitMQ docs/policies.md
and docs/parameters.md; rabbit_policy.erl and rabbit_queue_type_util.erl.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from loadtest.scenario.dead_letters import QUEUE_TYPE, fates
from loadtest.scenario.grammar.topology import ALTERNATE_EXCHANGE, BUILTIN_EXCHANGES
from loadtest.scenario.plan import Plan, PublisherSpec, QueueSpec, sinks_by_queue, untaken_by
from loadtest.scenario.routing import Routes

Policy = Mapping[str, Any]
"""As the management API has it: `vhost`, `pattern`, `apply-to`, `definition`, `priority`."""

_APPLIES: Final = {
    "all": None,
    "queues": None,
    "classic_queues": "classic",
    "quorum_queues": "quorum",
    "streams": "stream",
}
"""By `apply-to`, the type of queue that it asks for; None for any. What applies to exchanges is not here."""


def with_policies(plan: Plan, vhost: str, *levels: Sequence[Policy]) -> Plan:
    """
    Return *plan* with what the broker may do with messages by its policies, too.

    Args:
        plan: Of a run, as its scenario has it.
        vhost: Where its queues are.
        levels: The policies of users, then those of operators.
    """
    here = [[policy for policy in policies if policy.get("vhost") == vhost] for policies in levels]
    queues = plan.topology.queues
    effective = tuple(_with_policies(queue, here) for queue in queues)
    alternates = _alternates(plan, here[0]) if here else {}
    if effective == queues and not alternates:
        return plan
    topology = replace(plan.topology, queues=effective)
    routes = Routes(plan.topology, alternates)
    sinks = sinks_by_queue([*plan.consumers, *plan.getters])
    publishers = _routed(plan.publishers, routes, sinks) if alternates else plan.publishers
    fate = fates(topology, publishers, routes, sinks)
    return replace(
        plan,
        publishers=publishers,
        untaken=untaken_by(publishers, plan.consumed_sinks),
        dead_letter_queues=fate.dead_letter_queues,
        may_drop=fate.may_drop,
    )


def _alternates(plan: Plan, policies: Sequence[Policy]) -> dict[str, str]:
    """Return by exchange its alternate by policy. Policies of operators are of queues alone."""
    names = {*BUILTIN_EXCHANGES, *(each.name for each in plan.topology.exchanges)}
    found = {
        name: _definition(policies, partial(_matches_exchange, name)).get(ALTERNATE_EXCHANGE) for name in sorted(names)
    }
    return {name: alternate for name, alternate in found.items() if isinstance(alternate, str)}


def _routed(
    publishers: Sequence[PublisherSpec], routes: Routes, sinks: Mapping[str, tuple[str, ...]]
) -> tuple[PublisherSpec, ...]:
    found: dict[tuple[str, tuple[str, ...]], tuple[tuple[str, ...], ...] | None] = {}
    changed = []
    for spec in publishers:
        which = (spec.group, spec.routing_keys)  # those of a group differ in their keys alone
        if which not in found:
            headers = spec.properties.get("headers")
            known = headers if isinstance(headers, dict) else {}
            found[which] = routes.cycle(spec.exchange, spec.routing_keys, known, sinks)
        changed.append(replace(spec, routes=found[which]))
    return tuple(changed)


def _with_policies(queue: QueueSpec, levels: Sequence[Sequence[Policy]]) -> QueueSpec:
    arguments = dict(queue.arguments)
    for policies in levels:
        for key, value in _definition(policies, partial(_matches_queue, queue)).items():
            own = arguments.setdefault(f"x-{key}", value)
            if isinstance(own, int) and isinstance(value, int):
                arguments[f"x-{key}"] = min(own, value)
    return replace(queue, arguments=arguments) if arguments != queue.arguments else queue


def _definition(policies: Sequence[Policy], matches: Callable[[Policy], bool]) -> Mapping[str, Any]:
    """Return what the policy of the highest priority says of those that match."""
    matching = [policy for policy in policies if matches(policy)]
    best = max(matching, key=lambda policy: policy.get("priority") or 0, default=None)
    definition = {} if best is None else best.get("definition")
    return definition if isinstance(definition, dict) else {}


def _matches_exchange(name: str, policy: Policy) -> bool:
    return (policy.get("apply-to") or "all") in ("all", "exchanges") and _names(name, policy)


def _matches_queue(queue: QueueSpec, policy: Policy) -> bool:
    applies = policy.get("apply-to") or "all"
    if applies not in _APPLIES or _APPLIES[applies] not in (None, queue.arguments.get(QUEUE_TYPE, "classic")):
        return False
    return _names(queue.name, policy)


def _names(name: str, policy: Policy) -> bool:
    try:
        return re.search(str(policy.get("pattern", "")), name) is not None
    except re.error:  # Erlang's expressions know some that Python's do not
        return False

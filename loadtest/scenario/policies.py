"""
Policies of a broker, as far as they decide what becomes of a queue's messages.

Pure. A policy counts like the argument of its name; where a queue has both, RabbitMQ takes the lower of two numbers,
and of other values the argument. An operator policy adds to that in the same way. Sources: RabbitMQ docs/policies.md
and docs/parameters.md; rabbit_policy.erl and rabbit_queue_type_util.erl.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from loadtest.scenario.dead_letters import QUEUE_TYPE, fates
from loadtest.scenario.plan import ConsumerPlan, GetterPlan, Plan, QueueSpec
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
    if effective == queues:
        return plan
    topology = replace(plan.topology, queues=effective)
    takers: list[ConsumerPlan | GetterPlan] = [*plan.consumers, *plan.getters]
    taken = {queue for seat in takers for queue in seat.queues}
    fate = fates(topology, plan.publishers, Routes(plan.topology), taken)
    return replace(plan, dead_letter_queues=fate.dead_letter_queues, may_drop=fate.may_drop)


def _with_policies(queue: QueueSpec, levels: Sequence[Sequence[Policy]]) -> QueueSpec:
    arguments = dict(queue.arguments)
    for policies in levels:
        for key, value in _definition(queue, policies).items():
            own = arguments.setdefault(f"x-{key}", value)
            if isinstance(own, int) and isinstance(value, int):
                arguments[f"x-{key}"] = min(own, value)
    return replace(queue, arguments=arguments) if arguments != queue.arguments else queue


def _definition(queue: QueueSpec, policies: Sequence[Policy]) -> Mapping[str, Any]:
    """Return what the policy of the highest priority says of those that match."""
    matching = [policy for policy in policies if _matches(queue, policy)]
    best = max(matching, key=lambda policy: policy.get("priority") or 0, default=None)
    definition = {} if best is None else best.get("definition")
    return definition if isinstance(definition, dict) else {}


def _matches(queue: QueueSpec, policy: Policy) -> bool:
    applies = policy.get("apply-to") or "all"
    if applies not in _APPLIES or _APPLIES[applies] not in (None, queue.arguments.get(QUEUE_TYPE, "classic")):
        return False
    try:
        return re.search(str(policy.get("pattern", "")), queue.name) is not None
    except re.error:  # Erlang's expressions know some that Python's do not
        return False

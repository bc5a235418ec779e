"""
What the broker made of a scenario's queues: type, storage version, mode, members, policy, arguments that count.

Read back through the management API after declaring them, as a broker accepts arguments that it then ignores. Sources:
the API's own page, /api/index.html; release notes of RabbitMQ 3.10 (memory limits of quorum queues), 3.12 (queue mode)
and 4.0 (version 1 of classic queues).
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from loadtest.broker.admin.run_topology import Topology
from loadtest.broker.endpoint import Endpoint
from loadtest.broker.monitor.management import Json, ManagementApi
from loadtest.scenario.plan import DeclaredTopology, QueueSpec

STATISTICS_S: Final = 7.0
"""A node reports a new queue's version, mode and policy with its next statistics, after up to 5 s."""

VERSION: Final = "x-queue-version"
MODE: Final = "x-queue-mode"
_POLL_S: Final = 0.1
_IGNORED_SINCE: Final = {
    VERSION: (4, 0),
    MODE: (3, 12),
    "x-max-in-memory-length": (3, 10),
    "x-max-in-memory-bytes": (3, 10),
}
# What the broker reports by another name, once the queue is there.
_REPORTED: Final = frozenset({"x-queue-type", VERSION, MODE})
_SIZES: Final = frozenset({"x-quorum-initial-group-size", "x-initial-cluster-size"})
_PLACES: Final = frozenset({"x-queue-leader-locator", "x-queue-master-locator"})


def ignored(argument: str, version: str | None) -> bool:
    """Return whether RabbitMQ of *version*, such as `4.0.5`, accepts a queue's argument and does nothing with it."""
    since = _IGNORED_SINCE.get(argument)
    numbers = [int(part) for part in (version or "").split(".")[:2] if part.isdigit()]
    return since is not None and len(numbers) == len(since) and tuple(numbers) >= since


def declared_queues(
    topology: DeclaredTopology,
    endpoint: Endpoint,
    management: ManagementApi | None,
    version: str | None,
    known: Collection[str] = (),
) -> dict[str, str]:
    """
    Declare a topology, return what the broker made of one queue of each kind, and remove what was created.

    Args:
        topology: What a variant declares.
        endpoint: Where.
        management: Of that broker; None: what *version* is known to ignore is left out, and all else is as asked.
        version: Of RabbitMQ; None: of another product, or unknown.
        known: The arguments that the broker knows; an unknown one is ignored. None of them: not known.

    Raises:
        BrokerError: If the broker refuses something of it, or does not answer.
    """
    queues = _one_of_each_kind(topology.queues)
    found: dict[str, str] = {}
    with Topology(replace(topology, keep=False), endpoint) as declared:
        declared.declare()
        vhost = topology.vhost or endpoint.vhost
        said = {} if management is None else _said(management, vhost, [queue.name for queue in queues])
        for queue in queues:
            settings = queue_settings(queue, said.get(queue.name, {}), version, known)
            found |= {f"queue {queue.name}: {name}": value for name, value in settings.items()}
    return found


def _one_of_each_kind(queues: Sequence[QueueSpec]) -> list[QueueSpec]:
    kinds = {(q.durable, q.exclusive, q.auto_delete, repr(q.arguments)): q for q in reversed(queues)}
    return [*reversed(kinds.values())]


def _said(management: ManagementApi, vhost: str, names: Sequence[str]) -> dict[str, Json]:
    """Return what the API tells of each queue, once it tells all of it."""
    said: dict[str, Json] = {}
    deadline = time.monotonic() + STATISTICS_S
    while len(said) < len(names):
        for name in names:
            if name not in said:
                told = management.queue(vhost, name)
                # A queue with members reports its policy later yet, and has neither version nor mode.
                if {"effective_policy_definition", "members"} & told.keys() or time.monotonic() > deadline:
                    said[name] = told
        if len(said) < len(names):
            time.sleep(_POLL_S)
    return said


def queue_settings(
    queue: QueueSpec, said: Mapping[str, Any], version: str | None, known: Collection[str] = ()
) -> dict[str, str]:
    """Return what a queue is, by name, from what was asked and what the API says; errors and arguments as above."""
    arguments = dict(queue.arguments)
    backing = said.get("backing_queue_status") or {}
    found = {
        "type": said.get("type") or arguments.get("x-queue-type", "classic"),
        "durable": said.get("durable", queue.durable),
        "auto-delete": said.get("auto_delete", queue.auto_delete),
        "exclusive": queue.exclusive,
        "version": said.get("storage_version") or backing.get("version") or _asked(arguments, VERSION, version),
        "mode": backing.get("mode") or _asked(arguments, MODE, version),
        "policy": said.get("effective_policy_definition") or None,
    }
    members = said.get("members")
    if members:
        found["members"] = len(members)
    for name, value in arguments.items():
        is_settled = name in _REPORTED or (name in _SIZES and members) or (name in _PLACES and len(members or ()) == 1)
        if not is_settled and not ignored(name, version) and (not known or name in known):
            found[name] = value
    return {name: str(value) for name, value in found.items() if value is not None}


def _asked(arguments: Mapping[str, object], name: str, version: str | None) -> object:
    """Return what was asked where the broker does not say what it made of it."""
    return None if ignored(name, version) else arguments.get(name)

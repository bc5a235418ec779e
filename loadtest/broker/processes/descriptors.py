"""
File descriptors: whether a process may open as many connections as a run needs, before it opens the first.

A process that runs out of them half-way looks like a broker that takes no more connections. The soft limit is the
user's to raise, up to the hard one (getrlimit(2)); that is done where a run needs it, and its child processes inherit
it.

Source for what a node takes off for itself: RabbitMQ 3.10, file_handle_cache.erl, `RESERVED_FOR_OTHERS` and
`OBTAIN_LIMIT`; from 4.0 on a node takes less.
"""

from __future__ import annotations

import contextlib
import math
import resource
from pathlib import Path
from typing import TYPE_CHECKING, Final

from loadtest.errors import UsageError
from loadtest.scenario.grammar.faults import harms_network

if TYPE_CHECKING:
    from loadtest.scenario.plan import Plan

RESERVE: Final = 64
"""For the journal and the results, and connections to the management API, of topology and depths, and of scrapes."""

BLOCKING_USER: Final = 4
"""Of a `pika.BlockingConnection`: its socket, a pair by which its loop is woken, and what it polls with."""

PROXIED_USER: Final = 2
"""Of a connection through the proxy: to the user, and to the node."""

_NODE_RESERVED: Final = 100
_NODE_SHARE: Final = 0.9
_NODE_OWN: Final = 20  # connections of the sampler, of topology and faults, and what the formula rounds off
_OPEN: Final = Path("/dev/fd")


def users_need(plan: Plan, processes: int = 1) -> int:
    """Return how many descriptors a process needs that has its share of the users of *plan*."""
    groups = (plan.publishers, plan.consumers, plan.getters)
    clients = [spec.client for specs in groups for spec in specs]
    needed = sum(BLOCKING_USER if client == "blocking" else 1 for client in clients)
    return math.ceil(needed / processes) + _open_now() + RESERVE


def proxy_needs(plan: Plan) -> int:
    """Return how many descriptors the proxy of a harmed network needs."""
    return PROXIED_USER * sum(plan.users.values()) + RESERVE


def node_needs(plan: Plan, nodes: int) -> int:
    """Return how many descriptors a private node needs that has its share of the connections."""
    connections = math.ceil(sum(plan.users.values()) / nodes) + _NODE_OWN
    return math.ceil(connections / _NODE_SHARE) + _NODE_RESERVED


def allow(needed: int, whose: str) -> None:
    """
    Raise this process's soft limit where it has to be, also for the processes that it starts.

    Raises:
        UsageError: If the hard limit is below what is *needed* by *whose* process.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or needed <= soft:
        return
    if hard != resource.RLIM_INFINITY and needed > hard:
        raise UsageError(
            f"{whose} needs about {needed:,} file descriptors, one a connection and some more, and may have {hard:,} "
            "(ulimit -Hn): raise that limit, start fewer users, or spread them over more processes (--processes)"
        )
    with contextlib.suppress(ValueError, OSError):  # macOS has a limit below what it says
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def allow_run(plan: Plan, processes: int | None, private_nodes: int) -> None:
    """
    Allow what a run needs on this machine; see `allow`.

    Args:
        plan: Its users.
        processes: That they are spread over here; None where they work in others, which look for themselves.
        private_nodes: That are started for the run; 0 where it has another broker.
    """
    needs = []
    if processes is not None:
        needs.append((users_need(plan, processes), _each("the", "process of the generator", processes)))
    if private_nodes:
        needs.append((node_needs(plan, private_nodes), _each("the private", "node", private_nodes)))
    if harms_network(plan.scenario.faults):
        needs.append((proxy_needs(plan), "the proxy of the network's faults"))
    for needed, whose in sorted(needs):
        allow(needed, whose)


def allow_share(plan: Plan, processes: int | None) -> None:
    """
    Allow what this process needs as one of *processes*; see `allow`.

    Where it is not known how many there are it is allowed all it may have: its share of the users comes later.
    """
    needed = users_need(plan, processes or 1)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if processes is None and hard != resource.RLIM_INFINITY:
        needed = min(needed, hard)
    allow(needed, "a process of the generator")


def _each(which: str, what: str, count: int) -> str:
    return f"{which} {what}" if count == 1 else f"each {what} of {count}"


def _open_now() -> int:
    with contextlib.suppress(OSError):
        return sum(1 for _ in _OPEN.iterdir())
    return 0

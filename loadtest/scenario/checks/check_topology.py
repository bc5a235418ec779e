"""Whether exchanges, queues and bindings fit together, and are such that a broker takes them."""

from __future__ import annotations

from collections.abc import Iterator

from loadtest.scenario.grammar.leaf import numbered_error
from loadtest.scenario.grammar.topology import MAX_COUNT, Binding, Queue, Topology
from loadtest.scenario.loading.error_detail import ErrorDetail, Path, near_miss, shown
from loadtest.scenario.loading.names import Names
from loadtest.scenario.sequence import NUMBER, sequence

_RESERVED = "amq."


def topology_errors(topology: Topology, names: Names) -> Iterator[ErrorDetail]:
    """Yield what is wrong with a topology."""
    for name, exchange in topology.exchanges.items():
        path: Path = ("topology", "exchanges", name)
        if NUMBER in name:
            yield ErrorDetail(path, "%d in an exchange's name", "%d in names of queues with count, and in routing keys")
        if name.startswith(_RESERVED) and not exchange.passive:
            yield ErrorDetail(
                path, "a name that begins with amq., which brokers keep for their own", "another name, or passive: true"
            )
        if exchange.alternate_exchange is not None:
            yield from exchange_errors(exchange.alternate_exchange, (*path, "alternate_exchange"), names)
    for name, queue in topology.queues.items():
        yield from _queue_errors(name, queue)
    total = sum(queue.count or 1 for queue in topology.queues.values())
    if total > MAX_COUNT:
        yield ErrorDetail(("topology", "queues"), f"{total} queues", f"at most {MAX_COUNT} in all")
    else:
        yield from _same_names(topology)
    for at, binding in enumerate(topology.bindings):
        yield from _binding_errors(binding, ("topology", "bindings", at), names)
        count = names.queues.get(binding.queue or "")
        key = binding.routing_key
        if count is not None and (detail := numbered_error(key, count, ("topology", "bindings", at, "routing_key"))):
            yield detail


def exchange_errors(name: str, path: Path, names: Names) -> Iterator[ErrorDetail]:
    """Yield an error if there is no exchange of that name."""
    if name not in names.exchanges:
        allowed = "an exchange of topology.exchanges, or the broker's own"
        yield ErrorDetail(path, f"the undeclared exchange {shown(name)}", allowed, near_miss(name, names.exchanges))


def queue_errors(name: str, path: Path, names: Names) -> Iterator[ErrorDetail]:
    """Yield an error if there is no queue of that name."""
    if not names.has_queue(name):
        meant = near_miss(name, names.queues)
        yield ErrorDetail(path, f"the undeclared queue {shown(name)}", "a queue of topology.queues", meant)


def _queue_errors(name: str, queue: Queue) -> Iterator[ErrorDetail]:
    path: Path = ("topology", "queues", name)
    if name.startswith(_RESERVED) and not queue.passive:
        yield ErrorDetail(
            path, "a name that begins with amq., which brokers keep for their own", "another name, or passive: true"
        )
    numbers = name.count(NUMBER)
    if numbers and queue.count is None:
        yield ErrorDetail(path, "%d without count", "count: how many queues")
    elif queue.count is not None and not numbers:
        yield ErrorDetail(
            (*path, "count"), f"{queue.count} for a name without %d", f"%d in the name, such as {name}-%d"
        )
    elif numbers > 1:
        yield ErrorDetail(path, "%d twice", "%d once")
    elif queue.count is not None and (detail := numbered_error(name, queue.count, path)):
        yield detail
    if queue.type in ("quorum", "stream") and not queue.passive:
        yield from _type_errors(queue, path)


def _type_errors(queue: Queue, path: Path) -> Iterator[ErrorDetail]:
    """Yield what no broker takes: quorum queues and streams are durable, not exclusive, not auto-delete."""
    for key, value, needed in (
        ("durable", queue.durable, True),
        ("exclusive", queue.exclusive, False),
        ("auto_delete", queue.auto_delete, False),
    ):
        if value is not needed:
            yield ErrorDetail(
                (*path, key), f"{shown(value)} with type {queue.type}", f"{shown(needed)}: no broker takes another"
            )


def _same_names(topology: Topology) -> Iterator[ErrorDetail]:
    seen: dict[str, str] = {}
    for key, queue in topology.queues.items():
        for name in sequence(key, queue.count if NUMBER in key else None):
            if name in seen:
                yield ErrorDetail(
                    ("topology", "queues", key),
                    f"the queue {shown(name)}, which {seen[name]} has too",
                    "each queue once",
                )
                break
            seen[name] = key


def _binding_errors(binding: Binding, path: Path, names: Names) -> Iterator[ErrorDetail]:
    yield from exchange_errors(binding.exchange, (*path, "exchange"), names)
    if binding.to_exchange is not None:
        yield from exchange_errors(binding.to_exchange, (*path, "to_exchange"), names)
    if binding.queue is not None:
        yield from queue_errors(binding.queue, (*path, "queue"), names)
    if NUMBER in binding.routing_key and NUMBER not in (binding.queue or ""):
        allowed = "%d beside a queue with %d, whose count says how many"
        yield ErrorDetail((*path, "routing_key"), f"{shown(binding.routing_key)} without a sequence of queues", allowed)

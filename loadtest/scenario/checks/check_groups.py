"""Whether groups fit the topology and each other: queues that exist, an order that begins, a run that ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from loadtest.scenario.checks.check_topology import exchange_errors, queue_errors
from loadtest.scenario.checks.limits import DAY_NS, MAX_FAULT_STEPS, MAX_USERS, users_need
from loadtest.scenario.grammar.groups import ConsumerGroup, GetterGroup, Group, Paced, PublisherGroup, ZipfKeys
from loadtest.scenario.grammar.leaf import numbered_error
from loadtest.scenario.grammar.model import Run, Scenario
from loadtest.scenario.grammar.topology import Queue, Topology
from loadtest.scenario.loading.error_detail import ErrorDetail, Path, listed, near_miss, shown
from loadtest.scenario.loading.names import KINDS, Names
from loadtest.scenario.sequence import NUMBER, is_member

_SECTIONS = {kind: section for section, kind in KINDS.items()}
_MOST_IN_CIRCLE: Final = 12


def group_errors(scenario: Scenario, names: Names) -> Iterator[ErrorDetail]:
    """Yield what is wrong with groups, each for itself and as they follow each other."""
    for name, sections in names.groups.items():
        for section in sections[1:]:
            yield ErrorDetail(
                (section, name), f"the name of a group in {sections[0]}", "a name that no other group has"
            )
    for name, publisher in scenario.publishers.items():
        yield from _publisher_errors(publisher, ("publishers", name), scenario.topology, names)
    for name, consumer in scenario.consumers.items():
        yield from _consumer_errors(consumer, ("consumers", name), scenario.topology, names)
    for name, getter in scenario.getters.items():
        yield from _getter_errors(getter, ("getters", name), scenario.topology, names)
    yield from _order_errors(scenario, names)


def end_errors(scenario: Scenario) -> Iterator[ErrorDetail]:
    """Yield what keeps a scenario from doing anything, or from ever coming to its end."""
    if not scenario.groups:
        yield ErrorDetail((), "no group", "a group of publishers, consumers or getters")
    total = sum(group.users for group in scenario.groups.values())
    if total > MAX_USERS:
        yield ErrorDetail((), f"{total} users", f"at most {MAX_USERS} in all: {users_need(total)}")
    yield from _fault_steps(scenario)
    if scenario.run.duration_ns is not None:
        return
    for section, groups in (("publishers", scenario.publishers), ("getters", scenario.getters)):
        until = "until: empty, " if section == "getters" else ""
        for name, group in groups.items():
            if not finishes(group):
                yield ErrorDetail((section, name), "no end", f"{until}messages, a rate in stages, or run.duration")
    if not scenario.publishers and not scenario.getters:
        for name, consumer in scenario.consumers.items():
            if not finishes(consumer):
                yield ErrorDetail(("consumers", name), "no end", "messages, or run.duration: nothing else ends the run")


def _fault_steps(scenario: Scenario) -> Iterator[ErrorDetail]:
    """Yield an error for each fault that would be injected too often: each time is planned before the run."""
    run = scenario.run
    lasts_ns = DAY_NS if run.duration_ns is None else run.warm_up_ns + run.duration_ns
    for at, fault in enumerate(scenario.faults):
        times = 0 if fault.every_ns is None else lasts_ns // fault.every_ns
        if times > MAX_FAULT_STEPS:
            until = "in a day, as messages decide when the run ends" if run.duration_ns is None else "until its end"
            yield ErrorDetail(("faults", at, "every"), f"{times:,} times {until}", f"at most {MAX_FAULT_STEPS:,}")


def finishes(group: Group) -> bool:
    """Return whether a group is done some time, whatever the run's duration."""
    if isinstance(group, GetterGroup) and group.until is not None:
        return True
    if isinstance(group, Paced):
        return group.messages is not None or isinstance(group.rate, tuple)
    return isinstance(group, ConsumerGroup) and group.messages is not None


def _publisher_errors(group: PublisherGroup, path: Path, topology: Topology, names: Names) -> Iterator[ErrorDetail]:
    yield from exchange_errors(group.exchange, (*path, "exchange"), names)
    exchange = topology.exchanges.get(group.exchange)
    if exchange is not None and exchange.internal:
        yield ErrorDetail(
            (*path, "exchange"),
            f"the internal exchange {shown(group.exchange)}",
            "an exchange that clients may publish to",
        )
    yield from _key_errors(group, (*path, "routing_key"), topology)


def _key_errors(group: PublisherGroup, path: Path, topology: Topology) -> Iterator[ErrorDetail]:
    """Yield the routing keys that are too long with their number."""
    if isinstance(group.routing_key, ZipfKeys):
        zipf = group.routing_key.zipf
        numbered = [(zipf.key, zipf.keys, (*path, "zipf", "key"))]
    else:
        keys = [group.routing_key] if isinstance(group.routing_key, str) else group.routing_key
        places = [path] if isinstance(group.routing_key, str) else [(*path, at) for at in range(len(keys))]
        numbered = [
            (key, topology.keys_with_number(group.exchange, key) or group.users, place)
            for key, place in zip(keys, places, strict=True)
        ]
    for key, most, place in numbered:
        if NUMBER in key and (detail := numbered_error(key, most, place)):
            yield detail


def _consumer_errors(group: ConsumerGroup, path: Path, topology: Topology, names: Names) -> Iterator[ErrorDetail]:
    yield from _taker_errors(group.queue, path, topology, names)
    queue = _queue(group.queue, topology)
    if queue is None:
        return
    queues = (queue.count or 1) if NUMBER in group.queue else 1
    if group.exclusive and group.users > queues:
        yield ErrorDetail(
            (*path, "exclusive"), f"true with {group.users} users of {queues} queues", "a user for each queue at most"
        )
    if queue.type == "stream":
        # RabbitMQ's rabbit_stream_queue.erl refuses both: 406 and 540.
        if group.prefetch == 0:
            yield ErrorDetail((*path, "prefetch"), "0 on a stream", "1 or more")
        if group.ack.mode == "auto":
            yield ErrorDetail((*path, "ack"), "auto on a stream", "every N")


def _getter_errors(group: GetterGroup, path: Path, topology: Topology, names: Names) -> Iterator[ErrorDetail]:
    yield from _taker_errors(group.queue, path, topology, names)
    queue = _queue(group.queue, topology)
    if queue is not None and queue.type == "stream":
        yield ErrorDetail(
            (*path, "queue"), f"the stream {shown(group.queue)}", "a classic or quorum queue: streams have no Basic.Get"
        )


def _taker_errors(name: str, path: Path, topology: Topology, names: Names) -> Iterator[ErrorDetail]:
    yield from queue_errors(name, (*path, "queue"), names)
    queue = _queue(name, topology)
    if queue is not None and queue.exclusive:
        allowed = "a queue that is not: only the connection that declares an exclusive one may take from it"
        yield ErrorDetail((*path, "queue"), f"the exclusive queue {shown(name)}", allowed)


def _queue(name: str, topology: Topology) -> Queue | None:
    if name in topology.queues:
        return topology.queues[name]
    sequences = ((key, queue) for key, queue in topology.queues.items() if queue.count is not None)
    return next((queue for key, queue in sequences if is_member(name, key, queue.count)), None)


def _order_errors(scenario: Scenario, names: Names) -> Iterator[ErrorDetail]:
    groups, kinds = scenario.groups, scenario.kinds
    circles = _in_circles(groups)
    for name, group in groups.items():
        path: Path = (_SECTIONS[kinds[name]], name)
        if group.after is None:
            yield from _start_errors(scenario.run, group, path)
        else:
            yield from _after_errors(groups, name, (*path, "after"), names, circles)


def _start_errors(run: Run, group: Group, path: Path) -> Iterator[ErrorDetail]:
    if run.duration_ns is not None and group.start_at_ns >= run.warm_up_ns + run.duration_ns:
        yield ErrorDetail(
            (*path, "start_at"), "a time after the run's end", "less than run.warm_up and run.duration together"
        )


def _after_errors(
    groups: Mapping[str, Group], name: str, path: Path, names: Names, circles: set[str]
) -> Iterator[ErrorDetail]:
    group = groups[name]
    if group.after not in names.groups:
        others = [other for other in names.groups if other != name]
        yield ErrorDetail(
            path,
            f"the unknown group {shown(group.after)}",
            listed(others) or "none: there is no other",
            near_miss(group.after or "", others),
        )
        return
    if name in circles:
        yield ErrorDetail(path, f"a circle: {_circle_text(groups, name)}", "an order in which every group begins")
    elif group.after in groups and not finishes(groups[group.after]):
        allowed = "a group with messages, a rate in stages, or until: empty"
        yield ErrorDetail(path, f"{shown(group.after)}, which is never done before the run's end", allowed)


def _in_circles(groups: Mapping[str, Group]) -> set[str]:
    """Return the names of the groups that, one `after` the other, come to wait for themselves."""
    found: set[str] = set()
    walks: dict[str, int] = {}
    for walk, start in enumerate(groups):
        name = start
        while name in groups and name not in walks:
            walks[name] = walk
            name = groups[name].after or ""
        # Where a walk meets itself is a circle; where it meets an earlier one, that has found whatever there is.
        while name in groups and walks[name] == walk and name not in found:
            found.add(name)
            name = groups[name].after or ""
    return found


def _circle_text(groups: Mapping[str, Group], name: str) -> str:
    chain = [name]
    while len(chain) <= _MOST_IN_CIRCLE:
        chain.append(groups[chain[-1]].after or "")
        if chain[-1] == name:
            return " after ".join(chain)
    return f"{' after '.join(chain)} …"

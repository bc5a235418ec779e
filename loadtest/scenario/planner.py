"""
The planner: from a scenario and a number of users to the plan of each of them.

Pure, but for reading the files that bodies come from. Two calls with the same scenario give equal plans, in any
process.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path as FilePath
from typing import Final

from loadtest.errors import ScenarioError
from loadtest.scenario.checks.limits import MAX_USERS, users_need
from loadtest.scenario.dead_letters import fates
from loadtest.scenario.declared import declared_topology
from loadtest.scenario.grammar.body import make_bodies
from loadtest.scenario.grammar.groups import (
    ConsumerGroup,
    GetterGroup,
    Group,
    Paced,
    Properties,
    PublisherGroup,
    ZipfKeys,
)
from loadtest.scenario.grammar.leaf import numbered_error
from loadtest.scenario.grammar.model import Scenario
from loadtest.scenario.grammar.work import service_time
from loadtest.scenario.grammar.zipf import zipf_keys
from loadtest.scenario.loading.error_detail import path_text
from loadtest.scenario.plan import (
    ConsumerSpec,
    DeclaredTopology,
    GetterSpec,
    Plan,
    PublisherSpec,
    sinks_by_queue,
    untaken_by,
)
from loadtest.scenario.routing import Routes
from loadtest.scenario.schedule.arrivals import Arrivals, arrivals_of_users
from loadtest.scenario.sequence import NUMBER, numbered, numbers_of_user
from loadtest.scenario.sharing import share_messages, share_users
from loadtest.scenario.values import Start

_HERE: Final = FilePath()


def build_plan(scenario: Scenario, *, users: int | None = None, folder: FilePath = _HERE) -> Plan:
    """
    Return everything that each user of a run needs.

    Args:
        scenario: As loaded: its names fit together.
        users: In all (`-u`), shared over the groups in proportion; None takes the scenario's own.
        folder: Of the scenario, which body files are below.

    Raises:
        ScenarioError: If there are fewer users than groups, or too many, more routes than can be followed, or a body's
            file has changed.
    """
    shares = share_users({name: group.users for name, group in scenario.groups.items()}, users)
    total = sum(shares.values())
    if total > MAX_USERS:
        raise ScenarioError(f"users: found {total} in all; allowed {MAX_USERS}: {users_need(total)}")
    return _Planner(scenario, shares, folder).plan()


@dataclass(frozen=True)
class _Planner:
    scenario: Scenario
    users: dict[str, int]
    folder: FilePath

    @cached_property
    def topology(self) -> DeclaredTopology:
        return declared_topology(self.scenario.topology)

    @cached_property
    def routes(self) -> Routes:
        return Routes(self.topology)

    @cached_property
    def consumers(self) -> tuple[ConsumerSpec, ...]:
        return tuple(plan for name, group in self.scenario.consumers.items() for plan in self._consumers(name, group))

    @cached_property
    def getters(self) -> tuple[GetterSpec, ...]:
        return tuple(plan for name, group in self.scenario.getters.items() for plan in self._getters(name, group))

    @cached_property
    def sinks(self) -> dict[str, tuple[str, ...]]:
        """By queue, the sinks that this run takes from."""
        return sinks_by_queue([*self.consumers, *self.getters])

    @cached_property
    def streams(self) -> dict[str, str]:
        """By sink that is a consumer's view of a stream, the stream."""
        return {
            sink: queue
            for plan in self.consumers
            for queue, sink in zip(plan.queues, plan.sinks, strict=True)
            if self._is_stream[queue]
        }

    @cached_property
    def _is_stream(self) -> dict[str, bool]:
        return {queue.name: queue.is_stream for queue in self.topology.queues}

    def plan(self) -> Plan:
        groups = self.scenario.publishers.items()
        publishers = tuple(plan for name, group in groups for plan in self._publishers(name, group))
        consumed = tuple(sorted(sink for sinks in self.sinks.values() for sink in sinks))
        fate = fates(self.topology, publishers, self.routes, self.sinks)
        return Plan(
            scenario=self.scenario,
            topology=self.topology,
            publishers=publishers,
            consumers=self.consumers,
            getters=self.getters,
            users=self.users,
            consumed_sinks=consumed,
            streams=self.streams,
            untaken=untaken_by(publishers, consumed),
            dead_letter_queues=fate.dead_letter_queues,
            may_drop=fate.may_drop,
        )

    def _publishers(self, name: str, group: PublisherGroup) -> Iterator[PublisherSpec]:
        users = self.users[name]
        first = sum(self.users[before] for before in list(self.scenario.publishers)[: self._position(name)])
        properties = _amqp_properties(group.properties)
        bodies = make_bodies(group.body, self.scenario.run.seed, name, self.folder)
        arrivals = self._arrivals(name, group)
        cycles: dict[tuple[str, ...], tuple[tuple[str, ...], ...] | None] = {}
        for user in range(users):
            keys = self._routing_keys(name, group, user)
            if keys not in cycles:
                cycles[keys] = self._routes(group, keys)
            yield PublisherSpec(
                group=name,
                user=user,
                publisher_id=first + user,
                exchange=group.exchange,
                routing_keys=keys,
                bodies=bodies,
                properties=properties,
                mandatory=group.mandatory,
                confirm_window=group.confirm_window,
                messages=share_messages(group.messages, user, users),
                arrivals=arrivals[user],
                stamp=group.stamp,
                on_outage=group.on_outage,
                in_doubt=group.in_doubt,
                start=_start(group),
                client=group.client,
                routes=cycles[keys],
            )

    def _position(self, name: str) -> int:
        return list(self.scenario.publishers).index(name)

    def _consumers(self, name: str, group: ConsumerGroup) -> Iterator[ConsumerSpec]:
        for user in range(self.users[name]):
            queues = self._queues(group.queue, user, self.users[name])
            yield ConsumerSpec(
                group=name,
                user=user,
                queues=queues,
                sinks=tuple(self._sink(queue, name, user) for queue in queues),
                prefetch=group.prefetch,
                ack=group.ack,
                refusals=tuple(group.refusals),
                service_time=service_time(group.processing_time),
                messages=share_messages(group.messages, user, self.users[name]),
                start=_start(group),
                client=group.client,
                arguments=group.arguments,
                exclusive=group.exclusive,
            )

    def _getters(self, name: str, group: GetterGroup) -> Iterator[GetterSpec]:
        arrivals = self._arrivals(name, group)
        for user in range(self.users[name]):
            queues = self._queues(group.queue, user, self.users[name])
            yield GetterSpec(
                group=name,
                user=user,
                queues=queues,
                sinks=queues,
                ack=group.ack,
                arrivals=arrivals[user],
                until_empty=group.until == "empty",
                messages=share_messages(group.messages, user, self.users[name]),
                start=_start(group),
                client=group.client,
            )

    def _arrivals(self, name: str, group: Paced) -> tuple[Arrivals | None, ...]:
        users = self.users[name]
        if group.rate is None:
            return (None,) * users
        return arrivals_of_users(group.rate, group.arrival, users=users, seed=self.scenario.run.seed, group=name)

    def _queues(self, name: str, user: int, users: int) -> tuple[str, ...]:
        if NUMBER not in name:
            return (name,)
        count = self.scenario.topology.queues[name].count or 1
        return tuple(numbered(name, number) for number in numbers_of_user(user, users, count))

    def _sink(self, queue: str, group: str, user: int) -> str:
        """Return the name of a consumer's sink; a stream's is marked until no queue has the same name."""
        if not self._is_stream[queue]:
            return queue
        name = f"{queue}#{group}/{user}"
        while name in self._is_stream:
            name += "'"
        return name

    def _routing_keys(self, name: str, group: PublisherGroup, user: int) -> tuple[str, ...]:
        key = group.routing_key
        if isinstance(key, ZipfKeys):
            return self._zipf[name]
        keys = (key,) if isinstance(key, str) else key
        return tuple(text for each in keys for text in self._numbered_keys(name, group.exchange, each, user))

    @cached_property
    def _zipf(self) -> dict[str, tuple[str, ...]]:
        seed = self.scenario.run.seed
        return {
            name: zipf_keys(group.routing_key.zipf, seed, name)
            for name, group in self.scenario.publishers.items()
            if isinstance(group.routing_key, ZipfKeys)
        }

    def _numbered_keys(self, group: str, exchange: str, key: str, user: int) -> Iterator[str]:
        users = self.users[group]
        if NUMBER not in key:
            yield key
            return
        count = self.scenario.topology.keys_with_number(exchange, key) or users
        fault = numbered_error(key, count, ("publishers", group, "routing_key"))
        if fault is not None:  # only with more users than the scenario has
            raise ScenarioError(f"{path_text(fault.path)}: {fault.words}")
        yield from (numbered(key, number) for number in numbers_of_user(user, users, count))

    def _routes(self, group: PublisherGroup, keys: tuple[str, ...]) -> tuple[tuple[str, ...], ...] | None:
        return self.routes.cycle(group.exchange, keys, group.properties.headers or {}, self.sinks)


def _start(group: Group) -> Start:
    return Start(at_ns=group.start_at_ns, after=group.after)


def _amqp_properties(properties: Properties) -> dict[str, object]:
    """Return the properties by their AMQP names, as pika's BasicProperties takes them."""
    given = properties.model_dump(by_alias=True, exclude_none=True, exclude={"expiration_ns"})
    if properties.expiration_ns is not None:
        given["expiration"] = str(properties.expiration_ns // 1_000_000)  # a text in ms: RabbitMQ, "Per-Message TTL"
    return given

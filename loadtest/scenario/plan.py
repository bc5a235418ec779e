"""
The plan: every user of a run with all that it needs, resolved from a scenario.

Plain frozen data, made by `loadtest.scenario.planner.build_plan`. It knows nothing of connections, processes or clocks:
instants in it count from the run's begin, names in it are as the broker knows them.

A *sink* is where exactly one copy of each routed message should arrive: a queue, or one consumer's view of a stream,
because each consumer of a stream gets its own copy. A sink has a name that no other has: the queue's, or
`queue#group/user`. The name is never taken apart, since a queue may have any; `Plan.streams` says what it stands for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from loadtest.scenario.grammar.model import Scenario
    from loadtest.scenario.schedule.arrivals import Arrivals
    from loadtest.scenario.values import Ack, Client, InDoubt, OnOutage, Refusal, ServiceTime, Stamp, Start


@dataclass(frozen=True, slots=True)
class PublisherSpec:
    """
    One publishing connection.

    Message *seq* (from 0) carries `routing_keys[seq % len(routing_keys)]` and `bodies[seq % len(bodies)]`.

    Attributes:
        user: Number within the group, from 0.
        publisher_id: Number within the run, from 0, at most `MAX_PUBLISHER_ID`.
        properties: AMQP property names and values; `expiration` is text in ms.
        confirm_window: Most messages published and not yet confirmed; 0 without confirms.
        messages: This user's share of the group's messages (may be 0); None without a limit.
        arrivals: None in the closed model.
        routes: By routing key of the cycle, the sinks that a message reaches; None where that cannot be known (plugin
            exchange, exchange that the scenario does not declare).
        sinks, until_empty: As of every client; a publisher takes nothing.
    """

    sinks: ClassVar[tuple[str, ...]] = ()
    until_empty: ClassVar[bool] = False
    group: str
    user: int
    publisher_id: int
    exchange: str
    routing_keys: tuple[str, ...]
    bodies: tuple[bytes, ...]
    properties: Mapping[str, object]
    mandatory: bool
    confirm_window: int
    messages: int | None
    arrivals: Arrivals | None
    stamp: Stamp
    on_outage: OnOutage
    in_doubt: InDoubt
    start: Start
    client: Client
    routes: tuple[tuple[str, ...], ...] | None


@dataclass(frozen=True, slots=True)
class ConsumerSpec:
    """
    One consuming connection; it consumes from each of its queues.

    Attributes:
        user: Number within the group, from 0.
        sinks: The sink that each of `queues` stands for, in the same order.
        prefetch: Most deliveries without an ack; 0 is unlimited.
        arguments: Of Basic.Consume, such as x-stream-offset.
        publisher_id, arrivals, until_empty: As of every client; deliveries set the pace of a consumer.
    """

    publisher_id: ClassVar[None] = None
    arrivals: ClassVar[None] = None
    until_empty: ClassVar[bool] = False
    group: str
    user: int
    queues: tuple[str, ...]
    sinks: tuple[str, ...]
    prefetch: int
    ack: Ack
    refusals: tuple[Refusal, ...]
    service_time: ServiceTime
    messages: int | None
    start: Start
    client: Client
    arguments: Mapping[str, object]
    exclusive: bool


@dataclass(frozen=True, slots=True)
class GetterSpec:
    """
    One connection that takes messages one by one with Basic.Get, from each of its queues in turn.

    Attributes:
        user: Number within the group, from 0.
        sinks: The sink that each of `queues` stands for, in the same order.
        arrivals: When each Get is due; None gets again as soon as the last one is answered.
        until_empty: Whether a queue is done with when it answers Get-Empty.
        messages: This user's share of the messages to get; None without a limit.
        publisher_id: As of every client.
    """

    publisher_id: ClassVar[None] = None
    group: str
    user: int
    queues: tuple[str, ...]
    sinks: tuple[str, ...]
    ack: Ack
    arrivals: Arrivals | None
    until_empty: bool
    messages: int | None
    start: Start
    client: Client


@dataclass(frozen=True, slots=True)
class ExchangeSpec:
    """An exchange as declared; a passive one is only checked to exist. An alternate exchange is among the arguments."""

    name: str
    type: str
    durable: bool
    auto_delete: bool
    internal: bool
    arguments: Mapping[str, object]
    passive: bool


@dataclass(frozen=True, slots=True)
class QueueSpec:
    """A queue as declared; a passive one is only checked to exist. A type that the scenario names is `x-queue-type`."""

    name: str
    durable: bool
    exclusive: bool
    auto_delete: bool
    arguments: Mapping[str, object]
    passive: bool

    @property
    def is_stream(self) -> bool:
        """Whether it is declared as a stream."""
        return self.arguments.get("x-queue-type") == "stream"


@dataclass(frozen=True, slots=True)
class BindingSpec:
    """A binding of a queue, or of an exchange, to the exchange `source`."""

    source: str
    destination: str
    destination_kind: Literal["queue", "exchange"]
    routing_key: str
    arguments: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class DeclaredTopology:
    """
    What is declared before the run, with every `%d` written out, in an order in which it can be declared.

    Attributes:
        vhost: None where the scenario names none: the one of the endpoint.
        keep: Whether all of it stays after the run.
    """

    vhost: str | None
    keep: bool
    exchanges: tuple[ExchangeSpec, ...]
    queues: tuple[QueueSpec, ...]
    bindings: tuple[BindingSpec, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """
    A scenario resolved for a number of users.

    Attributes:
        users: By group, in the scenario's order.
        consumed_sinks: The sinks that some consumer or getter takes from, sorted.
        streams: The stream of each sink that is a consumer's view of one; all other sinks are queues, by their names.
        untaken: The queues that messages are due at and nobody of the run takes from, sorted.
        dead_letter_queues: The declared queues that dead letters come to and nobody takes from, sorted.
        may_drop: By queue, why the broker may drop what is in its queue, in its own words.
    """

    scenario: Scenario
    topology: DeclaredTopology
    publishers: tuple[PublisherSpec, ...]
    consumers: tuple[ConsumerSpec, ...]
    getters: tuple[GetterSpec, ...]
    users: Mapping[str, int]
    consumed_sinks: tuple[str, ...]
    streams: Mapping[str, str]
    untaken: tuple[str, ...]
    dead_letter_queues: tuple[str, ...]
    may_drop: Mapping[str, tuple[str, ...]]


def sinks_by_queue(takers: Iterable[ConsumerSpec | GetterSpec]) -> dict[str, tuple[str, ...]]:
    """Return by queue the sinks that *takers* take from."""
    found: dict[str, dict[str, None]] = {}
    for plan in takers:
        for queue, sink in zip(plan.queues, plan.sinks, strict=True):
            found.setdefault(queue, {})[sink] = None
    return {queue: tuple(sinks) for queue, sinks in found.items()}


def untaken_by(publishers: Iterable[PublisherSpec], consumed: Iterable[str]) -> tuple[str, ...]:
    """Return the queues that messages are due at and that are no sink of *consumed*, sorted."""
    routed = {sink for plan in publishers for sinks in plan.routes or () for sink in sinks}
    return tuple(sorted(routed.difference(consumed)))

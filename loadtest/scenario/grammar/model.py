"""
The scenario: the frozen model of the whole grammar (docs/scenarios.md).

Made by `loadtest.scenario.loading.loader.load_scenario`, which also checks that its parts fit together.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Annotated, Final, Literal

from pydantic import Field, PlainValidator, WithJsonSchema

from loadtest.counters import GroupKind
from loadtest.scenario.grammar.compare_block import CompareBlock
from loadtest.scenario.grammar.faults import BrokerFault
from loadtest.scenario.grammar.groups import ConsumerGroup, GetterGroup, Group, PublisherGroup
from loadtest.scenario.grammar.leaf import (
    GroupName,
    Nanoseconds,
    SomeNanoseconds,
    SomePerSecond,
    Text,
    as_tuple,
    one_of,
    whole,
)
from loadtest.scenario.grammar.part import Part
from loadtest.scenario.grammar.quantity import NS_PER_S
from loadtest.scenario.grammar.threshold import AnyThreshold
from loadtest.scenario.grammar.topology import Topology
from loadtest.scenario.loading.error_detail import detail_error, shown

CLUSTER_SIZES: Final = (1, 3, 5)
NAME_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"


def _name(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(NAME_PATTERN, value, re.ASCII):
        raise detail_error(shown(value), "a name of at most 64 letters, digits, ., _ and -")
    return value


def _nodes(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value not in CLUSTER_SIZES:
        raise detail_error(shown(value), "1, 3 or 5 nodes")
    return value


class Run(Part):
    """How long a run lasts and how it begins and ends."""

    duration_ns: SomeNanoseconds | None = Field(None, alias="duration", description="length of the measured part")
    warm_up_ns: Nanoseconds = Field(
        0, alias="warm_up", description="before the duration; latencies in it are not reported"
    )
    drain_ns: Nanoseconds = Field(30 * NS_PER_S, alias="drain", description="longest wait for messages in flight")
    nodes: Annotated[int, PlainValidator(_nodes), WithJsonSchema({"enum": list(CLUSTER_SIZES)})] | None = Field(
        None, description="of the private broker that starts if you name none; --nodes takes precedence"
    )
    reconnect: Annotated[Literal["on", "off"], one_of("on", "off")] = Field(
        "on", description="users reconnect after a lost connection; off: the first loss ends the run"
    )
    reconnect_for_ns: SomeNanoseconds = Field(
        60 * NS_PER_S, alias="reconnect_for", description="longest time for which a user tries to reconnect"
    )
    seed: Annotated[int, *whole(0, (1 << 63) - 1)] = Field(1, description="seed of everything random")
    connect_rate_per_s: SomePerSecond = Field(
        Fraction(250), alias="connect_rate", description="most connections opened in a second"
    )


class Scenario(Part):
    """
    A whole scenario, valid in each part. Group names are unique over publishers, consumers and getters.

    `compare` is no part of what is run: it is neither written out nor in the scenario's hash.
    """

    name: Annotated[str, PlainValidator(_name)] = Field(description="a name of at most 64 letters, digits, ., _ and -")
    description: Text = ""
    topology: Topology = Field(default_factory=Topology)
    publishers: dict[GroupName, PublisherGroup] = Field(default_factory=dict)
    consumers: dict[GroupName, ConsumerGroup] = Field(default_factory=dict)
    getters: dict[GroupName, GetterGroup] = Field(default_factory=dict)
    run: Run = Field(default_factory=Run)
    faults: Annotated[tuple[BrokerFault, ...], as_tuple] = ()
    thresholds: Annotated[tuple[AnyThreshold, ...], as_tuple] = ()
    compare: CompareBlock | None = Field(
        None, exclude=True, description="what `loadtest compare` compares; `loadtest run` ignores it"
    )

    @property
    def groups(self) -> dict[str, Group]:
        """All groups by name: publishers, consumers, getters."""
        return {**self.publishers, **self.consumers, **self.getters}

    @property
    def kinds(self) -> dict[str, GroupKind]:
        """The kind of each group, in the order of `groups`."""
        kinds: dict[str, GroupKind] = dict.fromkeys(self.publishers, "publisher")
        kinds |= dict.fromkeys(self.consumers, "consumer")
        kinds |= dict.fromkeys(self.getters, "getter")
        return kinds

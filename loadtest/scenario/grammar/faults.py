"""
The grammar of faults: what is done to the broker while a run goes on, and when.

Knows names and times; not how anything is done (`broker.faults`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Final, Literal, Self

from pydantic import Field, PlainValidator, WithJsonSchema, model_validator

from loadtest.scenario.grammar.leaf import EntityName, Nanoseconds, SomeBytesPerSecond, SomeNanoseconds, Text, one_of
from loadtest.scenario.grammar.part import Part
from loadtest.scenario.loading.error_detail import detail_error, shown

NODE_FAULTS: Final = ("kill-node", "stop-node", "start-node", "restart-node", "pause-node", "resume-node")
ALARMS: Final = ("memory-alarm", "disk-alarm", "memory-alarm-off", "disk-alarm-off")
QUEUE_FAULTS: Final = ("delete-queue", "purge-queue")
NETWORK_FAULTS: Final = ("cut-network", "slow-network", "restore-network")
FAULTS: Final = (*NODE_FAULTS, *ALARMS, "close-connections", *QUEUE_FAULTS, *NETWORK_FAULTS)
UNDONE_BY: Final = {
    "kill-node": "start-node",
    "stop-node": "start-node",
    "pause-node": "resume-node",
    "memory-alarm": "memory-alarm-off",
    "disk-alarm": "disk-alarm-off",
    "cut-network": "restore-network",
    "slow-network": "restore-network",
}
"""What ends a fault that lasts; the others are over at once."""

PRIVATE_ONLY: Final = frozenset({*NODE_FAULTS, *ALARMS})
"""What is never done to a broker that this tool has not started."""

OF_NODES: Final = PRIVATE_ONLY | frozenset(NETWORK_FAULTS)
BLACK_HOLE: Final = "black-hole"
RESET: Final = "reset"
HOW: Final = (BLACK_HOLE, RESET)

ALL_NODES: Final = "all"
Do = Literal[
    "kill-node",
    "stop-node",
    "start-node",
    "restart-node",
    "pause-node",
    "resume-node",
    "memory-alarm",
    "disk-alarm",
    "memory-alarm-off",
    "disk-alarm-off",
    "close-connections",
    "delete-queue",
    "purge-queue",
    "cut-network",
    "slow-network",
    "restore-network",
]


def _node(value: object) -> int | str:
    is_number = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 5  # noqa: PLR2004
    if not is_number and value != ALL_NODES:
        raise detail_error(shown(value), "a node's number, from 1, or all")
    return value  # type: ignore[return-value]  # one of the two


Node = Annotated[
    int | str,
    PlainValidator(_node),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1, "maximum": 5}, {"const": ALL_NODES}]}),
]


class BrokerFault(Part):
    """Something that is done to the broker or to the network before it, once or again and again."""

    at_ns: Nanoseconds | None = Field(None, alias="at", description="when, after the start of the run")
    every_ns: SomeNanoseconds | None = Field(
        None, alias="every", description="or the interval, also before the first time"
    )
    do: Annotated[Do, one_of(*FAULTS)] = Field(description="the action")
    node: Node | None = Field(
        None, description="a node's number, from 1, or all; by default node 1, or all to start and for the network"
    )
    leader_of: EntityName | None = Field(None, description="or the node that leads this queue at that time")
    queue: EntityName | None = Field(None, description="of delete-queue and purge-queue")
    for_ns: SomeNanoseconds | None = Field(None, alias="for", description="undo the fault after this time")
    reason: Text = Field("a fault of the scenario", description="of close-connections: the text that clients receive")
    how: Annotated[Literal["black-hole", "reset"], one_of(*HOW)] | None = Field(
        None, description="of cut-network: nothing passes and neither end is notified, or every connection is reset"
    )
    latency_ns: SomeNanoseconds | None = Field(
        None, alias="latency", description="of slow-network: added in each direction"
    )
    jitter_ns: SomeNanoseconds | None = Field(None, alias="jitter", description="variation of the latency, ± this much")
    bandwidth_bytes_per_s: SomeBytesPerSecond | None = Field(
        None, alias="bandwidth", description="of slow-network: of a node's link, in each direction"
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        self._check_time()
        if (self.queue is None) == (self.do in QUEUE_FAULTS):
            raise detail_error(
                f"{self.do} without a queue" if self.queue is None else f"a queue of {self.do}",
                f"queue beside {' or '.join(QUEUE_FAULTS)}",
            )
        if self.node is not None and self.leader_of is not None:
            raise detail_error("node beside leader_of", "one of them")
        if (self.node is not None or self.leader_of is not None) and self.do not in OF_NODES:
            raise detail_error(f"a node of {self.do}", f"beside {', '.join(sorted(OF_NODES))}")
        self._check_network()
        return self

    def _check_time(self) -> None:
        if (self.at_ns is None) == (self.every_ns is None):
            raise detail_error("neither at nor every" if self.at_ns is None else "at beside every", "one of them")
        if self.for_ns is not None and self.do not in UNDONE_BY:
            raise detail_error(f"for beside {self.do}, which is over at once", f"beside {', '.join(UNDONE_BY)}")
        if self.for_ns is not None and self.every_ns is not None and self.for_ns >= self.every_ns:
            raise detail_error("for that is not shorter than every", "a shorter time")

    def _check_network(self) -> None:
        if self.how is not None and self.do != "cut-network":
            raise detail_error(f"how beside {self.do}", "beside cut-network")
        slows = {"latency": self.latency_ns, "jitter": self.jitter_ns, "bandwidth": self.bandwidth_bytes_per_s}
        given = [name for name, value in slows.items() if value is not None]
        if given and self.do != "slow-network":
            raise detail_error(f"{given[0]} beside {self.do}", "beside slow-network")
        if self.do == "slow-network" and self.latency_ns is None and self.bandwidth_bytes_per_s is None:
            raise detail_error("slow-network without latency and bandwidth", "one of them, or both")
        if (self.jitter_ns or 0) > (self.latency_ns or 0):
            raise detail_error("a jitter above the latency", "at most the latency, of which it is more or less")
        if self.do == "cut-network" and self.how != RESET and self.every_ns is not None and self.for_ns is None:
            raise detail_error("a black hole again and again that never ends", "for beside it, or how: reset")


def harms_network(faults: Iterable[BrokerFault]) -> bool:
    """Return whether some of *faults* need users to reach the broker by way of a proxy."""
    return any(fault.do in NETWORK_FAULTS for fault in faults)

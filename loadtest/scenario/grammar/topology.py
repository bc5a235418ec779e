"""
The grammar of `topology`: exchanges, queues and bindings as the author writes them.

Knows nothing of how they are declared. `loadtest.scenario.checks.check_topology` checks that they fit together.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema, model_validator

from loadtest.scenario.grammar.leaf import EntityName, EntityOrDefault, Flag, ShortText, Table, as_tuple, one_of, whole
from loadtest.scenario.grammar.part import Part, entries
from loadtest.scenario.loading.error_detail import detail_error, near_miss, shown

QueueType = Literal["classic", "quorum", "stream"]
MAX_COUNT: Final = 100_000
EXCHANGE_TYPES: Final = ("direct", "fanout", "topic", "headers")
# Declared by every vhost: AMQP 0-9-1, 3.1.3, and amq.headers / amq.rabbitmq.trace of RabbitMQ.
BUILTIN_EXCHANGES: Final = {
    "": "direct",
    "amq.direct": "direct",
    "amq.fanout": "fanout",
    "amq.topic": "topic",
    "amq.headers": "headers",
    "amq.match": "headers",
    "amq.rabbitmq.trace": "topic",
}
ALTERNATE_EXCHANGE: Final = "alternate-exchange"
# Headers with further routing keys (docs/sender-selected.md); a broker refuses a message in which they are no list.
SENDER_SELECTED: Final = ("CC", "BCC")
_PLUGIN_TYPE: Final = re.compile(r"x-[a-z0-9-]{1,60}")


def _exchange_type(value: object) -> str:
    if isinstance(value, str) and (value in EXCHANGE_TYPES or _PLUGIN_TYPE.fullmatch(value)):
        return value
    meant = near_miss(value, EXCHANGE_TYPES) if isinstance(value, str) else None
    raise detail_error(shown(value), f"{', '.join(EXCHANGE_TYPES)}, or a plugin's type x-…", meant)


ExchangeType = Annotated[
    str,
    PlainValidator(_exchange_type),
    WithJsonSchema({"anyOf": [{"enum": list(EXCHANGE_TYPES)}, {"type": "string", "pattern": "^x-[a-z0-9-]+$"}]}),
]


class Exchange(Part):
    """An exchange to declare; a passive one must exist already and is only checked."""

    type: ExchangeType = "direct"
    durable: Flag = True
    auto_delete: Flag = False
    internal: Flag = False
    alternate_exchange: EntityOrDefault | None = Field(None, description="receives messages that no binding matches")
    arguments: Table = Field(default_factory=dict)
    passive: Flag = Field(default=False, description="must exist already; only checked, never declared or removed")

    @model_validator(mode="after")
    def _one_alternate(self) -> Self:
        if self.alternate_exchange is not None and ALTERNATE_EXCHANGE in self.arguments:
            raise detail_error("both alternate_exchange and the argument alternate-exchange", "one of them")
        return self

    @property
    def all_arguments(self) -> dict[str, object]:
        """The arguments as declared, with the alternate exchange among them."""
        if self.alternate_exchange is None:
            return self.arguments
        return {**self.arguments, ALTERNATE_EXCHANGE: self.alternate_exchange}


class Queue(Part):
    """A queue, or with `count` as many as that, whose names have their number in the place of `%d`."""

    type: Annotated[QueueType, one_of("classic", "quorum", "stream")] | None = Field(
        None, description="the vhost's default type if omitted"
    )
    count: Annotated[int, *whole(1, MAX_COUNT, "queues")] | None = Field(
        None, description="how many; %d in the name becomes 1 to count"
    )
    durable: Flag = True
    exclusive: Flag = False
    auto_delete: Flag = False
    arguments: Table = Field(default_factory=dict)
    passive: Flag = Field(default=False, description="must exist already; only checked, never declared or removed")

    @model_validator(mode="after")
    def _type_once(self) -> Self:
        if "x-queue-type" in self.arguments:
            raise detail_error("the argument x-queue-type", "type: classic, quorum or stream, beside arguments")
        return self

    @property
    def all_arguments(self) -> dict[str, object]:
        """The arguments as declared, with the type among them where the scenario names one."""
        return self.arguments if self.type is None else {**self.arguments, "x-queue-type": self.type}


class Binding(Part):
    """A binding of a queue, or of another exchange, to `exchange`."""

    exchange: EntityName = Field(description="the name of the exchange that messages come from")
    queue: EntityName | None = Field(None, description="the queue they go to")
    to_exchange: EntityName | None = Field(None, description="the exchange they go to, instead of a queue")
    routing_key: ShortText = Field("", description="with %d: one binding for each queue of a queue with count")
    arguments: Table = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_destination(self) -> Self:
        if (self.queue is None) == (self.to_exchange is None):
            found = "neither queue nor to_exchange" if self.queue is None else "both queue and to_exchange"
            raise detail_error(found, "one of queue and to_exchange")
        return self


def _no_policies(value: object) -> dict[str, object]:
    if value != {}:
        raise detail_error(shown(value), "{} only, as policies are not applied yet")
    return {}


Policies = Annotated[
    dict[str, object], PlainValidator(_no_policies), WithJsonSchema({"type": "object", "maxProperties": 0})
]


class Topology(Part):
    """What is declared before the run, checked, and removed after it unless `keep`."""

    vhost: ShortText | None = Field(None, description="by default the vhost of the broker's URL")
    keep: Flag = Field(default=False, description="leave everything in place after the run")
    exchanges: Annotated[dict[EntityName, Exchange], BeforeValidator(entries)] = Field(default_factory=dict)
    queues: Annotated[dict[EntityName, Queue], BeforeValidator(entries)] = Field(default_factory=dict)
    bindings: Annotated[tuple[Binding, ...], as_tuple] = ()
    policies: Policies = Field(default_factory=dict, exclude=True)

    def keys_with_number(self, exchange: str, key: str) -> int | None:
        """Return how many routing keys one with `%d` is: as many as queues are bound by it; None where none is."""
        if exchange == "":
            return self.queues[key].count if key in self.queues else None
        for binding in self.bindings:
            if binding.exchange == exchange and binding.routing_key == key and binding.queue in self.queues:
                return self.queues[binding.queue].count
        return None

    @model_validator(mode="before")
    @classmethod
    def _empty_vhost(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("vhost") == "":
            raise detail_error('""', "a vhost's name, such as /")
        return value

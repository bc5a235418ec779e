"""
The grammar of groups: publishers, consumers and getters as the author writes them.

A group is a number of users that do the same. Rates and message counts are those of the whole group.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from loadtest.scenario.checks.limits import MAX_ARRIVALS
from loadtest.scenario.grammar.body import Body
from loadtest.scenario.grammar.leaf import (
    AckRule,
    EntityName,
    EntityOrDefault,
    Flag,
    GroupName,
    Messages,
    Milliseconds,
    Nanoseconds,
    PerSecond,
    ShortText,
    SomeNanoseconds,
    Table,
    Users,
    as_tuple,
    one_of,
    whole,
)
from loadtest.scenario.grammar.part import Part
from loadtest.scenario.grammar.quantity import NS_PER_S
from loadtest.scenario.grammar.topology import SENDER_SELECTED
from loadtest.scenario.grammar.work import ProcessingTime, RefusedPart, refused
from loadtest.scenario.grammar.zipf import Zipf
from loadtest.scenario.loading.error_detail import ErrorDetail, detail_error, details_error, shown
from loadtest.scenario.values import Ack, Client, InDoubt, OnOutage, Refusal, Stamp
from loadtest.stamp import STAMP_BYTES, STAMP_HEADER

DEFAULT_CONFIRM_WINDOW: Final = 256
# pika's BlockingChannel waits for each confirm.
BLOCKING_CONFIRM_WINDOW: Final = 1
DEFAULT_BODY: Final = "1KB"
# The largest of Erlang's timers (rabbit_misc.hrl, MAX_EXPIRY_TIMER); above it the broker refuses the message.
MAX_EXPIRATION_NS: Final = ((1 << 32) - 1) * 1_000_000


class Stage(Part):
    """A stretch of a schedule: at `rate`, or in a straight line `from` … `to`; what is left out is the rate before."""

    for_ns: SomeNanoseconds = Field(alias="for", description="how long the stage lasts, such as 10s")
    rate_per_s: PerSecond | None = Field(None, alias="rate", description="the same rate throughout")
    from_per_s: PerSecond | None = Field(
        None, alias="from", description="the rate at its start; by default the previous one"
    )
    to_per_s: PerSecond | None = Field(
        None, alias="to", description="the rate at its end; by default the one at its start"
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.rate_per_s is not None and not self.from_per_s is self.to_per_s is None:
            raise detail_error("rate beside from or to", "rate, or from and to")
        return self


def stage_rates(stages: tuple[Stage, ...]) -> list[tuple[int, Fraction, Fraction]]:
    """Return stages as (length in ns, rates per second at begin and end); what one leaves out is the rate before."""
    found, last = [], Fraction(0)
    for stage in stages:
        start, end = stage.rate_per_s, stage.rate_per_s
        if start is None or end is None:
            start = last if stage.from_per_s is None else stage.from_per_s
            end = start if stage.to_per_s is None else stage.to_per_s
        found.append((stage.for_ns, start, end))
        last = end
    return found


def _rate_tag(value: object) -> str:
    return "<stages>" if isinstance(value, list | tuple) else "<rate>"


def _key_tag(value: object) -> str:
    if isinstance(value, list | tuple):
        return "<keys>"
    return "<zipf>" if isinstance(value, dict | ZipfKeys) else "<key>"


class ZipfKeys(Part):
    """Routing keys by a Zipf distribution."""

    zipf: Zipf = Field(description="a mapping of keys and s")


def _arrives(rate: Any) -> Any:
    stages = rate if isinstance(rate, tuple) else ()
    arrivals = sum(for_ns * (start + end) / 2 for for_ns, start, end in stage_rates(stages)) / NS_PER_S
    if arrivals > MAX_ARRIVALS:
        raise detail_error(f"stages of {int(arrivals):,} arrivals", f"at most {MAX_ARRIVALS:,}")
    if not any(stage.rate_per_s or stage.from_per_s or stage.to_per_s for stage in stages) and not (
        rate and not stages
    ):
        raise detail_error("a schedule without any arrival", "a rate above 0/s")
    return rate


Rate = Annotated[
    Annotated[PerSecond, Tag("<rate>")] | Annotated[tuple[Stage, ...], as_tuple, Tag("<stages>")],
    Discriminator(_rate_tag),
    AfterValidator(_arrives),
]
RoutingKey = Annotated[
    Annotated[ShortText, Tag("<key>")]
    | Annotated[tuple[ShortText, ...], as_tuple, Tag("<keys>")]
    | Annotated[ZipfKeys, Tag("<zipf>")],
    Discriminator(_key_tag),
]


class Group(Part):
    """What all groups have."""

    users: Users = Field(1, description="how many users, each with its own connection and channel")
    client: Annotated[Client, one_of("bulk", "blocking")] = Field(
        "bulk", description="blocking: pika.BlockingConnection, one call a message, as in an ordinary application"
    )
    start_at_ns: Nanoseconds = Field(
        0, alias="start_at", description="after the start of the run, or after the group of `after`"
    )
    after: GroupName | None = Field(None, description="start when that group is done")


class Paced(Group):
    """What groups have that act on a schedule."""

    rate: Rate | None = Field(
        None, description="of the whole group; if omitted, the closed model: as fast as answers allow"
    )
    arrival: Annotated[Literal["constant", "poisson"], one_of("constant", "poisson")] = "constant"
    messages: Messages | None = Field(None, description="of the whole group")

    @model_validator(mode="after")
    def _schedule(self) -> Self:
        if self.rate is None and self.arrival == "poisson":
            raise details_error([ErrorDetail(("arrival",), '"poisson" without a rate', "arrival beside rate only")])
        return self


def _lasting(value: int) -> int:
    if value > MAX_EXPIRATION_NS:
        raise detail_error("a longer time", f"at most {MAX_EXPIRATION_NS // 1_000_000}ms, as RabbitMQ has it")
    return value


def _header_table(value: dict[str, object]) -> dict[str, object]:
    details = [
        ErrorDetail((name,), shown(value[name]), "a list of routing keys, as RabbitMQ has it")
        for name in SENDER_SELECTED
        if name in value and not isinstance(value[name], list)
    ]
    if details:
        raise details_error(details)
    return value


Expiration = Annotated[Milliseconds, AfterValidator(_lasting)]
Headers = Annotated[Table, AfterValidator(_header_table)]


class Properties(Part):
    """The properties of AMQP 0-9-1's class basic, by their names there."""

    content_type: ShortText | None = None
    content_encoding: ShortText | None = None
    headers: Headers | None = None
    delivery_mode: Annotated[int, *whole(1, 2)] | None = Field(None, description="1 transient, 2 persistent")
    priority: Annotated[int, *whole(0, 255)] | None = None
    correlation_id: ShortText | None = None
    reply_to: ShortText | None = None
    expiration_ns: Expiration | None = Field(None, alias="expiration", description="time to live of each message")
    message_id: ShortText | None = None
    timestamp: Annotated[int, *whole(0, (1 << 63) - 1, "seconds since 1970")] | None = None
    type: ShortText | None = None
    user_id: ShortText | None = None
    app_id: ShortText | None = None
    cluster_id: ShortText | None = None


class PublisherGroup(Paced):
    """Users that publish."""

    exchange: EntityOrDefault = Field("", description='"", the default: the default exchange')
    routing_key: RoutingKey = Field("", description="a key, perhaps with %d; a list; or {zipf: {keys: 100, s: 1.1}}")
    body: Body = Field(default_factory=lambda: Body.model_validate({"size": DEFAULT_BODY}))
    properties: Properties = Field(default_factory=Properties)
    mandatory: Flag = Field(default=True, description="the broker returns messages that it cannot route")
    confirm_window: Annotated[int, *whole(0, 1_000_000, "messages")] = Field(
        DEFAULT_CONFIRM_WINDOW,
        description="most unconfirmed messages per user; 0: no confirms; 1 with client: blocking",
    )
    stamp: Annotated[Stamp, one_of("headers", "body", "none")] = "headers"
    on_outage: Annotated[OnOutage, one_of("late", "drop")] = Field(
        "late", description="messages due while a connection is lost: sent late, or dropped"
    )
    in_doubt: Annotated[InDoubt, one_of("leave", "republish")] = Field(
        "leave", description="messages without an answer when the connection is lost: left, or republished"
    )

    @model_validator(mode="before")
    @classmethod
    def _window_of_client(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("client") == "blocking" and value.get("confirm_window") is None:
            return {**value, "confirm_window": BLOCKING_CONFIRM_WINDOW}
        return value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        details = [
            detail
            for detail in (self._window_error(), self._stamp_error(), self._key_error(), self._outage_error())
            if detail
        ]
        if details:
            raise details_error(details)
        return self

    def _window_error(self) -> ErrorDetail | None:
        if self.client == "bulk" or self.confirm_window <= BLOCKING_CONFIRM_WINDOW:
            return None
        return ErrorDetail(
            ("confirm_window",), shown(self.confirm_window), "0 or 1 with client: blocking, which waits for each"
        )

    def _outage_error(self) -> ErrorDetail | None:
        if self.on_outage == "drop" and self.rate is None:
            return ErrorDetail(("on_outage",), '"drop" without a rate', "late, or a rate by which something falls due")
        if self.in_doubt == "republish" and (self.confirm_window == 0 or self.client == "blocking"):
            what = "with client: blocking" if self.client == "blocking" else "without confirms"
            return ErrorDetail(("in_doubt",), f'"republish" {what}', "leave, or the bulk client with a confirm_window")
        return None

    def _stamp_error(self) -> ErrorDetail | None:
        if self.stamp == "headers" and STAMP_HEADER in (self.properties.headers or {}):
            allowed = "another name, as the stamp has this one, or stamp: body or none"
            return ErrorDetail(("properties", "headers", STAMP_HEADER), "a header of the stamp's name", allowed)
        if self.stamp != "body":
            return None
        if not self.body.is_synthetic:
            return ErrorDetail(
                ("stamp",), '"body" with a body that means something', "headers or none, or a body with size or random"
            )
        if (self.body.smallest_bytes or 0) < STAMP_BYTES:
            return ErrorDetail(
                ("stamp",),
                f'"body" with bodies of {self.body.smallest_bytes} bytes',
                f"a body of {STAMP_BYTES}B or more",
            )
        return None

    def _key_error(self) -> ErrorDetail | None:
        if self.routing_key == ():
            return ErrorDetail(("routing_key",), "an empty list", "a routing key or more")
        if self.exchange == "" and self.routing_key == "":
            return ErrorDetail(("routing_key",), "nothing", "a queue's name, as the default exchange needs")
        return None


class ConsumerGroup(Group):
    """Users that consume."""

    queue: EntityName = Field(description="a queue's name, perhaps with %d")
    prefetch: Annotated[int, *whole(0, 65_535, "messages")] = Field(
        200, description="most unacknowledged deliveries; 0: no limit"
    )
    ack: AckRule = Field(Ack(), description="auto (by the broker), every N, or none")
    nack: RefusedPart | None = Field(None, description="a share answered by Basic.Nack: 1%, or {share, requeue, of}")
    reject: RefusedPart | None = Field(None, description="a share answered by Basic.Reject, written as nack's")
    processing_time: ProcessingTime = Field(0, description="simulated work on each delivery: a time, or a distribution")
    messages: Messages | None = Field(None, description="of the whole group; it is done when it has taken them")
    arguments: Table = Field(default_factory=dict, description="of Basic.Consume, such as x-stream-offset")
    exclusive: Flag = False

    @model_validator(mode="after")
    def _acks_in_reach(self) -> Self:
        if self.ack.mode == "every" and 0 < self.prefetch < self.ack.every:
            allowed = f"at most every {self.prefetch}: with prefetch {self.prefetch} no more come before an ack"
            raise details_error([ErrorDetail(("ack",), f'"{self.ack}"', allowed)])
        return self

    @model_validator(mode="after")
    def _refusals_in_reach(self) -> Self:
        given = [(name, refused(part)) for name in ("nack", "reject") if (part := getattr(self, name)) is not None]
        if given and self.ack.mode != "every":
            raise details_error(
                [ErrorDetail((name,), f"a share with ack: {self.ack}", "beside ack: every N") for name, _ in given]
            )
        if len({part.of for _, part in given}) > 1:
            raise details_error(
                [ErrorDetail(("reject", "of"), shown(given[1][1].of), f"{given[0][1].of}, as nack has it")]
            )
        if sum(part.share for _, part in given) > 1:
            raise details_error([ErrorDetail(("reject",), "more than 100% together with nack", "100% in all")])
        return self

    @property
    def refusals(self) -> Iterator[Refusal]:
        """What it answers otherwise than by an ack."""
        for method, part in (("nack", self.nack), ("reject", self.reject)):
            if part is not None:
                each = refused(part)
                yield Refusal(method, each.share, each.requeue, each.of)  # type: ignore[arg-type]  # one of the two


class GetterGroup(Paced):
    """Users that take messages one by one with Basic.Get."""

    queue: EntityName = Field(description="a queue's name, perhaps with %d")
    ack: AckRule = Field(Ack(), description="auto (by the broker), every N, or none")
    until: Annotated[Literal["empty"], one_of("empty")] | None = Field(
        None, description="stop reading a queue at its first Get-Empty"
    )

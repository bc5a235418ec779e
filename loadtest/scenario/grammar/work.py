"""
The grammar of a consumer's work: how long it takes over each message, and what it refuses.

A share is exact and repeatable: of any number of deliveries, or of a publisher's messages, that share is chosen, evenly
spread, and no chance is involved.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Final, Self

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from loadtest.scenario.grammar.leaf import Flag, Nanoseconds, Share, SomeNanoseconds, one_of
from loadtest.scenario.grammar.part import Part
from loadtest.scenario.loading.error_detail import detail_error
from loadtest.scenario.values import RefusedOf, ServiceTime

# With finer ones the arithmetic of a long run would leave 64 bits.
FINEST_SHARE: Final = 1_000_000


class Exponential(Part):
    """Times as of independent pieces of work: most are short, some many times the mean."""

    mean_ns: SomeNanoseconds = Field(alias="mean", description="the mean")


class Uniform(Part):
    """Times between two bounds, all alike likely."""

    from_ns: Nanoseconds = Field(alias="from", description="the shortest")
    to_ns: SomeNanoseconds = Field(alias="to", description="the longest")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.from_ns > self.to_ns:
            raise detail_error("from that is longer than to", "from, then to")
        return self


class Normal(Part):
    """Times around a mean; those that would be below zero are zero."""

    mean_ns: SomeNanoseconds = Field(alias="mean", description="the mean")
    sd_ns: SomeNanoseconds = Field(alias="sd", description="the standard deviation")


class Lognormal(Part):
    """Times with a long tail, as those of requests over a network."""

    median_ns: SomeNanoseconds = Field(alias="median", description="the median")
    p99_ns: SomeNanoseconds = Field(alias="p99", description="the 99th percentile")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.median_ns >= self.p99_ns:
            raise detail_error("a p99 that is not above the median", "a longer p99")
        return self


class ProcessingTimes(Part):
    """Exactly one distribution, drawn by `run.seed`."""

    exponential: Exponential | None = None
    uniform: Uniform | None = None
    normal: Normal | None = None
    lognormal: Lognormal | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            found = " beside ".join(given) or "no distribution"
            raise detail_error(found, f"one of {', '.join(type(self).model_fields)}")
        return self

    @property
    def service_time(self) -> ServiceTime:
        """The distribution for the plan."""
        if self.exponential is not None:
            return ServiceTime("exponential", self.exponential.mean_ns, 0)
        if self.uniform is not None:
            return ServiceTime("uniform", self.uniform.from_ns, self.uniform.to_ns)
        if self.normal is not None:
            return ServiceTime("normal", self.normal.mean_ns, self.normal.sd_ns)
        if self.lognormal is not None:
            return ServiceTime("lognormal", self.lognormal.median_ns, self.lognormal.p99_ns)
        raise ValueError("no distribution: `_one` has looked for that")


def _time_tag(value: object) -> str:
    return "<distribution>" if isinstance(value, dict | ProcessingTimes) else "<time>"


ProcessingTime = Annotated[
    Annotated[Nanoseconds, Tag("<time>")] | Annotated[ProcessingTimes, Tag("<distribution>")],
    Discriminator(_time_tag),
]


def service_time(value: int | ProcessingTimes) -> ServiceTime:
    """Return what the plan has of a `processing_time`."""
    return value.service_time if isinstance(value, ProcessingTimes) else ServiceTime("fixed", value, 0)


def _fine_enough(share: Fraction) -> Fraction:
    if not 0 < share <= 1 or share.denominator > FINEST_SHARE:
        raise detail_error(f"{float(share * 100):.15g}%", "a share above 0% and up to 100%, of four decimals at most")
    return share


RefusedShare = Annotated[Share, AfterValidator(_fine_enough)]


class Refused(Part):
    """A share of what comes that is refused, and whether the broker is to deliver it again."""

    share: RefusedShare = Field(description="above 0% and up to 100%")
    requeue: Flag = Field(default=False, description="back into its queue; else dropped, or dead-lettered")
    of: Annotated[RefusedOf, one_of("deliveries", "messages")] = Field(
        "deliveries", description="messages: the same ones at each delivery, like a poison message"
    )


def _refused_tag(value: object) -> str:
    return "<refused>" if isinstance(value, dict | Refused) else "<share>"


RefusedPart = Annotated[
    Annotated[RefusedShare, Tag("<share>")] | Annotated[Refused, Tag("<refused>")], Discriminator(_refused_tag)
]


def refused(value: Fraction | Refused) -> Refused:
    """Return what a share alone stands for: of deliveries, without requeue."""
    if isinstance(value, Refused):
        return value
    return Refused.model_construct(share=value, requeue=False, of="deliveries")

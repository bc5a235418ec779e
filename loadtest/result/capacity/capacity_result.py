"""
`capacity.json`: the rates that were tried, what became of each, and the highest that was held.

Knows nothing of how they were tried. An interface as `result.json` is: fields are added, never renamed.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from pydantic import Field, JsonValue

from loadtest.result.run.bottleneck import Processor
from loadtest.result.run.document import Part

SCHEMA: Final = "loadtest.capacity/1"
"""
Version of the document. History:

1: first version.
"""

_ROUNDING: Final = 1e-6
"""Rates of a search are products of its steps."""

Bound: TypeAlias = Literal["slo", "backlog", "lost", "alarm", "broker", "generator", "failed"]
Limiting: TypeAlias = Literal["slo", "backlog", "lost", "alarm", "broker", "generator", "failed", "most"]
Stage: TypeAlias = Literal["ramp", "bisect", "confirm"]


class CoresPart(Part):
    """Who used how much processor time in the measured part, on average."""

    generator: float = Field(description="Of its busiest process; a process has one core.")
    broker: float | None = Field(description="Null where it does not run on this machine.")
    machine: float | None = Field(description="In use by anything.")
    cores: int | None = Field(description="That the machine has.")
    limit: Processor | None = Field(description="Whose was used up: generator, broker or machine; null for nobody's.")


class ProbePart(Part):
    """One rate, tried once."""

    rate_per_s: float = Field(description="Asked, of all publishers together.")
    published_per_s: float | None
    is_held: bool
    bound: Bound | None = Field(description="What it was not held for; null where it was. failed: no answer.")
    why: str = Field(description="The same in a sentence; empty where it was held.")
    latency: dict[str, dict[str, int | None]] = Field(
        description="By GROUP.LATENCY: p50_ns, p99_ns and max_ns of the measured part."
    )
    checks: dict[str, str | None] = Field(description="By what is asked: the value that came.")
    folder: str = Field(description="Of its results, below the search's.")
    stage: Stage | None = Field(default=None, description="What it was tried for.")
    is_quick: bool = Field(default=False, description="Held for a short time only: it shows where to look.")
    hold_s: float | None = Field(default=None, description="How long it was to be held.")
    took_s: float | None = Field(default=None, description="How long the try took in all.")
    cores: CoresPart | None = Field(default=None, description="Null where too little was measured to tell.")
    disturbed: tuple[str, ...] = Field(
        default=(), description="What else had the machine's time meanwhile: other programs, a quota, other guests."
    )
    flow: float | None = Field(
        default=None, description="Share of the seconds in which connections were in flow control; null if not known."
    )


class UncertaintyPart(Part):
    """Between which rates the capacity lies, by all that was tried for the full time, and what that rests on."""

    low_per_s: float | None = Field(
        description="It, and all below it that was tried, was held each time; null where nothing was."
    )
    high_per_s: float | None = Field(
        description="It, and all above it that was tried, was missed each time; null where nothing was, or where it "
        "was the generator's limit."
    )
    held: int = Field(description="How often the capacity was held …")
    tries: int = Field(description="… of how many tries.")
    missed: int = Field(description="How often the rate above it was missed …")
    missed_tries: int = Field(description="… of how many tries.")
    contradictions: int = Field(
        description="Tries that were missed at a rate, or below one, that was held another time."
    )


class LimitPart(Part):
    """What keeps the broker from the next higher rate."""

    by: Limiting = Field(description="What that rate was not held for; most: nothing above was to be tried.")
    text: str = Field(description="The same in a sentence, and whose processor time was used up.")
    cores: CoresPart | None = Field(description="At that rate.")


class KneePart(Part):
    """Where a latency begins to grow faster than the rate: the most rate for its latency."""

    latency: str = Field(description="GROUP.LATENCY, whose p99 it is of.")
    rate_per_s: float = Field(description="Published.")
    p99_ns: float = Field(description="There, smoothed so that it never falls as the rate rises.")


class CapacityResult(Part):
    """The whole document."""

    version: Literal["loadtest.capacity/1"] = Field(default=SCHEMA, alias="schema")
    scenario: str
    slo: tuple[str, ...] = Field(description="What has to hold.")
    precision: float = Field(description="Share of the answer within which it is known.")
    started_at: str
    ended_at: str
    complete: bool = Field(description="False where it was interrupted, or gave up.")
    capacity_per_s: float | None = Field(description="The highest rate that was held each time; null where none was.")
    missed_per_s: float | None = Field(description="The lowest that was not; null where all were held.")
    is_lower_bound: bool = Field(description="Whether the broker may do more: the generator, or --most, was the limit.")
    bound: Bound | None = Field(description="What the lowest rate that was not held was not held for.")
    probes: tuple[ProbePart, ...]
    exit_code: int
    reason: str
    broker: str = Field(default="", description="What it was: product and version, and where.")
    uncertainty: UncertaintyPart | None = Field(default=None, description="Null where no rate was held.")
    limit: LimitPart | None = Field(default=None, description="Null where no rate was held, or nothing was tried.")
    knees: tuple[KneePart, ...] = Field(default=(), description="Of the latencies that have one.")


def apart(result: CapacityResult) -> float | None:
    """Return how far the ends of the interval are apart, as a share of the lower one; None where one is not known."""
    part = result.uncertainty
    if part is None or not part.low_per_s or part.high_per_s is None:
        return None
    return part.high_per_s / part.low_per_s - 1


def is_precise(result: CapacityResult) -> bool:
    """Return whether the capacity is known within the precision that was asked for."""
    share = apart(result)
    return share is not None and share <= result.precision * (1 + _ROUNDING)


def capacity_schema() -> dict[str, JsonValue]:
    """Return the JSON Schema of `capacity.json`, for `loadtest schema capacity`."""
    schema: dict[str, JsonValue] = CapacityResult.model_json_schema(by_alias=True, mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}

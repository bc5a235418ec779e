"""
The records of `windows.jsonl` as models: what a line may hold, field by field, for a JSON Schema and for checks.

The live path writes plain mappings (`records`, `window`, `ledger_delta`) and never comes here. The models say the same:
a test holds every record of real runs against them.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, TypeAdapter

from loadtest.measure import records, window

Instant = Annotated[int, Field(description="CLOCK_MONOTONIC of the worker's host, in ns.")]
Count = Annotated[int, Field(ge=0)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class HistogramModel(_Model):
    """Values in ns."""

    hdr: str = Field(description="HdrHistogram V2, compressed, base64; without the negative and saturated values.")
    count: Count = Field(description="All values, the negative and saturated ones included.")
    min_ns: int | None
    max_ns: int | None
    sum_ns: int = Field(description="Exact.")
    negative: Count = Field(description="Values below zero.")
    saturated: Count = Field(description="Values beyond the histogram's range.")


class GroupModel(_Model):
    """What a group did in a window; what is empty is left out."""

    active: list[tuple[Instant, Instant]] = Field(default=[], description="When it had work to do.")
    counters: dict[str, int] = Field(default={}, description="Messages and bytes; those that are 0 are left out.")
    histograms: dict[str, HistogramModel] = Field(
        default={}, description="By latency, of messages intended at or after the end of the warm-up."
    )
    warm_up: dict[str, HistogramModel] = Field(default={}, description="The same of those intended before it.")
    pauses: list[tuple[Instant, Instant]] = Field(
        default=[], description="When nothing was confirmed, or delivered, though something was due."
    )
    last_ns: Instant = Field(default=0, description="When something last was confirmed, or delivered.")
    series: dict[str, dict[str, list[tuple[int, int, int]]]] = Field(
        default={}, description="`message_counts` by sink: [first, count, step] in the order of arrival."
    )


class TableModel(_Model):
    """Seqs by publisher, and of deliveries by sink: row i is first, first + step, ... (count of them)."""

    publisher: list[int]
    sink: list[int] | None = Field(default=None, description="Places in `sinks`; of deliveries only.")
    first: list[int]
    count: list[int]
    step: list[int]
    bitmaps: list[list[int | str]] = Field(
        default=[], description="[publisher, (sink,) base64 of a 64-bit Roaring bitmap], where rows would be many."
    )


class LedgerModel(_Model):
    """What changed in the ledger in a window; what is empty is left out."""

    published: TableModel | None = None
    confirmed: TableModel | None = None
    nacked: TableModel | None = None
    returned: TableModel | None = None
    in_doubt: TableModel | None = None
    sinks: list[str] = []
    delivered: TableModel | None = None
    corrupted: TableModel | None = None
    repeats: list[tuple[int, int, int]] = Field(default=[], description="[sink, publisher, n]: came again.")
    out_of_order: list[tuple[int, int, int]] = Field(default=[], description="[sink, publisher, n].")
    foreign: dict[str, int] = Field(default={}, description="By sink.")
    redelivered: dict[str, int] = Field(default={}, description="By sink.")
    zlib: str | None = Field(default=None, description="All of the above as JSON, compressed, base64; then alone.")


class WindowModel(_Model):
    """What one worker saw in about a second."""

    type: Literal["window"]
    format: Literal["loadtest.window/1"]
    worker: str
    index: Count = Field(description="From 0, per worker.")
    start_ns: Instant
    end_ns: Instant
    phase: records.Phase
    groups: dict[str, GroupModel]
    ledger: LedgerModel
    gauges: dict[str, float] = Field(description="At end_ns.")


class GroupOfRunModel(_Model):
    """A group of the run. Further keys are kept as they are."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    kind: records.GroupKind
    model: records.Model
    users: int | None = None
    stages: list[tuple[int, int]] = Field(default=[], description="Begin and end in ns after the begin of the run.")


class PublisherModel(_Model):
    """A publisher, and where its messages must arrive."""

    id: Count
    group: str
    confirms: bool
    routes: list[list[str]] | None = Field(
        description="routes[seq % len(routes)] are the consumed sinks that message seq must reach; null if not known."
    )


class RunModel(BaseModel):
    """The first record. Further keys (broker, generator, ...) are kept as they are."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    type: Literal["run"]
    format: Literal["loadtest.windows/1"]
    start_ns: Instant = Field(description="What the timeline counts from.")
    started_at: str = Field(description="ISO 8601, UTC.")
    scenario: dict[str, Any] = Field(description="name, description, hash, text, overrides, thresholds.")
    groups: dict[str, GroupOfRunModel]
    publishers: list[PublisherModel]
    sinks: list[str] = Field(description="Those that are consumed.")


class PhaseModel(_Model):
    """A phase begins."""

    type: Literal["phase"]
    phase: records.Phase
    at_ns: Instant


class EventModel(BaseModel):
    """Something happened once. Further keys are kept as they are."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    type: Literal["event"]
    at_ns: Instant
    code: str
    text: str


class BrokerModel(_Model):
    """What the broker, or the machine, said of themselves."""

    type: Literal["broker"]
    at_ns: Instant
    gauges: dict[str, float]


class UsersModel(_Model):
    """What the users of one worker took over the whole run."""

    type: Literal["users"]
    worker: str
    taken: dict[str, list[tuple[int, int]]] = Field(description="By group: [user from 0, messages].")


class QueueModel(_Model):
    """What is left in a queue after the drain."""

    type: Literal["queue"]
    sink: str
    left: Count


class EndModel(_Model):
    """The last record; a journal without one is of a run that was cut off."""

    type: Literal["end"]
    at_ns: Instant
    ended_at: str = Field(description="ISO 8601, UTC.")
    complete: bool = Field(description="False where the run did not do all that was asked.")
    reason: str | None


AnyRecord = Annotated[
    RunModel | PhaseModel | WindowModel | EventModel | BrokerModel | UsersModel | QueueModel | EndModel,
    Discriminator("type"),
]
RECORD: Final[TypeAdapter[Any]] = TypeAdapter(AnyRecord)
"""Checks one record; `validate_json` takes a line of the journal."""

FORMATS: Final = (records.FORMAT, window.FORMAT)


def windows_schema() -> dict[str, Any]:
    """Return the JSON Schema of a line of `windows.jsonl`, for `loadtest schema windows`."""
    schema = RECORD.json_schema(by_alias=True, mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "a line of windows.jsonl", **schema}

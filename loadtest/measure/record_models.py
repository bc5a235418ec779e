"""
The records of `windows.jsonl` as models: what a line may hold, field by field, for a JSON Schema and for checks.

The live path writes plain mappings (`records`, `window`, `ledger_delta`) and never comes here. The models say the same:
a test holds every record of real runs against them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    TypeAdapter,
    ValidationError,
)

from loadtest import counters
from loadtest.counters import GroupKind
from loadtest.measure import records, window
from loadtest.stamp import MAX_PUBLISHER_ID

# The arrays that these go into are of 64 bits.
_LARGEST: Final = (1 << 63) - 1
Instant = Annotated[int, Field(ge=0, le=_LARGEST, description="CLOCK_MONOTONIC of the worker's host, in ns.")]
Nanoseconds = Annotated[int, Field(ge=-_LARGEST, le=_LARGEST)]
Count = Annotated[int, Field(ge=0, le=_LARGEST)]
Place = Annotated[Count, Field(description="A place in `sinks`.")]
PublisherId = Annotated[Count, Field(description="The `id` of a publisher of the run.")]
Worker = Annotated[str, Field(description="The process that says so; its name is unique in the run.")]
Phase = Annotated[
    records.Phase, Field(description="connecting, then warm_up where there is one, measured, drain, and done.")
]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class HistogramModel(_Model):
    """Values in ns."""

    hdr: str = Field(description="HdrHistogram V2, compressed, base64; without the negative and saturated values.")
    count: Count = Field(description="All values, the negative and saturated ones included.")
    min_ns: Nanoseconds | None = Field(description="The smallest value, exact; null where there is none.")
    max_ns: Nanoseconds | None = Field(description="The largest value, exact; null where there is none.")
    sum_ns: int = Field(description="Exact.")
    negative: Count = Field(description="Values below zero.")
    saturated: Count = Field(description="Values beyond the histogram's range.")


class GroupModel(_Model):
    """What a group did in a window; what is empty is left out."""

    active: list[tuple[Instant, Instant]] = Field(default=[], description="When it had work to do.")
    counters: dict[str, Count] = Field(
        default={},
        description=f"{', '.join(row.name for row in counters.counted())}: in messages, those that begin with bytes "
        "in bytes, get_empty in answers; those that are 0 are left out.",
    )
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


class _TableModel(_Model):
    publisher: list[PublisherId] = Field(description="By row: whose messages.")
    first: list[Count] = Field(description="By row: the first seq.")
    count: list[Count] = Field(description="By row: how many seqs.")
    step: list[Count] = Field(description="By row: from each seq to the next.")


class PublishedModel(_TableModel):
    """Seqs by publisher: row i is first, first + step, ... (count of them)."""

    bitmaps: list[tuple[PublisherId, str]] = Field(
        default=[], description="[publisher, base64 of a 64-bit Roaring bitmap of seqs], where rows would be many."
    )


class DeliveredModel(_TableModel):
    """Seqs by publisher and sink: row i is first, first + step, ... (count of them)."""

    sink: list[Place] = Field(description="By row: where they came.")
    bitmaps: list[tuple[PublisherId, Place, str]] = Field(
        default=[],
        description="[publisher, sink, base64 of a 64-bit Roaring bitmap of seqs], where rows would be many.",
    )


class LedgerModel(_Model):
    """What changed in the ledger in a window; what is empty is left out."""

    published: PublishedModel | None = Field(default=None, description="Written to the broker.")
    confirmed: PublishedModel | None = Field(default=None, description="Answered by Basic.Ack.")
    nacked: PublishedModel | None = Field(default=None, description="Answered by Basic.Nack.")
    returned: PublishedModel | None = Field(default=None, description="Came back as unroutable.")
    in_doubt: PublishedModel | None = Field(default=None, description="Got no answer before their connection ended.")
    sinks: list[str] = Field(default=[], description="The sinks that messages came to in this window.")
    delivered: DeliveredModel | None = Field(default=None, description="Taken without the redelivered flag.")
    flagged: DeliveredModel | None = Field(default=None, description="The same, with the redelivered flag.")
    corrupted: DeliveredModel | None = Field(default=None, description="Taken with another body than was sent.")
    deaths: list[tuple[str, str]] = Field(default=[], description="[queue, reason] of the dead letters told here.")
    dead_letters: DeliveredModel | None = Field(
        default=None, description="Dead letters; `sink` is a place in `deaths`."
    )
    standing: DeliveredModel | None = Field(default=None, description="Found in their queue after the drain.")
    repeats: list[tuple[Place, PublisherId, Count]] = Field(
        default=[], description="[sink, publisher, messages]: taken more than once within the window, without the flag."
    )
    flagged_repeats: list[tuple[Place, PublisherId, Count]] = Field(default=[], description="The same, with the flag.")
    out_of_order: list[tuple[Place, PublisherId, Count]] = Field(
        default=[], description="[sink, publisher, messages]: taken after a later one."
    )
    foreign: dict[str, Count] = Field(default={}, description="By sink: messages that the run did not publish.")
    redelivered: dict[str, Count] = Field(default={}, description="By sink: messages with the redelivered flag.")
    offsets: dict[str, list[tuple[Count, Count]]] = Field(
        default={}, description="By sink of a stream: [first, last] offsets that its consumer was given on end."
    )
    zlib: str | None = Field(default=None, description="All of the above as JSON, compressed, base64; then alone.")


class WindowModel(_Model):
    """What one worker saw in about a second."""

    type: Literal["window"]
    format: Literal["loadtest.window/1"]
    worker: Worker
    index: Count = Field(description="From 0, per worker.")
    start_ns: Instant
    end_ns: Instant
    phase: Phase
    groups: dict[str, GroupModel] = Field(description="By the group's name.")
    ledger: LedgerModel
    gauges: dict[str, float] = Field(
        description="Of the process, at end_ns: cpu in cores, loop_lag_max_ns, memory_bytes, outstanding in messages, "
        "window_full_ns, blocked_ns, users (the fewest since start_ns)."
    )
    stalls: list[tuple[Instant, Instant]] = Field(
        default=[], description="When the worker's process did nothing at all: stopped, swapped out, or without a core."
    )


class GroupOfRunModel(_Model):
    """A group of the run. Further keys are kept as they are."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True, allow_inf_nan=False)

    kind: GroupKind = Field(description="What its users do.")
    model: records.Model = Field(description="open where a schedule says when, closed where answers do.")
    users: Count | None = Field(default=None, description="How many users it has.")
    stages: list[tuple[int, int]] = Field(default=[], description="Begin and end in ns after the begin of the run.")
    after: str | None = Field(default=None, description="The group that is to be done before this one begins.")
    start_at_ns: Count = Field(
        default=0, description="When it begins, in ns after the begin of the run, or after `after` is done."
    )


class PublisherModel(_Model):
    """A publisher, and where its messages must arrive."""

    id: Count = Field(le=MAX_PUBLISHER_ID, description="Its number in the run.")
    group: str = Field(description="The group it is of.")
    confirms: bool = Field(description="Whether it asks for confirms.")
    routes: list[list[str]] | None = Field(
        description="routes[seq % len(routes)] are the sinks that message seq must reach; null if not known."
    )
    stamp: Literal["none"] | None = Field(
        default=None, description="none: its messages cannot be told from others' when they come."
    )
    successor_of: PublisherId | None = Field(
        default=None, description="The publisher in whose place it goes on; null: nobody's."
    )


class ScenarioOfRunModel(BaseModel):
    """What was asked. Further keys are kept as they are."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    name: str = Field(description="As the file has it.")
    description: str = Field(default="", description="As the file has it.")
    hash: str = Field(description="SHA-256 of the text, hexadecimal.")
    text: str = Field(description="The scenario as it ran, YAML.")
    overrides: list[str] = Field(default=[], description="The --set arguments, in order.")
    thresholds: list[str] = Field(default=[], description="The thresholds, each as written.")


class StreamModel(_Model):
    """A consumer's view of a stream."""

    queue: str = Field(description="The stream.")
    first: bool = Field(default=False, description="Whether the consumer begins at the first message.")
    filtered: bool = Field(default=False, description="Whether the broker filters for it.")


class RunModel(BaseModel):
    """The first record. Further keys (broker, generator, ...) are kept as they are."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True, allow_inf_nan=False)

    type: Literal["run"]
    format: Literal["loadtest.windows/1"]
    start_ns: Instant = Field(description="What the timeline counts from.")
    started_at: str = Field(description="ISO 8601, UTC.")
    scenario: ScenarioOfRunModel = Field(description="What was asked.")
    groups: dict[str, GroupOfRunModel] = Field(description="By the group's name.")
    publishers: list[PublisherModel] = Field(description="Every publisher of every group.")
    sinks: list[str] = Field(description="Those that are consumed.")
    may_drop: dict[str, list[str]] = Field(
        default={},
        description="By queue: why the broker may drop what is in it (expired, maxlen, delivery_limit, retention).",
    )
    untaken: list[str] = Field(
        default=[], description="Queues that messages are due at and nobody of the run takes from."
    )
    streams: dict[str, StreamModel] = Field(default={}, description="By sink that is a consumer's view of a stream.")
    before: dict[str, Count] = Field(
        default={}, description="By queue: messages that stood in it before the run; of a stream all that it ever had."
    )
    others: dict[str, str] = Field(
        default={}, description="By queue: why others than this run may take from it, in a sentence."
    )
    broker: dict[str, Any] = Field(default={}, description="What is known of the broker: as in result.json.")
    generator: dict[str, Any] = Field(default={}, description="What is known of this machine: as in result.json.")


class PhaseModel(_Model):
    """A phase begins."""

    type: Literal["phase"]
    phase: Phase
    at_ns: Instant


class EventModel(BaseModel):
    """Something happened once. Further keys are kept as they are."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True, allow_inf_nan=False)

    type: Literal["event"]
    at_ns: Instant
    code: str = Field(description="What happened, in a word: connection-lost, run-failed, interrupted, aborted, ...")
    text: str = Field(description="The same in a sentence.")


class BrokerModel(_Model):
    """What the broker, or the machine, said of themselves."""

    type: Literal["broker"]
    at_ns: Instant
    gauges: dict[str, float] = Field(
        description="broker.…, queue.… and machine.cpu; docs/results.md has their units. What was not told is absent."
    )


class UsersModel(_Model):
    """What the users of one worker took over the whole run."""

    type: Literal["users"]
    worker: Worker
    taken: dict[str, list[tuple[Count, Count]]] = Field(description="By group: [user from 0, messages].")
    blocked: list[tuple[PublisherId, Count]] = Field(
        default=[], description="[publisher, ns] that the broker had its connection blocked."
    )


class WorkerModel(_Model):
    """What is known of one process of several."""

    type: Literal["worker"]
    worker: Worker
    at_ns: Instant
    host: str | None = Field(description="The name of its host.")
    cores: Count | None = Field(description="That it may use.")
    clock: str | None = Field(description="What tells its clock from others; null: it is the leading process's.")
    offset_ns: Nanoseconds = Field(description="By how much its clock is ahead of the leading process's.")
    bound_ns: Count = Field(description="How far that may be off, to either side.")
    jumps: Count = Field(default=0, description="Measurements of it that contradicted those before.")


class LostWorkerModel(_Model):
    """A process of several is gone."""

    type: Literal["lost_worker"]
    at_ns: Instant
    worker: Worker
    publishers: list[PublisherId] = Field(description="Those that it had: what got no answer of theirs is in doubt.")
    sinks: list[str] = Field(description="Those that its users took from, after its last window too.")
    successors: list[PublisherModel] = Field(description="Publishers that go on in place of its own.")
    is_offered: bool = Field(
        default=False,
        description="Whether messages of which only the delivery is known count as offered, as they do as published.",
    )


class QueueModel(_Model):
    """What is left in a queue after the drain."""

    type: Literal["queue"]
    sink: str = Field(description="The queue.")
    left: Count = Field(description="Messages, as the broker said.")


class DepthModel(_Model):
    """What a queue holds after the drain from which the run does not take, or a stream; or why that is not known."""

    type: Literal["depth"]
    queue: str = Field(description="The queue; of several records of one the last holds.")
    messages: Count | None = Field(
        description="Ready in it; of a stream all that it ever had. Null where that is not known."
    )
    why: str | None = Field(description="Why it cannot be known what became of messages that are missing there.")


class DeadLettersModel(_Model):
    """The dead letters that were found in a queue after the drain, which nobody consumes."""

    type: Literal["dead_letters"]
    queue: str = Field(description="The queue.")
    ledger: LedgerModel = Field(description="`deaths` and `dead_letters`.")


class StandingModel(_Model):
    """The messages that stood in a sink's queue after the drain, where that still held some and some were missing."""

    type: Literal["standing"]
    sink: str = Field(description="The queue.")
    ledger: LedgerModel = Field(description="`standing`.")


class DroppedModel(_Model):
    """What the broker dropped during the run without handing it on, as its own counters have it."""

    type: Literal["dropped"]
    counts: dict[str, Count] = Field(description="Messages by reason: expired, maxlen, delivery_limit.")


class EndModel(_Model):
    """The last record; a journal without one is of a run that was cut off."""

    type: Literal["end"]
    at_ns: Instant
    ended_at: str = Field(description="ISO 8601, UTC.")
    complete: bool = Field(description="False where the run did not do all that was asked.")
    reason: str | None = Field(description="Why it is not complete, in a sentence; null where it is.")


AnyRecord = Annotated[
    RunModel
    | PhaseModel
    | WindowModel
    | EventModel
    | BrokerModel
    | UsersModel
    | WorkerModel
    | LostWorkerModel
    | QueueModel
    | DepthModel
    | DeadLettersModel
    | StandingModel
    | DroppedModel
    | EndModel,
    Discriminator("type"),
]
RECORD: Final[TypeAdapter[Any]] = TypeAdapter(AnyRecord)
"""Checks one record; `validate_json` takes a line of the journal."""


def is_record(line: bytes) -> bool:
    """Return whether a line of a journal is a record, with every field as it may be; further fields do not matter."""
    try:
        record = RECORD.validate_json(line)
    except ValidationError as error:
        return all(fault["type"] == "extra_forbidden" for fault in error.errors(include_url=False))
    if isinstance(record, RunModel):
        return _is_instant(record.started_at) and {each.group for each in record.publishers} <= record.groups.keys()
    return not isinstance(record, EndModel) or _is_instant(record.ended_at)


def _is_instant(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


FORMATS: Final = (records.FORMAT, window.FORMAT)


def windows_schema() -> dict[str, Any]:
    """Return the JSON Schema of a line of `windows.jsonl`, for `loadtest schema windows`."""
    schema = RECORD.json_schema(by_alias=True, mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "a line of windows.jsonl", **schema}

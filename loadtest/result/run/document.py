"""
`result.json`: what a run was, what came of it and what that means, as one frozen document.

Knows nothing of how the figures came about (`build`) nor of how they are shown (`report`). The document is an
interface: fields are added, never renamed, and a change of meaning gives a new `schema`. Units are in the names; a
field that has no value is null, never 0. Every field is explained in `docs/results.md`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, JsonValue, create_model

from loadtest import counters
from loadtest.counters import GroupKind

SCHEMA: Final = "loadtest.result/1"
"""
Version of the document. History:

1: first version.
"""

Outcome: TypeAlias = Literal["pass", "fail", "error", "nothing-measured", "inconclusive"]
LoadModel: TypeAlias = Literal["open", "closed"]


class Part(BaseModel):
    """A part of the document: frozen, exact types, no field that is not declared."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)


class ScenarioPart(Part):
    """What was asked."""

    name: str
    description: str
    hash: str = Field(description="SHA-256 of `text`, hexadecimal.")
    text: str = Field(description="The scenario as it ran, YAML, variables and overrides put in, secrets replaced.")
    overrides: tuple[str, ...] = Field(description="The `--set` arguments, in order.")


class CheckPart(Part):
    """A threshold, judged."""

    check: str = Field(description="The threshold as written, in the scenario or on the command line.")
    value: str | None = Field(description="What came, with its unit; null where it cannot be told.")
    limit: str = Field(description="What was asked for, with its unit.")
    ok: bool
    note: str | None = Field(description="Why it could not be evaluated, or what weakens it.")


class FindingPart(Part):
    """Something that a reader of the figures has to know."""

    code: str = Field(description="One of the closed set in docs/results.md.")
    group: str | None = Field(description="The group it is about; null for the run.")
    text: str = Field(description="The observation with its number and limit, then the next step.")
    value: float | None = Field(description="The number observed, in `unit`.")
    limit: float | None = Field(description="The number from which on it is a finding, in `unit`.")
    unit: str
    next_step: str


Bounding: TypeAlias = Literal["generator", "broker", "machine", "consumers", "outage", "schedule", "unknown"]


class BoundPart(Part):
    """What bounded the run: whose limit its rates are. Cores are means over the measured part."""

    by: Bounding
    text: str = Field(description="One sentence with the figures it rests on.")
    generator_cores: float = Field(description="Of the generator's busiest process; a process has one core.")
    broker_cores: float | None = Field(description="Null where the broker does not run on this machine.")
    machine_cores: float | None = Field(description="In use by anything, on the machine of the leading process.")
    share_of_calibrated: float | None = Field(
        description="Of one process's time, by its calibration, that the run's messages take; null without one."
    )


class VerdictPart(Part):
    """What the run means."""

    outcome: Outcome
    exit_code: int = Field(description="Exit code of the process: 0, 1, 3, 4, 5 or 130.")
    reason: str = Field(description="One sentence that explains the outcome.")
    checks: tuple[CheckPart, ...]
    findings: tuple[FindingPart, ...]
    bound: BoundPart | None = Field(default=None, description="Null where too little was measured to tell.")


if TYPE_CHECKING:

    class TotalsPart(Part):
        """Messages over the whole run; a field for each total of `loadtest.counters`."""

        def __init__(self, **counts: int) -> None: ...

        def __getattr__(self, name: str) -> int: ...

else:
    TotalsPart = create_model(
        "TotalsPart",
        __base__=Part,
        __module__=__name__,
        __doc__="Messages over the whole run, warm-up and drain included; from the ledger.",
        **{
            row.name: (int, Field(**({} if row.is_required else {"default": 0}), description=row.help))
            for row in counters.totals()
        },
    )


class RatesPart(Part):
    """Rates over the time in which the group was active in the measured part; null where it was not."""

    active_s: float = Field(description="The time the rates are over, in s.")
    offered_per_s: float | None = Field(description="What the schedule asked; null in a closed model.")
    published_per_s: float | None
    confirmed_per_s: float | None
    delivered_per_s: float | None
    got_per_s: float | None
    bytes_per_s: float | None = Field(description="Bodies published, or taken, a second.")


class LatencyPart(Part):
    """A latency over the measured part. Percentiles are null where there is no value."""

    count: int
    min_ns: int | None
    mean_ns: float | None
    p50_ns: int | None
    p90_ns: int | None
    p95_ns: int | None
    p99_ns: int | None
    p99_9_ns: int | None
    p99_99_ns: int | None
    max_ns: int | None
    model: LoadModel = Field(description="open: from the intended time of a schedule; closed: intended = sent.")
    saturated: int = Field(description="Values beyond the histogram's range: in `count`, ranked above all others.")
    negative: int = Field(description="Values below zero (clocks apart): in `count`, ranked below all others.")
    hdr: str = Field(description="The histogram: HdrHistogram V2, compressed, base64.")
    clock_bound_ns: int | None = Field(
        default=None, description="How far each value may be off as it lies between hosts' clocks; null: not at all."
    )


class StretchPart(Part):
    """A stretch of a series of integers: first, first + step, …; *count* values."""

    first: int
    count: int
    step: int


class SeriesPart(Part):
    """The `message_count` of each Get-Ok from a sink, in the order in which they came."""

    count: int
    first: int
    last: int
    stretches: tuple[StretchPart, ...] = Field(description="10,000 at most; `count` and `left_out` tell whether all.")
    left_out: int = Field(description="Values that came after the stretches were full; the journal has them.")


class SpanPart(Part):
    """What a group did in a span of the run other than the measured part: the warm-up, or a stage of its rate."""

    start_s: float = Field(description="In s after `started_at`.")
    end_s: float
    counts: dict[str, int] = Field(description="Messages, by the names of the totals; those that are 0 are left out.")
    rates: RatesPart
    latency: dict[str, LatencyPart]


class OutagePart(Part):
    """A stretch in which nothing was confirmed to a group, or delivered to it, though something was due."""

    start_s: float = Field(description="In s after `started_at`.")
    end_s: float = Field(
        description="When the first confirm or delivery came after it; of one that is not over, the end."
    )
    is_over: bool = Field(description="False if nothing came after it.")


class GroupPart(Part):
    """A group of users of the scenario."""

    kind: GroupKind
    model: LoadModel
    users: int | None
    totals: dict[str, int] = Field(description="Those of the run's totals that apply to the group and can be told.")
    rates: RatesPart
    latency: dict[str, LatencyPart]
    message_counts: dict[str, SeriesPart] = Field(description="By sink; of getters.")
    measured_counts: dict[str, int] = Field(
        default_factory=dict, description="Messages counted in the measured part, by the names of the totals."
    )
    outages: tuple[OutagePart, ...] | None = Field(
        default=None, description="Longer than 100 ms, in order; null where the group says nothing of the broker."
    )
    by_user: tuple[int, ...] | None = Field(
        default=None, description="Messages published or taken over the whole run, by user; null where not known."
    )
    spans: dict[str, SpanPart] = Field(default_factory=dict, description="`warm_up`, `stage 1`, `stage 2`, ...")


class LostPart(Part):
    """A lost message, as an example."""

    publisher: int
    seq: int
    sink: str | None = Field(description="Where it did not come; null: nowhere, and where it should have is not known.")
    sent_from_s: float | None = Field(description="Sent between this, in s after `started_at`, ...")
    sent_to_s: float | None = Field(description="... and this; null where the journal does not tell.")
    confirmed_from_s: float | None = Field(default=None, description="Confirmed between this, ...")
    confirmed_to_s: float | None = Field(default=None, description="... and this.")


class PublisherPart(Part):
    """The books of one publisher; with confirms, published = confirmed + nacked + returned_only + in_doubt."""

    publisher: int
    group: str
    published: int
    confirmed: int
    nacked: int
    returned: int
    returned_only: int
    in_doubt: int
    unconfirmed: int
    lost: int
    blocked_s: float = Field(default=0.0, description="How long the broker had its connection blocked.")


class UnknownPart(Part):
    """Confirmed messages that are missing at a sink, and cannot be called lost."""

    sink: str
    messages: int
    reason: str = Field(description="Why it cannot be known what became of them.")
    is_taken: bool = Field(description="Whether the run takes from there.")


class LedgerPart(Part):
    """The ledger closed: whether the books balance, by publisher, with examples of what was lost."""

    balanced: bool | None = Field(description="Null where the run was cut off: then nobody can tell.")
    imbalances: tuple[str, ...] = Field(description="A sentence for each book that does not balance.")
    publishers: tuple[PublisherPart, ...]
    lost_examples: tuple[LostPart, ...] = Field(description="The first lost messages, by publisher and seq.")
    unknown: tuple[UnknownPart, ...] = Field(
        default=(), description="The sinks of which it cannot be known whether messages were lost."
    )
    unrouted: int = Field(
        default=0,
        description="Confirmed and never seen, of publishers whose routes cannot be known.",
    )
    held: dict[str, int] = Field(
        default={}, description="Messages in queues that nobody of the run takes from, after it, as the broker said."
    )
    left: dict[str, int] = Field(description="Messages in each sink's queue after the drain, as the broker said.")
    dead_letters: dict[str, dict[str, int]] = Field(
        default={}, description="Messages that the broker took out of a queue and handed on, by queue and reason."
    )


class WorkerPart(Part):
    """A process of a run over several, and what is known of its clock against the leading process's."""

    worker: str
    host: str | None
    cores: int | None = Field(description="Of its host, that it may use.")
    has_own_clock: bool = Field(description="False: it shares the clock of the leading process, and nothing is off.")
    offset_ns: int = Field(description="By how much its clock is ahead, as last measured; negative: behind.")
    bound_ns: int = Field(description="How far that was off at most, to either side, at the worst of the run.")
    drift_ppm: float | None = Field(description="Of the offset, in millionths; null over less than 10 s.")
    clock_jumps: int = Field(default=0, description="Measurements that contradicted those before: a clock was set.")


class PhasePart(Part):
    """A phase of the run, in s after `started_at`."""

    name: str
    start_s: float
    end_s: float


class EventPart(Part):
    """Something that happened once: a connection lost, a broker blocked."""

    t_s: float = Field(description="When, in s after `started_at`.")
    code: str
    text: str


class PointLatencyPart(Part):
    """A latency in one second; percentiles are null where a worker's part came too late for them."""

    p50_ns: int | None = None
    p99_ns: int | None = None
    max_ns: int | None = None


class PointGroupPart(Part):
    """What a group did in one second."""

    rates: dict[str, float] = Field(description="`published_per_s` and so on; those that are 0 are left out.")
    latency: dict[str, PointLatencyPart] = Field(description="Corrected latencies, warm-up included.")


class PointPart(Part):
    """One second of the run."""

    t_s: int = Field(description="Its begin, in s after `started_at`.")
    phase: str
    groups: dict[str, PointGroupPart]
    gauges: dict[str, float] = Field(description="Of several workers the sum (messages) or the highest.")


class RunResult(Part):
    """The whole document."""

    version: Literal["loadtest.result/1"] = Field(default=SCHEMA, alias="schema")
    complete: bool = Field(description="False where the run was cut off: its journal has no end record.")
    interrupted: bool
    scenario: ScenarioPart
    broker: dict[str, JsonValue] = Field(description="The fingerprint: product, version, nodes, plugins, address.")
    generator: dict[str, JsonValue] = Field(description="The fingerprint: host, cores, versions, workers.")
    started_at: str = Field(description="ISO 8601, UTC.")
    ended_at: str = Field(description="ISO 8601, UTC; of a run that was cut off the end of its last window.")
    measured_s: float = Field(description="Length of the measured part: after the warm-up, before the drain.")
    verdict: VerdictPart
    totals: TotalsPart
    groups: dict[str, GroupPart]
    ledger: LedgerPart
    phases: tuple[PhasePart, ...]
    events: tuple[EventPart, ...]
    timeline: tuple[PointPart, ...]
    workers: tuple[WorkerPart, ...] = Field(
        default=(), description="The processes of a run over several; empty where one did it all."
    )


def result_schema() -> dict[str, JsonValue]:
    """Return the JSON Schema of `result.json`, for `loadtest schema result`."""
    schema: dict[str, JsonValue] = RunResult.model_json_schema(by_alias=True, mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}

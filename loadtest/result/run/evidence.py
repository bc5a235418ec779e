"""
What a run left to judge it by: the parts of the document that thresholds, findings and the verdict look at.

Knows no judgement. It can be had from a Collector (`build`) and from a document written long ago alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from loadtest.result.run.document import (
    BoundPart,
    EventPart,
    GroupPart,
    LedgerPart,
    PointPart,
    RunResult,
    TotalsPart,
    WorkerPart,
)

MEASURED: Final = "measured"
"""Name of the phase whose rates and latencies count."""

CONNECTION_LOST: Final = "connection-lost"
CONNECTION_BLOCKED: Final = "connection-blocked"
CONNECTION_UNBLOCKED: Final = "connection-unblocked"
RUN_FAILED: Final = "run-failed"
OPERATION_REFUSED: Final = "operation-refused"
NO_PROGRESS: Final = "no-progress"
INTERRUPTED: Final = "interrupted"
JOURNAL_FAILED: Final = "journal-failed"
WORKER_LOST: Final = "worker-lost"
WORKER_REPLACED: Final = "worker-replaced"
ABORTED: Final = "aborted"
FAULT: Final = "fault"
FAULT_FAILED: Final = "fault-failed"
BROKER_UNSAMPLED: Final = "broker-unsampled"
"""Codes of events that change what a run means; others are only shown."""

BROKER_FAILURES: Final[Mapping[str, str]] = {
    RUN_FAILED: "the run lost the broker",
    CONNECTION_LOST: "the run lost the broker",
    OPERATION_REFUSED: "the broker refused what the run needs",
    NO_PROGRESS: "the run got no further",
}
"""What it means that the run ended by an event of a code."""

EXPLAINS_DOUBT: Final = (
    *BROKER_FAILURES,
    "connection-dropped",
    CONNECTION_BLOCKED,
    WORKER_LOST,
    WORKER_REPLACED,
    FAULT,
    "user-ended",
    "internal-error",
)
"""Codes of events that may leave messages without an answer."""


def got_no_confirm(group: GroupPart) -> bool:
    """Return whether a group of publishers asked for confirms and got no answer at all."""
    totals = group.totals
    answered = sum(totals.get(name, 0) for name in ("confirmed", "nacked", "returned_only"))
    return group.kind == "publisher" and bool(totals.get("in_doubt")) and not answered


@dataclass(frozen=True, slots=True)
class NotBegun:
    """
    Why a group never began: the run was over before its turn.

    Attributes:
        after: The group that was to be done first; None if it waited for none.
        start_at_s: How long after that, or after the begin of the run, it was to begin.
    """

    after: str | None
    start_at_s: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """
    A run, before it is judged.

    Attributes:
        measured_messages: Messages published, delivered or got in the measured part, foreign ones included.
        has_end: Whether the journal has an end record; without one the run was cut off at some unknown point.
        missing_windows: Windows of workers that never arrived though later ones did.
        is_whole: Whether the end record says that the run did all that was asked.
        end_reason: What the end record says about why it ended; None if as planned.
        cores: Of the generator's machine; None where it is not known.
        bound: What bounded the run, once that is found.
        calibrated: Messages a second by work that one process of the generator can do; empty where it is not known.
        workers: The processes of a run over several; empty where one did it all.
        processes: How many had users.
        most_per_s: By group of consumers or getters, the most messages that it can take in a second by its users' work,
            or rate, with that arithmetic in words; absent where nothing says it.
        stalls: By process, when it stood still: begin and end in s after the start.
        not_begun: By group that never began its work, why.
    """

    totals: TotalsPart
    groups: Mapping[str, GroupPart]
    ledger: LedgerPart
    events: Sequence[EventPart]
    timeline: Sequence[PointPart]
    measured_s: float
    measured_messages: int
    has_end: bool
    missing_windows: int
    is_whole: bool
    end_reason: str | None
    cores: int | None = None
    bound: BoundPart | None = None
    calibrated: Mapping[str, float] = field(default_factory=dict)
    workers: Sequence[WorkerPart] = ()
    processes: int = 1
    most_per_s: Mapping[str, tuple[float, str]] = field(default_factory=dict)
    stalls: Mapping[str, Sequence[tuple[float, float]]] = field(default_factory=dict)
    not_begun: Mapping[str, NotBegun] = field(default_factory=dict)

    def first_event(self, *codes: str) -> EventPart | None:
        """Return the first event with one of *codes*."""
        return next((event for event in self.events if event.code in codes), None)

    @property
    def is_interrupted(self) -> bool:
        """Whether a person or a signal ended the run early: an event says so, or the end record's reason."""
        return self.end_reason == INTERRUPTED or self.first_event(INTERRUPTED) is not None

    @property
    def broker_failure(self) -> EventPart | None:
        """The event by which the broker went away for good, or refused what the run needs; None if it did not."""
        return self.first_event(*BROKER_FAILURES)


def named(evidence: Evidence, group: str) -> str:
    """Return a group as it stands in a sentence, such as: publisher `in`."""
    return f"{evidence.groups[group].kind} `{group}`"


def evidence_of(result: RunResult) -> Evidence:
    """
    Return what a document says of a run.

    Of one whose verdict is not about its figures (it was cut off, interrupted, lost its broker) the document tells no
    more than that; see `is_final`.
    """
    moved = ("published", "delivered", "got")
    counts = [group.measured_counts.get(name, 0) for group in result.groups.values() for name in moved]
    rates = [getattr(group.rates, f"{name}_per_s") or 0.0 for group in result.groups.values() for name in moved]
    cores = result.generator.get("cores")
    return Evidence(
        totals=result.totals,
        groups=result.groups,
        ledger=result.ledger,
        events=result.events,
        timeline=result.timeline,
        measured_s=result.measured_s,
        # A document of an older version has no counts of the measured part, but what did not move has no rate.
        measured_messages=sum(counts) or int(any(rates)),
        has_end=True,
        missing_windows=0,
        is_whole=True,
        end_reason=None,
        cores=cores if isinstance(cores, int) else None,
        bound=result.verdict.bound,
        workers=result.workers,
        processes=max(1, len(result.workers)),
    )

"""
The catalogue of counters: everything that is counted of messages, and how each count is shown.

A new counter is one row here, and the place that counts it (`Recorder.count`). From its row come its field in
`result.json` and the JSON Schema, the totals of groups, the rows of the ledger on the terminal, in summary.md, on the
report page and on the live tab of the dashboard, its Prometheus metric, and the thresholds that may name it.

The order is that of `totals` in `result.json`. docs/results.md and docs/prometheus.md explain each by its name.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

GroupKind: TypeAlias = Literal["publisher", "consumer", "getter"]
Known: TypeAlias = Literal["counted", "merged", "closed"]

PUBLISHERS: Final[frozenset[GroupKind]] = frozenset({"publisher"})
CONSUMERS: Final[frozenset[GroupKind]] = frozenset({"consumer"})
GETTERS: Final[frozenset[GroupKind]] = frozenset({"getter"})
TAKERS: Final = CONSUMERS | GETTERS
RUN_ONLY: Final[frozenset[GroupKind]] = frozenset()


@dataclass(frozen=True, slots=True)
class CounterSpec:
    """
    A counter.

    Attributes:
        name: Its key in counters of a window, totals of a result, and thresholds.
        kinds: Kinds of group that have it; none for a count of the run as a whole.
        help: What it counts, in a sentence: in the JSON Schema and in Prometheus.
        known: When it is known. counted: as it happens, by the recorder of a group. merged: as the windows of all
            workers are merged into the ledger. closed: when the run has drained and its ledger is closed.
        is_total: Whether it is one of the totals of a result, which are in messages (Get-Empty: answers).
        is_required: Whether every `result.json` has it; of the others, those of older versions do not.
        is_by_part: Whether results and thresholds have it for the parts of a run too, such as the warm-up.
        is_metric: Whether a threshold may name it.
        is_wrong: Whether more than 0 is shown in red.
        is_headline: Whether it is shown although it is 0, where a group could have counted it.
        is_listed: Whether the terminal lists it where it is not 0; the others are in sentences of their own, or only in
            files.
        prometheus: Name of its metric; by default it is made of `name`.
    """

    name: str
    kinds: frozenset[GroupKind]
    help: str
    known: Known = "counted"
    is_total: bool = True
    is_required: bool = False
    is_by_part: bool = True
    is_metric: bool = True
    is_wrong: bool = False
    is_headline: bool = False
    is_listed: bool = True
    prometheus: str = ""

    @property
    def label(self) -> str:
        """The name as it is printed."""
        return self.name.replace("_", " ")

    @property
    def metric(self) -> str:
        """Name of its Prometheus metric, without ``_total``."""
        return self.prometheus or f"loadtest_{self.name}_messages"


_ROWS: Final = (
    CounterSpec(
        "published", PUBLISHERS, "Messages written to the broker.", is_required=True, is_headline=True, is_listed=False
    ),
    CounterSpec(
        "confirmed", PUBLISHERS, "Messages answered by Basic.Ack.", is_required=True, is_headline=True, is_listed=False
    ),
    CounterSpec("nacked", PUBLISHERS, "Messages answered by Basic.Nack.", is_required=True, is_listed=False),
    CounterSpec("returned", PUBLISHERS, "Messages returned as unroutable.", is_required=True, is_listed=False),
    CounterSpec(
        "in_doubt",
        PUBLISHERS,
        "Messages that got no answer before their connection ended.",
        is_required=True,
        is_by_part=False,
        is_wrong=True,
        is_listed=False,
    ),
    CounterSpec(
        "delivered", CONSUMERS, "Messages taken by consumers.", is_required=True, is_headline=True, is_listed=False
    ),
    CounterSpec("got", GETTERS, "Messages taken by getters.", is_required=True, is_headline=True, is_listed=False),
    CounterSpec(
        "get_empty",
        GETTERS,
        "Basic.Get-Empty answers.",
        is_required=True,
        is_listed=False,
        prometheus="loadtest_get_empty",
    ),
    CounterSpec(
        "duplicates",
        TAKERS,
        "Messages taken again after they were taken once.",
        "merged",
        is_required=True,
        is_wrong=True,
        is_headline=True,
    ),
    CounterSpec("redelivered", TAKERS, "Messages taken with the redelivered flag.", is_required=True),
    CounterSpec("out_of_order", TAKERS, "Messages taken after a later one.", "merged", is_required=True),
    CounterSpec(
        "corrupted",
        TAKERS,
        "Messages taken with another body than was sent.",
        is_required=True,
        is_wrong=True,
        is_headline=True,
    ),
    CounterSpec("foreign", TAKERS, "Messages taken that this run did not publish.", is_required=True),
    CounterSpec(
        "lost",
        PUBLISHERS,
        "Confirmed messages that were neither delivered nor left in a queue.",
        "closed",
        is_required=True,
        is_wrong=True,
        is_headline=True,
        is_listed=False,
    ),
    CounterSpec(
        "offered",
        PUBLISHERS,
        "Arrivals that fell due by the schedule, sent or not.",
        is_required=True,
        is_metric=False,
        is_listed=False,
    ),
    CounterSpec(
        "returned_only",
        PUBLISHERS,
        "Messages returned as unroutable, and not answered otherwise.",
        "closed",
        is_required=True,
        is_metric=False,
        is_listed=False,
    ),
    CounterSpec(
        "unconfirmed",
        PUBLISHERS,
        "Messages published that got no answer of any kind.",
        "closed",
        is_required=True,
        is_metric=False,
        is_listed=False,
    ),
    CounterSpec(
        "remaining",
        RUN_ONLY,
        "Messages left in their queue after the drain.",
        "closed",
        is_required=True,
        is_metric=False,
    ),
    CounterSpec(
        "undelivered",
        RUN_ONLY,
        "Messages published without confirms that were not delivered.",
        "closed",
        is_required=True,
        is_metric=False,
    ),
    CounterSpec(
        "vanished",
        RUN_ONLY,
        "Messages in doubt that were not delivered.",
        "closed",
        is_required=True,
        is_metric=False,
        is_wrong=True,
        is_listed=False,
    ),
    CounterSpec(
        "unexpected",
        RUN_ONLY,
        "Messages delivered where no route of their publisher leads.",
        "merged",
        is_required=True,
        is_metric=False,
        is_wrong=True,
        is_listed=False,
    ),
    CounterSpec(
        "unpublished",
        RUN_ONLY,
        "Messages delivered that no publisher recorded.",
        "closed",
        is_required=True,
        is_metric=False,
        is_wrong=True,
        is_listed=False,
    ),
    CounterSpec(
        "dropped",
        PUBLISHERS,
        "Arrivals that fell due and were never sent (on_outage: drop).",
        is_by_part=False,
        is_metric=False,
        is_listed=False,
    ),
    CounterSpec(
        "republished",
        PUBLISHERS,
        "Messages in doubt that were written again (in_doubt: republish).",
        is_by_part=False,
        is_metric=False,
        is_listed=False,
    ),
    CounterSpec("duplicates_unflagged", TAKERS, "Duplicates without the redelivered flag.", "merged", is_listed=False),
    CounterSpec("dead_lettered", RUN_ONLY, "Taken out of a queue by the broker, and handed on.", "merged"),
    CounterSpec("expired", RUN_ONLY, "Dropped by the broker: their time to live was over.", "closed"),
    CounterSpec("overflowed", RUN_ONLY, "Dropped by the broker: their queue was full (x-max-length).", "closed"),
    CounterSpec(
        "delivery_limit",
        RUN_ONLY,
        "Dropped by the broker at the delivery limit of a quorum queue, delivered before or not.",
        "closed",
    ),
    CounterSpec("unread", RUN_ONLY, "In a stream before the offset at which its consumer began.", "closed"),
    CounterSpec("unknown", RUN_ONLY, "Confirmed and missing where it cannot be known what became of them.", "closed"),
    CounterSpec("rejected", CONSUMERS, "Deliveries that consumers rejected without requeueing them."),
    CounterSpec("requeued", CONSUMERS, "Deliveries that consumers rejected and had requeued."),
    CounterSpec(
        "bytes_published",
        PUBLISHERS,
        "Bodies published, in bytes.",
        is_total=False,
        prometheus="loadtest_published_bytes",
    ),
    CounterSpec(
        "bytes_delivered",
        TAKERS,
        "Bodies taken by consumers and getters, in bytes.",
        is_total=False,
        prometheus="loadtest_taken_bytes",
    ),
)

CATALOGUE: Final = {row.name: row for row in _ROWS}


def totals() -> Iterable[CounterSpec]:
    """Return the totals of a result, in the order of its document."""
    return [row for row in CATALOGUE.values() if row.is_total]


def metrics() -> dict[str, frozenset[GroupKind]]:
    """Return the totals that a threshold may name, each with the kinds of group that have it."""
    return {row.name: row.kinds for row in totals() if row.is_metric}


def counted(kind: GroupKind | None = None) -> Iterable[CounterSpec]:
    """Return what is counted as it happens by groups of *kind*, or of any."""
    rows = [row for row in CATALOGUE.values() if row.known == "counted"]
    return [row for row in rows if kind is None or kind in row.kinds]


def by_part() -> Iterable[str]:
    """Return the totals that are known of parts of a run too."""
    return [row.name for row in totals() if row.known == "counted" and row.is_by_part]


def headlines(kinds: Iterable[GroupKind]) -> frozenset[str]:
    """Return the totals that are shown although they are 0, in a run with groups of *kinds*."""
    of = frozenset(kinds)
    return frozenset(row.name for row in totals() if row.is_headline and row.kinds & of)

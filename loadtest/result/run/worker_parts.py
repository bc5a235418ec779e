"""The processes of a run and their clocks: what the document says of each, and how far latencies may be off for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from loadtest.clock import NS_PER_S
from loadtest.result.run.document import WorkerPart

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadtest.measure.collector import Collector
    from loadtest.measure.group_totals import GroupTotals
    from loadtest.measure.records import Record

ACROSS: Final = ("end_to_end", "end_to_end_uncorrected")
"""Latencies that begin in one process and end in another."""

LEAST_DRIFT_S: Final = 10.0
"""Over less, what two measurements are apart is what each of them may be off."""

_PPM: Final = 1_000_000


def build_workers(collector: Collector) -> tuple[WorkerPart, ...]:
    """Return the processes of a run, by name; none where one process did it all."""
    return tuple(_part(name, records) for name, records in sorted(collector.known_workers.items()))


def clock_bounds_ns(collector: Collector) -> dict[str, int]:
    """
    Return how far the end-to-end latencies of each group may be off for the clocks, by group; 0 is left out.

    A latency that begins on one host and ends on another is off by what the two clocks' offsets are off at most; one
    that stays on a host, or a clock, is not.
    """
    publishing = {name for group in collector.groups.values() if group.kind == "publisher" for name in group.workers}
    bounds = {
        name: max((_between(collector, sender, taker) for sender in publishing for taker in group.workers), default=0)
        for name, group in collector.groups.items()
        if group.kind != "publisher"
    }
    return {name: bound for name, bound in bounds.items() if bound}


def bound_of(group: GroupTotals, latency: str, bounds: dict[str, int]) -> int | None:
    """Return how far a latency of a group may be off; None where the clocks do not matter."""
    return bounds.get(group.name) if latency in ACROSS else None


def _between(collector: Collector, sender: str, taker: str) -> int:
    ends = [collector.known_workers.get(worker, []) for worker in (sender, taker)]
    clocks = [records[-1]["clock"] if records else None for records in ends]
    return 0 if clocks[0] == clocks[1] else sum(_bound_ns(records) for records in ends)


def _bound_ns(records: Sequence[Record]) -> int:
    return max((int(record["bound_ns"]) for record in records), default=0)


def _part(name: str, records: Sequence[Record]) -> WorkerPart:
    first, last = records[0], records[-1]
    elapsed_s = (last["at_ns"] - first["at_ns"]) / NS_PER_S
    drift = None
    if last["clock"] is not None and elapsed_s >= LEAST_DRIFT_S:
        drift = (last["offset_ns"] - first["offset_ns"]) / NS_PER_S / elapsed_s * _PPM
    return WorkerPart(
        worker=name,
        host=last["host"],
        cores=last["cores"],
        has_own_clock=last["clock"] is not None,
        offset_ns=last["offset_ns"],
        bound_ns=_bound_ns(records),
        drift_ppm=drift,
        clock_jumps=int(last.get("jumps", 0)),
    )

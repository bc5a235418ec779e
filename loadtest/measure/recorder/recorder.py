"""
The recorder: where a worker's users record what happens, and from which each window is cut.

Cheap where it is called often: a run of messages is copied into columns (`pending`), and counted some thousand at a
time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from loadtest.counters import GroupKind
from loadtest.measure.ledger.dead_letter_sets import DyingMessages
from loadtest.measure.ledger.ledger_delta import PUBLISHER_BITS, PUBLISHER_MASK, PUBLISHER_TABLES, LedgerDelta
from loadtest.measure.ledger.seq_ranges import SeqRanges, united
from loadtest.measure.recorder.delivery_recorder import DeliveryGroup, DeliveryRecorder
from loadtest.measure.recorder.group_recorder import GroupRecorder
from loadtest.measure.recorder.publisher_recorder import PublisherGroup, PublisherRecorder
from loadtest.measure.window import Window
from loadtest.stamp import MAX_PUBLISHER_ID, run_words

__all__ = ["DeliveryRecorder", "PublisherRecorder", "Recorder"]

Int64s = NDArray[np.int64]


class Recorder:
    """
    Everything that one worker process records.

    Not for several threads; safe among greenlets, because it never yields.

    Args:
        worker: Name of the worker, unique in the run.
        groups: Kind of each group, by name.
        closed_groups: The publisher groups of the closed model: there intended is sent, so lateness is not recorded,
            and the corrected and uncorrected confirm latencies are the same.
        ours: The first words of the stamps of this run's publishers (`loadtest.stamp.run_words`); what arrives with
            another one is foreign.
    """

    def __init__(
        self,
        worker: str,
        groups: Mapping[str, GroupKind],
        *,
        closed_groups: Collection[str] = (),
        ours: range = run_words(0, MAX_PUBLISHER_ID + 1),
    ) -> None:
        self.worker = worker
        # Latencies of messages intended before this instant are of the warm-up; 0: there is none.
        self.measured_from_ns = 0
        # By how much this process's clock is ahead of the run's, in which stamps are written; 0 on the leading host.
        self.clock_offset_ns = 0
        self._index = 0
        self._stalls: list[tuple[int, int]] = []
        self._sinks: dict[str, int] = {}
        self._dying = DyingMessages()
        self._publishers: dict[str, PublisherGroup] = {}
        self._deliveries: dict[str, DeliveryGroup] = {}
        for name, kind in groups.items():
            if kind == "publisher":
                self._publishers[name] = PublisherGroup(name, self, is_open=name not in closed_groups)
            else:
                counter = "delivered" if kind == "consumer" else "got"
                self._deliveries[name] = DeliveryGroup(name, self, counter=counter, ours=ours, dying=self._dying)
        self._groups: dict[str, GroupRecorder] = {name: self._group(name) for name in groups}

    def publisher(self, group: str, publisher_id: int) -> PublisherRecorder:
        """Return the recorder of one publisher; one for each id, kept through reconnections."""
        return PublisherRecorder(self._publishers[group], publisher_id)

    def delivery(self, group: str, sink: str) -> DeliveryRecorder:
        """Return the recorder of one consumer, or getter, of a sink; one each, a new one for a new channel."""
        return DeliveryRecorder(self._deliveries[group], sink, self._sinks.setdefault(sink, len(self._sinks)))

    def expect(self, publisher_id: int) -> None:
        """Take messages of a publisher beyond those that were known at first as this run's, and not as foreign."""
        for group in self._deliveries.values():
            group.settle()
            group.ours = range(group.ours.start, max(group.ours.stop, group.ours.start + publisher_id + 1))

    def measure_from(self, ns: int) -> None:
        """
        Set the end of the warm-up: latencies of messages intended before *ns* are kept apart.

        Everything else is counted as ever. Call it before the first message, with the instant at which it
        will end.
        """
        for group in self._groups.values():
            group.settle()
        self.measured_from_ns = ns

    def latency(self, group: str, name: str, ns: int) -> None:
        """Record one latency, such as `connect` or `declare`, that belongs to no message."""
        self._groups[group].latency(name, ns)

    def count(self, group: str, name: str, n: int) -> None:
        """Count *n* messages of *group* under a *name* of `GroupModel.counters` that no recorder of messages counts."""
        self._groups[group].counters[name] += n

    def active(self, group: str, ns: int) -> None:
        """Mark *group* as having work to do from *ns* on; rates are over the time in which it has."""
        self._groups[group].activate(ns)

    def inactive(self, group: str, ns: int) -> None:
        """Mark *group* as having nothing more to do from *ns* on."""
        self._groups[group].deactivate(ns)

    def stalled(self, from_ns: int, to_ns: int) -> None:
        """Record that this process did nothing at all between two instants."""
        self._stalls.append((from_ns, to_ns))

    def cut(self, start_ns: int, end_ns: int, phase: str, gauges: Mapping[str, float]) -> Window:
        """Return what happened since the last cut; `<group>.outstanding` joins the *gauges* if there are confirms."""
        ledger = self._take_ledger()
        outstanding = {f"{name}.outstanding": group.outstanding() for name, group in self._publishers.items()}
        window = Window(
            worker=self.worker,
            index=self._index,
            start_ns=start_ns,
            end_ns=end_ns,
            phase=phase,
            groups={name: group.cut(start_ns, end_ns) for name, group in self._groups.items()},
            ledger=ledger,
            gauges={**gauges, **{name: float(count) for name, count in outstanding.items() if count is not None}},
            stalls=tuple(self._stalls),
        )
        self._stalls.clear()
        self._index += 1
        return window

    def _group(self, name: str) -> GroupRecorder:
        return self._publishers.get(name) or self._deliveries[name]

    def _take_ledger(self) -> LedgerDelta:
        taken = [group.take_ledger() for group in self._publishers.values()]
        tables = {name: united([changes[name] for changes in taken]) for name in PUBLISHER_TABLES}
        delivered, flagged, repeats, flagged_repeats = self._take_delivered()
        deaths, dead_letters = self._dying.take()
        corrupted = united([group.take_corrupted() for group in self._deliveries.values()])
        out_of_order: Counter[int] = Counter()
        foreign: Counter[str] = Counter()
        redelivered: Counter[str] = Counter()
        offsets: dict[str, list[tuple[int, int]]] = {}
        for group in self._deliveries.values():
            out_of_order.update(group.out_of_order)
            foreign.update(group.foreign)
            redelivered.update(group.redelivered)
            for sink, span in group.take_offsets():
                offsets.setdefault(sink, []).append(span)
            group.forget_counts()
        names = list(self._sinks)
        used = np.unique(
            np.concatenate(
                [
                    delivered.key,
                    flagged.key,
                    corrupted.key,
                    np.array([*repeats, *flagged_repeats, *out_of_order], dtype=np.int64),
                ]
            ).astype(np.int64)
            >> PUBLISHER_BITS
        )
        return LedgerDelta(
            **tables,
            sinks=tuple(names[place] for place in used.tolist()),
            delivered=_renamed(delivered, used),
            flagged=_renamed(flagged, used),
            deaths=deaths,
            dead_letters=dead_letters,
            corrupted=_renamed(corrupted, used),
            repeats=_renamed_counts(repeats, used),
            flagged_repeats=_renamed_counts(flagged_repeats, used),
            out_of_order=_renamed_counts(out_of_order, used),
            foreign=dict(foreign),
            redelivered=dict(redelivered),
            offsets=offsets,
        )

    def _take_delivered(self) -> tuple[SeqRanges, SeqRanges, Counter[int], Counter[int]]:
        """
        Return what came to all groups without the redelivered flag and with it, and the repeats of both.

        Repeats are within a group, and where several groups take from one sink.
        """
        pieces = [group.take_delivered() for group in self._deliveries.values()]
        delivered, repeats = _together([unflagged for unflagged, _ in pieces])
        flagged, flagged_repeats = _together([flagged for _, flagged in pieces])
        for group in self._deliveries.values():
            repeats.update(group.repeats)
            flagged_repeats.update(group.flagged_repeats)
        return delivered, flagged, repeats, flagged_repeats


def _together(pieces: list[SeqRanges]) -> tuple[SeqRanges, Counter[int]]:
    """Return the union of what came to several groups, and by key how often a seq came to more than one."""
    union = united(pieces)
    repeats: Counter[int] = Counter()
    if sum(int(piece.count.sum()) for piece in pieces) > int(union.count.sum()):
        for rows in pieces:
            repeats.update(_counts_by_key(rows))
        repeats -= _counts_by_key(union)
    return union, repeats


def _counts_by_key(rows: SeqRanges) -> Counter[int]:
    counts: Counter[int] = Counter()
    for key, count in zip(rows.key.tolist(), rows.count.tolist(), strict=True):
        counts[key] += count
    return counts


def _renamed(rows: SeqRanges, used: Int64s) -> SeqRanges:
    """Return *rows* with sinks as places in *used*; their order stays."""
    key = np.searchsorted(used, rows.key >> PUBLISHER_BITS) << PUBLISHER_BITS | rows.key & PUBLISHER_MASK
    return SeqRanges(key, rows.first, rows.count, rows.step)


def _renamed_counts(counts: Counter[int], used: Int64s) -> dict[int, int]:
    places = {sink: place for place, sink in enumerate(used.tolist())}
    return {
        places[key >> PUBLISHER_BITS] << PUBLISHER_BITS | key & PUBLISHER_MASK: count for key, count in counts.items()
    }

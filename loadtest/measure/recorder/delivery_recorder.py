"""
Recording of consumers and getters: what came, when, from whom, and whether in order.

Latencies: `end_to_end` = delivery read - intended, `end_to_end_uncorrected` = delivery read - sent (intended +
lateness), `get` = answer to a Basic.Get read - Get written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from loadtest.clock import NS_PER_US
from loadtest.measure.ledger.dead_letter_sets import Death, DyingMessages
from loadtest.measure.ledger.ledger_delta import PUBLISHER_BITS, PUBLISHER_MASK
from loadtest.measure.ledger.seq_ranges import SeqRanges, of_arrivals, of_values, united
from loadtest.measure.recorder.arrival_order import ArrivalOrder
from loadtest.measure.recorder.group_recorder import GroupRecorder, WarmUp
from loadtest.measure.recorder.pending import CAPACITY
from loadtest.measure.recorder.pending_stamps import Arrived, PendingStamps
from loadtest.measure.runs import runs_of

Int64s = NDArray[np.int64]
# A Get whose instant is not told is measured: later than any end of warm-up.
_MEASURED: Final = (1 << 62) - 1


class DeliveryGroup(GroupRecorder):
    """
    All consumers, or getters, of a group in one worker.

    A message is this run's if the first word of its stamp is one of `ours`; any other is foreign. Ledger keys are `sink
    << 20 | publisher`, with the sink's place in the worker's list; those of the order `recorder << 20 | publisher`.
    """

    def __init__(self, name: str, warm_up: WarmUp, *, counter: str, ours: range, dying: DyingMessages) -> None:
        super().__init__(name, warm_up)
        self.counter = counter
        self.ours = ours
        self.pending = PendingStamps()
        self.message_counts: dict[str, list[int]] = {}
        self.foreign: Counter[str] = Counter()
        self.redelivered: Counter[str] = Counter()
        self.corrupted: list[tuple[int, Int64s]] = []
        self.repeats: Counter[int] = Counter()
        self.flagged_repeats: Counter[int] = Counter()
        self.dying = dying  # of all groups of the worker
        self.out_of_order: Counter[int] = Counter()
        self._sink_of: list[int] = []
        self._names: list[str] = []
        self._order = ArrivalOrder()
        self._unflagged = _Came()
        self._flagged = _Came()
        self._gets: list[int] = []
        # By recorder of a stream: the offset from which on it has to tell, and the last that it was given.
        self.offsets: dict[int, list[int]] = {}

    def add_recorder(self, sink: str, sink_place: int) -> int:
        """Return the number of a new recorder of what comes from *sink*, at *sink_place* in the worker's list."""
        self._sink_of.append(sink_place)
        self._names.append(sink)
        return len(self._sink_of) - 1

    def add_get(self, get_ns: int, read_ns: int | None) -> None:
        """Record the latency of a Basic.Get."""
        self._gets.extend((_MEASURED if read_ns is None else read_ns - get_ns, get_ns))
        if len(self._gets) >= CAPACITY:
            self._settle_gets()

    def settle(self) -> None:
        """Count what is pending."""
        self.settle_deliveries()
        self._settle_gets()

    def settle_deliveries(self) -> None:
        """Record latencies, order and seqs of the deliveries that came."""
        if not self.pending.used:
            return
        arrived = self._without_foreign(self.pending.take())
        if not len(arrived.seq):
            return
        if self._warm_up.clock_offset_ns:  # stamps are in the time of the run, and everything here in that of this host
            np.add(arrived.intended_ns, self._warm_up.clock_offset_ns, out=arrived.intended_ns)
        self.pauses.note(arrived.read_ns, arrived.intended_ns)
        latency = arrived.read_ns - arrived.intended_ns
        if arrived.lateness_us.any():
            self.record(("end_to_end",), arrived.intended_ns, latency)
            self.record(("end_to_end_uncorrected",), arrived.intended_ns, latency - arrived.lateness_us * NS_PER_US)
        else:
            self.record(("end_to_end", "end_to_end_uncorrected"), arrived.intended_ns, latency)
        self._settle_seqs(arrived)

    def take_delivered(self) -> tuple[SeqRanges, SeqRanges]:
        """
        Return the seqs that came since the last cut without the redelivered flag, and with it, and begin anew.

        Settles first and counts the `repeats` and `flagged_repeats`.
        """
        self.settle()
        unflagged, self.repeats = self._unflagged.take()
        flagged, self.flagged_repeats = self._flagged.take()
        return unflagged, flagged

    def take_corrupted(self) -> SeqRanges:
        """Return the seqs that came corrupted since the last cut, and begin anew."""
        if not self.corrupted:
            return SeqRanges.empty()
        keys = np.concatenate([np.full(len(seqs), key, dtype=np.int64) for key, seqs in self.corrupted])
        rows = of_values(keys, np.concatenate([seqs for _, seqs in self.corrupted]))
        self.corrupted.clear()
        return rows

    def take_offsets(self) -> Iterator[tuple[str, tuple[int, int]]]:
        """Yield the offsets that each recorder of a stream was given since the last cut, by sink, and begin anew."""
        for number, (first, last) in self.offsets.items():
            if last >= first:
                yield self._names[number], (first, last)
                self.offsets[number][0] = last + 1  # what lies between two windows of one subscription was its, too

    def forget_counts(self) -> None:
        """Begin the window's counts for the ledger anew."""
        for counts in (self.repeats, self.flagged_repeats, self.out_of_order, self.foreign, self.redelivered):
            counts.clear()

    def series(self) -> dict[str, dict[str, list[list[int]]]]:
        """Return the message counts of the window's Get-Oks by sink."""
        taken = {sink: runs_of(counts) for sink, counts in self.message_counts.items()}
        self.message_counts.clear()
        return {"message_counts": taken} if taken else {}

    def _settle_gets(self) -> None:
        if self._gets:
            gets = np.array(self._gets, dtype=np.int64).reshape(-1, 2)
            self._gets.clear()
            self.record(("get",), gets[:, 0], gets[:, 1])

    def _without_foreign(self, arrived: Arrived) -> Arrived:
        """Count what came, and as foreign what another run's publishers sent, which is left out."""
        self.counters[self.counter] += len(arrived.word)
        kept = (arrived.word >= self.ours.start) & (arrived.word < self.ours.stop)
        if kept.all():
            return arrived
        for source, count in Counter(arrived.source[~kept].tolist()).items():
            self.counters["foreign"] += count
            self.foreign[self._names[source]] += count
        return arrived.where(kept)

    def _settle_seqs(self, arrived: Arrived) -> None:
        if int(arrived.seq.min()) < 0:
            arrived = self._without_damaged(arrived)
            if not len(arrived.seq):
                return
        keys = arrived.source << PUBLISHER_BITS | arrived.word - self.ours.start
        seqs, flagged = arrived.seq, arrived.flagged
        if (keys[1:] < keys[:-1]).any():
            order = np.argsort(keys, kind="stable")
            keys, seqs = keys[order], seqs[order]
            flagged = None if flagged is None else flagged[order]
        late = self._order.late(keys, seqs)
        sinks = np.array(self._sink_of, dtype=np.int64)
        keys = sinks[keys >> PUBLISHER_BITS] << PUBLISHER_BITS | keys & PUBLISHER_MASK
        if late is not None:
            self.out_of_order.update(keys[late].tolist())
        if flagged is None:
            self._unflagged.add(keys, seqs)
            return
        self._unflagged.add(keys[~flagged], seqs[~flagged])
        self._flagged.add(keys[flagged], seqs[flagged])

    def _without_damaged(self, arrived: Arrived) -> Arrived:
        """Count seqs that no publisher reaches (2^63 and more, negative here) as foreign: their stamps are damaged."""
        damaged = arrived.seq < 0
        for source in arrived.source[damaged].tolist():
            self.counters["foreign"] += 1
            self.foreign[self._names[source]] += 1
        return arrived.where(~damaged)


class _Came:
    """The seqs that came since the last cut, by sink and publisher, and how often in all."""

    def __init__(self) -> None:
        self._pieces: list[SeqRanges] = []
        self._received: Counter[int] = Counter()

    def add(self, keys: Int64s, seqs: Int64s) -> None:
        """Add messages in order of arrival by key."""
        if not len(keys):
            return
        found, counts = np.unique(keys, return_counts=True)
        for key, count in zip(found.tolist(), counts.tolist(), strict=True):
            self._received[key] += count
        self._pieces.append(of_arrivals(keys, seqs))

    def take(self) -> tuple[SeqRanges, Counter[int]]:
        """Return the seqs, and by key how often they came beyond once; begin anew."""
        rows = united(self._pieces)
        self._pieces.clear()
        unique: Counter[int] = Counter()
        for key, count in zip(rows.key.tolist(), rows.count.tolist(), strict=True):
            unique[key] += count
        repeats, self._received = self._received - unique, Counter()
        return rows, repeats


class DeliveryRecorder:
    """
    Records what comes to one consumer or getter from one sink; a call a run of messages.

    Out of order is judged by what *this* recorder sees, in the order of its calls: one for each consumer (see
    `arrival_order`). Arrays are copied: they may be views on a buffer that is used again. Never yields to another
    greenlet.
    """

    __slots__ = ("_group", "_number", "_sink_place", "sink")

    def __init__(self, group: DeliveryGroup, sink: str, sink_place: int) -> None:
        self.sink = sink
        self._group = group
        self._sink_place = sink_place
        self._number = group.add_recorder(sink, sink_place)

    def delivered(
        self,
        publisher_ids: int | NDArray[np.integer],
        seqs: ArrayLike,
        intended_ns: ArrayLike,
        lateness_us: ArrayLike,
        read_ns: int,
        n_bytes: int,
        *,
        redelivered: bool = False,
    ) -> None:
        """
        Record a run of stamped messages that were read at *read_ns*, in order of arrival.

        Args:
            publisher_ids: Of all of them, or one each.
            seqs: One a message; it gives the length of the run.
            intended_ns: When each was intended to be sent.
            lateness_us: How much later each was sent.
            read_ns: When the run was read from the socket.
            n_bytes: Bytes of all bodies.
            redelivered: Whether they had the redelivered flag, all of them.
        """
        words = self._group.ours.start + publisher_ids
        self._count(n_bytes, len(seqs) if redelivered else 0)  # type: ignore[arg-type]
        pending = self._group.pending
        if pending.append_columns(self._number, read_ns, words, lateness_us, seqs, intended_ns, flagged=redelivered):
            self._group.settle_deliveries()

    def delivered_run(self, stamps: NDArray[np.void], read_ns: int, n_bytes: int, *, redelivered: bool = False) -> None:
        """Record a run of messages by their *stamps* (items of 24 opaque bytes), as `delivered` says; any run's."""
        self._count(n_bytes, len(stamps) if redelivered else 0)
        if self._group.pending.append_run(self._number, read_ns, stamps, flagged=redelivered):
            self._group.settle_deliveries()

    def delivered_one(self, stamp: bytes, read_ns: int, n_bytes: int, *, redelivered: bool = False) -> None:
        """Record one message by its *stamp*, as `delivered` says; any run's."""
        self._count(n_bytes, int(redelivered))
        if self._group.pending.append_one(self._number, read_ns, stamp, flagged=redelivered):
            self._group.settle_deliveries()

    def got(  # noqa: PLR0913 -- what `delivered` takes, and what a Get-Ok says besides
        self,
        publisher_ids: int | NDArray[np.integer],
        seqs: ArrayLike,
        intended_ns: ArrayLike,
        lateness_us: ArrayLike,
        read_ns: int,
        n_bytes: int,
        *,
        redelivered: bool = False,
        message_counts: int,
        get_ns: int,
    ) -> None:
        """Record a Get-Ok of a stamped message: as `delivered`, and what it says is left, and its Get's latency."""
        self.delivered(publisher_ids, seqs, intended_ns, lateness_us, read_ns, n_bytes, redelivered=redelivered)
        self._group.message_counts.setdefault(self.sink, []).append(message_counts)
        self._group.add_get(get_ns, read_ns)

    def get_empty(self, get_ns: int, read_ns: int | None = None) -> None:
        """Record a Get-Empty; without *read_ns* its latency counts as measured, warm-up or not."""
        self._group.counters["get_empty"] += 1
        self._group.add_get(get_ns, read_ns)

    def foreign(
        self,
        n: int,
        n_bytes: int,
        *,
        redelivered: int = 0,
        message_counts: int | None = None,
        get_ns: int | None = None,
    ) -> None:
        """Record *n* messages without a stamp of this run; of a Get-Ok also what is left, and its Get's latency."""
        group = self._group
        self._count(n_bytes, redelivered)
        group.counters[group.counter] += n
        group.counters["foreign"] += n
        group.foreign[self.sink] += n
        if message_counts is not None:
            group.message_counts.setdefault(self.sink, []).append(message_counts)
        if get_ns is not None:
            group.add_get(get_ns, None)

    def at_offset(self, offset: int) -> None:
        """Record the offset of a delivery of a stream; `delivered` or `foreign` records the message besides."""
        span = self._group.offsets.setdefault(self._number, [offset, offset])
        span[1] = max(span[1], offset)

    def dead_lettered(self, publisher_id: int, seq: int, deaths: Iterable[Death]) -> None:
        """Record that a message died of each of *deaths*; `delivered` or `got` records it besides."""
        self._group.dying.note(publisher_id, seq, deaths)

    def corrupted(self, publisher_id: int, seqs: ArrayLike) -> None:
        """Record that the bodies of *seqs* were not as sent; `delivered` or `got` records the same messages besides."""
        copied = np.array(seqs, dtype=np.int64).reshape(-1)
        self._group.counters["corrupted"] += len(copied)
        self._group.corrupted.append((self._sink_place << PUBLISHER_BITS | publisher_id, copied))

    def _count(self, n_bytes: int, redelivered: int) -> None:
        self._group.counters["bytes_delivered"] += n_bytes
        if redelivered:
            self._group.counters["redelivered"] += redelivered
            self._group.redelivered[self.sink] += redelivered

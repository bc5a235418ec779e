"""
Recording of publishers: what was sent and when it was intended, and how the broker answered.

Latencies: `lateness` = sent - intended (open model only), `confirm` = answer read - intended, `confirm_uncorrected` =
answer read - sent.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from loadtest.measure.ledger.seq_ranges import SeqRanges, of_arrivals, of_values, united
from loadtest.measure.recorder.group_recorder import GroupRecorder, WarmUp
from loadtest.measure.recorder.pending import Batch, PendingRuns

Int64s = NDArray[np.int64]


class PublisherGroup(GroupRecorder):
    """
    All publishers of a group in one worker.

    `is_open`: whether messages have intended times of their own; if not, lateness is not recorded and both confirm
    latencies are the same.
    """

    def __init__(self, name: str, warm_up: WarmUp, *, is_open: bool) -> None:
        super().__init__(name, warm_up)
        self.is_open = is_open
        self.sent = PendingRuns()
        self.confirms = PendingRuns()
        self.nacks = PendingRuns()
        self.published_rows: list[tuple[int, int, int, int]] = []
        self.sending: list[PublisherRecorder] = []
        self.exceptions: dict[str, list[tuple[int, Int64s]]] = {"returned": [], "in_doubt": []}
        self._answers: dict[str, list[SeqRanges]] = {"confirmed": [], "nacked": []}
        self._unanswered = 0
        self._has_confirms = False

    def settle(self) -> None:
        """Count what is pending."""
        self.settle_sent()
        self.settle_answers()

    def settle_sent(self) -> None:
        """Record the lateness of what was sent."""
        if self.sent.used:
            batch = self.sent.take()
            self.record(("lateness",), batch.intended, batch.instant - batch.intended)

    def settle_answers(self) -> None:
        """Record the latencies of the answers that came, and their seqs for the ledger."""
        pending = {"confirmed": self.confirms, "nacked": self.nacks}
        batches = {table: runs.take() for table, runs in pending.items() if runs.used}
        if not batches:
            return
        self._has_confirms = True
        self._note_answers([*batches.values()])
        for table, batch in batches.items():
            self._record_answers(table, batch)

    def _note_answers(self, batches: list[Batch]) -> None:
        """Look for pauses: acks and nacks are both answers, and a pause ends at whichever came first."""
        instants, intended = batches[0].instant, batches[0].intended
        if len(batches) > 1:
            instants = np.concatenate([batch.instant for batch in batches])
            order = np.argsort(instants, kind="stable")
            instants = instants[order]
            intended = np.concatenate([batch.intended for batch in batches])[order]
        self.pauses.note(instants, intended if self.is_open else None)

    def _record_answers(self, table: str, batch: Batch) -> None:
        self.counters[table] += len(batch.seqs)
        self._unanswered -= len(batch.seqs)
        latency = batch.instant - batch.intended
        if self.is_open:
            self.record(("confirm",), batch.intended, latency)
            self.record(("confirm_uncorrected",), batch.intended, batch.instant - batch.sent)
        else:
            self.record(("confirm", "confirm_uncorrected"), batch.intended, latency)
        self._answers[table].append(of_arrivals(batch.publisher, batch.seqs))

    def take_ledger(self) -> dict[str, SeqRanges]:
        """Return the changes since the last cut by table of the ledger, and begin anew; settles first."""
        self.settle()
        for publisher in self.sending:
            publisher.close_row()
        self.sending.clear()
        tables = {name: united(pieces) for name, pieces in self._answers.items()}
        tables["published"] = SeqRanges.of_rows(self.published_rows)
        for name, runs in self.exceptions.items():
            keys = [np.full(len(seqs), publisher, dtype=np.int64) for publisher, seqs in runs]
            numbers = [seqs for _, seqs in runs]
            tables[name] = of_values(np.concatenate(keys), np.concatenate(numbers)) if runs else SeqRanges.empty()
            runs.clear()
        self._unanswered += self.counters["published"] + self.counters["republished"] - self.counters["in_doubt"]
        self.published_rows.clear()
        for pieces in self._answers.values():
            pieces.clear()
        return tables

    def outstanding(self) -> int | None:
        """Return the messages not yet answered, as of `take_ledger`; None before the first confirm."""
        return self._unanswered if self._has_confirms else None


class PublisherRecorder:
    """
    Records what one publisher does; a call a run of messages.

    Arrays are copied: they may be views on a buffer that is used again. Never yields to another greenlet.
    """

    __slots__ = ("_from", "_group", "_next", "publisher_id")

    def __init__(self, group: PublisherGroup, publisher_id: int) -> None:
        self.publisher_id = publisher_id
        self._group = group
        self._from = 0  # seqs from here to `_next` were published since the last cut
        self._next = 0

    def published(self, first_seq: int, intended_ns: ArrayLike, sent_ns: int, n_bytes: int) -> None:
        """Record that the messages from *first_seq* on, one an intended instant, were written at *sent_ns*."""
        n = len(intended_ns)  # type: ignore[arg-type]
        self.published_unpaced(first_seq, n, n_bytes)
        group = self._group
        if group.is_open and group.sent.append(self.publisher_id, sent_ns, first_seq, intended_ns, sent_ns, n):
            group.settle_sent()

    def published_unpaced(self, first_seq: int, n: int, n_bytes: int) -> None:
        """Record that *n* messages from *first_seq* on were written, of a closed model: it knows no lateness."""
        if first_seq != self._next or self._from == self._next:
            self._begin_row(first_seq)
        self._next = first_seq + n
        counters = self._group.counters
        counters["published"] += n
        counters["bytes_published"] += n_bytes

    def offered(self, count: int) -> None:
        """Record that *count* arrivals became due, whether or not they could be sent."""
        self._group.counters["offered"] += count

    def dropped(self, count: int, due_ns: int, now_ns: int) -> None:
        """Record at *now_ns* that *count* arrivals, of which the first fell due at *due_ns*, will never be sent."""
        self._group.counters["dropped"] += count
        self._group.pauses.give_up(due_ns, now_ns)

    def republished(self, n: int, n_bytes: int) -> None:
        """Record that *n* messages that are in doubt were written again, under the seqs that they have."""
        self._group.counters["republished"] += n
        self._group.counters["bytes_published"] += n_bytes

    def confirmed(self, seqs: ArrayLike, intended_ns: ArrayLike, sent_ns: ArrayLike, read_ns: int) -> None:
        """Record that the broker's acks of *seqs* were read at *read_ns*."""
        group = self._group
        if group.confirms.append_scattered(self.publisher_id, read_ns, np.asarray(seqs), intended_ns, sent_ns):
            group.settle_answers()

    def confirmed_run(self, first_seq: int, n: int, intended_ns: ArrayLike, sent_ns: ArrayLike, read_ns: int) -> None:
        """Record that the broker's acks of the *n* messages from *first_seq* on were read at *read_ns*."""
        group = self._group
        if group.confirms.append(self.publisher_id, read_ns, first_seq, intended_ns, sent_ns, n):
            group.settle_answers()

    def nacked(self, seqs: ArrayLike, intended_ns: ArrayLike, sent_ns: ArrayLike, read_ns: int) -> None:
        """Record that the broker's nacks of *seqs* were read at *read_ns*; their latency counts as confirm latency."""
        group = self._group
        if group.nacks.append_scattered(self.publisher_id, read_ns, np.asarray(seqs), intended_ns, sent_ns):
            group.settle_answers()

    def returned(self, seqs: ArrayLike) -> None:
        """Record that *seqs* came back as unroutable; where there are confirms, an ack of each comes besides."""
        self._except("returned", seqs)

    def in_doubt(self, seqs: ArrayLike, due_ns: int, now_ns: int) -> None:
        """
        Record at *now_ns* that no answer to *seqs* will come any more: the connection or channel is lost.

        *due_ns* is the earliest of the instants at which they were intended.
        """
        self._except("in_doubt", seqs)
        self._group.pauses.give_up(due_ns, now_ns)

    def close_row(self) -> None:
        """Hand the seqs published since the last cut to the group."""
        if self._next > self._from:
            self._group.published_rows.append((self.publisher_id, self._from, self._next - self._from, 1))
        self._from = self._next

    def _begin_row(self, first_seq: int) -> None:
        if self._from == self._next:
            self._group.sending.append(self)
        self.close_row()
        self._from = first_seq

    def _except(self, table: str, seqs: ArrayLike) -> None:
        copied = np.array(seqs, dtype=np.int64).reshape(-1)
        self._group.counters[table] += len(copied)
        self._group.exceptions[table].append((self.publisher_id, copied))

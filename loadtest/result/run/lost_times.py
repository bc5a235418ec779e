"""
When lost messages were sent and confirmed: found in the journal, to the window in which each was.

The merged ledger knows which messages are lost and not when they were sent; the windows' ledger changes do. Knows no
file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loadtest.clock import NS_PER_S
from loadtest.measure.ledger.ledger_delta import LedgerDelta
from loadtest.measure.ledger.seq_ranges import SeqRanges
from loadtest.result.run.document import LostPart, RunResult

Message = tuple[int, int]
"""Publisher and seq."""

Span = tuple[float, float] | tuple[None, None]
"""In s after the start."""


class LostTimes:
    """Looks for the lost messages of a result in the records of its journal, given one by one."""

    def __init__(self, result: RunResult) -> None:
        self._result = result
        self._start_ns = 0
        self._sought: dict[int, set[int]] = {}
        self._sent: dict[Message, Span] = {}
        self._confirmed: dict[Message, Span] = {}
        for lost in result.ledger.lost_examples:
            self._sought.setdefault(lost.publisher, set()).add(lost.seq)

    def take(self, record: Mapping[str, Any]) -> None:
        """Look into one record."""
        if record["type"] == "run":
            self._start_ns = record["start_ns"]
        elif record["type"] == "window" and self._sought:
            delta = LedgerDelta.from_record(record["ledger"])
            start_s, end_s = ((record[edge] - self._start_ns) / NS_PER_S for edge in ("start_ns", "end_ns"))
            self._look(delta.published, (start_s, end_s), self._sent)
            self._look(delta.confirmed, (start_s, end_s), self._confirmed)

    def dated(self) -> RunResult:
        """Return the result with the times that were found."""
        ledger = self._result.ledger
        examples = tuple(self._dated(lost) for lost in ledger.lost_examples)
        return self._result.model_copy(update={"ledger": ledger.model_copy(update={"lost_examples": examples})})

    def _look(self, rows: SeqRanges, window_s: Span, found: dict[Message, Span]) -> None:
        for publisher, first, count, step in rows:
            for seq in self._sought.get(publisher, ()):
                if first <= seq < first + count * step and (seq - first) % step == 0:
                    found[publisher, seq] = window_s

    def _dated(self, lost: LostPart) -> LostPart:
        message = (lost.publisher, lost.seq)
        sent, confirmed = self._sent.get(message, (None, None)), self._confirmed.get(message, (None, None))
        return lost.model_copy(
            update={
                "sent_from_s": sent[0],
                "sent_to_s": sent[1],
                "confirmed_from_s": confirmed[0],
                "confirmed_to_s": confirmed[1],
            }
        )

"""
When lost messages were sent: found in the journal, to the window in which each was published.

The merged ledger knows which messages are lost and not when they were sent; the windows' ledger changes do. Knows no
file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loadtest.clock import NS_PER_S
from loadtest.measure.ledger_delta import LedgerDelta
from loadtest.result.document import LostPart, RunResult


class SentTimes:
    """Looks for the publishing of the lost messages of a result in the records of its journal, given one by one."""

    def __init__(self, result: RunResult) -> None:
        self._result = result
        self._start_ns = 0
        self._sought: dict[int, set[int]] = {}
        self._found: dict[tuple[int, int], tuple[float, float]] = {}
        for lost in result.ledger.lost_examples:
            self._sought.setdefault(lost.publisher, set()).add(lost.seq)

    def take(self, record: Mapping[str, Any]) -> None:
        """Look into one record."""
        if record["type"] == "run":
            self._start_ns = record["start_ns"]
        elif record["type"] == "window" and self._sought:
            published = LedgerDelta.from_record(record["ledger"]).published
            window = tuple((record[edge] - self._start_ns) / NS_PER_S for edge in ("start_ns", "end_ns"))
            for publisher, first, count, step in published:
                for seq in self._sought.get(publisher, ()):
                    if first <= seq < first + count * step and (seq - first) % step == 0:
                        self._found[publisher, seq] = (window[0], window[1])

    def dated(self) -> RunResult:
        """Return the result with the times that were found."""
        ledger = self._result.ledger
        examples = tuple(self._dated(lost) for lost in ledger.lost_examples)
        return self._result.model_copy(update={"ledger": ledger.model_copy(update={"lost_examples": examples})})

    def _dated(self, lost: LostPart) -> LostPart:
        start_s, end_s = self._found.get((lost.publisher, lost.seq), (None, None))
        return lost.model_copy(update={"sent_from_s": start_s, "sent_to_s": end_s})

"""
Dead letters: which messages a broker took out of a queue and handed on, and why.

Known from the `x-death` header of the messages themselves, wherever they are taken: by the run's own consumers and
getters, or from dead-letter queues that nobody consumes, when the run has drained.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

import numpy as np
from pyroaring import BitMap64

from loadtest.measure.ledger.bitmap import bitmap_of
from loadtest.measure.ledger.seq_ranges import SeqRanges, of_values
from loadtest.stamp import MAX_PUBLISHER_ID, PUBLISHER_ID_BITS

Death = tuple[str, str]
"""The queue that a message was taken out of, and the reason in the broker's word."""

REASONS: Final = ("rejected", "expired", "maxlen", "delivery_limit")


class DeadLetters:
    """
    The seqs that died, by publisher and `Death`; a union, whatever the order in which they are told.

    Invariant: a message is once in each queue's set, though it came to several dead-letter queues or was told twice.
    """

    def __init__(self) -> None:
        self._seqs: dict[tuple[int, Death], BitMap64] = {}

    def add(self, rows: SeqRanges, deaths: tuple[Death, ...]) -> None:
        """Add *rows*, whose keys are `place in deaths << 20 | publisher`."""
        keys, seqs = rows.values()
        for key in np.unique(keys).tolist():
            name = (key & MAX_PUBLISHER_ID, deaths[key >> PUBLISHER_ID_BITS])
            self._seqs[name] = self._seqs.get(name, BitMap64()) | bitmap_of(seqs[keys == key])

    def of(self, publisher: int, queue: str | None = None) -> BitMap64:
        """Return the seqs of *publisher* that died in *queue*; in any queue if it is None."""
        found = BitMap64()
        for (number, (place, _)), seqs in self._seqs.items():
            if number == publisher and queue in (None, place):
                found |= seqs
        return found

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the messages that died, by queue and reason."""
        counts: dict[str, Counter[str]] = {}
        for (_, (queue, reason)), seqs in sorted(self._seqs.items()):
            counts.setdefault(queue, Counter())[reason] += len(seqs)
        return {queue: dict(by_reason) for queue, by_reason in counts.items()}

    def total(self, publishers: Iterable[int] | None = None) -> int:
        """Return how many messages of *publishers*, or of all, died: one for each queue that they died in."""
        chosen = None if publishers is None else set(publishers)
        places = {(number, queue) for number, (queue, _) in self._seqs if chosen is None or number in chosen}
        return sum(len(self.of(number, queue)) for number, queue in places)


class DyingMessages:
    """Deaths as they are read, until they are written down."""

    def __init__(self) -> None:
        self._found: list[tuple[int, int]] = []
        self._deaths: dict[Death, int] = {}

    def note(self, publisher_id: int, seq: int, deaths: Iterable[Death]) -> None:
        """Note a message that died, of each death."""
        for death in deaths:
            place = self._deaths.setdefault(death, len(self._deaths))
            self._found.append((place << PUBLISHER_ID_BITS | publisher_id, seq))

    def take(self) -> tuple[tuple[Death, ...], SeqRanges]:
        """Return what was noted, and begin anew."""
        deaths = tuple(self._deaths)
        columns = np.array(self._found, dtype=np.int64).reshape(-1, 2)
        self._deaths, self._found = {}, []
        return deaths, of_values(columns[:, 0], columns[:, 1]) if len(columns) else SeqRanges.empty()

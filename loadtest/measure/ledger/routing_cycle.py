"""
The routing cycle: which of a publisher's messages go to a sink, and the order in which they do.

A publisher's routing keys take turns, so a sink gets every message, every n-th, or some of each round. Counted by
their place among those that the sink should get (*ordinals*), what was delivered is contiguous again, and a hole is a
message that is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap64

from loadtest.measure.ledger.bitmap import bitmap_of, numbers_of
from loadtest.measure.ledger.seq_ranges import SeqRanges, of_values

Int64s = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class RoutingCycle:
    """
    The seqs with `seq % cycle in positions`, which ascend.

    With one position of one the sink gets every message, and ordinal and seq are the same. Equations: with k positions,
    of which that of seq is the j-th, ordinal = (seq // cycle) * k + j; seq = (ordinal // k) * cycle +
    positions[ordinal % k].
    """

    cycle: int
    positions: tuple[int, ...]

    @classmethod
    def every(cls) -> Self:
        """Return the cycle of a sink that gets every message, or of which nothing is known."""
        return cls(1, (0,))

    @classmethod
    def at(cls, sink: str, routes: Sequence[Sequence[str]]) -> RoutingCycle:
        """Return the cycle at *sink* of a publisher whose message *seq* goes to `routes[seq % len(routes)]`."""
        positions = tuple(place for place, sinks in enumerate(routes) if sink in sinks)
        return RoutingCycle.every() if len(positions) == len(routes) else cls(len(routes), positions)

    @property
    def is_every(self) -> bool:
        """Whether the sink gets every message."""
        return self.positions == (0,) and self.cycle == 1

    def count_below(self, end: int) -> int:
        """Return how many of the seqs 0 to *end* - 1 go to the sink."""
        rounds, rest = divmod(end, self.cycle)
        return rounds * len(self.positions) + sum(place < rest for place in self.positions)

    def seqs(self, ordinals: Int64s) -> Int64s:
        """Return the seqs at *ordinals*; needs at least one place."""
        rounds, position = np.divmod(ordinals, len(self.positions))
        return rounds * self.cycle + np.array(self.positions, dtype=np.int64)[position]

    def seqs_bitmap(self, ordinals: BitMap64) -> BitMap64:
        """Return the seqs at *ordinals* as a set; needs at least one place unless that is empty."""
        if self.is_every or not ordinals:
            return ordinals
        return bitmap_of(self.seqs(numbers_of(ordinals)))

    def split(self, rows: SeqRanges) -> tuple[SeqRanges, SeqRanges]:
        """Return *rows* of seqs as rows of ordinals, and apart from them the seqs that are not the sink's."""
        if self.is_every:
            return rows, SeqRanges.empty()
        rank = np.full(self.cycle, -1, dtype=np.int64)
        rank[list(self.positions)] = np.arange(len(self.positions))
        keys, seqs = rows.values()
        rounds, place = np.divmod(seqs, self.cycle)
        expected = rank[place] >= 0
        ordinals = rounds[expected] * len(self.positions) + rank[place[expected]]
        return of_values(keys[expected], ordinals), of_values(keys[~expected], seqs[~expected])

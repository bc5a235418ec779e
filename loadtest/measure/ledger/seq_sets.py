"""
Growing sets of sequence numbers, one a key, that cost 8 bytes while nothing is missing.

A set is `[0, prefix)` and, only where there is a hole, a Roaring bitmap of what lies beyond it. Numbers may come in
any order and again; the sets only ever grow, so the result is a union and its order does not matter.
"""

from __future__ import annotations

import itertools
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap64

from loadtest.measure.ledger.bitmap import bitmap_of, range_bitmap
from loadtest.measure.ledger.seq_ranges import SeqRanges

# Below so many rows, adding range by range is cheaper than building a bitmap of all numbers.
_FEW_ROWS: Final = 32


class SeqSets:
    """
    A family of sets of numbers (0 or more), by key (0 or more, dense).

    Invariants: every number below `prefix[key]` is in the set, `prefix[key]` itself is not; `rest[key]` exists only if
        not empty, and holds
    numbers above `prefix[key]` only.
    """

    __slots__ = ("prefix", "rest")

    def __init__(self) -> None:
        self.prefix: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self.rest: dict[int, BitMap64] = {}

    def add(self, rows: SeqRanges) -> None:
        """Add the numbers of *rows* to the sets that their keys name."""
        if not len(rows):
            return
        self._reserve(int(rows.key[-1]) + 1)
        alone = np.ones(len(rows), dtype=bool)
        same = rows.key[1:] == rows.key[:-1]
        alone[1:] &= ~same
        alone[:-1] &= ~same
        if self.rest:
            alone &= ~np.isin(rows.key, np.fromiter(self.rest, dtype=np.int64))
        # The ordinary case, for all keys at once: the set goes on where it ended.
        ordinary = alone & (rows.step == 1) & (rows.first == self.prefix[rows.key])
        self.prefix[rows.key[ordinary]] += rows.count[ordinary]
        if not ordinary.all():
            others = rows.select(~ordinary)
            bounds = np.flatnonzero(others.key[1:] != others.key[:-1]) + 1
            for start, end in itertools.pairwise((0, *bounds.tolist(), len(others))):
                self._add_to(int(others.key[start]), others.select(np.arange(start, end)))

    def count(self, key: int) -> int:
        """Return how many numbers the set of *key* holds."""
        return self.prefix_of(key) + len(self.rest.get(key, ()))

    def total(self) -> int:
        """Return how many numbers all sets hold together."""
        return int(self.prefix.sum()) + sum(map(len, self.rest.values()))

    def prefix_of(self, key: int) -> int:
        """Return the lowest number that the set of *key* does not hold."""
        return int(self.prefix[key]) if key < len(self.prefix) else 0

    def end(self, key: int) -> int:
        """Return the highest number that the set of *key* holds, plus 1."""
        rest = self.rest.get(key)
        return self.prefix_of(key) if rest is None else rest.max() + 1

    def numbers(self, key: int) -> BitMap64:
        """Return the set of *key*, as a bitmap of the caller's own."""
        bitmap = range_bitmap(0, self.prefix_of(key))
        if key in self.rest:
            bitmap |= self.rest[key]
        return bitmap

    def holes(self, key: int, end: int) -> BitMap64:
        """Return the numbers below *end* that the set of *key* does not hold."""
        bitmap = range_bitmap(self.prefix_of(key), end)
        if key in self.rest:
            bitmap -= self.rest[key]
        return bitmap

    def _reserve(self, keys: int) -> None:
        if keys > len(self.prefix):
            grown = np.zeros(max(keys, 2 * len(self.prefix)), dtype=np.int64)
            grown[: len(self.prefix)] = self.prefix
            self.prefix = grown

    def _add_to(self, key: int, rows: SeqRanges) -> None:
        rest = self.rest.pop(key, None)
        if rest is None:
            rest = BitMap64()
        contiguous = rows.step == 1
        if len(rows) < _FEW_ROWS:
            for _, first, count, _ in rows.select(contiguous):
                rest.add_range(first, first + count)
            rows = rows.select(~contiguous)
        if len(rows):
            rest |= bitmap_of(rows.values()[1])
            rest.run_optimize()
        prefix = self._advance(int(self.prefix[key]), rest)
        self.prefix[key] = prefix
        rest.remove_range(0, prefix)
        if rest:
            self.rest[key] = rest

    @staticmethod
    def _advance(prefix: int, rest: BitMap64) -> int:
        """Return the first number from *prefix* on that *rest* does not hold."""
        if prefix not in rest:
            return prefix
        held, beyond = prefix + 1, rest.max() + 2
        while beyond - held > 1:
            middle = (held + beyond) // 2
            if rest.range_cardinality(prefix, middle) == middle - prefix:
                held = middle
            else:
                beyond = middle
        return held

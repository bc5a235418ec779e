"""
Sets of sequence numbers, many at a time: each a handful of arithmetic progressions, or a bitmap where it is irregular.

A *key* (int, 0 or more) names the set: a publisher, or a publisher at a sink. What a publisher sends, gets confirmed
and delivers is mostly contiguous (step 1), or every n-th number where n routing keys take turns, so that a row (key,
first, count, step) holds a second of it. Everything here is a pure function of arrays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

Int64s = NDArray[np.int64]
_COLUMNS: Final = ("key", "first", "count", "step")


@dataclass(frozen=True, slots=True, eq=False)
class SeqRanges:
    """
    Rows of (key, first, count, step), ascending by key and first; `first, first + step, …` is `count` numbers.

    Invariants: the rows of one key share no number; a row of one number has step 1. Four arrays of equal length.
    """

    key: Int64s
    first: Int64s
    count: Int64s
    step: Int64s

    @classmethod
    def empty(cls) -> Self:
        """Return no rows."""
        return cls(*(np.empty(0, dtype=np.int64) for _ in _COLUMNS))

    @classmethod
    def of_rows(cls, rows: list[tuple[int, int, int, int]]) -> SeqRanges:
        """Return the union of *rows* in any order, overlapping or not."""
        columns = np.array(rows, dtype=np.int64).reshape(-1, 4)
        columns[columns[:, 2] == 1, 3] = 1
        return united([cls(*(np.ascontiguousarray(columns[:, place]) for place in range(4)))])

    def __len__(self) -> int:
        return len(self.key)

    def __iter__(self) -> Iterator[tuple[int, int, int, int]]:
        return zip(*(getattr(self, name).tolist() for name in _COLUMNS), strict=True)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SeqRanges):
            return NotImplemented
        return all(np.array_equal(getattr(self, name), getattr(other, name)) for name in _COLUMNS)

    __hash__ = None  # type: ignore[assignment]

    def values(self) -> tuple[Int64s, Int64s]:
        """Return the keys and numbers of all rows, one entry a number, ascending within a row."""
        total = int(self.count.sum())
        starts = np.cumsum(self.count) - self.count
        place = np.arange(total, dtype=np.int64) - np.repeat(starts, self.count)
        numbers = np.repeat(self.first, self.count) + place * np.repeat(self.step, self.count)
        return np.repeat(self.key, self.count), numbers

    def select(self, chosen: NDArray[Any]) -> SeqRanges:
        """Return the rows that *chosen* (mask or indices) picks."""
        return SeqRanges(self.key[chosen], self.first[chosen], self.count[chosen], self.step[chosen])


def of_ascending(keys: Int64s, numbers: Int64s) -> SeqRanges:
    """
    Return the rows of numbers that ascend strictly within each key; equal keys stand together.

    The step of a key is its smallest gap: runs of that step become rows, so that contiguous runs with holes between
    stay whole.
    """
    total = len(numbers)
    if not total:
        return SeqRanges.empty()
    gaps = np.diff(numbers)
    same = keys[1:] == keys[:-1]
    if same.all():
        smallest: Int64s | np.int64 = gaps.min() if total > 1 else np.int64(1)
        breaks = gaps != smallest
    else:
        # A gap between two keys counts for neither: it is made larger than any other.
        gaps[~same] = np.iinfo(np.int64).max
        heads = np.concatenate(([0], np.flatnonzero(~same) + 1))
        smallest = np.minimum.reduceat(np.append(gaps, np.iinfo(np.int64).max), heads)
        breaks = (gaps != np.repeat(smallest, np.diff(np.append(heads, total)))[:-1]) | ~same
    starts = np.concatenate(([0], np.flatnonzero(breaks) + 1))
    count = np.diff(np.append(starts, total))
    step = np.ones(len(starts), dtype=np.int64)
    longer = count > 1
    step[longer] = gaps[starts[longer]]
    return SeqRanges(keys[starts], numbers[starts], count, step)


def of_values(keys: Int64s, numbers: Int64s) -> SeqRanges:
    """Return the rows of the sets that *numbers* form by key, in any order and with repeats."""
    order = np.lexsort((numbers, keys))
    keys, numbers = keys[order], numbers[order]
    fresh = np.ones(len(numbers), dtype=bool)
    fresh[1:] = (keys[1:] != keys[:-1]) | (numbers[1:] != numbers[:-1])
    return of_ascending(keys[fresh], numbers[fresh])


def of_arrivals(keys: Int64s, numbers: Int64s) -> SeqRanges:
    """Return the rows of the sets that *numbers* form by key; in any order, but cheapest where they ascend."""
    if (keys[1:] < keys[:-1]).any():
        order = np.argsort(keys, kind="stable")
        keys, numbers = keys[order], numbers[order]
    if ((numbers[1:] <= numbers[:-1]) & (keys[1:] == keys[:-1])).any():
        return of_values(keys, numbers)
    return of_ascending(keys, numbers)


def united(pieces: list[SeqRanges]) -> SeqRanges:
    """Return the union of *pieces*, whose rows may overlap each other."""
    pieces = [piece for piece in pieces if len(piece)]
    if not pieces:
        return SeqRanges.empty()
    rows = SeqRanges(*(np.concatenate([getattr(piece, name) for piece in pieces]) for name in _COLUMNS))
    rows = rows.select(np.lexsort((rows.first, rows.key)))
    last = rows.first + (rows.count - 1) * rows.step
    same = rows.key[1:] == rows.key[:-1]
    overlaps = same & (rows.first[1:] <= last[:-1])
    if overlaps.any():
        tangled = np.isin(rows.key, rows.key[1:][overlaps])
        resolved = of_values(*rows.select(tangled).values())
        rows = _joined(rows.select(~tangled))
        both = SeqRanges(*(np.concatenate((getattr(rows, name), getattr(resolved, name))) for name in _COLUMNS))
        return both.select(np.argsort(both.key, kind="stable"))
    return _joined(rows)


def _joined(rows: SeqRanges) -> SeqRanges:
    """Return *rows* with those joined that go on where the row before ended."""
    if len(rows) < 2:  # noqa: PLR2004 -- two rows are what can be joined
        return rows
    meets = (rows.key[1:] == rows.key[:-1]) & (rows.first[1:] == rows.first[:-1] + rows.count[:-1] * rows.step[:-1])
    like = rows.step[1:] == rows.step[:-1]
    # A single number says nothing of its step (1): it may go on a row of another, but what follows it does not go on
    # that row.
    adopted = meets & ~like & (rows.count[1:] == 1)
    goes_on = meets & like
    goes_on[1:] &= ~adopted[:-1]
    goes_on |= adopted
    heads = np.concatenate(([0], np.flatnonzero(~goes_on) + 1))
    return SeqRanges(rows.key[heads], rows.first[heads], np.add.reduceat(rows.count, heads), rows.step[heads])

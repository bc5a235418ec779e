from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.measure.ledger.seq_ranges import SeqRanges, of_arrivals, united

derandomized = settings(derandomize=True, deadline=None, max_examples=50)
members = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40)), max_size=60)
row = st.tuples(st.integers(0, 2), st.integers(0, 30), st.integers(1, 8), st.integers(1, 4))


def _of(pairs: list[tuple[int, int]]) -> SeqRanges:
    keys, numbers = (np.array([pair[place] for pair in pairs], dtype=np.int64) for place in range(2))
    return of_arrivals(keys, numbers)


def _pairs_of(rows: SeqRanges) -> list[tuple[int, int]]:
    keys, numbers = rows.values()
    return list(zip(keys.tolist(), numbers.tolist(), strict=True))


def _check_invariants(rows: SeqRanges) -> None:
    pairs = _pairs_of(rows)
    assert len(set(pairs)) == len(pairs)
    assert list(rows) == sorted(rows)
    assert all(step == 1 for _, _, count, step in rows if count == 1)


@derandomized
@given(members)
def test_rows_hold_the_set(pairs: list[tuple[int, int]]) -> None:
    """Numbers in any order and with repeats become rows that hold each exactly once."""
    rows = _of(pairs)

    _check_invariants(rows)
    assert sorted(_pairs_of(rows)) == sorted(set(pairs))


@derandomized
@given(st.lists(members, max_size=4))
def test_union_of_pieces(pieces: list[list[tuple[int, int]]]) -> None:
    """The union of pieces is that of their sets, overlapping or not."""
    rows = united([_of(piece) for piece in pieces])

    _check_invariants(rows)
    assert sorted(_pairs_of(rows)) == sorted({pair for piece in pieces for pair in piece})


@derandomized
@given(st.lists(row, max_size=8))
def test_union_of_rows(rows: list[tuple[int, int, int, int]]) -> None:
    """Rows of any steps, overlapping or not, keep their numbers when united."""
    found = SeqRanges.of_rows(rows)

    _check_invariants(found)
    assert set(_pairs_of(found)) == {
        (key, first + place * step) for key, first, count, step in rows for place in range(count)
    }


@pytest.mark.parametrize(
    "numbers, expected",
    [
        ([0, 1, 2, 3], [(0, 0, 4, 1)]),
        ([3, 2, 1, 0], [(0, 0, 4, 1)]),
        ([1, 5, 9, 13], [(0, 1, 4, 4)]),
        ([0, 1, 2, 7, 8, 9], [(0, 0, 3, 1), (0, 7, 3, 1)]),
        ([4], [(0, 4, 1, 1)]),
    ],
    ids=["contiguous", "backwards", "every-fourth", "a-hole", "alone"],
)
def test_ordinary_sets_are_few_rows(numbers: list[int], expected: list[tuple[int, int, int, int]]) -> None:
    """What publishers and sinks ordinarily see is a row for each contiguous or even stretch."""
    assert list(_of([(0, number) for number in numbers])) == expected


def test_pieces_that_go_on_are_joined() -> None:
    """A row that goes on where the one before ended is joined to it, also one of a single number."""
    pieces = [_of([(0, 0), (0, 4), (0, 8)]), _of([(0, 12)]), _of([(0, 13), (0, 14)])]

    assert list(united(pieces)) == [(0, 0, 4, 4), (0, 13, 2, 1)]


def test_consumers_taking_turns_unite_to_one_row() -> None:
    """The even and the odd numbers, seen by two consumers, are one contiguous row together."""
    even, odd = _of([(5, number) for number in range(0, 100, 2)]), _of([(5, number) for number in range(1, 100, 2)])

    assert list(united([even, odd])) == [(5, 0, 100, 1)]

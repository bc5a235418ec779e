from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.measure.ledger.seq_ranges import SeqRanges
from loadtest.measure.ledger.seq_sets import SeqSets

derandomized = settings(derandomize=True, deadline=None, max_examples=50)
row = st.tuples(st.integers(0, 3), st.integers(0, 60), st.integers(1, 20), st.sampled_from([1, 1, 1, 2, 3]))


@derandomized
@given(st.lists(st.lists(row, max_size=5), max_size=6))
def test_sets_equal_plain_sets(batches: list[list[tuple[int, int, int, int]]]) -> None:
    """After any additions, counts, members, ends and holes are those of plain sets."""
    sets = SeqSets()
    model: dict[int, set[int]] = {key: set() for key in range(5)}
    for batch in batches:
        sets.add(SeqRanges.of_rows(batch))
        for key, first, count, step in batch:
            model[key].update(first + place * step for place in range(count))

    for key, members in model.items():
        assert sets.count(key) == len(members)
        assert set(sets.numbers(key)) == members
        assert sets.end(key) == max(members, default=-1) + 1
        assert set(sets.holes(key, 50)) == set(range(50)) - members
        assert sets.prefix_of(key) == min(set(range(200)) - members)
        assert key not in sets.rest or min(sets.rest[key]) > sets.prefix_of(key)
    assert sets.total() == sum(map(len, model.values()))


def test_nothing_missing_costs_nothing() -> None:
    """Half an hour of 20,000 numbers a second that come a second late in halves leaves no bitmap behind."""
    sets = SeqSets()
    for second in range(1800):
        first = second * 20_000
        sets.add(SeqRanges.of_rows([(0, first + 10_000, 10_000, 1)]))
        sets.add(SeqRanges.of_rows([(0, first, 10_000, 1)]))

    assert sets.prefix_of(0) == 36_000_000
    assert not sets.rest


def test_a_hole_costs_little() -> None:
    """One number missing at the beginning of 36 million leaves some kilobytes."""
    sets = SeqSets()
    for second in range(1800):
        sets.add(SeqRanges.of_rows([(0, second * 20_000 + 1, 20_000, 1)]))

    assert sets.count(0) == 36_000_000
    assert list(sets.holes(0, 36_000_001)) == [0]
    assert len(sets.rest[0].serialize()) < 40_000


def test_a_set_of_many_scattered_numbers() -> None:
    """Rows in large number are added as one bitmap, to the same effect."""
    sets = SeqSets()
    rows = [(1, first, 1, 1) for first in range(3, 900, 7)]
    sets.add(SeqRanges.of_rows(rows))

    assert sorted(sets.numbers(1)) == list(range(3, 900, 7))

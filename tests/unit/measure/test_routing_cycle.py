from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.measure.ledger.routing_cycle import RoutingCycle
from loadtest.measure.ledger.seq_ranges import SeqRanges

ROUTES = (("a", "b"), ("b",), ("c",), ("b", "a"), ())


@pytest.mark.parametrize("sink", ["a", "b", "c"])
def test_ordinals_count_the_seqs_of_a_sink(sink: str) -> None:
    """Ordinals are the places of a sink's seqs among those due there, and back."""
    turns = RoutingCycle.at(sink, ROUTES)
    due = [seq for seq in range(103) if sink in ROUTES[seq % 5]]

    assert turns.seqs(np.arange(len(due), dtype=np.int64)).tolist() == due
    assert [turns.count_below(end) for end in range(103)] == [sum(seq < end for seq in due) for end in range(103)]


@settings(derandomize=True, deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 50), st.integers(1, 20), st.integers(1, 6)), max_size=5),
    st.sampled_from("abcd"),
)
def test_split_leaves_nothing_out(rows: list[tuple[int, int, int, int]], sink: str) -> None:
    """Rows of seqs are split into the ordinals of those due at the sink and the seqs of all others."""
    turns = RoutingCycle.at(sink, ROUTES)
    given_rows = SeqRanges.of_rows(rows)
    ordinals, unexpected = turns.split(given_rows)
    keys, numbers = ordinals.values()
    seqs = turns.seqs(numbers).tolist() if len(numbers) else []
    found = set(zip(keys.tolist(), seqs, strict=True))
    others = set(zip(*(column.tolist() for column in unexpected.values()), strict=True))

    assert found | others == set(zip(*(column.tolist() for column in given_rows.values()), strict=True))
    assert all(sink in ROUTES[seq % 5] for _, seq in found)
    assert all(sink not in ROUTES[seq % 5] for _, seq in others)


def test_a_sink_of_every_key_counts_by_seq() -> None:
    """Where every key leads to the sink, ordinal and seq are the same."""
    turns = RoutingCycle.at("q", (("q", "r"), ("q",)))
    rows = SeqRanges.of_rows([(0, 3, 5, 1)])

    assert turns == RoutingCycle.every()
    assert turns.split(rows) == (rows, SeqRanges.empty())

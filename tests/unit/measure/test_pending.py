"""Pending runs: what is taken is what was appended, whatever the mixture and however the columns grew."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.measure.pending import PendingRuns

runs = st.lists(st.tuples(st.booleans(), st.integers(1, 300)), min_size=1, max_size=12)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(runs=runs)
def test_publishers_of_mixed_and_single_runs_come_back(runs: list[tuple[bool, int]]) -> None:
    """A mixed run followed by enough single ones for the columns to grow keeps each message's publisher."""
    pending = PendingRuns()
    expected: list[int] = []
    for number, (is_mixed, length) in enumerate(runs):
        seqs = np.arange(length)
        publishers = np.arange(length) % 5 + 1
        pending.append(0, publishers if is_mixed else number, 0, seqs, seqs, 0, length)
        expected += publishers.tolist() if is_mixed else [number] * length

    assert expected == pending.take().publisher.tolist()

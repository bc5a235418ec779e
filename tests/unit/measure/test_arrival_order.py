from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.measure.recorder.arrival_order import ArrivalOrder


@settings(derandomize=True, deadline=None, max_examples=50)
@given(st.lists(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12)), min_size=1, max_size=30), max_size=5))
def test_late_as_one_by_one(batches: list[list[tuple[int, int]]]) -> None:
    """A seq is late exactly if a higher one of its key came before, in its batch or an earlier one."""
    order = ArrivalOrder()
    highest: dict[int, int] = {}
    for arrivals in batches:
        batch = sorted(arrivals, key=lambda arrival: arrival[0])
        expected = []
        for key, seq in batch:
            expected.append(seq < highest.get(key, -1))
            highest[key] = max(highest.get(key, -1), seq)
        found = order.late(*(np.array(column, dtype=np.int64) for column in zip(*batch, strict=True)))

        assert expected == ([False] * len(batch) if found is None else found.tolist())


def test_damaged_seqs_do_not_upset_the_others() -> None:
    """A stamp with an absurd seq counts for its own key only."""
    order = ArrivalOrder()
    keys = np.array([1, 1, 1, 2, 2], dtype=np.int64)
    found = order.late(keys, np.array([5, (1 << 63) - 1, 6, -3, 1], dtype=np.int64))

    assert found is not None
    assert found.tolist() == [False, False, True, False, False]

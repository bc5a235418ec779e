from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.measure.intervals import Intervals


@settings(derandomize=True, deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=12))
def test_length_is_that_of_the_union(intervals: list[tuple[int, int]]) -> None:
    """The time covered is that of the union, in whatever order intervals come, and touching ones are one."""
    found = Intervals()
    for start, end in intervals:
        found.add(start, end)
    instants = {instant for start, end in intervals for instant in range(start, end)}

    assert found.length == len(instants)
    assert len(found.starts) == sum(instant - 1 not in instants for instant in instants)

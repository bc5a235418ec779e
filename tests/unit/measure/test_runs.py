from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.measure.runs import Run, extend_runs, runs_of

derandomized = settings(derandomize=True, deadline=None, max_examples=50)
series = st.lists(st.one_of(st.integers(0, 5), st.integers(0, 10**6)), max_size=30)


def _numbers_of(runs: list[Run]) -> list[int]:
    return [first + place * step for first, count, step in runs for place in range(count)]


@derandomized
@given(series)
def test_runs_are_the_series(numbers: list[int]) -> None:
    """Runs hold the series, in order and complete."""
    assert _numbers_of(runs_of(numbers)) == numbers


@derandomized
@given(st.lists(series, max_size=5))
def test_series_of_windows_join(windows: list[list[int]]) -> None:
    """The runs of windows, appended one after the other, are the whole series."""
    runs: list[Run] = []
    left_out = [extend_runs(runs, runs_of(numbers), 1000) for numbers in windows]

    assert _numbers_of(runs) == [number for numbers in windows for number in numbers]
    assert set(left_out) <= {0}


@pytest.mark.parametrize(
    "numbers, expected",
    [
        ([], []),
        ([4], [[4, 1, 0]]),
        (list(range(999, -1, -1)), [[999, 1000, -1]]),
        ([5, 4, 3, 9, 8, 7], [[5, 3, -1], [9, 3, -1]]),
    ],
    ids=["empty", "alone", "a-backlog", "two-backlogs"],
)
def test_ordinary_series_are_few_runs(numbers: list[int], expected: list[Run]) -> None:
    """A backlog that is taken one by one is one run."""
    assert runs_of(numbers) == expected


def test_a_full_series_counts_what_it_leaves_out() -> None:
    """Beyond the limit of runs nothing is kept, and how many numbers that were is said."""
    runs: list[Run] = [[0, 1, 0]]

    assert extend_runs(runs, [[10, 3, 7], [90, 2, 1]], 2) == 2
    assert runs == [[0, 1, 0], [10, 3, 7]]

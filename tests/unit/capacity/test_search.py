"""The search for a capacity: it finds the one there is, in few tries, on machines that are never quite the same."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.capacity.search import MOST_PROBES, Search


def searched(search: Search, capacity: float, noise: float = 0.0, seed: int = 0) -> Search:
    """Carry a search out against a broker of a known capacity, which differs by *noise* from try to try."""
    chance = random.Random(seed)
    while (rate := search.next_rate()) is not None:
        search.tell(rate, is_held=rate * chance.gauss(1, noise) <= capacity)
    return search


@settings(derandomize=True, max_examples=200, deadline=None)
@given(capacity=st.floats(2, 5e6), start=st.floats(1, 1e6))
def test_a_capacity_is_found_to_the_precision(capacity: float, start: float) -> None:
    """It lies between what was held and what was missed, which lie close together, and both were tried twice."""
    search = searched(Search(start, 1e7), capacity)
    low, high = search.low, search.high

    assert low is not None
    assert high is not None
    assert low <= capacity < high <= low * 1.05 or high - low <= 1
    assert search.held[low] == search.missed[high] == 2
    assert search.probes <= 40


def test_noise_costs_tries_and_no_truth() -> None:
    """With 2 % of noise nearly all answers are within 6 % of the truth; a search of 100 ends, whatever happens."""
    errors = []
    for seed in range(100):
        capacity = random.Random(seed).uniform(200, 80_000)
        search = searched(Search(1_000, 1e7), capacity, noise=0.02, seed=seed)
        assert search.probes <= MOST_PROBES
        errors.append(abs((search.low or 0) / capacity - 1))

    assert sum(error > 0.06 for error in errors) <= 5


def test_nothing_is_held() -> None:
    """It gives up at one message a second."""
    search = searched(Search(100, 1e6), 0.0)

    assert (search.low, search.stage) == (None, "done")
    assert min(search.missed) >= 1


def test_all_is_held_up_to_the_most() -> None:
    """Nothing above is tried, and the highest twice."""
    search = searched(Search(100, 1_000), 1e9)

    assert (search.low, search.high) == (1_000, None)
    assert search.held[1_000] == 2


@pytest.mark.parametrize(
    "answers, stage",
    [([], "bracket"), ([(100, True), (200, False)], "bisect"), ([(100, True), (104, False)], "confirm")],
)
def test_what_it_is_doing_is_told(answers: list[tuple[float, bool]], stage: str) -> None:
    """Bracketing, halving, or making sure."""
    search = Search(100, 1e6)
    for rate, is_held in answers:
        search.tell(rate, is_held=is_held)

    assert search.stage == stage


def test_an_answer_that_is_not_repeated_is_replaced() -> None:
    """A miss by chance, which is held the next time, does not stand in the way of more."""
    search = Search(100, 1e6)
    for rate, is_held in [(100, True), (104, False), (100, True), (104, True)]:
        search.tell(rate, is_held=is_held)

    assert search.missed == {}
    assert search.next_rate() == 208

"""The search for a capacity: it finds the one there is, in few tries, on machines that are never quite the same."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.experiments.capacity.search import MOST_PROBES, Left, Search
from loadtest.result.capacity.capacity_answer import uncertainty_of
from loadtest.result.capacity.capacity_result import ProbePart

Broker = Callable[[float, bool], bool]
SLO_S = 0.02
VALUES = 1_200


def searched(search: Search, is_held: Broker) -> list[ProbePart]:
    """Carry a search out against a broker that says of a rate, and of whether it is a short try, if it is held."""
    tries = []
    while (step := search.next_step()) is not None:
        held = is_held(step.rate_per_s, step.is_quick)
        search.tell(step.rate_per_s, is_held=held, is_quick=step.is_quick)
        tries.append(probe(step.rate_per_s, is_held=held, is_quick=step.is_quick))
    return tries


def probe(rate: float, *, is_held: bool, is_quick: bool = False) -> ProbePart:
    """Return a try as the document has it."""
    return ProbePart(
        rate_per_s=rate, published_per_s=rate, is_held=is_held, bound=None if is_held else "slo", why="", latency={},
        checks={}, folder="", is_quick=is_quick,
    )  # fmt: skip


def hard_limit(capacity: float, noise: float, seed: int) -> Broker:
    """Return a broker that does *capacity*, more or less from try to try; short tries differ twice as much."""
    chance = random.Random(seed)
    return lambda rate, is_quick: rate * chance.gauss(1, noise * (2 if is_quick else 1)) <= capacity


def queueing(service_per_s: float, seed: int) -> Broker:
    """
    Return an M/M/1 queue judged by the p99 of what it sees: it has a sampling error, as percentiles have.

    Times in an M/M/1 queue are exponential with rate mu - lambda. The p99 of n of them is near enough normal, with the
    standard error of a quantile: sqrt(p (1 - p) / n) / density. Values of a queue resemble their neighbours, so that of
    those of a try a tenth count as independent.
    """
    chance = random.Random(seed)

    def is_held(rate: float, is_quick: bool) -> bool:
        if rate >= service_per_s:
            return False
        spare = service_per_s - rate
        seconds = 3 if is_quick else 10
        independent = max(10.0, max(VALUES, rate * seconds) / 10)
        error = math.sqrt(0.99 * 0.01 / independent) / (spare * 0.01)
        return -math.log(0.01) / spare + chance.gauss(0, error) <= SLO_S

    return is_held


@settings(derandomize=True, max_examples=200, deadline=None)
@given(capacity=st.floats(2, 5e6), start=st.floats(1, 1e6))
def test_a_capacity_is_found_to_the_precision(capacity: float, start: float) -> None:
    """It lies between what was held and what was missed, which lie close together, and both were tried twice."""
    search = Search(start, 1e7)
    tries = searched(search, lambda rate, _: rate <= capacity)
    low, high = search.low, search.high

    assert low is not None
    assert high is not None
    assert low <= capacity < high <= low * 1.05 + 1e-9
    assert search.held[low] == search.missed[high] == 2
    assert search.is_settled
    assert len(tries) == search.probes <= 40
    assert sum(not each.is_quick for each in tries) <= 9
    found = uncertainty_of(tries, low, high)
    assert found is not None
    assert (found.low_per_s, found.high_per_s, found.contradictions) == (low, high, 0)


@pytest.mark.parametrize(
    "noise, within, most_tries",
    [(0.0, 0.05, 13), (0.01, 0.05, 14), (0.02, 0.06, 15), (0.05, 0.10, 18)],
    ids=["no noise", "1 %", "2 %", "5 %"],
)
def test_a_known_limit_is_found_despite_noise(noise: float, within: float, most_tries: int) -> None:
    """In 95 of 100 searches, to the precision or what the noise makes of it; in so many tries on average; all end."""
    capacities = [random.Random(seed).uniform(200, 80_000) for seed in range(100)]
    tries, errors, outside = [], [], 0
    for seed, capacity in enumerate(capacities):
        search = Search(1_000, 1e7)
        made = searched(search, hard_limit(capacity, noise, seed))
        found = uncertainty_of(made, search.low, search.high)
        assert found is not None
        tries.append(len(made))
        errors.append(abs((search.low or 0) / capacity - 1))
        outside += not (found.low_per_s or 0) * (1 - noise) <= capacity <= (found.high_per_s or 0) * (1 + noise)

    assert sum(error > within for error in errors) <= 5
    assert outside <= 5
    assert max(tries) <= MOST_PROBES
    assert sum(tries) / len(tries) <= most_tries


def test_the_limit_of_a_queue_is_found() -> None:
    """Of an M/M/1 queue the rate at which its p99 is the SLO's, from its formula, to the precision in 95 of 100."""
    errors = []
    for seed in range(100):
        service_per_s = random.Random(seed).uniform(1_000, 50_000)
        truth = service_per_s + math.log(0.01) / SLO_S
        search = Search(100, 1e7)
        searched(search, queueing(service_per_s, seed))
        errors.append(abs((search.low or 0) / truth - 1))

    assert sum(error > 0.05 for error in errors) <= 5


@pytest.mark.parametrize("is_slow", [False, True], ids=["full tries hold less", "and much less"])
def test_short_tries_mislead_nobody(is_slow: bool) -> None:
    """A broker that holds for a short time what it does not hold for long: the answer is that of the full tries."""
    capacity = 300.0 if is_slow else 900.0
    search = Search(100, 1e6)
    searched(search, lambda rate, is_quick: rate <= (1_000 if is_quick else capacity))

    assert search.low is not None
    assert search.low <= capacity < search.low * 1.05


def test_a_short_try_that_missed_by_chance_does_not_stand_in_the_way() -> None:
    """The full try of that rate is held, and the ramp goes on."""
    search = Search(100, 1e6)
    searched(search, lambda rate, is_quick: rate <= 2_000 and not (is_quick and rate == 400))

    assert search.low is not None
    assert search.low <= 2_000 < search.low * 1.05


def test_nothing_is_held() -> None:
    """It gives up at the least rate, in few steps, and after a full try of it."""
    search = Search(1_000, 1e6, least_per_s=4)
    tries = searched(search, lambda *_: False)

    assert (search.low, search.is_settled) == (None, True)
    assert [each.rate_per_s for each in tries] == [1_000, 500, 125, 15.625, 4, 4]
    assert [each.is_quick for each in tries] == [True] * 5 + [False]


def test_all_is_held_up_to_the_most() -> None:
    """Nothing above is tried, and the highest twice for the full time."""
    search = Search(100, 1_000)
    tries = searched(search, lambda *_: True)

    assert (search.low, search.high) == (1_000, None)
    assert search.held == {1_000: 2}
    assert [each.rate_per_s for each in tries] == [100, 200, 400, 800, 1_000, 1_000, 1_000]


def test_a_machine_that_is_never_the_same_ends_the_search() -> None:
    """Where each rate is held and missed in turns nothing is settled, and it says so."""
    search = Search(100, 1e6)
    tried: Counter[float] = Counter()

    def in_turns(rate: float, is_quick: bool) -> bool:
        if is_quick:
            return rate < 1_000
        tried[rate] += 1
        return (tried[rate] % 2 == 1) == (rate < 1_000)

    tries = searched(search, in_turns)

    assert len(tries) == MOST_PROBES
    assert not search.is_settled


@pytest.mark.parametrize(
    "answers, stage, left",
    [
        ([], "ramp", None),
        ([(100, True, True)], "ramp", None),
        ([(100, True, True), (200, False, True)], "bisect", Left(0, 7)),
        ([(100, True, False), (104, False, False)], "confirm", Left(0, 2)),
        ([(100, True, False), (104, False, False), (100, True, False)], "confirm", Left(0, 1)),
        ([(1_000, False, True), (100, True, True)], "ramp", Left(2, 7)),
    ],
    ids=["nothing", "held", "bracketed", "close", "confirmed below", "wide"],
)
def test_what_it_is_doing_is_told(answers: list[tuple[float, bool, bool]], stage: str, left: Left | None) -> None:
    """The ramp, halving, or making sure; and how many tries are left, where that is known."""
    search = Search(100, 1e6)
    for rate, is_held, is_quick in answers:
        search.tell(rate, is_held=is_held, is_quick=is_quick)
    step = search.next_step()

    assert step is not None
    assert step.stage == stage
    assert search.left() == left


def test_an_answer_that_is_not_repeated_is_replaced() -> None:
    """A miss by chance, which is held the next time, does not stand in the way of more."""
    search = Search(100, 1e6)
    for rate, is_held in [(100, True), (104, False), (100, True), (104, True)]:
        search.tell(rate, is_held=is_held)
    step = search.next_step()

    assert search.missed == {}
    assert step is not None
    assert (step.rate_per_s, step.is_quick) == (208, True)


@settings(derandomize=True, max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), cut=st.integers(1, 30))
def test_a_search_gone_on_with_is_the_same(seed: int, cut: int) -> None:
    """What the answers so far lead to does not depend on who heard them."""
    search, broker = Search(1_000, 1e7), hard_limit(5_000, 0.05, seed)
    tries = searched(search, broker)[:cut]
    again, whole = Search(1_000, 1e7), Search(1_000, 1e7)
    for each in tries:
        again.tell(each.rate_per_s, is_held=each.is_held, is_quick=each.is_quick)
    first = hard_limit(5_000, 0.05, seed)
    for _ in tries:
        step = whole.next_step()
        assert step is not None
        whole.tell(step.rate_per_s, is_held=first(step.rate_per_s, step.is_quick), is_quick=step.is_quick)

    assert again.next_step() == whole.next_step()
    assert (again.low, again.high) == (whole.low, whole.high)

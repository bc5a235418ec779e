"""Schedules: exact, even, vectorised, and the inverse of their count."""

from __future__ import annotations

import time
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.scenario.grammar.groups import Stage, stage_rates
from loadtest.scenario.schedule.arrivals import Arrivals, EvenArrivals, PoissonArrivals, arrivals_of_users
from loadtest.scenario.schedule.curve import Curve, constant_curve, staged_curve
from loadtest.scenario.schedule.poisson import BLOCK, SCALE, UnitPoisson

NS = 1_000_000_000
DAY_NS = 24 * 3600 * NS
FIXED = settings(derandomize=True, deadline=None, max_examples=60)

rates = st.fractions(min_value=Fraction(1, 60), max_value=100_000, max_denominator=3600)
stage = st.tuples(
    st.integers(min_value=1, max_value=20 * NS),
    st.one_of(st.just(Fraction(0)), rates),
    st.one_of(st.just(Fraction(0)), rates),
)
some_stages = st.lists(stage, min_size=1, max_size=4).filter(lambda found: any(low or high for _, low, high in found))


@st.composite
def curves(draw: st.DrawFn) -> Curve:
    """Return a curve of one rate or of stages."""
    return constant_curve(draw(rates)) if draw(st.booleans()) else staged_curve(draw(some_stages))


@st.composite
def schedules(draw: st.DrawFn) -> Arrivals:
    """Return the schedule of one user of some."""
    curve, users = draw(curves()), draw(st.sampled_from([1, 2, 7, 1000]))
    user = draw(st.integers(min_value=0, max_value=users - 1))
    if draw(st.booleans()):
        return EvenArrivals(curve, user, users)
    return PoissonArrivals(curve, UnitPoisson(1, "shop"), user, users)


def some_first(schedule: Arrivals, data: st.DataObject) -> tuple[int, int]:
    """Return a run of arrivals within a schedule: first and count."""
    first = data.draw(st.sampled_from([0, 1, 3, 200, 5000]))
    if schedule.total is None:
        return first, 40
    first = min(first, max(0, schedule.total - 20))
    return first, min(40, schedule.total - first)


@FIXED
@given(schedules(), st.data())
def test_a_run_is_its_arrivals_one_by_one(schedule: Arrivals, data: st.DataObject) -> None:
    """The vectorised form equals the scalar one in every element, and never decreases."""
    first, count = some_first(schedule, data)

    run = schedule.intended_ns_run(first, count)

    assert run.dtype == np.int64
    assert run.tolist() == [schedule.intended_ns(index) for index in range(first, first + count)]
    assert bool(np.all(np.diff(run) >= 0))


@FIXED
@given(schedules(), st.data())
def test_count_due_is_the_inverse(schedule: Arrivals, data: st.DataObject) -> None:
    """By an arrival's instant it is due, a nanosecond before it is not, and the next one is later."""
    first, count = some_first(schedule, data)
    for index in range(first, first + count, 7):
        at = schedule.intended_ns(index)
        due = schedule.count_due(at)

        assert schedule.count_due(at - 1) <= index < due
        assert due == schedule.total or schedule.intended_ns(due) > at


@FIXED
@given(some_stages, st.data())
def test_the_count_is_the_integral_of_the_rate(
    stages: list[tuple[int, Fraction, Fraction]], data: st.DataObject
) -> None:
    """At any instant the arrivals so far differ from the integral of the rate by one at most."""
    at = data.draw(st.integers(min_value=0, max_value=sum(length for length, _, _ in stages) - 1))
    integral, left = Fraction(0), at
    for length, low, high in stages:
        part = min(left, length)
        integral += (low + (high - low) * part / (2 * length)) * part / NS
        left -= part

    assert abs(EvenArrivals(staged_curve(stages)).count_due(at) - integral) <= 1


@FIXED
@given(curves(), st.sampled_from([2, 3, 10]), st.booleans())
def test_users_together_are_the_group(curve: Curve, users: int, is_random: bool) -> None:
    """The users' schedules, merged, are the schedule of the group."""

    def schedule(user: int, of: int) -> Arrivals:
        return PoissonArrivals(curve, UnitPoisson(1, "g"), user, of) if is_random else EvenArrivals(curve, user, of)

    group = schedule(0, 1)
    count = 50 if group.total is None else min(50, group.total)
    merged = [schedule(index % users, users).intended_ns(index // users) for index in range(count)]

    assert merged == group.intended_ns_run(0, count).tolist()


def test_a_thousand_a_second_is_a_millisecond_apart() -> None:
    """A constant rate gives whole milliseconds, from 0."""
    assert EvenArrivals(constant_curve(Fraction(1000))).intended_ns_run(0, 4).tolist() == [
        0,
        1_000_000,
        2_000_000,
        3_000_000,
    ]


@pytest.mark.parametrize("rate", [Fraction(1000), Fraction(1000, 3), Fraction(99_999, 7)])
def test_no_drift_after_ten_days(rate: Fraction) -> None:
    """After ten days each arrival is still the floor of its exact instant."""
    schedule = EvenArrivals(constant_curve(rate), 3, 8)
    index = schedule.count_due(10 * DAY_NS)
    exact = [Fraction(3 + 8 * each) / rate * NS for each in range(index, index + 500)]

    assert schedule.intended_ns_run(index, 500).tolist() == [each.numerator // each.denominator for each in exact]


def test_a_ramp_over_ten_days_is_exact() -> None:
    """On a falling ramp of ten days the float form decides nothing: all elements equal the integer root."""
    schedule = EvenArrivals(staged_curve([(10 * DAY_NS, Fraction(1000), Fraction(3))]))
    assert schedule.total is not None
    for first in (0, schedule.total // 2, schedule.total - 300):
        run = schedule.intended_ns_run(first, 300)

        assert run.tolist() == [schedule.intended_ns(index) for index in range(first, first + 300)]


def test_a_pause_is_waited_out() -> None:
    """An arrival that falls on a stage without a rate is due at the stage's end."""
    schedule = EvenArrivals(staged_curve([(NS, Fraction(0), Fraction(0)), (NS, Fraction(2), Fraction(2))]))

    assert schedule.intended_ns_run(0, 2).tolist() == [NS, NS + NS // 2]
    assert schedule.total == 2


def test_beyond_the_end_is_an_error() -> None:
    """A finite schedule says so where an arrival does not exist."""
    schedule = EvenArrivals(staged_curve([(NS, Fraction(5), Fraction(5))]))

    assert schedule.total == 5
    with pytest.raises(IndexError):
        schedule.intended_ns(5)
    with pytest.raises(IndexError):
        schedule.intended_ns_run(3, 3)


def test_what_a_stage_leaves_out_is_the_rate_before() -> None:
    """A stage without rates holds the last one; a ramp begins where the last stage ended."""
    given_stages = [
        {"for": "10s", "from": "0/s", "to": "2000/s"},
        {"for": "60s"},
        {"for": "5s", "to": "10/s"},
        {"for": "1s", "rate": "7/s"},
    ]
    stages = tuple(Stage.model_validate(each) for each in given_stages)

    assert stage_rates(stages) == [
        (10 * NS, Fraction(0), Fraction(2000)),
        (60 * NS, Fraction(2000), Fraction(2000)),
        (5 * NS, Fraction(2000), Fraction(10)),
        (NS, Fraction(7), Fraction(7)),
    ]


def test_poisson_gaps_are_exponential() -> None:
    """The gaps have mean 1, variance 1, and exceed 1 in a share of 1/e, over the seams of blocks too."""
    unit = UnitPoisson(7, "shop")
    _, times = unit.times(0, 20 * BLOCK, 1)
    gaps = np.diff(times) / SCALE

    assert abs(gaps.mean() - 1) < 0.02
    assert abs(gaps.var() - 1) < 0.04
    assert abs((gaps > 1).mean() - np.exp(-1)) < 0.01


def test_poisson_is_seeded_by_run_and_group() -> None:
    """The same seed and group give the same schedule, another seed or group another one."""

    def run(seed: int, group: str) -> list[int]:
        schedule = arrivals_of_users(Fraction(100), "poisson", users=2, seed=seed, group=group)[1]
        return [schedule.intended_ns(index) for index in range(5)]

    assert run(1, "shop") == run(1, "shop")
    assert run(1, "shop") != run(2, "shop")
    assert run(1, "shop") != run(1, "shop2")


def test_poisson_reaches_ten_days_at_once() -> None:
    """An arrival ten days on costs no walk through those before, and the count there finds it again."""
    schedule = PoissonArrivals(constant_curve(Fraction(1000)), UnitPoisson(1, "shop"))
    index = 864_000_000
    at = schedule.intended_ns(index)

    assert abs(at / DAY_NS - 10) < 0.001
    assert schedule.count_due(at - 1) <= index < schedule.count_due(at)


def test_a_run_of_a_constant_rate_is_cheap() -> None:
    """A run of 500 arrivals costs a tenth of 500 single ones at most, each at the best of several tries."""
    schedule = EvenArrivals(constant_curve(Fraction(1000, 3)), 1, 4)
    best_run = min(_seconds(lambda: schedule.intended_ns_run(100, 500)) for _ in range(20))
    best_singles = min(_seconds(lambda: [schedule.intended_ns(index) for index in range(100, 600)]) for _ in range(20))

    assert best_run < best_singles / 10


def _seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin

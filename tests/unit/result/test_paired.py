"""What the statistics of comparisons promise: intervals that hold, few false verdicts, changes that are found."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from loadtest.result.compare import paired
from loadtest.result.compare.paired import (
    ALPHA,
    LEAST_PAIRS,
    MOST_CHANGE,
    Change,
    alpha_of_look,
    change_of,
    holm,
    least_pairs,
    looks,
    pairs_to_decide,
    verdict,
)

Values = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], tuple[Values, Values]]
PAIRS = 10
TRIALS = 1_500


def normal(rng: np.random.Generator, pairs: int) -> tuple[Values, Values]:
    """Draw two sides with 3 % of normal noise."""
    return 100 * np.exp(0.03 * rng.standard_normal((2, pairs)))[0], 100 * np.exp(0.03 * rng.standard_normal(pairs))


def skewed(rng: np.random.Generator, pairs: int) -> tuple[Values, Values]:
    """Draw two sides as latencies are: a floor, and above it an exponential."""
    return 100 + rng.exponential(10, pairs), 100 + rng.exponential(10, pairs)


def with_outliers(rng: np.random.Generator, pairs: int) -> tuple[Values, Values]:
    """Draw two sides of which one lap in ten is half as long again."""

    def side() -> Values:
        return 100 * np.exp(0.02 * rng.standard_normal(pairs)) * np.where(rng.random(pairs) < 0.1, 1.5, 1.0)

    return side(), side()


def one_skewed(rng: np.random.Generator, pairs: int) -> tuple[Values, Values]:
    """Draw a steady side and a skewed one, whose logarithm has the same mean: differences are skewed, too."""
    return np.full(pairs, 100.0), 100 * np.exp(0.05 * (rng.exponential(1, pairs) - 1))


@pytest.mark.parametrize("draw", [normal, skewed, with_outliers, one_skewed])
def test_interval_and_false_positives(draw: Draw) -> None:
    """Of two equal sides the interval holds 0 in 93 of 100 or more, and 5 of 100 verdicts are false, by ten pairs."""
    rng = np.random.default_rng(20_261_125)
    changes = [change_of(*(side.tolist() for side in draw(rng, PAIRS))) for _ in range(TRIALS)]
    held = sum(
        change.low is not None and change.high is not None and change.low <= 0 <= change.high for change in changes
    )
    positive = sum(change.p_value is not None and change.p_value < ALPHA for change in changes)
    said = sum(verdict(change, change.p_value, min_effect=0.0) in {1, -1} for change in changes)

    # Three standard errors of 1,500 trials at 5 % are 1.7 %.
    assert held / TRIALS >= 0.935
    assert said / TRIALS <= 0.065
    # The test alone takes differences that are skewed for a change twice as often; that is what the interval is beside
    # it for. Sides that are alike have differences that are not.
    assert positive / TRIALS <= (0.13 if draw is one_skewed else 0.065)


def test_interval_of_few_pairs() -> None:
    """With four pairs it is Student's, and holds as often."""
    rng = np.random.default_rng(4)
    changes = [change_of(*(side.tolist() for side in normal(rng, LEAST_PAIRS))) for _ in range(TRIALS)]

    assert sum((change.low or 0) <= 0 <= (change.high or 0) for change in changes) / TRIALS >= 0.93


def test_power() -> None:
    """A change of 5 % beneath 2 % of noise is found, though the machine drifts by 30 % and jumps: both sides alike."""
    rng = np.random.default_rng(5)
    found = 0
    for _ in range(100):
        machine = np.repeat(np.linspace(100, 130, PAIRS) * rng.choice([1.0, 1.2], PAIRS), 2)
        values = machine * np.exp(0.02 * rng.standard_normal(2 * PAIRS))
        change = change_of(values[0::2].tolist(), (values[1::2] * 1.05).tolist())
        # As one of seven metrics: Holm takes the smallest p-value times seven.
        found += verdict(change, min(1.0, 7 * (change.p_value or 0)), min_effect=0.02) == 1

    assert found >= 90


def test_equal_sides_are_found_equal() -> None:
    """With 2 % of noise and an effect that counts of 5 %, no difference is the verdict for nine of ten."""
    rng = np.random.default_rng(6)
    said = []
    for _ in range(100):
        sides = 100 * np.exp(0.02 * rng.standard_normal((2, PAIRS)))
        change = change_of(sides[0].tolist(), sides[1].tolist())
        said.append(verdict(change, change.p_value, min_effect=0.05))

    assert said.count(0) >= 90


def test_estimate_is_of_logarithms() -> None:
    """Twice as much in one pair and half as much in the next is no change."""
    change = change_of([1.0, 2.0] * 4, [2.0, 1.0] * 4)

    assert change.estimate == pytest.approx(0)
    assert change.p_value == 1.0


def test_p_value_is_exact() -> None:
    """Of n pairs that all go one way, 2 of the 2 ** n patterns of signs are so far; of one that goes back, more."""
    assert change_of([10.0] * 10, [11.0] * 10).p_value == pytest.approx(2 / 2**10)
    assert change_of([10.0] * 5, [11.0, 11.0, 11.0, 11.0, 9.9]).p_value == pytest.approx(4 / 2**5)


def test_p_value_of_many_pairs() -> None:
    """Beyond `EXACT_PAIRS` signs are drawn: near the normal distribution, and never 0."""
    rng = np.random.default_rng(7)
    steps = rng.standard_normal(40)
    steps += 2.0 / math.sqrt(40) * steps.std() - steps.mean()
    p_value = change_of([1.0] * 40, np.exp(0.01 * steps).tolist()).p_value

    # Twice the standard error, of signs alone: 2 / sqrt(1 + 4 / 40) of the normal distribution.
    assert p_value == pytest.approx(0.0565, abs=0.004)
    assert change_of([10.0] * 40, [11.0] * 40).p_value == pytest.approx(1 / (paired.FLIPS + 1))


def test_holm() -> None:
    """The example of Wikipedia's article on the method, and R's p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.05), "holm")."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])
    assert holm([None, 0.5, None, 0.6]) == [None, 1.0, None, 1.0]
    assert holm([]) == []


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=12))
def test_holm_keeps_order_and_is_no_smaller(p_values: list[float | None]) -> None:
    """Adjusted values are in the order of those before, none is smaller, and none beyond 1."""
    adjusted = holm(p_values)
    both = sorted(
        (before, after)
        for before, after in zip(p_values, adjusted, strict=True)
        if before is not None and after is not None
    )

    assert [after is None for after in adjusted] == [before is None for before in p_values]
    assert all(before <= after <= 1 for before, after in both)
    assert [after for _, after in both] == sorted(after for _, after in both)


@pytest.mark.parametrize(
    "baseline, variant, estimate",
    [
        pytest.param([], [], None, id="nothing"),
        pytest.param([1.0] * 3, [2.0] * 3, None, id="three pairs"),
        pytest.param([0.0] * 6, [0.0] * 6, None, id="all zero"),
        pytest.param([0.0] * 6, [5.0] * 6, None, id="a baseline at zero"),
        pytest.param([5.0] * 6, [0.0] * 6, -1.0, id="nothing left"),
        pytest.param([7.0] * 6, [7.0] * 6, 0.0, id="equal"),
        pytest.param([10.0] * 6, [11.0] * 6, 0.1, id="always by as much"),
        pytest.param([-4.0] * 6, [-2.0] * 6, 0.5, id="negative"),
        pytest.param([-1.0, 1.0] * 3, [1.0, 1.0] * 3, 1.0, id="a mean of zero"),
        pytest.param([0.0, 0.0, 0.0, 0.0, 4.0], [0.0, 0.0, 0.0, 0.0, 8.0], 1.0, id="a median of zero"),
        pytest.param([1.0] * 5 + [math.nan], [2.0] * 5 + [1.0], 1.0, id="one is NaN"),
        pytest.param([1.0] * 5 + [1.0], [2.0] * 5 + [math.inf], 1.0, id="one is infinite"),
        pytest.param([math.nan] * 6, [1.0] * 6, None, id="all NaN"),
        pytest.param([1e-140] * 6, [1e140] * 6, MOST_CHANGE, id="beyond all measure"),
    ],
)
def test_degenerate(baseline: list[float], variant: list[float], estimate: float | None) -> None:
    """What cannot be told is None, and what can is right."""
    change = change_of(baseline, variant)

    assert change.estimate == (None if estimate is None else pytest.approx(estimate))
    assert (change.low is None) == (change.high is None) == (change.p_value is None) == (estimate is None)
    if estimate is None:
        assert verdict(change, None, min_effect=0.05) is None
        assert pairs_to_decide(change, min_effect=0.05) is None


FLOATS = st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from([0.0, 1.0, 1.0 + 1e-12, -1.0])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(FLOATS, FLOATS), max_size=20))
def test_whatever_comes_is_finite_and_in_order(pairs: list[tuple[float, float]]) -> None:
    """No NaN and no infinity comes through; low, estimate and high are in order; a p-value is one."""
    change = change_of([before for before, _ in pairs], [after for _, after in pairs])
    if change.estimate is None or change.low is None or change.high is None or change.p_value is None:
        return

    assert all(math.isfinite(value) for value in (change.low, change.estimate, change.high))
    assert change.low <= change.estimate + 1e-9 * abs(change.estimate)
    assert change.estimate <= change.high + 1e-9 * abs(change.estimate)
    assert 0 < change.p_value <= 1


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0.5, 2.0), min_size=4, max_size=12), st.floats(1e-3, 1e9))
def test_units_do_not_matter(values: list[float], unit: float) -> None:
    """Changes are the same in ns and in s."""
    baseline = [1.0 + 0.01 * number for number in range(len(values))]
    one = change_of(baseline, values)
    other = change_of([unit * value for value in baseline], [unit * value for value in values])

    assert one.estimate == pytest.approx(other.estimate, abs=1e-9)
    assert one.p_value == other.p_value


def change(estimate: float, low: float, high: float, pairs: int = PAIRS) -> Change:
    """Return a change of which only these are looked at."""
    return Change(pairs, estimate, low, high, 0.01)


@pytest.mark.parametrize(
    "found, p_adjusted, said",
    [
        pytest.param(change(0.10, 0.06, 0.14), 0.01, 1, id="more"),
        pytest.param(change(-0.10, -0.14, -0.06), 0.01, -1, id="less"),
        pytest.param(change(0.10, 0.06, 0.14), 0.06, None, id="more, but one of many"),
        pytest.param(change(0.02, 0.01, 0.03), 0.01, 0, id="surely something, and too little to count"),
        pytest.param(change(0.0, -0.05, 0.05), 1.0, 0, id="within what counts, to the edge"),
        pytest.param(change(0.0, -0.06, 0.05), 1.0, None, id="may be less"),
        pytest.param(change(0.05, -0.01, 0.11), 0.04, None, id="the interval holds 0"),
        pytest.param(change(0.06, 0.02, 0.10), 0.04, 1, id="something, perhaps too little"),
    ],
)
def test_verdict(found: Change, p_adjusted: float, said: int | None) -> None:
    """An effect of 5 % counts."""
    assert verdict(found, p_adjusted, min_effect=0.05) == said


def test_least_pairs() -> None:
    """So many that the smallest p-value, 2 / 2 ** n, times the tests is below what is allowed."""
    for tests in range(1, 80):
        pairs = least_pairs(tests)
        assert tests * 2 / 2**pairs < ALPHA <= tests * 2 / 2 ** (pairs - 1)
    assert least_pairs(1) == 6


def test_pairs_to_decide() -> None:
    """Half as wide takes four times as many; more where many are tested; None where it is hopeless."""
    assert pairs_to_decide(change(0.0, -0.10, 0.10), min_effect=0.05) == 40
    assert pairs_to_decide(change(0.10, -0.10, 0.30), min_effect=0.05) == 40
    assert 40 < (pairs_to_decide(change(0.10, -0.10, 0.30), min_effect=0.05, tests=7) or 0) < 90
    assert pairs_to_decide(change(0.0, -0.10, 0.10), min_effect=0.0) is None
    assert pairs_to_decide(change(0.001, -0.10, 0.10), min_effect=0.0) is None
    assert pairs_to_decide(change(0.5, 0.4, 0.6, pairs=4), min_effect=0.05, tests=7) == least_pairs(7)
    assert pairs_to_decide(change(0.5, 0.5, 0.5), min_effect=0.05) is None


@given(st.floats(-0.5, 0.5), st.floats(1e-6, 1.0), st.floats(0, 0.2), st.integers(4, 80), st.integers(1, 90))
def test_pairs_to_decide_is_more_than_there_are(
    estimate: float, half: float, min_effect: float, pairs: int, tests: int
) -> None:
    """It is a number of pairs that have not all been run, or nothing."""
    needed = pairs_to_decide(
        change(estimate, estimate - half, estimate + half, pairs), min_effect=min_effect, tests=tests
    )

    assert needed is None or needed > pairs


def test_looks() -> None:
    """A comparison that goes on is looked at seldom, at its end at the latest."""
    assert looks(5, 20) == [5, 7, 10, 14, 20]
    assert looks(5, 5) == looks(5, 3) == [5]
    assert looks(2, 4) == [2, 3, 4]


@given(st.integers(2, 50), st.integers(2, 200))
def test_looks_spend_no_more_than_there_is(rounds: int, most_rounds: int) -> None:
    """What all looks together may have is what one would."""
    planned = looks(rounds, most_rounds)

    assert planned == sorted(set(planned))
    assert planned[0] == rounds
    assert planned[-1] == max(rounds, most_rounds)
    assert sum(alpha_of_look(number, len(planned)) for number in range(len(planned))) == pytest.approx(ALPHA)

"""
Two variants measured in turns: by how much they differ, how sure that is, and what to say of it.

Pairs lie close in time, so what changes slowly on a machine is in both values of a pair and drops out. Changes are
relative to the baseline, worked out of logarithms so that twice as much and half as much are equally far. Knows numbers
only.

Sources: Student, The Probable Error of a Mean; Efron and Tibshirani, An Introduction to the Bootstrap, 12.5
(bootstrap-t intervals: with ten pairs percentile intervals are too short); Fisher's sign-flip test for pairs; Holm, A
Simple Sequentially Rejective Multiple Test Procedure; for several looks, Bonferroni's inequality. What they keep is
simulated in tests/unit/result/test_paired.py and test_recorded_rounds.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from loadtest.result.student import normal_quantile, student_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


CONFIDENCE: Final = 0.95
ALPHA: Final = 1 - CONFIDENCE
RESAMPLES: Final = 4_999
BOOTSTRAP_PAIRS: Final = 8
LEAST_PAIRS: Final = 4
"""Fewer say nothing, whatever they are."""

MOST_PAIRS_TOLD: Final = 1_000
MOST_CHANGE: Final = 1e6
"""A million times as much is where changes end: beyond it are intervals of a few values that have nothing in common."""

LOOK_AFTER: Final = 0.4
"""A comparison that goes on is looked at again after so many more rounds, as a share of those that were done."""

EXACT_PAIRS: Final = 14
FLIPS: Final = 99_999
_SEED: Final = 1
_NOTHING: Final = 1e-12
_MOST_VALUE: Final = 1e150
_MOST_LOG: Final = float(np.log1p(MOST_CHANGE))


@dataclass(frozen=True, slots=True)
class Change:
    """
    By how much a variant differs from the baseline, as shares of it: 0.1 is ten percent more.

    Attributes:
        pairs: How many it rests on.
        estimate: Of the change; None where nothing can be said, as of fewer than `LEAST_PAIRS` or of a baseline at 0.
        low, high: Its 95 % interval.
        p_value: How probable a change at least so large is if there is none.
    """

    pairs: int
    estimate: float | None
    low: float | None
    high: float | None
    p_value: float | None


def change_of(baseline: Sequence[float], variant: Sequence[float]) -> Change:
    """Return the change from *baseline* to *variant*, value by value in pairs; a pair that is not finite is none."""
    both = np.array([baseline, variant], dtype=np.float64)
    before, after = both[:, (abs(both) < _MOST_VALUE).all(axis=0)]
    pairs = len(before)
    if pairs < LEAST_PAIRS or not before.any():
        return Change(pairs, None, None, None, None)
    is_ratio = bool((before > 0).all() and (after > 0).all())
    scale = float(np.median(abs(before)) or abs(before).mean())
    with np.errstate(over="ignore"):
        steps = np.log(after) - np.log(before) if is_ratio else (after - before) / scale
    steps = steps.clip(-MOST_CHANGE, MOST_CHANGE)
    estimate, (low, high) = float(steps.mean()), _interval(steps)
    if is_ratio:
        estimate, low, high = (float(np.expm1(min(value, _MOST_LOG))) for value in (estimate, low, high))
    estimate, low, high = (max(-MOST_CHANGE, min(value, MOST_CHANGE)) for value in (estimate, low, high))
    return Change(pairs, estimate, low, high, _p_value(steps))


def _interval(steps: NDArray[np.float64]) -> tuple[float, float]:
    """
    Return the interval of the mean of *steps*: Student's, and as far as the bootstrap-t interval where that is wider.

    Student's is too short where steps are skewed. The bootstrap's is too short where single ones lie far out either
    way, and has no bounds where one does, so that it ends with the farthest step; of few pairs it says nothing.
    """
    count, mean = len(steps), float(steps.mean())
    error = float(steps.std(ddof=1)) / np.sqrt(count)
    half = student_quantile(1 - ALPHA / 2, count - 1) * error
    if count < BOOTSTRAP_PAIRS or error <= abs(mean) * _NOTHING:
        return mean - half, mean + half
    draws = np.random.default_rng(_SEED).choice(steps, (RESAMPLES, count))
    errors = draws.std(axis=1, ddof=1) / np.sqrt(count)
    told = errors > error * _NOTHING  # of draws of one step alone nothing can be said
    lower, upper = np.quantile((draws.mean(axis=1)[told] - mean) / errors[told], [ALPHA / 2, 1 - ALPHA / 2])
    low, high = max(mean - upper * error, steps.min()), min(mean - lower * error, steps.max())
    return float(min(mean - half, low)), float(max(mean + half, high))


def _p_value(steps: NDArray[np.float64]) -> float:
    """Return the p-value of the two-sided sign-flip test; exact for up to `EXACT_PAIRS`."""
    largest = float(abs(steps).max())
    if largest == 0:
        return 1.0
    shares = steps / largest
    count = len(shares)
    if count <= EXACT_PAIRS:
        flips = (np.arange(2**count)[:, None] >> np.arange(count)) & 1
        return float(_as_far(flips, shares).mean())
    flips = np.random.default_rng(_SEED).integers(0, 2, (FLIPS, count), dtype=np.int8)
    return float((1 + _as_far(flips, shares).sum()) / (FLIPS + 1))


def _as_far(flips: NDArray[np.integer], shares: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which of *flips* give a sum as far from 0 as that of *shares*, but for rounding."""
    sums = (1.0 - 2.0 * flips) @ shares
    far: NDArray[np.bool_] = abs(sums) >= abs(shares.sum()) - len(shares) * _NOTHING
    return far


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return the p-values adjusted by Holm's method, in their order; one that is None stays and counts for nothing."""
    told = sorted((value, place) for place, value in enumerate(p_values) if value is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (value, place) in enumerate(told):
        highest = max(highest, min(1.0, (len(told) - rank) * value))
        adjusted[place] = highest
    return adjusted


def verdict(change: Change, p_adjusted: float | None, *, min_effect: float) -> int | None:
    """
    Return 1 for more than the baseline, -1 for less, 0 for no difference beyond *min_effect*, None if undecided.

    Whatever is within the effect that counts is no difference, however surely it is not nothing.
    """
    if change.estimate is None or change.low is None or change.high is None or p_adjusted is None:
        return None
    if -min_effect <= change.low and change.high <= min_effect:
        return 0
    if p_adjusted < ALPHA and (change.low > 0 or change.high < 0):
        return 1 if change.estimate > 0 else -1
    return None


def looks(rounds: int, most_rounds: int) -> list[int]:
    """Return after how many rounds a comparison that goes on until it is decided is looked at: few times."""
    found = [rounds]
    while found[-1] < most_rounds:
        found.append(min(most_rounds, found[-1] + max(1, round(found[-1] * LOOK_AFTER))))
    return found


def alpha_of_look(number: int, count: int) -> float:
    """
    Return the probability of a false verdict that look *number*, from 0, of at most *count* may have.

    Who looks often finds something some time. The first has half of what all may have together, as most comparisons are
    decided there or ask for far more; the others share the rest alike.
    """
    if count == 1:
        return ALPHA
    return ALPHA / 2 if number == 0 else ALPHA / 2 / (count - 1)


def least_pairs(tests: int, alpha: float = ALPHA) -> int:
    """Return how many pairs it takes before the smallest possible p-value of *tests* changes counts, by Holm."""
    return int(np.floor(np.log2(2 * tests / alpha))) + 1


def pairs_to_decide(change: Change, *, min_effect: float, tests: int = 1, alpha: float = ALPHA) -> int | None:
    """
    Return about how many pairs in all would decide it, if what comes is like what came; None where that is not known.

    Intervals narrow with the square root of the pairs: until all of it is within *min_effect*, or 0 is outside even of
    the wider one that *tests* changes ask for, whichever is nearer.
    """
    if change.estimate is None or change.low is None or change.high is None:
        return None
    half = (change.high - change.low) / 2
    if half <= 0:
        return None
    wider = normal_quantile(1 - alpha / tests / 2) / normal_quantile(1 - ALPHA / 2)
    room = max(abs(change.estimate) / wider, min_effect - abs(change.estimate))
    if room <= 0 or half / room > MOST_PAIRS_TOLD:
        return None
    needed = int(np.ceil(change.pairs * (half / room) ** 2))
    if needed > MOST_PAIRS_TOLD:
        return None
    return max(needed, least_pairs(tests, alpha), change.pairs + 1)

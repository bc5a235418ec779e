"""
Two variants measured in turns: by how much they differ, how sure that is, and what to say of it.

Pairs lie close in time, so what changes slowly on a machine is in both values of a pair and drops out. Changes are
relative to the baseline, worked out of logarithms so that twice as much and half as much are equally far. Knows numbers
only.

Sources: Efron and Tibshirani, An Introduction to the Bootstrap, 12.5 (bootstrap-t intervals: with ten pairs percentile
intervals are too short); Fisher's sign-flip test for pairs; Holm, A Simple Sequentially Rejective Multiple Test
Procedure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


CONFIDENCE: Final = 0.95
ALPHA: Final = 1 - CONFIDENCE
RESAMPLES: Final = 9_999
LEAST_PAIRS: Final = 4
"""Fewer say nothing, whatever they are."""

MOST_ROUNDS_TOLD: Final = 1_000
_SEED: Final = 1


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
    """Return the change from *baseline* to *variant*, value by value in pairs."""
    before, after = (np.asarray(values, dtype=np.float64) for values in (baseline, variant))
    pairs = len(before)
    if pairs < LEAST_PAIRS or not before.any():
        return Change(pairs, None, None, None, None)
    is_ratio = bool((before > 0).all() and (after > 0).all())
    steps = np.log(after / before) if is_ratio else (after - before) / abs(np.median(before) or before.mean())
    low, high = _interval(steps)
    estimate = float(steps.mean())
    if is_ratio:
        estimate, low, high = (float(np.expm1(value)) for value in (estimate, low, high))
    return Change(pairs, estimate, low, high, _p_value(steps))


def _interval(steps: NDArray[np.float64]) -> tuple[float, float]:
    """Return the bootstrap-t interval of the mean of *steps*."""
    count, mean = len(steps), float(steps.mean())
    error = float(steps.std(ddof=1)) / np.sqrt(count)
    if error == 0:
        return mean, mean
    draws = np.random.default_rng(_SEED).choice(steps, (RESAMPLES, count))
    errors = draws.std(axis=1, ddof=1) / np.sqrt(count)
    told = errors > 0  # of ten equal draws nothing can be said
    spread = np.sort((draws.mean(axis=1)[told] - mean) / errors[told])
    lower, upper = np.quantile(spread, [ALPHA / 2, 1 - ALPHA / 2])
    return float(mean - upper * error), float(mean - lower * error)


def _p_value(steps: NDArray[np.float64]) -> float:
    """Return the p-value of the two-sided sign-flip test; exact for up to 13 pairs."""
    if not steps.any():
        return 1.0
    found = stats.permutation_test(
        (steps, np.zeros_like(steps)),
        lambda first, second, axis: (first - second).mean(axis=axis),
        permutation_type="samples",
        n_resamples=RESAMPLES,
        vectorized=True,
        rng=np.random.default_rng(_SEED),
    )
    return float(found.pvalue)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return the p-values adjusted by Holm's method, in their order; one that is None stays and counts for nothing."""
    told = sorted((value, place) for place, value in enumerate(p_values) if value is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (value, place) in enumerate(told):
        highest = max(highest, min(1.0, (len(told) - rank) * value))
        adjusted[place] = highest
    return adjusted


def verdict(change: Change, p_adjusted: float | None, *, min_effect: float, alpha: float = ALPHA) -> int | None:
    """
    Return 1 for more than the baseline, -1 for less, 0 for no difference beyond *min_effect*, None if undecided.

    Whatever is within the effect that counts is no difference, however surely it is not nothing.
    """
    if change.estimate is None or change.low is None or change.high is None or p_adjusted is None:
        return None
    if -min_effect <= change.low and change.high <= min_effect:
        return 0
    if p_adjusted < alpha and (change.low > 0 or change.high < 0):
        return 1 if change.estimate > 0 else -1
    return None


def least_pairs(tests: int, alpha: float = ALPHA) -> int:
    """Return how many pairs it takes before the smallest possible p-value of *tests* changes counts, by Holm."""
    return int(np.floor(np.log2(2 * tests / alpha))) + 1


def pairs_to_decide(change: Change, *, min_effect: float, least: int) -> int | None:
    """
    Return about how many pairs in all would decide it, if what comes is like what came; None where that is not known.

    Intervals narrow with the square root of the pairs: until 0 is outside, or all of it within *min_effect*, whichever
    is nearer.
    """
    if change.estimate is None or change.low is None or change.high is None:
        return None
    half = (change.high - change.low) / 2
    room = max(abs(change.estimate), min_effect - abs(change.estimate))
    if half <= 0 or room <= 0:
        return None
    needed = int(np.ceil(change.pairs * (half / room) ** 2))
    return max(needed, least, change.pairs + 1) if needed <= MOST_ROUNDS_TOLD else None

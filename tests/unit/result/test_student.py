"""Quantiles and Welch's test are those of scipy.stats, which takes four times as long to load."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from loadtest.result.student import normal_quantile, student_quantile, welch_p_value


@pytest.mark.parametrize("probability", [1e-6, 0.025, 0.5, 0.975, 0.99999])
def test_quantiles_are_those_of_scipy_stats(probability: float) -> None:
    """Of the normal distribution, and of Student's with few and many degrees of freedom."""
    assert normal_quantile(probability) == pytest.approx(stats.norm.ppf(probability), rel=1e-12, abs=1e-15)
    for freedom in (1, 3, 9, 200):
        assert student_quantile(probability, freedom) == pytest.approx(
            stats.t.ppf(probability, freedom), rel=1e-9, abs=1e-12
        )


def test_welch_is_that_of_scipy_stats() -> None:
    """Of samples of unequal size and spread, alike and far apart."""
    chance = np.random.default_rng(3)
    for shift in (0.0, 0.5, 40.0):
        first, second = chance.normal(0, 1, 5).tolist(), chance.normal(shift, 3, 9).tolist()
        for pair in ((first, second), (second, first)):
            expected = stats.ttest_ind(*pair, equal_var=False).pvalue
            assert welch_p_value(*pair) == pytest.approx(expected, rel=1e-9)

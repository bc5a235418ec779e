"""Pretended work: the times that were asked for, the same for the same user."""

from __future__ import annotations

import numpy as np
import pytest

from loadtest.clients.deliveries.service_times import ServiceTimes
from loadtest.scenario.values import Distribution, ServiceTime

MS = 1_000_000
COUNT = 200_000


def drawn(distribution: Distribution, first_ns: int, second_ns: int = 0, user: str = "out/0") -> np.ndarray:
    """Return many times, in ns."""
    return ServiceTimes(ServiceTime(distribution, first_ns, second_ns), 1, user).draw(COUNT)


def test_a_fixed_time_is_that() -> None:
    """Nothing is drawn."""
    assert set(drawn("fixed", 5 * MS).tolist()) == {5 * MS}


# The standard error of each is below a fifth of the tolerance.
@pytest.mark.parametrize(
    "distribution, first, second, percentiles",
    [
        ("exponential", 10, 0, {50: 6.931, 99: 46.05}),
        ("uniform", 2, 8, {50: 5, 99: 7.94, 100: 8}),
        ("normal", 10, 2, {50: 10, 99: 14.65}),
        ("lognormal", 5, 50, {50: 5, 99: 50}),
    ],
)
def test_times_are_distributed_as_asked(
    distribution: Distribution, first: int, second: int, percentiles: dict[int, float]
) -> None:
    """Median and 99th percentile are those of theory."""
    times = drawn(distribution, first * MS, second * MS)

    for percent, expected_ms in percentiles.items():
        assert np.percentile(times, percent) / MS == pytest.approx(expected_ms, rel=0.05)
    assert times.min() >= 0


def test_the_same_user_gets_the_same_times() -> None:
    """Others get others."""
    assert (drawn("exponential", MS) == drawn("exponential", MS)).all()
    assert (drawn("exponential", MS) != drawn("exponential", MS, user="out/1")).any()


def test_no_time_is_below_zero() -> None:
    """A normal distribution with a wide spread is cut off at zero."""
    assert drawn("normal", MS, 10 * MS).min() == 0

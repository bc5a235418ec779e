"""
How long a consumer pretends to work on each message: a fixed time, or times drawn from a distribution.

Drawn in bulk and by the seed of the run: the same scenario gives the same times to the same user.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

import numpy as np

from loadtest.scenario.values import Z99

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from loadtest.scenario.values import ServiceTime

# An hour: one draw from a long tail is not to hold up a consumer for the rest of its life.
LONGEST_NS: Final = 3600 * 10**9


class ServiceTimes:
    """
    The times of one user.

    Args:
        service_time: Their distribution.
        seed: Of the run.
        user: Whose they are, such as `billing/0`.
    """

    def __init__(self, service_time: ServiceTime, seed: int, user: str) -> None:
        self._time = service_time
        self._random = np.random.default_rng([seed, zlib.crc32(user.encode())])

    def draw(self, count: int) -> NDArray[np.int64]:
        """Return the next *count* times, in ns, none below zero."""
        first, second = self._time.first_ns, self._time.second_ns
        match self._time.distribution:
            case "exponential":
                times = self._random.exponential(first, count)
            case "uniform":
                times = self._random.uniform(first, second, count)
            case "normal":
                times = self._random.normal(first, second, count)
            case "lognormal":
                sigma = (np.log(second) - np.log(first)) / Z99
                times = self._random.lognormal(np.log(first), sigma, count)
            case _:
                return np.full(count, first, dtype=np.int64)
        return np.clip(times, 0, LONGEST_NS).astype(np.int64)

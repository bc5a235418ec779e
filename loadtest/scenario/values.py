"""
The values that the grammar reads and the plan holds: how messages are acknowledged, refused and worked on.

Plain frozen data, which imports nothing of the scenario: the grammar and the plan both stand on it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from statistics import NormalDist
from typing import Final, Literal

Z99: Final = NormalDist().inv_cdf(0.99)
"""The 99th percentile of the standard normal distribution."""

Client = Literal["bulk", "blocking"]
Stamp = Literal["headers", "body", "none"]
OnOutage = Literal["late", "drop"]
InDoubt = Literal["leave", "republish"]
AckMode = Literal["auto", "every", "none"]
RefusalMethod = Literal["nack", "reject"]
RefusedOf = Literal["deliveries", "messages"]
Distribution = Literal["fixed", "exponential", "uniform", "normal", "lognormal"]


@dataclass(frozen=True, slots=True)
class Start:
    """When a user begins: `at_ns` after the run's begin, or after the group `after` is done."""

    at_ns: int = 0
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Ack:
    """How deliveries are acknowledged: by the broker (`auto`), `every` so many with multiple set, or `none` at all."""

    mode: AckMode = "auto"
    every: int = 1

    def __str__(self) -> str:
        return f"every {self.every}" if self.mode == "every" else self.mode


@dataclass(frozen=True, slots=True)
class Refusal:
    """
    A share of deliveries answered by Basic.Nack or Basic.Reject in the place of an ack.

    Attributes:
        of: Chosen among the deliveries as they come, or among the messages by their seq, each time that they come.
    """

    method: RefusalMethod
    share: Fraction
    requeue: bool
    of: RefusedOf


@dataclass(frozen=True, slots=True)
class ServiceTime:
    """
    How long a consumer works on each message, in ns.

    `first_ns` and `second_ns` are, by distribution: fixed the time and nothing; exponential the mean and nothing;
    uniform the bounds; normal mean and standard deviation; lognormal median and 99th percentile.
    """

    distribution: Distribution
    first_ns: int
    second_ns: int

    @property
    def mean_ns(self) -> float:
        """How long it takes on average; of a normal one that is cut off at zero a little more."""
        if self.distribution == "uniform":
            return (self.first_ns + self.second_ns) / 2
        if self.distribution == "lognormal":
            sigma = math.log(self.second_ns / self.first_ns) / Z99
            return self.first_ns * math.exp(sigma**2 / 2)
        return self.first_ns

    def __bool__(self) -> bool:
        """Return whether it is any time at all."""
        return self.distribution != "fixed" or self.first_ns > 0

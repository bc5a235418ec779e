"""
The search for a capacity: which rate to try next, and when it is found.

Doubling until a rate is not held, then halving what lies between in logarithms, then the answer again, and one step
above it: a rate that is held once may not be held twice. Pure: rates and answers in, rates out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import sqrt
from typing import Final, Literal

Stage = Literal["bracket", "bisect", "confirm", "done"]

GROWTH: Final = 2.0
MOST_PROBES: Final = 60
"""A search that goes round in circles on a machine that is never the same ends."""


@dataclass(slots=True)
class Search:
    """
    One search.

    Args:
        start_per_s: The first rate.
        most_per_s: No rate above it is tried.
        precision: Share of the answer within which it is to be known.
        repeats: How often the answer must be held, and the rate above it be missed, the first time included.

    Attributes:
        held: By rate, how often it was held, of those that were held last.
        missed: By rate, how often it was not, of those that were not held last.
    """

    start_per_s: float
    most_per_s: float
    precision: float = 0.05
    repeats: int = 2
    held: dict[float, int] = field(default_factory=dict)
    missed: dict[float, int] = field(default_factory=dict)
    probes: int = 0

    @property
    def low(self) -> float | None:
        """The highest rate that was held, and never missed, nor any below it; None if there is none."""
        ceiling = min(self.missed, default=float("inf"))
        return max((rate for rate in self.held if rate < ceiling), default=None)

    @property
    def high(self) -> float | None:
        """The lowest rate that was missed; None while all were held."""
        return min(self.missed, default=None)

    @property
    def stage(self) -> Stage:
        """What is being done."""
        if self.next_rate() is None:
            return "done"
        low, high = self.low, self.high
        if high is None or low is None:
            return "bracket"
        return "confirm" if high <= low * (1 + self.precision) else "bisect"

    def next_rate(self) -> float | None:
        """Return the rate to try next; None when the answer is known, or there is none."""
        low, high = self.low, self.high
        if self.probes >= MOST_PROBES:
            return None
        if low is None:
            return self._below(high)
        if high is None:
            return self._above(low)
        if high > low * (1 + self.precision):
            return _round(sqrt(low * high), low, high)
        unsure = [rate for rate, tries in ((low, self.held[low]), (high, self.missed[high])) if tries < self.repeats]
        return unsure[0] if unsure else None

    def tell(self, rate: float, *, is_held: bool) -> None:
        """Take the answer for a rate; one that differs from the last takes its place, and the search goes on."""
        self.probes += 1
        now, before = (self.held, self.missed) if is_held else (self.missed, self.held)
        now[rate] = now.get(rate, 0) + 1
        before.pop(rate, None)

    def _above(self, low: float) -> float | None:
        if low < self.most_per_s:
            return min(low * GROWTH, self.most_per_s)
        return low if self.held[low] < self.repeats else None

    def _below(self, high: float | None) -> float | None:
        if high is None:
            return min(self.start_per_s, self.most_per_s)
        lower = high / GROWTH
        return lower if lower >= 1 else None


def _round(rate: float, low: float, high: float) -> float:
    """Return a rate of three digits between the two, or as it is where there is none."""
    digits = 10 ** max(0, len(str(int(rate))) - 3)
    rounded = round(rate / digits) * digits
    return float(rounded) if low < rounded < high else rate

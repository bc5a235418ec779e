"""
The search for a capacity: which rate to try next, for how long, and when it is found.

A ramp of short tries, doubling until a rate is not held; then what lies between is halved in logarithms by tries of
full length; then the answer again, and the rate above it: a rate that is held once may not be held twice. Short tries
only show where to look: the answer rests on full ones. Pure: the same answers give the same search.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil, inf, log, log2, sqrt
from typing import Final, Literal

Stage = Literal["ramp", "bisect", "confirm"]

GROWTH: Final = 2.0
MOST_HALVINGS: Final = 4
"""Down by as much in a step: a start that was far too high is left soon, as low rates take long to give percentiles."""

MOST_PROBES: Final = 60
"""A search that goes round in circles on a machine that is never the same ends."""


@dataclass(frozen=True, slots=True)
class Step:
    """What to try next; with *is_quick* for a short time."""

    rate_per_s: float
    stage: Stage
    is_quick: bool = False


@dataclass(frozen=True, slots=True)
class Left:
    """How many tries are left if all answers are as expected."""

    quick: int
    full: int


@dataclass(slots=True)
class Search:
    """
    One search.

    Args:
        start_per_s: The first rate.
        most_per_s: No rate above it is tried.
        precision: Share of the answer within which it is to be known.
        repeats: How often in a row the answer must be held, and the rate above it be missed.
        least_per_s: No rate below it is tried.

    Attributes:
        held: By rate, how often it was held for the full time since it was last missed.
        missed: By rate, how often it was not, since it was last held.
        probes: How many tries there were, short ones included.
    """

    start_per_s: float
    most_per_s: float
    precision: float = 0.05
    repeats: int = 2
    least_per_s: float = 1.0
    held: dict[float, int] = field(default_factory=dict)
    missed: dict[float, int] = field(default_factory=dict)
    probes: int = 0
    _quick: dict[float, bool] = field(default_factory=dict)

    @property
    def low(self) -> float | None:
        """The highest rate that was held for the full time, and none below it missed; None if there is none."""
        ceiling = min(self.missed, default=inf)
        return max((rate for rate in self.held if rate < ceiling), default=None)

    @property
    def high(self) -> float | None:
        """The lowest rate that was missed for the full time; None while all were held."""
        return min(self.missed, default=None)

    @property
    def is_settled(self) -> bool:
        """Whether it ended with an answer that was repeated, and not because it had taken too many tries."""
        return self._wanted() is None

    def next_step(self) -> Step | None:
        """Return what to try next; None when the answer is known, or too much has been tried."""
        return None if self.probes >= MOST_PROBES else self._wanted()

    def tell(self, rate_per_s: float, *, is_held: bool, is_quick: bool = False) -> None:
        """Take the answer for a rate; one that differs from the last takes its place, and the search goes on."""
        self.probes += 1
        if is_quick:
            self._quick[rate_per_s] = is_held
            return
        now, before = (self.held, self.missed) if is_held else (self.missed, self.held)
        now[rate_per_s] = now.get(rate_per_s, 0) + 1
        before.pop(rate_per_s, None)

    def left(self) -> Left | None:
        """Return how many tries are left, at least; None while nobody knows, as the ramp goes on."""
        below, above = self._between()
        if below is None or (above is None and below < self.most_per_s):
            return None
        if above is None:
            return Left(0, max(0, self.repeats - self.held.get(below, 0)))
        ratio = log(above / below)
        halvings = max(0, ceil(log2(ratio / log(1 + self.precision)))) if ratio > 0 else 0
        quick = min(halvings, max(0, ceil(log2(ratio / log(GROWTH)))))
        again = 2 * self.repeats - (1 if halvings else 0)
        if not halvings:
            again -= min(self.repeats, self.held.get(below, 0)) + min(self.repeats, self.missed.get(above, 0))
        return Left(quick, halvings - quick + again)

    def _between(self) -> tuple[float | None, float | None]:
        """Return the rates between which the answer is looked for: by full tries, and by short ones not refuted."""
        low, high = self.low, self.high
        floor = low or 0.0
        missed = [rate for rate, is_held in self._quick.items() if not is_held and rate > floor]
        above = min([*missed, *([] if high is None else [high])], default=None)
        ceiling = inf if above is None else above
        held = [rate for rate, is_held in self._quick.items() if is_held and floor < rate < ceiling]
        return max([*held, *([] if low is None else [low])], default=None), above

    def _wanted(self) -> Step | None:
        below, above = self._between()
        if below is None:
            return self._down(above)
        if above is None:
            return self._up(below)
        if above > below * GROWTH * (1 + self.precision):
            return Step(_round(sqrt(below * above), below, above), "ramp", is_quick=True)
        if above > below * (1 + self.precision):
            return Step(_round(sqrt(below * above), below, above), "bisect")
        for rate, times in ((below, self.held.get(below, 0)), (above, self.missed.get(above, 0))):
            if times < self.repeats:
                return Step(rate, "confirm")
        return None

    def _up(self, below: float) -> Step | None:
        if below < self.most_per_s:
            return Step(min(below * GROWTH, self.most_per_s), "ramp", is_quick=True)
        return Step(below, "confirm") if self.held.get(below, 0) < self.repeats else None

    def _down(self, above: float | None) -> Step | None:
        if above is None:
            return Step(max(self.least_per_s, min(self.start_per_s, self.most_per_s)), "ramp", is_quick=True)
        if above > self.least_per_s:
            tried = {rate for rate, is_held in self._quick.items() if not is_held} | self.missed.keys()
            lower = above / GROWTH ** min(len(tried), MOST_HALVINGS)
            return Step(max(self.least_per_s, lower), "ramp", is_quick=True)
        # That nothing is held is said of a full try, too.
        return Step(above, "confirm") if self.missed.get(above, 0) < 1 else None


def _round(rate: float, low: float, high: float) -> float:
    """Return a rate of three digits between the two, or as it is where there is none."""
    digits = 10 ** max(0, len(str(int(rate))) - 3)
    rounded = round(rate / digits) * digits
    return float(rounded) if low < rounded < high else rate

"""
Where a comparison is, and how long it will take yet: for the lines that say so.

Knows how long laps took; runs none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING

from loadtest.experiments.compare.rounds import laps_of_round
from loadtest.result.compare.compare_result import WARM_UP, LapPart
from loadtest.result.units import rough_text

if TYPE_CHECKING:
    from loadtest.experiments.compare.rounds import Lap


@dataclass(slots=True)
class Pace:
    """How long laps of each variant take, in s: what this process saw of it, or, until then, what is known before."""

    seen_s: dict[str, list[float]] = field(default_factory=dict)
    known_s: dict[str, float] = field(default_factory=dict)

    def take(self, variant: str, took_s: float) -> None:
        """Take how long a lap took."""
        self.seen_s.setdefault(variant, []).append(took_s)

    def left_s(self, variants: Iterable[str]) -> float | None:
        """Return how long laps of *variants*, one each, will take; None where nothing is known of any variant."""
        means = {**self.known_s, **{variant: fmean(seen) for variant, seen in self.seen_s.items()}}
        if not means:
            return None
        other = fmean(means.values())
        return sum(means.get(variant, other) for variant in variants)


def remaining(laps: Sequence[LapPart], lap: Lap, variants: Sequence[str], rounds: int) -> list[str]:
    """
    Return the variants of the laps that are left until *rounds* are done, *lap*, which is about to begin, included.

    Of turns that will have to be run again nothing is known; of the one that is, its own laps.
    """
    done = {(each.round, each.turn, each.variant, each.attempt) for each in laps}
    planned = [each for number in range(WARM_UP, rounds + 1) for each in laps_of_round(number, variants)]
    left = [each.variant for each in planned if (each.round, each.turn, each.variant, 1) not in done]
    if lap.attempt > 1:
        left += [name for name in variants if (lap.round, lap.turn, name, lap.attempt) not in done]
    return left


def where_text(lap: Lap, laps: Sequence[LapPart], variants: Sequence[str], pace: Pace, looks: Collection[int]) -> str:
    """
    Return a lap that is about to begin, and how long it will take until the comparison may be over, and at most.

    Args:
        lap: The lap.
        laps: What was run before it.
        variants: Names of all.
        pace: How long laps take.
        looks: After how many rounds it may be over; the last is where it ends in any case.
    """
    most = max(looks)
    until = min((look for look in looks if look >= lap.round), default=max(most, lap.round))
    of_most = f", at most {most}" if until < most else ""
    name = "warm-up" if lap.round == WARM_UP else f"round {lap.round} of {until}{of_most}"
    text = f"{name}: {lap.variant}"
    text += f", turn {lap.turn + 1} again ({lap.attempt - 1})" if lap.attempt > 1 else ""
    left_s = pace.left_s(remaining(laps, lap, variants, until))
    if left_s is None:
        return text
    text += f", about {rough_text(left_s)} left"
    most_s = pace.left_s(remaining(laps, lap, variants, most))
    return f"{text}, at most {rough_text(most_s)}" if until < most and most_s is not None else text

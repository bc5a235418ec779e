"""
Where a comparison is, and how long it will take yet: for the lines that say so.

Knows how long trials took; runs none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING

from loadtest.experiments.compare.rounds import trials_of_round
from loadtest.result.compare.compare_result import WARM_UP, LapPart
from loadtest.result.units import rough_text

if TYPE_CHECKING:
    from loadtest.experiments.compare.rounds import Trial


@dataclass(slots=True)
class Pace:
    """How long trials of each variant take, in s: what this process saw of it, or, until then, what is known before."""

    seen_s: dict[str, list[float]] = field(default_factory=dict)
    known_s: dict[str, float] = field(default_factory=dict)

    def take(self, variant: str, took_s: float) -> None:
        """Take how long a trial took."""
        self.seen_s.setdefault(variant, []).append(took_s)

    def left_s(self, variants: Iterable[str]) -> float | None:
        """Return how long trials of *variants*, one each, will take; None where nothing is known of any variant."""
        means = {**self.known_s, **{variant: fmean(seen) for variant, seen in self.seen_s.items()}}
        if not means:
            return None
        other = fmean(means.values())
        return sum(means.get(variant, other) for variant in variants)


def remaining(trials: Sequence[LapPart], trial: Trial, variants: Sequence[str], rounds: int) -> list[str]:
    """
    Return the variants of the trials that are left until *rounds* are done, *trial*, which is about to begin, included.

    Of blocks that will have to be run again nothing is known; of the one that is, its own trials.
    """
    done = {(each.round, each.turn, each.variant, each.attempt) for each in trials}
    planned = [each for number in range(WARM_UP, rounds + 1) for each in trials_of_round(number, variants)]
    left = [each.variant for each in planned if (each.round, each.block, each.variant, 1) not in done]
    if trial.attempt > 1:
        left += [name for name in variants if (trial.round, trial.block, name, trial.attempt) not in done]
    return left


def where_text(
    trial: Trial, trials: Sequence[LapPart], variants: Sequence[str], pace: Pace, looks: Collection[int]
) -> str:
    """
    Return a trial that is about to begin, and how long it will take until the comparison may be over, and at most.

    Args:
        trial: The trial.
        trials: What was run before it.
        variants: Names of all.
        pace: How long trials take.
        looks: After how many rounds it may be over; the last is where it ends in any case.
    """
    most = max(looks)
    until = min((look for look in looks if look >= trial.round), default=max(most, trial.round))
    of_most = f", at most {most}" if until < most else ""
    name = "warm-up" if trial.round == WARM_UP else f"round {trial.round} of {until}{of_most}"
    text = f"{name}: {trial.variant}"
    text += f", block {trial.block + 1} again ({trial.attempt - 1})" if trial.attempt > 1 else ""
    left_s = pace.left_s(remaining(trials, trial, variants, until))
    if left_s is None:
        return text
    text += f", about {rough_text(left_s)} left"
    most_s = pace.left_s(remaining(trials, trial, variants, most))
    return f"{text}, at most {rough_text(most_s)}" if until < most and most_s is not None else text

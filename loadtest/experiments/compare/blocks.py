"""
Blocks that are run again: which, how often, and which of their trials count.

A block is one trial of each variant, run close in time and compared with each other. It is run again, whole and at
once, if one of its trials was marked; the last whole attempt counts, marked or not. Marks decide, and never a value: so
what is repeated does not depend on what came out.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from loadtest.result.compare.compare_result import WARM_UP, LapPart, counts

FAILED: Final = "failed"

GENERATOR_BOUND: Final = "generator-bound"
DISTURBED: Final = "disturbed"

SYSTEMATIC_SHARE: Final = {GENERATOR_BOUND: 0.5, DISTURBED: 0.75}
"""By mark: if more of a variant's blocks have it, it is the variant's own, and would only come again."""

SYSTEMATIC_LAPS: Final = 4
"""Of fewer that cannot be said."""


def settled(trials: Sequence[LapPart], variants: Collection[str]) -> list[LapPart]:
    """Return trials in their order, each with whether it counts and whether its block was run again."""
    last = {place: _last_whole(trials, *place, variants) for place in {(trial.round, trial.turn) for trial in trials}}
    found = []
    for trial in sorted(trials, key=lambda each: (each.round, each.turn, each.attempt)):
        repeated = trial.attempt < last[trial.round, trial.turn]
        # What is half of a block that is being run again is not compared yet.
        is_early = trial.attempt > max(1, last[trial.round, trial.turn])
        counted = trial.round != WARM_UP and FAILED not in trial.marks and not repeated and not is_early
        found.append(trial.model_copy(update={"repeated": repeated, "counts": counted}))
    return found


def attempt_to_run(
    trials: Sequence[LapPart], number: int, block: int, variants: Collection[str], repeats: int
) -> int | None:
    """
    Return which attempt of a block is to be run, or gone on with; None if the block is done.

    Args:
        trials: All that were run.
        number: Its round.
        block: As of trials.
        variants: Names of all.
        repeats: How often a block is run again at most; the warm-up never is.
    """
    attempt = _last_whole(trials, number, block, variants)
    begun = max((trial.attempt for trial in trials if (trial.round, trial.turn) == (number, block)), default=1)
    if attempt == 0 or begun > attempt:
        return max(begun, 1)
    if number == WARM_UP or attempt > repeats:
        return None
    own = [trial for trial in trials if (trial.round, trial.turn, trial.attempt) == (number, block, attempt)]
    return attempt + 1 if any(_is_by_chance(trials, trial) for trial in own) else None


def marked_blocks(trials: Sequence[LapPart], variants: Collection[str], repeats: int) -> list[tuple[int, int]]:
    """Return round and block of those that are to be run again."""
    places = sorted({(trial.round, trial.turn) for trial in trials})
    return [place for place in places if attempt_to_run(trials, *place, variants, repeats) is not None]


def is_compared(trials: Sequence[LapPart], number: int, baseline: str) -> bool:
    """Return whether a round has a trial of the baseline and one of another variant beside it that count."""
    blocks: dict[int, set[str]] = {}
    for trial in trials:
        if trial.round == number and counts(trial):
            blocks.setdefault(trial.turn, set()).add(trial.variant)
    return any(baseline in names and len(names) > 1 for names in blocks.values())


def _last_whole(trials: Sequence[LapPart], number: int, block: int, variants: Collection[str]) -> int:
    """Return the last attempt of a block that has all variants; 0 if none has."""
    having: dict[int, set[str]] = {}
    for trial in trials:
        if (trial.round, trial.turn) == (number, block):
            having.setdefault(trial.attempt, set()).add(trial.variant)
    return max((attempt for attempt, names in having.items() if names >= set(variants)), default=0)


def _is_by_chance(trials: Sequence[LapPart], trial: LapPart) -> bool:
    """Return whether a trial has a mark that another try may not have."""
    return any(
        mark == FAILED or (mark in SYSTEMATIC_SHARE and not _is_own(trials, mark, trial.variant))
        for mark in trial.marks
    )


def _is_own(trials: Sequence[LapPart], mark: str, variant: str) -> bool:
    """Return whether most blocks of a variant have a mark, and, if it may be the machine's, not those of all."""
    having: dict[str, list[bool]] = {}
    for trial in trials:
        if trial.attempt == 1 and trial.round != WARM_UP:
            having.setdefault(trial.variant, []).append(mark in trial.marks)
    often = {name: sum(each) / len(each) > SYSTEMATIC_SHARE[mark] for name, each in having.items()}
    if not often[variant] or len(having[variant]) < SYSTEMATIC_LAPS:
        return False
    return mark != DISTURBED or not all(often.values())

"""
Turns that are run again: which, how often, and which of their laps count.

A turn is what is compared with each other, one lap of each variant. It is run again, whole and at once, if one of its
laps was marked; the last whole attempt counts, marked or not. Knows marks, and never a value: so what is repeated does
not depend on what came out.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from loadtest.result.compare.compare_result import WARM_UP, LapPart, counts

FAILED: Final = "failed"

GENERATOR_BOUND: Final = "generator-bound"
DISTURBED: Final = "disturbed"

SYSTEMATIC_SHARE: Final = {GENERATOR_BOUND: 0.5, DISTURBED: 0.75}
"""By mark: if more of a variant's turns have it, it is the variant's own, and would only come again."""

SYSTEMATIC_LAPS: Final = 4
"""Of fewer that cannot be said."""


def settled(laps: Sequence[LapPart], variants: Collection[str]) -> list[LapPart]:
    """Return laps in their order, each with whether it counts and whether its turn was run again."""
    last = {place: _last_whole(laps, *place, variants) for place in {(lap.round, lap.turn) for lap in laps}}
    found = []
    for lap in sorted(laps, key=lambda each: (each.round, each.turn, each.attempt)):
        repeated = lap.attempt < last[lap.round, lap.turn]
        # What is half of a turn that is being run again is not compared yet.
        is_early = lap.attempt > max(1, last[lap.round, lap.turn])
        counted = lap.round != WARM_UP and FAILED not in lap.marks and not repeated and not is_early
        found.append(lap.model_copy(update={"repeated": repeated, "counts": counted}))
    return found


def attempt_to_run(
    laps: Sequence[LapPart], number: int, turn: int, variants: Collection[str], repeats: int
) -> int | None:
    """
    Return which attempt of a turn is to be run, or gone on with; None if the turn is done.

    Args:
        laps: All that were run.
        number: Its round.
        turn: As of laps.
        variants: Names of all.
        repeats: How often a turn is run again at most; the warm-up never is.
    """
    attempt = _last_whole(laps, number, turn, variants)
    begun = max((lap.attempt for lap in laps if (lap.round, lap.turn) == (number, turn)), default=1)
    if attempt == 0 or begun > attempt:
        return max(begun, 1)
    if number == WARM_UP or attempt > repeats:
        return None
    own = [lap for lap in laps if (lap.round, lap.turn, lap.attempt) == (number, turn, attempt)]
    return attempt + 1 if any(_is_by_chance(laps, lap) for lap in own) else None


def marked_turns(laps: Sequence[LapPart], variants: Collection[str], repeats: int) -> list[tuple[int, int]]:
    """Return round and turn of those that are to be run again."""
    places = sorted({(lap.round, lap.turn) for lap in laps})
    return [place for place in places if attempt_to_run(laps, *place, variants, repeats) is not None]


def is_compared(laps: Sequence[LapPart], number: int, baseline: str) -> bool:
    """Return whether a round has a lap of the baseline and one of another variant beside it that count."""
    turns: dict[int, set[str]] = {}
    for lap in laps:
        if lap.round == number and counts(lap):
            turns.setdefault(lap.turn, set()).add(lap.variant)
    return any(baseline in names and len(names) > 1 for names in turns.values())


def _last_whole(laps: Sequence[LapPart], number: int, turn: int, variants: Collection[str]) -> int:
    """Return the last attempt of a turn that has all variants; 0 if none has."""
    having: dict[int, set[str]] = {}
    for lap in laps:
        if (lap.round, lap.turn) == (number, turn):
            having.setdefault(lap.attempt, set()).add(lap.variant)
    return max((attempt for attempt, names in having.items() if names >= set(variants)), default=0)


def _is_by_chance(laps: Sequence[LapPart], lap: LapPart) -> bool:
    """Return whether a lap has a mark that another try may not have."""
    return any(
        mark == FAILED or (mark in SYSTEMATIC_SHARE and not _is_own(laps, mark, lap.variant)) for mark in lap.marks
    )


def _is_own(laps: Sequence[LapPart], mark: str, variant: str) -> bool:
    """Return whether a mark is a variant's: most of its turns have it; and, if it may be the machine's, others' not."""
    having: dict[str, list[bool]] = {}
    for lap in laps:
        if lap.attempt == 1 and lap.round != WARM_UP:
            having.setdefault(lap.variant, []).append(mark in lap.marks)
    often = {name: sum(each) / len(each) > SYSTEMATIC_SHARE[mark] for name, each in having.items()}
    if not often[variant] or len(having[variant]) < SYSTEMATIC_LAPS:
        return False
    return mark != DISTURBED or not all(often.values())

"""In which order variants are run: A B B A, so that whatever changes steadily over time hurts all alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from loadtest.result.compare.compare_result import LAPS_A_ROUND, WARM_UP


@dataclass(frozen=True, slots=True)
class Lap:
    """
    One run of one variant.

    Attributes:
        round: From 1; 0 is the warm-up.
        turn: 0 on the way there, 1 on the way back; laps of one round and turn are compared with each other.
        variant: Its name.
        attempt: From 1; a turn that was disturbed may be run again, whole.
    """

    round: int
    turn: int
    variant: str
    attempt: int = 1


def laps_of_round(number: int, variants: Sequence[str]) -> Iterator[Lap]:
    """Yield the laps of a round, there and back, beginning at either end in turns; the warm-up goes there only."""
    there = list(variants) if number % 2 else list(reversed(variants))
    for variant in there:
        yield Lap(number, 0, variant)
    if number != WARM_UP:
        for variant in reversed(there):
            yield Lap(number, 1, variant)


def turns_of_round(number: int) -> range:
    """Return the turns of a round: there and back; the warm-up goes there only."""
    return range(1 if number == WARM_UP else LAPS_A_ROUND)

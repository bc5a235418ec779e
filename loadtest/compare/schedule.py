"""In which order variants are run: A B B A, so that whatever changes steadily over time hurts all alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from loadtest.result.comparison import WARM_UP


@dataclass(frozen=True, slots=True)
class Lap:
    """
    One run of one variant.

    Attributes:
        round: From 1; 0 is the warm-up.
        turn: 0 on the way there, 1 on the way back; laps of one round and turn are compared with each other.
        variant: Its name.
    """

    round: int
    turn: int
    variant: str


def laps_of_round(number: int, variants: Sequence[str]) -> Iterator[Lap]:
    """Yield the laps of a round, there and back, beginning at either end in turns; the warm-up goes there only."""
    there = list(variants) if number % 2 else list(reversed(variants))
    for variant in there:
        yield Lap(number, 0, variant)
    if number != WARM_UP:
        for variant in reversed(there):
            yield Lap(number, 1, variant)

"""In which order variants are run: A B B A, so that whatever changes steadily over time hurts all alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from loadtest.result.compare.compare_result import LAPS_A_ROUND, WARM_UP


@dataclass(frozen=True, slots=True)
class Trial:
    """
    One run of one variant.

    Attributes:
        round: From 1; 0 is the warm-up.
        block: 0 on the way there, 1 on the way back; trials of one round and block are compared with each other. In a
            sweep, the place in the order of the round.
        variant: Its name.
        attempt: From 1; a block that was disturbed may be run again, whole.
    """

    round: int
    block: int
    variant: str
    attempt: int = 1


def trials_of_round(number: int, variants: Sequence[str]) -> Iterator[Trial]:
    """Yield the trials of a round, there and back, beginning at either end alternately; the warm-up goes there only."""
    there = list(variants) if number % 2 else list(reversed(variants))
    for variant in there:
        yield Trial(number, 0, variant)
    if number != WARM_UP:
        for variant in reversed(there):
            yield Trial(number, 1, variant)


def blocks_of_round(number: int) -> range:
    """Return the blocks of a round: there and back; the warm-up goes there only."""
    return range(1 if number == WARM_UP else LAPS_A_ROUND)

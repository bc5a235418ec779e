"""
Which deliveries a consumer refuses: exact shares, evenly spread, repeatable.

Pure arithmetic on numbers, which are those of deliveries as they come or of messages (their seqs). Of the first n
numbers, floor(n * share) are chosen, whatever n.
"""

from __future__ import annotations

from math import lcm
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from loadtest.scenario.values import Refusal

KEPT: Final = -1


class RefusalPolicy:
    """
    Says of each number by which of *refusals* it is refused; they are of one kind, and 100 % together at most.

    Attributes:
        by_message: Whether the numbers are seqs; else they are counted here, from 0.
    """

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        self.refusals = tuple(refusals)
        self.by_message = any(refusal.of == "messages" for refusal in refusals)
        self._whole = lcm(*(refusal.share.denominator for refusal in refusals))
        self._parts = [int(refusal.share * self._whole) for refusal in refusals]
        self._next = 0

    def of_deliveries(self, count: int) -> NDArray[np.int64]:
        """Return for each of the next *count* deliveries the place of its refusal, or KEPT."""
        first, self._next = self._next, self._next + count
        return self._places(np.arange(first, first + count, dtype=np.int64))

    def of_messages(self, seqs: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return for each seq the place of its refusal, or KEPT; the same whenever it is asked."""
        return self._places(seqs)

    def _places(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        # The refused ones together are spread evenly, and so is each refusal among them.
        total = sum(self._parts)
        places = np.full(len(numbers), KEPT, dtype=np.int64)
        before = numbers * total // self._whole
        is_refused = (numbers + 1) * total // self._whole > before
        ordinals = before[is_refused]
        found = np.zeros(len(ordinals), dtype=np.int64)
        for place, part in enumerate(self._parts[1:], start=1):
            found[(ordinals + 1) * part // total > ordinals * part // total] = place
        places[is_refused] = found
        return places

"""
Messages out of order: what "in order" means, and the count of those that are not.

RabbitMQ promises order from one channel through one exchange and queue to one consumer. So order is judged per
publisher as *one consumer* sees it: a message is out of order if its seq is lower than the highest that this consumer
has seen from that publisher before. Two consumers that share a queue each see gaps, and neither is out of order; a
message that comes again later (redelivered, a duplicate) is.

Source: AMQP 0-9-1 section 4.7, "Content Ordering"; RabbitMQ docs/queues.md, "Message Ordering".
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Int64s = NDArray[np.int64]
# No publisher sends this many; bounds what a damaged stamp can do to the arithmetic below (2^40 seqs × 2^22 segments <
# 2^63).
_SEQ_LIMIT: Final = 1 << 40


class ArrivalOrder:
    """
    The highest seq seen so far by key, where a key is a (consumer, publisher).

    Two sorted arrays rather than a dict: a thousand consumers that each hear a thousand publishers are 16 MB.
    """

    __slots__ = ("_highest", "_keys")

    def __init__(self) -> None:
        self._keys: Int64s = np.empty(0, dtype=np.int64)
        self._highest: Int64s = np.empty(0, dtype=np.int64)

    def late(self, keys: Int64s, seqs: Int64s) -> NDArray[np.bool_] | None:
        """
        Return which of *seqs* are out of order, or None if none is; remembers the highest.

        Args:
            keys: One entry a message; equal keys stand together, ascending, in the order of arrival within.
            seqs: The messages' seqs.
        """
        same = keys[1:] == keys[:-1]
        heads = np.concatenate(([0], np.flatnonzero(~same) + 1))
        found = keys[heads]
        before = self._before(found)
        drops = same & (seqs[1:] < seqs[:-1])
        late = None
        if drops.any() or (seqs[heads] < before).any():
            late = self._late(heads, np.clip(seqs, 0, _SEQ_LIMIT), before)
            if not late.any():
                late = None
        self._remember(found, np.maximum(np.maximum.reduceat(seqs, heads), before))
        return late

    def _before(self, found: Int64s) -> Int64s:
        """Return the highest seq seen before of each key; -1 for a new one."""
        places = np.searchsorted(self._keys, found)
        known = places < len(self._keys)
        known[known] = self._keys[places[known]] == found[known]
        before = np.full(len(found), -1, dtype=np.int64)
        before[known] = self._highest[places[known]]
        return before

    def _remember(self, found: Int64s, highest: Int64s) -> None:
        places = np.searchsorted(self._keys, found)
        known = places < len(self._keys)
        known[known] = self._keys[places[known]] == found[known]
        self._highest[places[known]] = highest[known]
        if not known.all():
            fresh = ~known
            self._keys = np.insert(self._keys, places[fresh], found[fresh])
            self._highest = np.insert(self._highest, places[fresh], highest[fresh])

    @staticmethod
    def _late(heads: Int64s, seqs: Int64s, before: Int64s) -> NDArray[np.bool_]:
        """Compare each seq with the highest before it: one running maximum, each segment lifted above the last."""
        segment = np.zeros(len(seqs), dtype=np.int64)
        segment[heads[1:]] = 1
        lift = np.cumsum(segment) * (_SEQ_LIMIT + 2)
        highest = np.maximum.accumulate(seqs + lift)
        earlier = np.empty_like(highest)
        earlier[1:] = highest[:-1]
        starts = np.minimum(before, _SEQ_LIMIT) + lift[heads]
        earlier[heads] = starts
        earlier = np.maximum.accumulate(np.maximum(earlier, lift - 1))
        late: NDArray[np.bool_] = seqs + lift < earlier
        return late

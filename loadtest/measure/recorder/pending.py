"""
What publishers did, waiting to be counted: columns filled by copying, resolved many at a time.

As with deliveries (`pending_stamps`), a run of messages costs a copy when it comes; differences, histograms and the
ledger are worked out for some thousand messages in one step. A run is mostly a stretch of seqs, which is kept as its
first one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

Int64s = NDArray[np.int64]
# 8,192 values of three columns are 200 KB, which stay in the second-level cache, and are resolved in about half a
# millisecond: long enough to make the cost of a numpy call vanish, short enough not to hold up the sender.
CAPACITY: Final = 8192
# Stands for the first seq of a run that is no stretch.
_SCATTERED: Final = -1
_RUN_FIELDS: Final = 4
LEAST_ROOM: Final = 256


@dataclass(frozen=True, slots=True)
class Batch:
    """
    The messages of all pending runs, in the order in which they came; arrays of equal length.

    `instant` is when the run was read or written.
    """

    publisher: Int64s
    instant: Int64s
    seqs: Int64s
    intended: Int64s
    sent: Int64s


class PendingRuns:
    """
    Columns (intended_ns, sent_ns) of the runs since they were last taken, and the seqs of those that are no stretch.

    What is appended is copied: the caller may give views on a buffer that it uses again, of any integer type.
    """

    __slots__ = ("_intended", "_room", "_runs", "_sent", "_seqs", "used")

    def __init__(self) -> None:
        self.used = 0
        self._runs: list[int] = []
        self._room = 0
        self._intended = self._sent = self._seqs = _column(0)

    def append(
        self, publisher: int, instant: int, first_seq: int, intended: ArrayLike, sent: ArrayLike, n: int
    ) -> bool:
        """Copy the *n* messages from *first_seq* on in; True says that it is time to take them."""
        start = self.used
        end = start + n
        if end > self._room:
            self._grow(end)
        self._intended[start:end] = intended
        self._sent[start:end] = sent
        self._runs += (end, publisher, instant, first_seq)
        self.used = end
        return end >= CAPACITY

    def append_scattered(
        self, publisher: int, instant: int, seqs: NDArray[np.integer], intended: ArrayLike, sent: ArrayLike
    ) -> bool:
        """Copy messages in whose *seqs* have gaps; True says that it is time to take them."""
        start = self.used
        is_full = self.append(publisher, instant, _SCATTERED, intended, sent, len(seqs))
        if len(self._seqs) < self._room:
            self._seqs = _grown(self._seqs, start, self._room)
        self._seqs[start : self.used] = seqs
        return is_full

    def take(self) -> Batch:
        """Return what is pending and begin anew; the arrays are valid until the next run is appended."""
        end, self.used = self.used, 0
        runs = np.array(self._runs, dtype=np.int64).reshape(-1, _RUN_FIELDS)
        self._runs.clear()
        starts = np.concatenate(([0], runs[:-1, 0]))
        lengths = runs[:, 0] - starts
        # Place and seq rise together within a stretch, so their difference is one number a run.
        seqs = np.repeat(runs[:, 3] - starts, lengths)
        seqs += np.arange(end)
        scattered = runs[:, 3] == _SCATTERED
        if scattered.any():
            places = np.flatnonzero(np.repeat(scattered, lengths))
            seqs[places] = self._seqs[places]
        return Batch(
            publisher=np.repeat(runs[:, 1], lengths),
            instant=np.repeat(runs[:, 2], lengths),
            seqs=seqs,
            intended=self._intended[:end],
            sent=self._sent[:end],
        )

    def _grow(self, needed: int) -> None:
        """Make room: up to the capacity by doubling, and beyond it for a run that is larger."""
        room = max(LEAST_ROOM, self._room)
        while room < needed:
            room *= 2
        self._intended = _grown(self._intended, self.used, room)
        self._sent = _grown(self._sent, self.used, room)
        self._room = room


def _column(size: int) -> Int64s:
    return np.empty(size, dtype=np.int64)


def _grown(column: Int64s, used: int, size: int) -> Int64s:
    grown = _column(size)
    used = min(used, len(column))
    grown[:used] = column[:used]
    return grown

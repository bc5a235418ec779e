"""
Runs of messages waiting to be counted: columns filled by copying, resolved many at a time.

A numpy call costs as much for 1 value as for 100. Copying a run's columns is all that is done when it comes;
differences, histograms and the ledger are worked out for some thousand messages in one step, whether they came in runs
or one by one.
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
# Stands for the publisher of a run whose messages are of several.
MIXED: Final = -1
_RUN_FIELDS: Final = 4


@dataclass(frozen=True, slots=True)
class Batch:
    """
    The messages of all pending runs, in order of arrival; arrays of equal length.

    `source` is the recorder that the run came from, `instant` when it was read or written, `publisher` the message's
    publisher.
    """

    source: Int64s
    publisher: Int64s
    instant: Int64s
    seqs: Int64s
    intended: Int64s
    extra: Int64s


class PendingRuns:
    """
    Columns (seq, intended_ns, and one extra: sent_ns or lateness_us) of the runs since they were last taken.

    What is appended is copied: the caller may give views on a buffer that it uses again, of any integer type and byte
    order.
    """

    __slots__ = ("_extra", "_intended", "_publishers", "_runs", "_seqs", "used")

    def __init__(self) -> None:
        self.used = 0
        self._runs: list[int] = []
        self._seqs, self._intended, self._extra = _columns(0)
        self._publishers: Int64s = np.empty(0, dtype=np.int64)

    def append(
        self,
        source: int,
        publishers: int | NDArray[np.integer],
        instant: int,
        seqs: ArrayLike,
        intended: ArrayLike,
        extra: ArrayLike,
        n: int,
    ) -> bool:
        """Copy a run of *n* messages in; True says that it is time to take them."""
        start = self.used
        end = start + n
        if end > len(self._seqs):
            self._grow(end)
        self._seqs[start:end] = seqs
        self._intended[start:end] = intended
        self._extra[start:end] = extra
        if not isinstance(publishers, int):
            publishers = self._keep_publishers(start, end, publishers)
        self._runs.extend((end, source, publishers, instant))
        self.used = end
        return end >= CAPACITY

    def take(self) -> Batch:
        """Return what is pending and begin anew; the arrays are valid until the next run is appended."""
        end = self.used
        runs = np.array(self._runs, dtype=np.int64).reshape(-1, _RUN_FIELDS)
        self._runs.clear()
        self.used = 0
        lengths = np.diff(runs[:, 0], prepend=0)
        publisher = np.repeat(runs[:, 2], lengths)
        if len(self._publishers):
            # By place: the column of publishers may be shorter than the others, which grew after its last run.
            mixed = np.flatnonzero(publisher == MIXED)
            publisher[mixed] = self._publishers[mixed]
        return Batch(
            source=np.repeat(runs[:, 1], lengths),
            publisher=publisher,
            instant=np.repeat(runs[:, 3], lengths),
            seqs=self._seqs[:end],
            intended=self._intended[:end],
            extra=self._extra[:end],
        )

    def _keep_publishers(self, start: int, end: int, publishers: NDArray[np.integer]) -> int:
        if end > len(self._publishers):
            grown = np.empty(len(self._seqs), dtype=np.int64)
            grown[: len(self._publishers)] = self._publishers
            self._publishers = grown
        self._publishers[start:end] = publishers
        return MIXED

    def _grow(self, needed: int) -> None:
        """Make room: up to the capacity at the first, and beyond it for a run that is larger."""
        size = 256
        while size < needed:
            size *= 2
        grown = _columns(size)
        for old, new in zip((self._seqs, self._intended, self._extra), grown, strict=True):
            new[: self.used] = old[: self.used]
        self._seqs, self._intended, self._extra = grown


def _columns(size: int) -> tuple[Int64s, Int64s, Int64s]:
    return np.empty(size, dtype=np.int64), np.empty(size, dtype=np.int64), np.empty(size, dtype=np.int64)

"""
Deliveries waiting to be counted: their stamps as they came, taken apart many at a time.

A numpy call costs as much for 1 value as for 100. So when a run comes its stamps are copied whole, 24 bytes each, and
that is all; columns, differences, histograms and the ledger are worked out for some thousand messages in one step,
whether they came in runs or one by one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from loadtest.measure.recorder.pending import CAPACITY, LEAST_ROOM
from loadtest.stamp import STAMP_BYTES, STAMP_DTYPE, STAMP_VOID

Int64s = NDArray[np.int64]
_RUN_FIELDS: Final = 4


@dataclass(frozen=True, slots=True)
class Arrived:
    """
    The messages of all pending runs, in order of arrival; arrays of equal length.

    `source` is the recorder that the run came from, `read_ns` when it was read, `word` the stamp's run tag and
    publisher; a `seq` of 2^63 or more, which no publisher reaches, is negative.
    """

    source: Int64s
    read_ns: Int64s
    word: Int64s
    lateness_us: Int64s
    seq: Int64s
    intended_ns: Int64s
    flagged: NDArray[np.bool_] | None
    """Which had the redelivered flag; None if none had."""

    def where(self, kept: NDArray[np.bool_]) -> Arrived:
        """Return those for which *kept* is true."""
        return Arrived(
            self.source[kept],
            self.read_ns[kept],
            self.word[kept],
            self.lateness_us[kept],
            self.seq[kept],
            self.intended_ns[kept],
            None if self.flagged is None else self.flagged[kept],
        )


class PendingStamps:
    """
    The stamps of the runs since they were last taken.

    What is appended is copied: the caller may give views on a buffer that it uses again.
    """

    __slots__ = ("_memory", "_room", "_rows", "_runs", "used")

    def __init__(self) -> None:
        self.used = 0
        self._runs: list[int] = []
        self._allocate(0)

    def append_run(self, source: int, read_ns: int, stamps: NDArray[np.void], *, flagged: bool = False) -> bool:
        """Copy a run of stamps (items of 24 opaque bytes) in; True says that it is time to take them."""
        start = self.used
        end = start + len(stamps)
        if end > self._room:
            self._grow(end)
        self._rows[start:end] = stamps
        self._runs += (end, source, read_ns, flagged)
        self.used = end
        return end >= CAPACITY

    def append_one(self, source: int, read_ns: int, stamp: bytes, *, flagged: bool = False) -> bool:
        """Copy one stamp in; True says that it is time to take them."""
        end = self.used + 1
        if end > self._room:
            self._grow(end)
        self._memory[self.used * STAMP_BYTES : end * STAMP_BYTES] = stamp
        self._runs += (end, source, read_ns, flagged)
        self.used = end
        return end >= CAPACITY

    def append_columns(
        self,
        source: int,
        read_ns: int,
        words: int | NDArray[np.integer],
        lateness_us: ArrayLike,
        seqs: ArrayLike,
        intended_ns: ArrayLike,
        *,
        flagged: bool = False,
    ) -> bool:
        """Copy a run in that comes as columns, of any integer type; True says that it is time to take them."""
        stamps = np.empty(len(seqs), STAMP_DTYPE)  # type: ignore[arg-type]
        stamps["run_publisher"] = words
        stamps["lateness_us"] = lateness_us
        stamps["seq"] = seqs
        stamps["intended_ns"] = intended_ns
        return self.append_run(source, read_ns, stamps.view(STAMP_VOID), flagged=flagged)

    def take(self) -> Arrived:
        """Return what is pending and begin anew."""
        end, self.used = self.used, 0
        runs = np.array(self._runs, dtype=np.int64).reshape(-1, _RUN_FIELDS)
        self._runs.clear()
        lengths = np.diff(runs[:, 0], prepend=0)
        stamps = self._rows[:end].view(STAMP_DTYPE)
        return Arrived(
            source=np.repeat(runs[:, 1], lengths),
            read_ns=np.repeat(runs[:, 2], lengths),
            word=stamps["run_publisher"].astype(np.int64),
            lateness_us=stamps["lateness_us"].astype(np.int64),
            seq=stamps["seq"].astype(np.int64),
            intended_ns=stamps["intended_ns"].astype(np.int64),
            flagged=np.repeat(runs[:, 3] != 0, lengths) if runs[:, 3].any() else None,
        )

    def _grow(self, needed: int) -> None:
        """Make room: up to the capacity by doubling, and beyond it for a run that is larger."""
        kept = self._memory[: self.used * STAMP_BYTES]
        room = max(LEAST_ROOM, self._room)
        while room < needed:
            room *= 2
        self._allocate(room)
        self._memory[: len(kept)] = kept

    def _allocate(self, room: int) -> None:
        self._room = room
        self._memory = bytearray(room * STAMP_BYTES)
        self._rows: NDArray[np.void] = np.frombuffer(self._memory, STAMP_VOID)

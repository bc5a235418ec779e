"""
The Poisson process of rate 1: the arrival times that a seed gives, at any index, without going through those before.

Times are integers in units of 1/`SCALE` of the mean gap. Blocks of `BLOCK` gaps are drawn in two steps: the sum of a
block is a Gamma(BLOCK) variate, and given the sum the times within are the partial sums of exponential variates,
scaled to it. The two are independent (Lukacs 1955), so the gaps are exactly exponential, and a block far away costs a
Gamma variate for each block before.

The same seed, name and version of numpy give the same process in every process and on every machine.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from typing import Final

import numpy as np
from numpy.typing import NDArray

SCALE: Final = 1 << 24
BLOCK: Final = 4096
_CHUNK: Final = 1024  # blocks whose sums are drawn together: 4 million arrivals
_KEPT_BLOCKS: Final = 64  # 2 MB; users of a group are at about the same place
_KEPT_CHUNKS: Final = 4


class UnitPoisson:
    """One process. Safe to share among greenlets: it caches, and nothing in it yields."""

    def __init__(self, seed: int, name: str) -> None:
        self._key = (seed, int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big"))
        self._chunk_starts = [0]
        self._chunks: dict[int, NDArray[np.int64]] = {}
        self._blocks: dict[int, NDArray[np.int64]] = {}

    def time(self, index: int) -> int:
        """Return the time of arrival `index`, from 0, in units of 1/SCALE."""
        block, at = divmod(index, BLOCK)
        return self._block_start(block) + int(self._block(block)[at])

    def times(self, first: int, count: int, step: int) -> tuple[int, NDArray[np.int64]]:
        """Return the times of arrivals first, first + step, …, as that of the first and the distances from it."""
        block, at = divmod(first, BLOCK)
        if at + (count - 1) * step < BLOCK:  # nearly always
            own = self._block(block)[at : at + (count - 1) * step + 1 : step]
            return self._block_start(block) + int(own[0]), own - own[0]
        base = self.time(first)
        indices = np.arange(count, dtype=np.int64) * step + first % BLOCK
        blocks = indices // BLOCK
        found = np.empty(count, dtype=np.int64)
        for block in np.unique(blocks):
            inside = slice(*np.searchsorted(blocks, (block, block + 1)))
            number = first // BLOCK + int(block)
            found[inside] = self._block(number)[indices[inside] % BLOCK] + (self._block_start(number) - base)
        return base, found

    def count_before(self, time: int) -> int:
        """Return how many arrivals come before a time in units of 1/SCALE."""
        if time <= 0:
            return 0
        while self._chunk_starts[-1] < time:
            self._chunk_starts.append(self._chunk_starts[-1] + int(self._chunk(len(self._chunk_starts) - 1)[-1]))
        chunk = max(0, bisect_right(self._chunk_starts, time - 1) - 1)
        within = int(np.searchsorted(self._chunk(chunk), time - self._chunk_starts[chunk], side="left"))
        block = chunk * _CHUNK + within
        return block * BLOCK + int(np.searchsorted(self._block(block), time - self._block_start(block), side="left"))

    def _block_start(self, block: int) -> int:
        chunk, within = divmod(block, _CHUNK)
        while len(self._chunk_starts) <= chunk:
            self._chunk_starts.append(self._chunk_starts[-1] + int(self._chunk(len(self._chunk_starts) - 1)[-1]))
        return self._chunk_starts[chunk] + (int(self._chunk(chunk)[within - 1]) if within else 0)

    def _chunk(self, chunk: int) -> NDArray[np.int64]:
        """Return the running sums of a chunk's blocks, in units of 1/SCALE from the chunk's begin."""
        if chunk not in self._chunks:
            while len(self._chunks) >= _KEPT_CHUNKS:
                del self._chunks[next(iter(self._chunks))]
            sums = np.random.default_rng([*self._key, 0, chunk]).standard_gamma(BLOCK, size=_CHUNK)
            self._chunks[chunk] = np.cumsum(np.rint(sums * SCALE).astype(np.int64))
        return self._chunks[chunk]

    def _block(self, block: int) -> NDArray[np.int64]:
        """Return the times of a block's arrivals, in units of 1/SCALE from its begin; the last is the block's sum."""
        if block not in self._blocks:
            while len(self._blocks) >= _KEPT_BLOCKS:
                del self._blocks[next(iter(self._blocks))]
            chunk, within = divmod(block, _CHUNK)
            sums = self._chunk(chunk)
            length = int(sums[within]) - (int(sums[within - 1]) if within else 0)
            gaps = np.cumsum(np.random.default_rng([*self._key, 1, block]).standard_exponential(size=BLOCK))
            self._blocks[block] = np.rint(gaps * (length / gaps[-1])).astype(np.int64)
        return self._blocks[block]

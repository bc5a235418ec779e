"""
When a consumer acknowledges what it has taken.

Pure arithmetic on delivery tags: knows nothing of sockets. `every N` acknowledges with `multiple` at each N-th
delivery, exactly as a consumer that takes messages one by one would, whatever the size of the runs in which they were
read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class AckEvery:
    """Counts the deliveries of one channel and says which tags to acknowledge."""

    def __init__(self, every: int) -> None:
        self._every = every
        self._pending = 0
        self._last_tag = 0

    def due(self, tags: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """Return the tags of *tags* (ascending) at which an ack is due; a multiple stands for those before it."""
        if not len(tags):
            return tags
        first = self._every - self._pending - 1
        self._pending = (self._pending + len(tags)) % self._every
        self._last_tag = int(tags[-1])
        return tags[first :: self._every]

    def is_due(self, tag: int) -> bool:
        """Return whether an ack is due at *tag*, a single delivery."""
        self._pending = (self._pending + 1) % self._every
        self._last_tag = tag
        return self._pending == 0

    def rest(self) -> int | None:
        """Return the last tag taken if it is not acknowledged yet; from then on it counts as acknowledged."""
        if not self._pending:
            return None
        self._pending = 0
        return self._last_tag

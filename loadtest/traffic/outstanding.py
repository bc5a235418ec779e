"""
Messages published on one channel and not yet confirmed.

A ring of instants by delivery tag. Knows nothing of sockets or users: tags go in ascending as the channel assigns them
(Basic.Publish on a channel in confirm mode is numbered from 1, RabbitMQ docs/confirms.md), and come out in whatever
order and grouping the broker confirms them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class UnknownDeliveryTagError(Exception):
    """The broker confirmed a delivery tag that this channel has not published yet."""


@dataclass(frozen=True, slots=True)
class Settled:
    """
    Messages that one run of confirms settled, three arrays of the same length.

    `tags` ascend; `intended_ns` and `sent_ns` are instants of the monotonic clock.
    """

    tags: NDArray[np.int64]
    intended_ns: NDArray[np.int64]
    sent_ns: NDArray[np.int64]


class Outstanding:
    """
    Instants of the messages in flight, at most `window` of them.

    Invariant: every tag in [lowest, next_tag) that is marked open is in flight, every other tag is settled;
    `count` is the number of open ones. Not for use from several greenlets at once; it never yields.
    """

    def __init__(self, window: int) -> None:
        size = 1 << max(0, window - 1).bit_length()
        self._mask = size - 1
        self._intended = np.zeros(size, np.int64)
        self._sent = np.zeros(size, np.int64)
        self._open = np.zeros(size, np.bool_)
        self.window = window
        self.lowest = 1
        self.next_tag = 1
        self.count = 0

    @property
    def free(self) -> int:
        """
        Return how many more messages may be published now.

        A tag that stays open while later ones are confirmed holds its place in the ring, so it bounds the span of
        tags as well as their number.
        """
        return min(self.window - self.count, self._mask + 1 - (self.next_tag - self.lowest))

    def add(self, intended_ns: NDArray[np.int64], sent_ns: int) -> None:
        """Put messages in flight under the next tags; at most `free` of them."""
        n = len(intended_ns)
        start = self.next_tag & self._mask
        head = min(n, self._mask + 1 - start)
        self._intended[start : start + head] = intended_ns[:head]
        self._sent[start : start + head] = sent_ns
        self._open[start : start + head] = True
        if head < n:
            self._intended[: n - head] = intended_ns[head:]
            self._sent[: n - head] = sent_ns
            self._open[: n - head] = True
        self.next_tag += n
        self.count += n

    def settle(self, tags: NDArray[np.int64], multiple: NDArray[np.bool_]) -> Settled:
        """
        Take what a run of confirms settles.

        Args:
            tags: Delivery tags as the broker sent them, in any order.
            multiple: For each tag, whether it stands for all tags up to and including it.

        Raises:
            UnknownDeliveryTagError: If a tag has not been published on this channel.

        Source: RabbitMQ docs/confirms.md, "multiple"; tags already settled are passed over.
        """
        highest = int(tags.max())
        if highest >= self.next_tag:
            message = f"the broker confirmed delivery tag {highest}, but the last one published is {self.next_tag - 1}"
            raise UnknownDeliveryTagError(message)
        # All tags up to `through` are settled by a multiple; above it only single ones.
        through = int(tags[multiple].max()) if multiple.any() else self.lowest - 1
        through = max(through, self.lowest - 1)
        singles = tags[tags > through]
        if len(singles) == highest - through:  # no gap: the ordinary case, one slice of the ring
            return self._settle_range(highest)
        return self._settle_some(np.concatenate([np.arange(self.lowest, through + 1), np.unique(singles)]))

    def settle_one(self, tag: int) -> tuple[int, int] | None:
        """
        Take what a single confirm without `multiple` settles, if it is of the lowest open tag; None otherwise.

        Returns:
            The message's `intended_ns` and `sent_ns`.
        """
        if tag != self.lowest or self.count != self.next_tag - self.lowest or self.count == 0:
            return None
        at = tag & self._mask
        self._open[at] = False
        self.count -= 1
        self.lowest += 1
        return int(self._intended[at]), int(self._sent[at])

    def drain(self) -> Settled:
        """Take everything in flight, for a channel that is gone."""
        return self._settle_some(np.arange(self.lowest, self.next_tag))

    def _settle_range(self, last: int) -> Settled:
        if last < self.lowest:
            return self._settle_some(np.empty(0, np.int64))
        if self.count != self.next_tag - self.lowest:
            return self._settle_some(np.arange(self.lowest, last + 1))
        start, end = self.lowest & self._mask, (last + 1) & self._mask
        if end > start:
            settled = Settled(
                np.arange(self.lowest, last + 1), self._intended[start:end].copy(), self._sent[start:end].copy()
            )
            self._open[start:end] = False
            self.count -= last + 1 - self.lowest
            self.lowest = last + 1
            return settled
        return self._settle_some(np.arange(self.lowest, last + 1))

    def _settle_some(self, tags: NDArray[np.int64]) -> Settled:
        at = tags & self._mask
        still_open = self._open[at]
        tags, at = tags[still_open], at[still_open]
        self._open[at] = False
        self.count -= len(tags)
        self._advance()
        return Settled(tags, self._intended[at], self._sent[at])

    def _advance(self) -> None:
        span = np.arange(self.lowest, self.next_tag)
        is_open = self._open[span & self._mask]
        self.lowest = int(span[is_open.argmax()]) if is_open.any() else self.next_tag

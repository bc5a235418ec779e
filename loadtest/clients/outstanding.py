"""
Messages published on one channel and not yet confirmed.

A ring of instants by delivery tag. Knows nothing of sockets or users: tags go in ascending as the channel assigns them
(Basic.Publish on a channel in confirm mode is numbered from 1, RabbitMQ docs/confirms.md), and come out in whatever
order and grouping the broker confirms them. Nearly always that is the order in which they went in, which costs two
slices of the ring, whatever their number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Int64s = NDArray[np.int64]

# The ring is this many windows long, so that what is settled together rarely lies across its end and has to be joined.
_WINDOWS: Final = 4


class UnknownDeliveryTagError(Exception):
    """The broker confirmed a delivery tag that this channel has not published yet."""


@dataclass(frozen=True, slots=True)
class Settled:
    """
    Messages that confirms settled, arrays of the same length.

    `tags` ascend, or are the first of a stretch of `count`; `intended_ns` and `sent_ns` are instants of the monotonic
    clock, valid until more is published.
    """

    tags: Int64s | int
    count: int
    intended_ns: Int64s
    sent_ns: Int64s

    def all_tags(self) -> Int64s:
        """Return every tag."""
        return np.arange(self.tags, self.tags + self.count) if isinstance(self.tags, int) else self.tags


class Outstanding:
    """
    Instants of the messages in flight, at most `window` of them.

    Invariant: every tag in [lowest, next_tag) is in flight, but for those marked as settled out of turn; `count` is the
    number in flight. Not for use from several greenlets at once; it never yields.
    """

    def __init__(self, window: int) -> None:
        size = _WINDOWS << max(0, window - 1).bit_length()
        self._mask = size - 1
        self._intended = np.zeros(size, np.int64)
        self._sent = np.zeros(size, np.int64)
        self._is_settled = np.zeros(size, np.bool_)  # only within [lowest, next_tag): out of turn
        self._out_of_turn = 0
        self.window = window
        self.lowest = 1
        self.next_tag = 1

    @property
    def count(self) -> int:
        """How many messages are in flight."""
        return self.next_tag - self.lowest - self._out_of_turn

    @property
    def free(self) -> int:
        """
        Return how many more messages may be published now.

        A tag that stays open while later ones are confirmed holds its place in the ring, so it bounds the span of
        tags as well as their number.
        """
        span = self.next_tag - self.lowest
        return min(self.window - span + self._out_of_turn, self._mask + 1 - span)

    def add(self, n: int, intended_ns: Int64s | int, sent_ns: int) -> None:
        """Put *n* messages in flight under the next tags, at most `free`; *intended_ns* is of all, or one each."""
        start = self.next_tag & self._mask
        end = start + n
        self.next_tag += n
        if end <= self._mask + 1:
            self._intended[start:end] = intended_ns
            self._sent[start:end] = sent_ns
            return
        places = np.arange(start, end) & self._mask
        self._intended[places] = intended_ns
        self._sent[places] = sent_ns

    def settle_through(self, tag: int) -> Settled:
        """
        Take what a confirm with `multiple` settles: all up to *tag*.

        Raises:
            UnknownDeliveryTagError: If a tag has not been published on this channel.
        """
        self._check(tag)
        first = self.lowest
        if self._out_of_turn or tag < first:
            return self._settle_some(np.arange(first, tag + 1))
        self.lowest = tag + 1
        start, end = first & self._mask, (tag + 1) & self._mask
        if start < end:
            return Settled(first, tag + 1 - first, self._intended[start:end], self._sent[start:end])
        places = np.arange(first, tag + 1) & self._mask
        return Settled(first, len(places), self._intended[places], self._sent[places])

    def settle_one(self, tag: int) -> Settled:
        """
        Take what a confirm without `multiple` settles, nothing if that is settled already.

        Raises:
            UnknownDeliveryTagError: If the tag has not been published on this channel.
        """
        if tag == self.lowest:
            return self.settle_through(tag)
        self._check(tag)
        return self._settle_some(np.array([tag]))

    def settle(self, tags: Int64s, multiple: NDArray[np.bool_]) -> Settled:
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
        self._check(highest)
        # All tags up to `through` are settled by a multiple; above it only single ones.
        through = max(int(tags[multiple].max()) if multiple.any() else 0, self.lowest - 1)
        singles = tags[tags > through]
        if len(singles) == highest - through and (singles[1:] > singles[:-1]).all():  # no gap
            return self.settle_through(highest)
        return self._settle_some(np.concatenate([np.arange(self.lowest, through + 1), np.unique(singles)]))

    def drain(self) -> Settled:
        """Take everything in flight, for a channel that is gone."""
        return self._settle_some(np.arange(self.lowest, self.next_tag))

    def _check(self, highest: int) -> None:
        if highest >= self.next_tag:
            message = f"the broker confirmed delivery tag {highest}, but the last one published is {self.next_tag - 1}"
            raise UnknownDeliveryTagError(message)

    def _settle_some(self, tags: Int64s) -> Settled:
        tags = tags[tags >= self.lowest]
        places = tags & self._mask
        still_open = ~self._is_settled[places]
        tags, places = tags[still_open], places[still_open]
        self._is_settled[places] = True
        self._out_of_turn += len(tags)
        self._advance()
        return Settled(tags, len(tags), self._intended[places], self._sent[places])

    def _advance(self) -> None:
        """Move `lowest` to the first tag in flight; marks are kept only above it."""
        places = np.arange(self.lowest, self.next_tag) & self._mask
        is_open = ~self._is_settled[places]
        done = int(is_open.argmax()) if is_open.any() else len(places)
        self._is_settled[places[:done]] = False
        self._out_of_turn -= done
        self.lowest += done

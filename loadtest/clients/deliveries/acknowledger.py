"""
How a consumer answers what it has taken: acks every so many, refusals at once.

One for each channel, because delivery tags are the channel's. Knows tags and the plan; not what a message is worth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from loadtest.clients.deliveries.refusal_policy import KEPT
from loadtest.wire.frames.ack_frames import encode_acks, encode_refusals

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from loadtest.scenario import ConsumerSpec
    from loadtest.wire.connection.channel import Channel

    Count = Callable[[str, int], None]


class AckPolicy:
    """
    Counts the deliveries of one channel and returns the tags to acknowledge.

    Every N-th delivery is acknowledged with `multiple`, exactly as by a consumer that takes messages one by one,
    whatever the size of the batches in which they were read.
    """

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


class Acknowledger:
    """
    Answers the deliveries of one channel.

    Args:
        count: Takes `rejected` or `requeued`, and how many messages that were.
    """

    def __init__(self, spec: ConsumerSpec, channel: Channel, count: Count) -> None:
        self._channel = channel
        self._refusals = spec.refusals
        self._count = count
        self._acks = AckPolicy(spec.ack.every) if spec.ack.mode == "every" else None
        self._multiple = spec.ack.every > 1

    def settle(self, tags: NDArray[np.uint64], places: NDArray[np.int64] | None = None) -> None:
        """
        Answer deliveries, or note them for an ack that is due later; never blocks.

        Args:
            tags: Ascending.
            places: For each the place of its refusal in the plan, or KEPT; None keeps them all.
        """
        if self._acks is None:
            return
        if places is not None and (places != KEPT).any():
            # Before the acks: a multiple one would take along what it finds without an answer.
            self._refuse(tags, places)
            tags = tags[places == KEPT]
        due = self._acks.due(tags)
        if len(due):
            self._channel.write(encode_acks(self._channel.channel_number, due, multiple=self._multiple))

    def settle_one(self, tag: int) -> None:
        """Acknowledge one delivery if that is due; for who refuses nothing."""
        if self._acks is not None and self._acks.is_due(tag):
            self._channel.basic_ack(tag, multiple=self._multiple)

    def settle_rest(self) -> None:
        """Acknowledge what has waited for its turn."""
        rest = self._acks.rest() if self._acks is not None else None
        if rest is not None:
            self._channel.basic_ack(rest, multiple=True)

    def _refuse(self, tags: NDArray[np.uint64], places: NDArray[np.int64]) -> None:
        for place, refusal in enumerate(self._refusals):
            chosen = tags[places == place]
            if len(chosen):
                number = self._channel.channel_number
                self._channel.write(encode_refusals(number, chosen, refusal.method, requeue=refusal.requeue))
                self._count("requeued" if refusal.requeue else "rejected", len(chosen))

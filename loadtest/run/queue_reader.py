"""
Reading a queue to its end when the run has drained: whose messages stand in it, and of what they died.

With a plain pika connection of its own: no user is there any more, and nothing is measured.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pika

from loadtest.clients.deliveries.delivery_verifier import deaths_of
from loadtest.measure.ledger.dead_letter_sets import Death
from loadtest.wire.frames.stamp_position import read_stamp

if TYPE_CHECKING:
    from collections.abc import Collection

    from loadtest.broker.endpoint import Endpoint

# Between two messages of a queue that has more; a broker that is busy may take longer while some are missing.
QUIET_S: Final = 0.5
LONGEST_QUIET_S: Final = 5.0
# 100,000 take some 5 s; a queue that is filled while it is read would never end.
LONGEST_S: Final = 60.0
# Quorum queues take "no limit" for 2,000 (rabbit_quorum_queue.erl).
MOST_PREFETCH: Final = 65_535


@dataclass(frozen=True, slots=True)
class Found:
    """A message of the run that stood in a queue."""

    publisher: int
    seq: int
    deaths: list[Death]


class QueueReader:
    """
    Reads one queue.

    Args:
        publishers: The ids of the run's publishers.
        is_ours: Whether what is read may be taken out; else it goes back, which a quorum queue counts as a delivery,
            and no more than `MOST_PREFETCH` can be read.

    Attributes:
        read: Messages read, of whatever run.
        is_whole: Whether its end was reached, in `LONGEST_S`.
    """

    def __init__(self, queue: str, run_tag: int, publishers: Collection[int], *, is_ours: bool) -> None:
        self.queue = queue
        self.read = 0
        self.is_whole = False
        self._run_tag = run_tag
        self._publishers = publishers
        self._is_ours = is_ours

    def messages(self, endpoint: Endpoint) -> Iterator[Found]:
        """
        Yield the messages of this run.

        Raises:
            pika.exceptions.AMQPError, OSError: If the broker or the queue is gone.
        """
        deadline = time.monotonic() + LONGEST_S
        connection = pika.BlockingConnection(endpoint.pika_parameters())
        try:
            channel = connection.channel()
            waiting = channel.queue_declare(self.queue, passive=True).method.message_count
            channel.basic_qos(prefetch_count=MOST_PREFETCH)
            letters = channel.consume(self.queue, auto_ack=self._is_ours, inactivity_timeout=QUIET_S)
            quiet_s = 0.0
            for method, properties, body in letters if waiting else ():
                if time.monotonic() > deadline:
                    break
                if method is None:
                    quiet_s += QUIET_S
                    if self.read >= waiting or quiet_s >= LONGEST_QUIET_S:
                        break
                    continue
                quiet_s = 0.0
                self.read += 1
                stamp = read_stamp(properties.headers, body)
                if stamp is not None and stamp.run_tag == self._run_tag and stamp.publisher_id in self._publishers:
                    yield Found(stamp.publisher_id, stamp.seq, deaths_of(properties.headers))
            self.is_whole = self.read >= waiting
        finally:
            connection.close()

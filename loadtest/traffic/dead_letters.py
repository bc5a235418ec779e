"""
Dead letters: what their `x-death` header tells, and those that nobody consumes, read when the run has drained.

Source: RabbitMQ docs/dlx.md, "Dead-Lettered Effects on Messages".
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import pika

from loadtest.measure.dead_letters import Death, DyingMessages
from loadtest.measure.ledger_delta import LedgerDelta
from loadtest.wire.gets import X_DEATH
from loadtest.wire.stamp import read_stamp

if TYPE_CHECKING:
    from collections.abc import Collection

    from loadtest.broker.endpoint import Endpoint

# Between two messages of a queue that has more.
QUIET_S: Final = 0.5
# 100,000 take some 5 s; a queue that is filled while it is read would never end.
LONGEST_S: Final = 60.0
# Quorum queues take "no limit" for 2,000 (rabbit_quorum_queue.erl).
MOST_PREFETCH: Final = 65_535


def deaths_of(headers: Mapping[str, object] | None) -> list[Death]:
    """Return the queues that a message died in, with the reason, the last first; none if it did not."""
    told = headers.get(X_DEATH) if headers else None
    if not isinstance(told, list):
        return []
    return [
        (str(each["queue"]), str(each["reason"]))
        for each in told
        if isinstance(each, dict) and "queue" in each and "reason" in each
    ]


class DeadLetterQueue:
    """
    One queue of dead letters, read to its end.

    Args:
        is_ours: Whether what is read may be taken out; else it goes back, which a quorum queue counts as a delivery,
            and no more than `MOST_PREFETCH` can be read.

    Attributes:
        read: Messages read, of whatever run.
        is_whole: Whether its end was reached, in `LONGEST_S`.
    """

    def __init__(self, queue: str, run_tag: int, publishers: Collection[int], *, is_ours: bool) -> None:
        self.queue = queue
        self.read = 0
        self.is_whole = True
        self._run_tag = run_tag
        self._publishers = publishers
        self._is_ours = is_ours
        self._dying = DyingMessages()

    def collect(self, endpoint: Endpoint) -> LedgerDelta:
        """
        Return the dead letters of this run.

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
            for method, properties, body in letters:
                if method is None or time.monotonic() > deadline:
                    break
                self.read += 1
                self._note(properties.headers, body)
            self.is_whole = self.read >= waiting
        finally:
            connection.close()
        deaths, rows = self._dying.take()
        return LedgerDelta(deaths=deaths, dead_letters=rows)

    def _note(self, headers: Mapping[str, object] | None, body: bytes) -> None:
        stamp = read_stamp(headers, body)
        if stamp is not None and stamp.run_tag == self._run_tag and stamp.publisher_id in self._publishers:
            self._dying.note(stamp.publisher_id, stamp.seq, deaths_of(headers))

"""
What arrives: whose message it is, whether it is whole, and where that is recorded.

Knows the stamp and the bodies that this run publishes; not how messages are read (wire) nor when (consumer, getter).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from loadtest.stamp import STAMP_BYTES, Stamp
from loadtest.wire.frames.gets import X_DEATH
from loadtest.wire.frames.stamp_position import read_stamp

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import pika
    from numpy.typing import NDArray

    from loadtest.clients.worker_run import WorkerRun
    from loadtest.measure.ledger.dead_letter_sets import Death
    from loadtest.measure.recorder.delivery_recorder import DeliveryRecorder
    from loadtest.scenario import ConsumerSpec, GetterSpec
    from loadtest.wire.frames.gets import GetOk

STREAM_OFFSET: Final = "x-stream-offset"
"""Header in which a delivery of a stream has its offset."""


class DeliveryVerifier:
    """
    Sorts what one consumer or getter takes from one sink into ours, foreign and corrupted, and records it.

    Attributes:
        seat: Whose it is.
        taken: Messages taken, of whatever kind.
    """

    def __init__(self, run: WorkerRun, spec: ConsumerSpec | GetterSpec, sink: str) -> None:
        self.spec = spec
        self.taken = 0
        self.recorder: DeliveryRecorder = run.recorder.delivery(spec.group, sink)
        self._run = run
        run.add_taker(self)
        self._tag = run.run_tag
        # What follows the stamp in a body that carries it, kept: slicing a body of 1 MB costs 0.9 ms each time.
        self._tails: dict[bytes, bytes] = {}

    def take_run(self, stamps: NDArray[np.void], read_ns: int, n_bytes: int, redelivered: bool) -> None:
        """Record a run of stamped deliveries of one shape; the recorder tells ours from foreign by their stamps."""
        self.taken += len(stamps)
        self.recorder.delivered_run(stamps, read_ns, n_bytes, redelivered=redelivered)

    def take_one(self, stamp: bytes, read_ns: int, n_bytes: int, redelivered: bool) -> None:
        """Record one stamped delivery; cheaper than a run of one."""
        self.taken += 1
        self.recorder.delivered_one(stamp, read_ns, n_bytes, redelivered=redelivered)

    def take_unstamped(self, count: int, n_bytes: int, redelivered: bool) -> None:
        """Record deliveries without a stamp."""
        self.taken += count
        self.recorder.foreign(count, n_bytes, redelivered=count if redelivered else 0)

    def take_message(self, properties: pika.BasicProperties, body: bytes, read_ns: int, redelivered: bool) -> bool:
        """
        Record one message that came outside a run.

        Returns whether it is whole and one that this run sends, so that messages shaped like it may be taken in runs.
        Dead letters may not: each tells of its own death.
        """
        offset = (properties.headers or {}).get(STREAM_OFFSET)
        if isinstance(offset, int):
            self.recorder.at_offset(offset)
        stamp = self._ours(read_stamp(properties.headers, body))
        if stamp is None:
            self.take_unstamped(1, len(body), redelivered)
            return body in self._run.unstamped_bodies  # foreign all the same, but known to come again
        self.taken += 1
        whole = self._is_whole(stamp, body)
        if not whole:
            self.recorder.corrupted(stamp.publisher_id, (stamp.seq,))
        self.recorder.delivered(
            stamp.publisher_id,
            (stamp.seq,),
            stamp.intended_ns,
            stamp.lateness_us,
            read_ns,
            len(body),
            redelivered=redelivered,
        )
        deaths = deaths_of(properties.headers)
        if deaths:
            self.recorder.dead_lettered(stamp.publisher_id, stamp.seq, deaths)
        return whole and not deaths

    def take_got(self, answer: GetOk, read_ns: int, get_ns: int) -> None:
        """Record one Get-Ok: the message, its message_count, and how long the Get took."""
        self.taken += 1
        n_bytes = len(answer.body)
        stamp = self._ours(answer.stamp)
        if stamp is None:
            self.recorder.foreign(
                1, n_bytes, redelivered=int(answer.redelivered), message_counts=answer.message_count, get_ns=get_ns
            )
            return
        if answer.is_dead_letter:
            self.recorder.dead_lettered(stamp.publisher_id, stamp.seq, deaths_of(answer.properties.headers))
        if not self._is_whole(stamp, answer.body):
            self.recorder.corrupted(stamp.publisher_id, (stamp.seq,))
        self.recorder.got(
            stamp.publisher_id,
            (stamp.seq,),
            stamp.intended_ns,
            stamp.lateness_us,
            read_ns,
            n_bytes,
            redelivered=answer.redelivered,
            message_counts=answer.message_count,
            get_ns=get_ns,
        )

    def _ours(self, stamp: Stamp | None) -> Stamp | None:
        """Return *stamp* if it is of this run and of a publisher of it, else None."""
        if stamp is None or stamp.run_tag != self._tag or stamp.publisher_id not in self._run.publishers:
            return None
        return stamp

    def _is_whole(self, stamp: Stamp, body: bytes) -> bool:
        """Return whether *body* is what the publisher of *stamp* sent under that seq."""
        publisher = self._run.publishers[stamp.publisher_id]
        sent = publisher.bodies[stamp.seq % len(publisher.bodies)]
        if publisher.stamp != "body":
            return body == sent
        tail = self._tails.get(sent)
        if tail is None:
            tail = self._tails[sent] = sent[STAMP_BYTES:]
        return len(body) == len(sent) and body.endswith(tail)


def deaths_of(headers: Mapping[str, object] | None) -> list[Death]:
    """
    Return the queues that a message died in, with the reason, the last first, from its `x-death` header.

    Source: RabbitMQ docs/dlx.md, "Dead-Lettered Effects on Messages".
    """
    told = headers.get(X_DEATH) if headers else None
    if not isinstance(told, list):
        return []
    return [
        (str(each["queue"]), str(each["reason"]))
        for each in told
        if isinstance(each, dict) and "queue" in each and "reason" in each
    ]

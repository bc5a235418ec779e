"""
Publishers: every arrival that is due goes out as one write, confirms come back in runs.

Knows when a message is due and what is in flight; not how bytes are made (wire) nor what is recorded of them (measure).
"""

from __future__ import annotations

from collections import deque
from itertools import accumulate
from typing import TYPE_CHECKING, Final

import gevent
import numpy as np
import pika

from loadtest.clients.client import BulkClient
from loadtest.clients.offered_load import NEVER
from loadtest.clients.outstanding import Outstanding
from loadtest.clients.publisher_role import PublisherRole
from loadtest.clock import NS_PER_MS, NS_PER_S, NS_PER_US, monotonic_ns
from loadtest.stamp import run_publisher_word
from loadtest.wire.connection.blocking_call import WakeUp
from loadtest.wire.frames.publish_template import PublishTemplate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from loadtest.clients.outstanding import Settled
    from loadtest.clients.worker_run import WorkerRun
    from loadtest.scenario import Arrivals, PublisherSpec
    from loadtest.wire.connection.channel import Channel, Returned
    from loadtest.wire.connection.connection import Connection

# One write of this size keeps the cost of a system call (about 5 µs) under a tenth of that of the messages in it,
# and is small enough that the hub gets to read between two writes.
BLOCK_BYTES: Final = 64 * 1024
# A write costs the generator some 20 µs with its wake-up, and the broker as much, so that at 20,000 arrivals/s one for
# each would take a core. Above 5,000 a second a publisher therefore sends every 200 µs what has become due; that is the
# most it adds to the lateness. Below, what comes in bursts (Poisson arrivals) is still sent at its instant: so many
# writes may come sooner than they should.
WRITE_INTERVAL_NS: Final = 200 * NS_PER_US
WRITE_BURST_NS: Final = 20 * WRITE_INTERVAL_NS
# An arrival that fell due just before the stop may still be sent this long after it.
STOP_GRACE_NS: Final = 100 * NS_PER_MS


class BodyBytes:
    """
    Bytes of the bodies of a run of messages, when bodies repeat in a cycle.

    Args:
        lengths: Bytes of each body of the cycle.
    """

    def __init__(self, lengths: Sequence[int]) -> None:
        self._before = [0, *accumulate(lengths)]  # bytes of the bodies before each place in the cycle

    def of(self, first_seq: int, count: int) -> int:
        """Return the bytes of messages *first_seq* to *first_seq* + *count* - 1."""
        return self._up_to(first_seq + count) - self._up_to(first_seq)

    def _up_to(self, seq: int) -> int:
        rounds, place = divmod(seq, len(self._before) - 1)
        return rounds * self._before[-1] + self._before[place]


class Publisher(PublisherRole, BulkClient["PublisherSpec"]):
    """
    One publisher: a connection, a channel, a cycle of messages.

    In the open model arrivals fall due whatever the broker does; one that has to wait for the confirm window or the
    socket is sent late, and its latencies count from the intended instant. In the closed model the next batch goes out
    as soon as window and socket allow, and intended = sent.
    """

    def __init__(self, run: WorkerRun, spec: PublisherSpec) -> None:
        super().__init__(run, spec)
        self._in_flight = Outstanding(spec.confirm_window) if spec.confirm_window else None
        self._confirms_came = WakeUp()
        self._before = -1  # what a delivery tag of the channel is more than its seq
        self._again = np.zeros(0, np.int64)  # seqs that the channel's first messages have, published there again
        self._doubtful: deque[NDArray[np.int64]] = deque()  # seqs to be published again
        self._next_write_ns = 0  # in the open model, at the pace of WRITE_INTERVAL_NS
        self._window_full_ns = 0
        self._full_since_ns: int | None = None
        self._body_bytes = BodyBytes([len(body) for body in spec.bodies])
        self._cycle: PublishTemplate | None = None
        self._channel: Channel | None = None

    def window_full_ns(self) -> int:
        """Return how long a full confirm window has held back what was due, so far."""
        since_ns = self._full_since_ns
        return self._window_full_ns + (monotonic_ns() - since_ns if since_ns is not None else 0)

    def outstanding(self) -> int:
        """Return the messages published and not yet confirmed."""
        return self._in_flight.count if self._in_flight is not None else 0

    def finish(self) -> None:
        """Give up what is unconfirmed, and say what came back that nobody can name."""
        self.give_up()
        if self._returned_unstamped > 1:
            self._run.record("returned-unstamped", f"{self.name}: {self._returned_unstamped:,} in all came back")

    def give_up(self) -> None:
        """Take what is unconfirmed as in doubt."""
        if self._in_flight is not None and self._in_flight.count:
            drained = self._in_flight.drain()
            seqs = self._seqs_of(drained.all_tags())
            self._recorder.in_doubt(seqs, int(drained.intended_ns.min()), monotonic_ns())
            if self._spec.in_doubt == "republish":
                self._doubtful.append(seqs)
        self._confirms_came.set()

    def wants_more(self) -> bool:
        """Return whether anything is left to publish, or to publish again."""
        return bool(self._doubtful) or super().wants_more()

    def prepare(self, connection: Connection, channel: Channel) -> None:
        """Marshal the messages once, and ask for confirms where the scenario wants them."""
        spec = self._spec
        self._cycle = PublishTemplate(
            channel_number=channel.channel_number,
            frame_max=connection.frame_max,
            exchange=spec.exchange,
            routing_keys=spec.routing_keys,
            bodies=spec.bodies,
            properties=pika.BasicProperties(**spec.properties),
            mandatory=spec.mandatory,
            stamp=spec.stamp,
            run_publisher=run_publisher_word(self._run.run_tag, spec.publisher_id),
            max_block_bytes=BLOCK_BYTES,
        )
        self._channel = channel
        self._first_sent_ns = 0
        unsent = self._again[self._in_flight.next_tag - 1 :] if self._in_flight is not None else self._again
        self._again = np.concatenate([*self._doubtful, unsent])
        self._doubtful.clear()
        self._before = self._seq - 1 - len(self._again)
        channel.on_returned = self._returned
        if self._in_flight is not None:
            # A channel numbers its messages from 1; what the one before left open is in doubt.
            self._in_flight = Outstanding(spec.confirm_window)
            channel.on_confirms = self._confirmed
            channel.on_confirm = self._confirmed_one
            channel.confirm_select()

    def work(self, start_ns: int) -> None:
        """Publish until all is sent or the run stops, then wait for the confirms."""
        with self._run.told_of_stop(self._confirms_came.set):
            if self._connections > 1:
                self._resume(start_ns)
            if self._spec.arrivals is None:
                self._publish_closed()
            else:
                self._publish_open(self._spec.arrivals, start_ns)
        self._wait_confirmed()
        if self._spec.mandatory and self._in_flight is None and self._channel is not None:
            # A channel answers in the order in which it was asked: with this answer all that came back has come.
            self._channel.basic_qos(prefetch_count=0)

    def _resume(self, start_ns: int) -> None:
        """Begin on another connection: publish again what is in doubt, drop what fell due, as the seat says."""
        arrivals = self._spec.arrivals
        edges = np.flatnonzero(np.diff(self._again) != 1) + 1
        for seqs in np.split(self._again, edges) if len(self._again) else ():
            for first in range(0, len(seqs), self._batch()):
                self._send_again(seqs[first : first + self._batch()], start_ns)
        if arrivals is not None and self._spec.on_outage == "drop":
            now_ns = monotonic_ns()
            due = self._offered_load.count_due(now_ns)
            if due > self._seq:
                self._recorder.dropped(due - self._seq, start_ns + arrivals.intended_ns(self._seq), now_ns)
                self._before += due - self._seq
                self._seq = due

    def _send_again(self, seqs: NDArray[np.int64], start_ns: int) -> None:
        """Send messages again under their seqs, which follow one another; their latency counts from the first time."""
        cycle, channel, in_flight, arrivals = self._cycle, self._channel, self._in_flight, self._spec.arrivals
        assert cycle is not None, "work follows prepare"
        assert channel is not None, "work follows prepare"
        assert in_flight is not None, "only with confirms anything is in doubt"
        first, count = int(seqs[0]), len(seqs)
        while in_flight.free < count:
            if self._run.stopping.is_set():
                return
            self._wait_room()
        sent_ns = monotonic_ns()
        intended_ns = sent_ns if arrivals is None else arrivals.intended_ns_run(first, count) + start_ns
        clock_offset_ns = self._run.recorder.clock_offset_ns
        block = cycle.encode(first, count, intended_ns - clock_offset_ns, sent_ns - clock_offset_ns)
        self._first_sent_ns = self._first_sent_ns or sent_ns
        in_flight.add(count, intended_ns, sent_ns)
        self._recorder.republished(count, self._body_bytes.of(first, count))
        channel.write(block, borrowed=True)
        channel.connection.wait_writable(unsent_bytes=0)

    def _batch(self) -> int:
        assert self._cycle is not None, "work follows prepare"
        return min(self._cycle.max_batch, self._spec.confirm_window)

    # --- sending -------------------------------------------------------------------------------------------------

    def _publish_closed(self) -> None:
        limit = self._offered_load.limit
        while self._seq < limit and (now_ns := monotonic_ns()) < self._stop_ns():
            n = min(self._free(), limit - self._seq)
            if n > 0:
                self._send(n, now_ns, now_ns)
                if self._free() > 0:
                    gevent.sleep(0)  # let what has arrived be read before the next write
            else:
                self._wait_room()

    def _publish_open(self, arrivals: Arrivals, start_ns: int) -> None:
        offering = self._offered_load
        offering.begin(start_ns)
        while self._seq < offering.limit:
            now_ns, stop_ns = monotonic_ns(), self._stop_ns()
            due = offering.count_due(now_ns)
            n = min(due - self._seq, self._free())
            if n > 0 and (now_ns >= self._next_write_ns or stop_ns <= now_ns < stop_ns + STOP_GRACE_NS):
                self._send(n, arrivals.intended_ns_run(self._seq, n) + start_ns, now_ns)
                self._next_write_ns = max(self._next_write_ns + WRITE_INTERVAL_NS, now_ns - WRITE_BURST_NS)
                if due > self._seq:
                    gevent.sleep(0)
            elif now_ns >= stop_ns:
                return
            elif n <= 0 < due - self._seq:
                self._wait_room()
            else:
                next_ns = max(start_ns + arrivals.intended_ns(self._seq), self._next_write_ns)
                self._run.pacer.sleep_until_ns(min(next_ns, stop_ns))

    def _send(self, n: int, intended_ns: NDArray[np.int64] | int, sent_ns: int) -> None:
        """Send *n* messages, each with an instant of its own or all with one, as in the closed model."""
        cycle, channel, in_flight, seq = self._cycle, self._channel, self._in_flight, self._seq
        assert cycle is not None, "work follows prepare"
        assert channel is not None, "work follows prepare"
        if channel.closed_by is not None:
            raise channel.closed_by
        clock_offset_ns = self._run.recorder.clock_offset_ns
        if clock_offset_ns:  # stamps are in the time of the run; only on another host is that another
            block = cycle.encode(seq, n, intended_ns - clock_offset_ns, sent_ns - clock_offset_ns)
        else:
            block = cycle.encode(seq, n, intended_ns, sent_ns)
        self._first_sent_ns = self._first_sent_ns or sent_ns
        # Recorded before the write: the confirm may be read while the rest of the block waits for the socket.
        if in_flight is not None:
            in_flight.add(n, intended_ns, sent_ns)
        n_bytes = self._body_bytes.of(seq, n)
        if isinstance(intended_ns, int):
            self._recorder.published_unpaced(seq, n, n_bytes)
        else:
            self._recorder.published(seq, intended_ns, sent_ns, n_bytes)
        self._seq = seq + n
        # The block is written into again by the next encode: nothing of it may be unsent then.
        channel.write(block, borrowed=True)
        channel.connection.wait_writable(unsent_bytes=0)

    def _free(self) -> int:
        assert self._cycle is not None, "work follows prepare"
        batch = self._cycle.max_batch
        return batch if self._in_flight is None else min(batch, self._in_flight.free)

    def _stop_ns(self) -> int:
        return self._run.stop_ns if self._run.stop_ns is not None else NEVER

    # --- confirms ------------------------------------------------------------------------------------------------

    def _wait_room(self) -> None:
        """Block until confirms come, the run stops or is about to, or the connection is lost."""
        began_ns = self._full_since_ns = monotonic_ns()
        try:
            self._confirms_came.wait()
        finally:
            self._full_since_ns = None
            self._window_full_ns += monotonic_ns() - began_ns

    def _wait_confirmed(self) -> None:
        """Wait for what is in flight, as long as confirms keep coming within the scenario's drain time."""
        drain_s = self._run.plan.scenario.run.drain_ns / NS_PER_S
        while self.outstanding():
            try:
                with gevent.Timeout(drain_s):
                    self._confirms_came.wait()
            except gevent.Timeout:
                return

    def _confirmed(self, tags: NDArray[np.uint64], multiple: NDArray[np.bool_], nack: bool) -> None:
        assert self._in_flight is not None, "confirms come only after Confirm.Select"
        self._record(self._in_flight.settle(tags.astype(np.int64), multiple), nack=nack)

    def _confirmed_one(self, tag: int, multiple: bool) -> None:
        """Take an ack that came alone, without making arrays of it."""
        in_flight = self._in_flight
        assert in_flight is not None, "confirms come only after Confirm.Select"
        self._record(in_flight.settle_through(tag) if multiple else in_flight.settle_one(tag), nack=False)

    def _record(self, settled: Settled, *, nack: bool) -> None:
        if not settled.count:
            return
        recorder, read_ns = self._recorder, self._read_ns()
        self._did(read_ns)
        if nack:
            recorder.nacked(self._seqs_of(settled.all_tags()), settled.intended_ns, settled.sent_ns, read_ns)
        elif isinstance(settled.tags, int) and settled.tags > len(self._again):
            recorder.confirmed_run(
                settled.tags + self._before, settled.count, settled.intended_ns, settled.sent_ns, read_ns
            )
        else:
            recorder.confirmed(self._seqs_of(settled.all_tags()), settled.intended_ns, settled.sent_ns, read_ns)
        self._confirms_came.set()

    def _seqs_of(self, tags: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the seqs of delivery tags: a channel numbers what is published on it from 1."""
        seqs = tags + self._before
        if len(self._again):
            is_again = tags <= len(self._again)
            seqs[is_again] = self._again[tags[is_again] - 1]
        return seqs

    def _returned(self, returned: Returned) -> None:
        if self._spec.stamp != "none" and returned.stamp is not None:
            self._recorder.returned((returned.stamp.seq,))
            return
        self._note_unstamped(returned.reply_code, returned.reply_text)

    def _read_ns(self) -> int:
        assert self._connection is not None, "confirms come over the connection"
        return self._connection.read_ns

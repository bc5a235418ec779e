"""
What became of messages that no user took: asked when the run has drained.

Dead letters are read from the queues in which they stand; what the broker dropped is told by its counters; and where
messages are missing while queues still hold some, these are read to see which. Only of runs in which that can be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pika.exceptions

from loadtest.broker.drop_counters import DropCounters
from loadtest.clock import monotonic_ns
from loadtest.errors import BrokerError
from loadtest.measure.dead_letters import DyingMessages
from loadtest.measure.ledger_delta import LedgerDelta
from loadtest.measure.progressions import of_values
from loadtest.measure.records import dead_letters_record, dropped_record, event_record, standing_record
from loadtest.traffic.queue_reading import Found, QueueReading

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from loadtest.broker.endpoint import Endpoint
    from loadtest.broker.private_cluster import PrivateCluster
    from loadtest.measure.collector import Collector
    from loadtest.measure.records import Record
    from loadtest.scenario import Plan

UNKNOWN: Final = "fate-unknown"
"""Code of the events that say that something of this could not be told."""


class Aftermath:
    """
    Asks before the run and after it.

    Args:
        private: The broker's nodes, if they are this tool's own.
        endpoints: Its nodes; the first that answers is read.
    """

    def __init__(self, plan: Plan, private: PrivateCluster | None, endpoints: Sequence[Endpoint], run_tag: int) -> None:
        self._plan = plan
        self._endpoints = endpoints
        self._run_tag = run_tag
        self._publishers = {seat.publisher_id for seat in plan.publishers}
        self._counters = DropCounters(private, endpoints) if plan.may_drop else None
        self._fault: str | None = None

    def begin(self) -> None:
        """Remember what the broker had dropped before the run."""
        if self._counters is None:
            return
        try:
            self._counters.begin()
        except BrokerError as error:
            self._counters, self._fault = None, str(error)

    def records(self, collector: Collector) -> Iterator[Record]:
        """Yield what is found out now, with an event where something cannot be; *collector* takes them meanwhile."""
        for queue in self._plan.dead_letter_queues:
            yield from self._read(queue, as_dead=True)
        yield from self._ask_counters()
        for queue in self._doubtful(collector):
            yield from self._read(queue, as_dead=False)

    def _ask_counters(self) -> Iterator[Record]:
        if self._counters is not None:
            try:
                yield dropped_record(self._counters.end())
            except BrokerError as error:
                self._fault = str(error)
        if self._fault is not None:
            text = f"the broker does not tell how many messages it dropped, expired or beyond a length: {self._fault}"
            yield event_record(monotonic_ns(), UNKNOWN, f"{text}; they count as lost")

    def _doubtful(self, collector: Collector) -> list[str]:
        """Return the queues that still hold messages, if some are missing: these, or others that came before."""
        losses = collector.losses()
        if not losses.remaining and not losses.vanished:
            return []
        return [sink for sink, left in collector.left.items() if left and sink not in self._plan.streams]

    def _read(self, queue: str, *, as_dead: bool) -> Iterator[Record]:
        reading = QueueReading(queue, self._run_tag, self._publishers, is_ours=queue in self._removed)
        faults = []
        for endpoint in self._endpoints:
            try:
                found = list(reading.messages(endpoint))
            except (pika.exceptions.AMQPError, OSError) as error:
                faults.append(str(error) or type(error).__name__)
                continue
            if as_dead:
                yield dead_letters_record(queue, _dead(found).to_record())
            elif reading.is_whole:
                yield standing_record(queue, _standing(queue, found).to_record())
            if not reading.is_whole:
                text = f"only {reading.read:,} of the messages in {queue} could be read"
                yield event_record(monotonic_ns(), UNKNOWN, f"{text}: what became of the others is not known")
            return
        text = f"the messages in {queue} could not be read: {'; '.join(faults)}"
        yield event_record(monotonic_ns(), UNKNOWN, f"{text}; what became of them is not known")

    @property
    def _removed(self) -> set[str]:
        """The queues that go when the run is over, so that what is in them may be taken out."""
        topology = self._plan.topology
        return set() if topology.keep else {queue.name for queue in topology.queues if not queue.passive}


def _dead(found: Sequence[Found]) -> LedgerDelta:
    dying = DyingMessages()
    for each in found:
        dying.note(each.publisher, each.seq, each.deaths)
    deaths, rows = dying.take()
    return LedgerDelta(deaths=deaths, dead_letters=rows)


def _standing(queue: str, found: Sequence[Found]) -> LedgerDelta:
    columns = np.array([(each.publisher, each.seq) for each in found], dtype=np.int64).reshape(-1, 2)
    return LedgerDelta(sinks=(queue,), standing=of_values(columns[:, 0], columns[:, 1]))

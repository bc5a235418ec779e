"""
What became of messages that the broker took out of queues by itself: asked when the run has drained.

Dead letters are read from the queues in which they stand, unless the run's own users took them; what was dropped is
told by the broker's counters. Only of runs whose topology lets the broker do so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pika.exceptions

from loadtest.broker.drop_counters import DropCounters
from loadtest.clock import monotonic_ns
from loadtest.errors import BrokerError
from loadtest.measure.records import dead_letters_record, dropped_record, event_record
from loadtest.traffic.dead_letters import DeadLetterQueue

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from loadtest.broker.endpoint import Endpoint
    from loadtest.broker.private_cluster import PrivateCluster
    from loadtest.measure.records import Record
    from loadtest.scenario import Plan

UNKNOWN: Final = "dropped-unknown"
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

    def records(self) -> Iterator[Record]:
        """Yield what is found out now, with an event where something cannot be."""
        for queue in self._plan.dead_letter_queues:
            yield from self._read(queue)
        if self._counters is not None:
            try:
                yield dropped_record(self._counters.end())
            except BrokerError as error:
                self._fault = str(error)
        if self._fault is not None:
            text = f"the broker does not tell how many messages it dropped, expired or beyond a length: {self._fault}"
            yield event_record(monotonic_ns(), UNKNOWN, f"{text}; they count as lost")

    def _read(self, queue: str) -> Iterator[Record]:
        publishers = {seat.publisher_id for seat in self._plan.publishers}
        letters = DeadLetterQueue(queue, self._run_tag, publishers, is_ours=queue in self._removed)
        faults = []
        for endpoint in self._endpoints:
            try:
                yield dead_letters_record(queue, letters.collect(endpoint).to_record())
            except (pika.exceptions.AMQPError, OSError) as error:
                faults.append(str(error) or type(error).__name__)
                continue
            if not letters.is_whole:
                text = f"only {letters.read:,} of the dead letters in {queue} could be read; others may count as lost"
                yield event_record(monotonic_ns(), UNKNOWN, text)
            return
        text = f"the dead letters in {queue} could not be read, and may count as lost: {'; '.join(faults)}"
        yield event_record(monotonic_ns(), UNKNOWN, text)

    @property
    def _removed(self) -> set[str]:
        """The queues that go when the run is over, so that what is in them may be taken out."""
        topology = self._plan.topology
        return set() if topology.keep else {queue.name for queue in topology.queues if not queue.passive}

"""
What became of messages that no user took: asked when the run has drained.

Every queue that messages were due at and from which nobody of the run takes says how many it holds, as do those at
which messages are missing; dead letters are read from the queues in which they stand; what the broker dropped is told
by its counters; and where messages are missing while queues still hold some, these are read to see which. What cannot
be known so is said, by queue, and never called lost.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import gevent
import numpy as np
import pika.exceptions

from loadtest.broker.admin.stream_end import stream_end
from loadtest.broker.monitor.drop_counters import DropCounters
from loadtest.broker.monitor.take_counters import TakeCounters
from loadtest.clock import monotonic_ns
from loadtest.errors import BrokerError
from loadtest.measure.ledger.dead_letter_sets import DyingMessages
from loadtest.measure.ledger.ledger_delta import LedgerDelta
from loadtest.measure.ledger.seq_ranges import of_values
from loadtest.measure.records import (
    dead_letters_record,
    depth_record,
    dropped_record,
    event_record,
    standing_record,
)
from loadtest.run.queue_reader import Found, QueueReader
from loadtest.scenario.dead_letters import DEAD_LETTER_EXCHANGE, DELIVERY_LIMIT, RETENTION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from loadtest.broker.admin.run_topology import Declared, QueueLook, Topology
    from loadtest.broker.endpoint import Endpoint
    from loadtest.broker.monitor.management import ManagementApi
    from loadtest.broker.monitor.sampler import Sampler
    from loadtest.broker.private.private_cluster import PrivateCluster
    from loadtest.measure.collector import Collector
    from loadtest.measure.records import Record
    from loadtest.scenario import Plan

UNKNOWN: Final = "fate-unknown"
"""Code of the events that say that something of this could not be told."""

# What is short is asked for again: a broker may count late, and notice late that consumers have left.
LOOKS: Final = 4
LOOK_AGAIN_S: Final = 0.5
SHOWN: Final = 3


class UnreceivedMessages:
    """
    Asks before the run and after it.

    Args:
        private: The broker's nodes, if they are this tool's own.
        endpoints: Its nodes; the first that answers is read.
        topology: What was declared for the run: it can be asked for queues that are exclusive, too.
        sampler: Who looks during the run at how many consumers each queue has; None where nobody does.
        management: Who knows the policies of the broker and its queues' counters; None where nobody does.

    Attributes:
        opening: What the run record has of the queues as they were before the run.
    """

    def __init__(
        self,
        plan: Plan,
        private: PrivateCluster | None,
        endpoints: Sequence[Endpoint],
        run_tag: int,
        topology: Topology,
        sampler: Sampler | None = None,
        management: ManagementApi | None = None,
    ) -> None:
        self._plan = plan
        self._endpoints = endpoints
        self._run_tag = run_tag
        self._topology = topology
        self._most_consumers = {} if sampler is None else sampler.most_consumers
        self._publishers = {spec.publisher_id for spec in plan.publishers}
        self._counters = DropCounters(private, endpoints) if _reasons(plan) - {RETENTION} else None
        self._fault: str | None = None
        self._streams = {queue.name for queue in plan.topology.queues if queue.is_stream}
        self._specs = {queue.name: queue for queue in plan.topology.queues}
        self._own = Counter(queue for spec in plan.consumers for queue in spec.queues)
        self._got = {queue for spec in plan.getters for queue in spec.queues}
        self._takes = None if management is None else TakeCounters(management, endpoints[0].vhost, self._own)
        self.opening: dict[str, Any] = {}

    def begin(self, declared: Declared) -> None:
        """Remember how the queues are before the run, and what the broker had dropped by then."""
        before = dict(declared.found_messages)
        for queue in self._asked_streams.difference(declared.created_queues):
            end = self._stream_end(queue)
            if isinstance(end, int):
                before[queue] = end
        self.opening = {"before": before, "others": self._others_before(declared)}
        if self._takes is not None:
            self._takes.begin(sorted(self._specs.keys() - self._streams - self._got - set(declared.created_queues)))
        if self._counters is None:
            return
        try:
            self._counters.begin()
        except BrokerError as error:
            self._counters, self._fault = None, str(error)

    def records(self, collector: Collector) -> Iterator[Record]:
        """Yield what is found out now, with an event where something cannot be; *collector* takes them meanwhile."""
        yield from self._look(collector)
        yield from self._look_for_takers(collector)
        for queue in self._plan.dead_letter_queues:
            yield from self._read(queue, as_dead=True)
        yield from self._ask_counters(collector)
        for queue in self._doubtful(collector):
            yield from self._read(queue, as_dead=False)
        yield from self._say_unknown(collector)

    # --- others ----------------------------------------------------------------------------------------------------

    def _others_before(self, declared: Declared) -> dict[str, str]:
        """Return by queue that others consume from it, if they still do a moment later: some may just be leaving."""
        names = [queue for queue in declared.found_consumers if self._specs[queue].name not in self._streams]
        if not names:
            return {}
        gevent.sleep(LOOK_AGAIN_S)
        try:
            looks = self._topology.look(names)
        except BrokerError:
            return {}
        return {queue: _others(look.consumers, "before the run") for queue, look in looks.items() if look.consumers}

    def _others_meanwhile(self, queue: str, collector: Collector) -> str | None:
        """Return that a queue had more consumers than are the run's own; one that came back may count twice a while."""
        more = self._most_consumers.get(queue, 0) - self._own[queue]
        if more <= 0 or any(event["code"] == "connection-dropped" for event in collector.events):
            return None
        return _others(more, "during the run")

    # --- how much the queues hold ----------------------------------------------------------------------------------

    @property
    def _asked_streams(self) -> set[str]:
        return self._streams.intersection({*self._plan.untaken, *self._plan.streams.values()})

    def _look(self, collector: Collector) -> Iterator[Record]:
        for queue in sorted(self._asked_streams):
            end = self._stream_end(queue)
            yield depth_record(queue, *((end, None) if isinstance(end, int) else (None, end)))
        names = [queue for queue in self._plan.untaken if queue not in self._streams]
        names = sorted({*names, *self._short(collector)})
        for attempt in range(LOOKS):
            if not names:
                return
            if attempt:
                gevent.sleep(LOOK_AGAIN_S)
            try:
                looks = self._topology.look(names)
            except BrokerError as error:
                yield from (depth_record(queue, None, f"nobody says what it holds: {error}") for queue in names)
                return
            for queue, look in looks.items():
                yield self._depth(queue, look, collector)
            short = self._short(collector)
            names = [queue for queue in names if queue in short or looks[queue].consumers]

    def _look_for_takers(self, collector: Collector) -> Iterator[Record]:
        """Yield of queues at which messages are missing that others took some; of Basic.Get only counters tell."""
        depths = collector.depths
        known = {queue for queue, depth in depths.items() if depth["why"] is None}
        short = sorted((self._short(collector) & known) - self._got)
        if short and self._takes is not None:
            for queue, taken in self._takes.since(short).items():
                count = "a message was" if taken == 1 else f"{taken:,} messages were"
                why = f"others take from it, too: {count} taken by clients that are not of this run"
                yield depth_record(queue, depths[queue]["messages"], why)
        elif short:
            shown = ", ".join(short[:SHOWN]) + (f" and {len(short) - SHOWN} more queues" if len(short) > SHOWN else "")
            text = (
                f"messages are missing at {shown}, and no management API tells whether a policy of the broker dropped "
                "them, or another program took them by Basic.Get"
            )
            yield event_record(monotonic_ns(), UNKNOWN, text)

    def _short(self, collector: Collector) -> set[str]:
        """Return the queues at which messages are missing, as far as is known now."""
        losses = collector.losses()
        missing = {*losses.by_sink, *(unknown.sink for unknown in losses.unknown)}
        return missing.difference(self._plan.streams, self._streams)

    def _depth(self, queue: str, look: QueueLook, collector: Collector) -> Record:
        spec = self._specs[queue]
        why = self._others_meanwhile(queue, collector)
        if look.refusal is not None:
            why = f"it does not say what it holds: {look.refusal}"
        elif look.is_gone and (spec.auto_delete or "x-expires" in spec.arguments):
            why = "it is gone, as it was to be when it is not used (auto_delete, x-expires)"
        elif look.consumers:
            why = _others(look.consumers, "after the run")
        return depth_record(queue, 0 if look.is_gone else look.messages, why)

    def _stream_end(self, queue: str) -> int | str:
        """Return how many messages a stream ever had, or why that is not known."""
        fault = "no node of the broker is known"
        for endpoint in self._endpoints:
            try:
                return stream_end(endpoint, queue)
            except (pika.exceptions.AMQPError, OSError) as error:
                fault = str(error) or type(error).__name__
        return f"it does not say what it holds: {fault}"

    def _say_unknown(self, collector: Collector) -> Iterator[Record]:
        unknown = collector.losses().unknown
        if unknown:
            shown = [f"{each.messages:,} for {each.sink} ({each.reason})" for each in unknown[:SHOWN]]
            more = f"; and of {len(unknown) - SHOWN} more queues" if len(unknown) > SHOWN else ""
            text = f"what became of confirmed messages is not known: {'; '.join(shown)}{more}"
            yield event_record(monotonic_ns(), UNKNOWN, text)

    # --- what was taken out of them --------------------------------------------------------------------------------

    def _ask_counters(self, collector: Collector) -> Iterator[Record]:
        if self._counters is not None:
            try:
                drops = self._counters.end()
            except BrokerError as error:
                self._fault = str(error)
            else:
                yield dropped_record(self._untraced(drops.dropped, drops.handed_on, collector))
        if self._fault is not None and _reasons(self._plan) - {DELIVERY_LIMIT, RETENTION}:
            text = "the broker does not tell how many messages it dropped, expired or beyond a length"
            yield event_record(monotonic_ns(), UNKNOWN, f"{text}: {self._fault}")

    def _untraced(
        self, dropped: Mapping[str, int], handed_on: Mapping[str, int], collector: Collector
    ) -> dict[str, int]:
        """Return what was dropped, and what was handed on and is nowhere, as in a circle of dead letters."""
        counts = Counter(dropped)
        queues = (self._specs[queue] for queue in self._plan.may_drop if queue in self._specs)
        if any(DEAD_LETTER_EXCHANGE in queue.arguments for queue in queues):
            for reason, count in handed_on.items():
                found = sum(reasons.get(reason, 0) for reasons in collector.ledger.dead_letters.counts().values())
                counts[reason] += max(0, count - found)
        return dict(counts)

    # --- which messages they are -----------------------------------------------------------------------------------

    def _doubtful(self, collector: Collector) -> list[str]:
        """Return the queues that still hold messages, if some are missing: these, or others that came before."""
        losses = collector.losses()
        read = self._streams.union(self._plan.dead_letter_queues)
        found = [queue for queue in losses.blurred if queue in self._specs and queue not in read]
        found = [queue for queue in found if not self._specs[queue].passive]
        if losses.remaining or losses.vanished:
            found += [sink for sink, left in collector.left.items() if left and sink not in self._plan.streams]
        return found

    def _read(self, queue: str, *, as_dead: bool) -> Iterator[Record]:
        reading = QueueReader(queue, self._run_tag, self._publishers, is_ours=queue in self._removed)
        faults = []
        for endpoint in self._endpoints:
            try:
                found = list(reading.messages(endpoint))
            except (pika.exceptions.AMQPError, OSError) as error:
                faults.append(str(error) or type(error).__name__)
                continue
            if as_dead:
                yield dead_letters_record(queue, _dead(found).to_record())
            if reading.is_whole and (not as_dead or queue in self._plan.untaken):
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


def _others(consumers: int, when: str) -> str:
    count = "a consumer" if consumers == 1 else f"{consumers:,} consumers"
    return f"others take from it, too: it had {count} not of this run {when}"


def _dead(found: Sequence[Found]) -> LedgerDelta:
    dying = DyingMessages()
    for each in found:
        dying.note(each.publisher, each.seq, each.deaths)
    deaths, rows = dying.take()
    return LedgerDelta(deaths=deaths, dead_letters=rows)


def _standing(queue: str, found: Sequence[Found]) -> LedgerDelta:
    columns = np.array([(each.publisher, each.seq) for each in found], dtype=np.int64).reshape(-1, 2)
    return LedgerDelta(sinks=(queue,), standing=of_values(columns[:, 0], columns[:, 1]))


def _reasons(plan: Plan) -> set[str]:
    """Return why the broker may drop messages of the run."""
    return {reason for reasons in plan.may_drop.values() for reason in reasons}

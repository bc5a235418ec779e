"""
Who sits where in a fleet, and who takes the seats of a process that is gone.

A seat goes on where the schedule is, with the same queues and keys, but as another publisher: what the one before sent
after its last window nobody knows, so that its numbers must not be used again. Knows neither links nor Locust.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import gevent

from loadtest.clients.roles import client_for
from loadtest.clients.worker_run import specs_by_group
from loadtest.measure.records import lost_worker_record, publisher_entry
from loadtest.scenario import PublisherSpec
from loadtest.scenario.schedule.later_arrivals import LaterArrivals

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loadtest.clients.worker_run import ClientSpec, WorkerRun
    from loadtest.measure.collector import Collector
    from loadtest.measure.records import Record
    from loadtest.scenario import Plan

    Takeover = dict[str, Any]

CHOICES: Final = ("fail", "continue")
"""What may be done when a process is gone."""


@dataclass(frozen=True, slots=True)
class Loss:
    """
    What follows from the loss of a process.

    Attributes:
        record: For the journal.
        takeovers: Who takes which seat: `worker`, `group`, `number` of the spec in it, `publisher_id` (None of others)
            and `messages`, those that it has left to do (None: without a limit).
        held, moved: The number of seats that it had, and of those that are taken, by group.
    """

    record: Record
    takeovers: list[Takeover]
    held: Counter[str]
    moved: Counter[str]


class Reassignment:
    """
    The seats of a run's processes.

    Args:
        plan: All seats.
        collector: Knows what was published and taken.
    """

    def __init__(self, plan: Plan, collector: Collector) -> None:
        self._specs = specs_by_group(plan)
        self._collector = collector
        self._next_spec: Counter[str] = Counter()
        self._held: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
        self._ids = {(spec.group, spec.user): spec.publisher_id for spec in plan.publishers}
        self._left: dict[tuple[str, int], int | None] = {
            (group, number): spec.messages for group, specs in self._specs.items() for number, spec in enumerate(specs)
        }
        self._next_id = len(plan.publishers)

    def assign_specs(self, worker: str, wanted: Mapping[str, int]) -> dict[str, list[int | None]]:
        """Return the numbers of seats for so many users of *worker*, by group; None for those that find all taken."""
        specs: dict[str, list[int | None]] = {}
        for group, count in wanted.items():
            first = self._next_spec[group]
            self._next_spec[group] += count
            there_are = len(self._specs.get(group, ()))
            specs[group] = [number if number < there_are else None for number in range(first, first + count)]
            self._held[worker] += [(group, number) for number in specs[group] if number is not None]
        return specs

    def lose(self, worker: str, at_ns: int, ended: Mapping[str, int], successors: Sequence[str]) -> Loss:
        """
        Return what follows from the loss of *worker*.

        Args:
            worker: The process that is gone.
            at_ns: When that was noticed.
            ended: How many of its users had ended by then, by group.
            successors: Who takes its specs, in turn; nobody if there are none.
        """
        held = self._held.pop(worker, [])
        publishers = [self._ids[spec] for spec in held if spec in self._ids]
        sinks = {sink for group, number in held for sink in self._specs[group][number].sinks}
        open_seats = self._open(worker, held, Counter(ended)) if successors else []
        takeovers: list[Takeover] = []
        entries: list[Record] = []
        for place, spec in enumerate(open_seats):
            successor = successors[place % len(successors)]
            takeover: Takeover = {"worker": successor, "group": spec[0], "number": spec[1], "publisher_id": None}
            if spec in self._ids:
                before, self._ids[spec] = self._ids[spec], self._next_id
                entries.append(self._entry(spec, before))
                takeover["publisher_id"] = self._next_id
                self._next_id += 1
            takeovers.append(takeover | {"messages": self._left[spec]})
            self._held[successor].append(spec)
        record = lost_worker_record(at_ns, worker, publishers=publishers, sinks=sorted(sinks), successors=entries)
        return Loss(record, takeovers, Counter(group for group, _ in held), Counter(group for group, _ in open_seats))

    def _entry(self, spec: tuple[str, int], before: int) -> Record:
        plan = self._specs[spec[0]][spec[1]]
        assert isinstance(plan, PublisherSpec), "only publishers have a number"
        entry = publisher_entry(
            self._next_id,
            plan.group,
            confirms=bool(plan.confirm_window),
            routes=plan.routes,
            is_stamped=plan.stamp != "none",
        )
        return entry | {"successor_of": before}

    def _open(self, worker: str, held: Sequence[tuple[str, int]], ended: Counter[str]) -> list[tuple[str, int]]:
        """Return the seats whose users had not ended, and note what each has left to do."""
        by_group: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
        for spec in held:
            by_group[spec[0]].append(spec)
        found = []
        for group, specs in by_group.items():
            taken = self._collector.groups[group].workers[worker]
            for place, spec in enumerate(specs):
                left = self._left[spec]
                if left is not None:
                    # Of a publisher it is known what it sent; of those that take, only what all of them here took.
                    share = taken // len(specs) + (place < taken % len(specs))
                    done = self._published(spec) if spec in self._ids else share
                    self._left[spec] = max(0, left - done)
            # Which had ended is told by number only: those with the least left to do.
            specs.sort(key=lambda spec: (self._left[spec] is None, self._left[spec] or 0))
            found += specs[ended[group] :]
        return found

    def _published(self, spec: tuple[str, int]) -> int:
        return self._collector.ledger.tables["published"].end(self._ids[spec])


def expect_publishers(run: WorkerRun, takeovers: Sequence[Takeover]) -> None:
    """Take the messages of publishers that are to come as those of this run."""
    for each in takeovers:
        if each["publisher_id"] is not None:
            successor = _successor(run, each, None)
            assert isinstance(successor, PublisherSpec), "only publishers have a number"
            run.expect(successor)


def take_over(run: WorkerRun, takeovers: Sequence[Takeover], from_ns: int) -> None:
    """Have users sit down on the seats that are for this process; their schedules go on at *from_ns*."""
    for each in takeovers:
        if each["worker"] == run.recorder.worker:
            gevent.spawn(client_for(run, _successor(run, each, from_ns)).live)


def _successor(run: WorkerRun, takeover: Takeover, from_ns: int | None) -> ClientSpec:
    """Return a seat as it is for who takes it: what fell due before *from_ns* was its predecessor's."""
    spec = run.spec(takeover["group"], takeover["number"])
    changes: dict[str, Any] = {"messages": takeover["messages"]}
    arrivals = spec.arrivals
    start_ns = run.start_ns(spec)
    if arrivals is not None and from_ns is not None and start_ns is not None:
        changes["arrivals"] = LaterArrivals(arrivals, arrivals.count_due(max(0, from_ns - start_ns)))
    if takeover["publisher_id"] is not None:
        changes["publisher_id"] = takeover["publisher_id"]
    return replace(spec, **changes)

"""
The fleet: a crew whose users work in several processes, each of which has a crew of its own.

The conductor orders, every process carries the order out and answers with what came of it: its window and events, and
how its users are. A group is done, and all users are up, when they are in all processes together. Knows nothing of how
orders travel (`Link`), nor of Locust.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

import gevent
from gevent.event import Event

from loadtest.clients.completion import Completion
from loadtest.clients.failures.group_progress import GroupProgress, Trouble
from loadtest.clients.failures.refusal import Refusal
from loadtest.clock import NS_PER_MS, monotonic_ns
from loadtest.measure.records import event_record
from loadtest.run.workers.clock_conversion import to_own_time, to_run_time
from loadtest.run.workers.clock_sync import FIRST_READINGS, READINGS
from loadtest.run.workers.local_worker import LEAD_NS, USER_LEAD_NS
from loadtest.run.workers.reassignment import expect, take_over
from loadtest.run.workers.worker import LostWorkerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from loadtest.measure.records import Phase, Record
    from loadtest.run.workers.clock_sync import ClockSync
    from loadtest.run.workers.local_worker import LocalWorker
    from loadtest.run.workers.reassignment import Reassignment
    from loadtest.run.workers.worker import Link
    from loadtest.wire.pacer import Pacer

# An order reaches the other processes in a millisecond or two, unless they are busy.
ORDER_LEAD_NS: Final = 50 * NS_PER_MS
# A process that does not answer for so long is gone, or as good as gone. Ending all users may take 15 s.
ANSWER_TIMEOUT_S: Final = 30.0
# How often it is looked whether all processes are there.
LOOK_S: Final = 0.25


@dataclass(slots=True)
class Status:
    """
    How the users of one process are; instants are in the time of the run.

    `told_ns` is when it was so, by the clock of that process; 0 if it has not told yet.
    """

    told_ns: int = 0
    users_up: int = 0
    users_away: int = 0
    started: list[str] = field(default_factory=list)
    ended: dict[str, int] = field(default_factory=dict)
    last_ended_ns: dict[str, int] = field(default_factory=dict)
    last_taken_ns: dict[str, int] = field(default_factory=dict)
    in_flight: int = 0
    is_lost: bool = True
    failure: str | None = None
    accepted: list[str] = field(default_factory=list)
    refused: list[tuple[int, str, str]] = field(default_factory=list)
    well: list[str] = field(default_factory=list)
    troubles: dict[str, tuple[int, bool, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, crew: LocalWorker) -> Status:
        """Return how the users of *crew* are now."""
        run, clock_offset_ns = crew.run, crew.run.recorder.clock_offset_ns
        standing = crew.standing()
        return cls(
            told_ns=monotonic_ns(),
            users_up=run.users_up,
            users_away=crew.users_away,
            started=sorted(run.started),
            ended=dict(run.ended),
            last_ended_ns={group: ended_ns - clock_offset_ns for group, ended_ns in run.last_ended_ns.items()},
            last_taken_ns={group: taken_ns - clock_offset_ns for group, taken_ns in run.last_taken_ns.items()},
            in_flight=crew.in_flight(),
            is_lost=crew.is_lost,
            failure=run.failure,
            accepted=sorted(run.operations.accepted),
            refused=[(each.at_ns - clock_offset_ns, each.operation, each.text) for each in run.operations.refused],
            well=sorted(standing.well),
            troubles={
                group: (trouble.since_ns - clock_offset_ns, trouble.is_waiting, trouble.reason)
                for group, trouble in standing.troubles.items()
            },
        )


# What is ordered by its name alone; the others are below.
_WITH_CLOCK: Final = frozenset({"open", "cut"})
_SUCCESSION: Final[dict[str, Callable[..., None]]] = {"expect": expect, "adopt": take_over}
PLAIN_ORDERS: Final = frozenset({"open", "begin", "end_publishing", "rest", "stop", "finish", "close"})


def execute(crew: LocalWorker, order: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """
    Carry an order of a fleet out with the users of this process, and return the answer: records and status.

    Its instants, and those of the answer, are in the time of the run. By how much this process's clock is ahead of that
    is told with the orders that begin and end windows: in between nothing jumps.
    """
    records: list[Record] = []
    recorder = crew.run.recorder
    old_offset_ns = recorder.clock_offset_ns
    clock_offset_ns = arguments.pop("clock_offset_ns", old_offset_ns)
    arguments = to_own_time(arguments, clock_offset_ns)
    if order == "cut":
        if arguments["now_ns"]:
            # What has happened since the order was given is in the recorder already.
            arguments["now_ns"] = max(arguments["now_ns"], monotonic_ns())
        records = [to_run_time(record, old_offset_ns, clock_offset_ns) for record in crew.cut(**arguments)]
    elif order == "done":
        crew.run.mark_done(**arguments)
    elif order in _SUCCESSION:
        _SUCCESSION[order](crew, **arguments)
    elif order in PLAIN_ORDERS:
        getattr(crew, order)(**arguments)
    recorder.clock_offset_ns = clock_offset_ns
    return {"records": records, "status": asdict(Status.of(crew))}


class Workers:
    """
    The users of several processes, reached by *links*; `users` are all of them by group.

    Its time is this process's; the others are told by how much their clocks are ahead of it.

    A process that is gone fails the run, or, if it *goes_on*, others take the seats of its users: what these did since
    the last window is not known either way.
    """

    def __init__(
        self,
        users: Mapping[str, int],
        links: Sequence[Link],
        pacer: Pacer,
        clock_sync: ClockSync,
        reassignment: Reassignment,
        *,
        goes_on: bool = False,
    ) -> None:
        self.users = dict(users)
        self.all_up = Event()
        self.stopping = Event()
        self.stop_ns: int | None = None
        self.failure: str | None = None
        self.sleep_until_ns = pacer.sleep_until_ns
        self._clock_sync = clock_sync
        self._reassignment = reassignment
        self._goes_on = goes_on
        self._has_begun = False
        self._losses: list[Record] = []
        self.assign_specs = reassignment.assign_specs
        self._links = {link.name: link for link in links}
        self._status = {link.name: Status() for link in links}
        # Of all processes, kept as they tell: with a thousand of them, adding up with each answer takes a second a cut.
        self._users_up = 0
        self._ended: Counter[str] = Counter()
        self._completion = Completion(self.users, self.stopping)
        self.is_done = self._completion.is_done
        self.done_ns = self._completion.done_ns
        self.wait_done = self._completion.wait_done
        self._events: list[tuple[int, str, str]] = []
        self._is_closed = False

    # --- how they are --------------------------------------------------------------------------------------------

    @property
    def users_up(self) -> int:
        """How many users are connected."""
        return self._users_up

    @property
    def lead_ns(self) -> int:
        """How long before the begin the order to begin has to be given."""
        return LEAD_NS + ORDER_LEAD_NS + USER_LEAD_NS * self.users_up + self._clock_sync.round_trip_ns

    @property
    def last_taken_ns(self) -> dict[str, int]:
        """When each group of consumers or getters took its last message, as of the last answers."""
        newest: dict[str, int] = {}
        for status in self._status.values():
            for group, taken_ns in status.last_taken_ns.items():
                newest[group] = max(taken_ns, newest.get(group, 0))
        return newest

    @property
    def is_lost(self) -> bool:
        """Whether no user has a connection any more, as of the last answers."""
        return all(self._status[name].is_lost or link.is_gone for name, link in self._links.items())

    @property
    def users_away(self) -> int:
        """How many users have lost their connection and try to come back, as of the last answers."""
        return sum(status.users_away for status in self._status.values())

    def in_flight(self) -> int:
        """Return the messages not confirmed yet, or taken and still in work, as of the last answers."""
        return sum(status.in_flight for status in self._status.values())

    def is_started(self, group: str) -> bool:
        """Return whether a user of *group* has begun its work."""
        return any(group in status.started for status in self._status.values())

    def refusals(self) -> list[Refusal]:
        """Return the operations that the broker refused and has never accepted from the group in any process."""
        accepted = {operation for status in self._status.values() for operation in status.accepted}
        refused = [Refusal(*each) for status in self._status.values() for each in status.refused]
        return [refusal for refusal in refused if refusal.operation not in accepted]

    def troubles(self) -> dict[str, Trouble]:
        """Return the groups for all of whose users nothing is done, in all processes together."""
        standing = GroupProgress()
        for status in self._status.values():
            for group in status.well:
                standing.add(group, None)
            for group, trouble in status.troubles.items():
                standing.add(group, Trouble(*trouble))
        return standing.troubles

    def take_status(self, name: str, status: dict[str, Any]) -> None:
        """Take how the users of one process are, asked for or not; what later news has overtaken changes nothing."""
        before = self._status.get(name)
        if before is None or status.get("told_ns", 0) < before.told_ns:
            return
        told = self._status[name] = Status(**status)
        self._users_up += told.users_up - before.users_up
        self._ended.update(told.ended)
        self._ended.subtract(before.ended)
        if self.users_up == sum(self.users.values()):
            self.all_up.set()
        failure = told.failure
        if failure is not None and self.failure is None:
            # Its event comes with that process's own; the others have to hear of it.
            self.failure = failure
            gevent.spawn(self.stop)
        for group in self.users:
            self._look_whether_done(group)

    def _look_whether_done(self, group: str) -> None:
        if self._ended[group] < self.users[group] or self._completion.is_done(group):
            return
        done_ns = max(status.last_ended_ns.get(group, 0) for status in self._status.values())
        if self._completion.mark(group, done_ns):
            gevent.spawn(self._order, "done", group=group, done_ns=done_ns)

    # --- orders --------------------------------------------------------------------------------------------------

    def watch(self) -> None:
        """Look again and again whether all processes are there; for a greenlet of its own."""
        while not self._is_closed:
            for name, link in list(self._links.items()):
                if link.is_gone:
                    self._lose(name, "it is gone")
            gevent.sleep(LOOK_S)

    def keep_time(self) -> None:
        """Measure the processes' clocks again and again; for a greenlet of its own."""
        self._clock_sync.keep(lambda: self._links)

    def refresh(self) -> None:
        """Ask all processes how their users are."""
        self._order("status")

    def open(self, start_ns: int) -> None:
        """Begin the first window at *start_ns*; from now on it is known what the processes' clocks say."""
        gevent.joinall([gevent.spawn(self._meet, name) for name in list(self._links)])
        self._clock_sync.measure(self._links, FIRST_READINGS)
        self._order("open", start_ns=start_ns)

    def begin(self, begin_ns: int, measured_ns: int, stop_ns: int | None) -> None:
        """Have all users begin at *begin_ns*."""
        self.stop_ns = stop_ns
        self._has_begun = True
        self._order("begin", begin_ns=begin_ns, measured_ns=measured_ns, stop_ns=stop_ns)

    def cut(self, now_ns: int, phase: Phase, pause: int | None = None) -> Iterator[Record]:
        """Yield the windows of all processes since the last cut, and the events since."""
        if not now_ns:
            self._clock_sync.measure(self._links, READINGS)
        yield from self._order("cut", now_ns=now_ns, phase=phase, pause=pause)
        yield from self._clock_sync.records(is_last=not now_ns)
        losses, self._losses = self._losses, []
        yield from losses
        events, self._events = self._events, []
        for at_ns, code, text in events:
            yield event_record(at_ns, code, text)

    def end_publishing(self, stop_ns: int) -> None:
        """Take publishers that are at work as active until *stop_ns*, and no longer."""
        self._order("end_publishing", stop_ns=stop_ns)

    def rest(self) -> None:
        """Take consumers as active until their last message, and no longer."""
        self._order("rest")

    def record(self, code: str, text: str) -> None:
        """Put an event on the timeline."""
        self._events.append((monotonic_ns(), code, text))

    def fail(self, text: str, *, code: str = "run-failed") -> None:
        """End the run because it cannot go on."""
        if self.failure is None:
            self.failure = text
            self.record(code, text)
        self.stop()

    def stop(self) -> None:
        """End publishing now."""
        if self.stop_ns is None or self.stop_ns > monotonic_ns():
            self.stop_ns = monotonic_ns()
        self.stopping.set()
        self.all_up.set()
        self._order("stop")

    def finish(self) -> None:
        """End what is open after the drain."""
        self._order("finish")

    def close(self) -> None:
        """End all users wherever they are."""
        self._is_closed = True
        self._order("close")

    def _order(self, order: str, **arguments: Any) -> list[Record]:
        """Have all processes carry an order out at once, and return the records of their answers."""
        asking = {name: gevent.spawn(self._ask, name, order, arguments) for name in self._links}
        gevent.joinall(list(asking.values()))
        return [record for greenlet in asking.values() for record in greenlet.value or ()]

    def _ask(self, name: str, order: str, arguments: dict[str, Any]) -> list[Record]:
        link = self._links.get(name)
        if link is None:
            return []
        if order in _WITH_CLOCK:
            arguments = {**arguments, "clock_offset_ns": self._clock_sync.clock_offset_ns(name)}
        try:
            answer = link.ask(order, arguments, ANSWER_TIMEOUT_S)
        except LostWorkerError as error:
            self._lose(name, str(error))
            return []
        self.take_status(name, answer["status"])
        records: list[Record] = answer["records"]
        return records

    def _meet(self, name: str) -> None:
        try:
            self._clock_sync.meet(self._links[name])
        except LostWorkerError as error:
            self._lose(name, str(error))

    def _lose(self, name: str, reason: str) -> None:
        """Go on without a process: others take the seats of its users, or the run has failed and they end it."""
        link = self._links.pop(name, None)
        if link is None or self._is_closed:
            return
        status = self._status[name]
        status.is_lost = True
        status.in_flight = status.users_away = status.users_up = 0
        status.refused, status.well, status.troubles = [], [], {}
        goes_on = self._goes_on and self._has_begun and bool(self._links) and self.failure is None
        successors = list(self._links) if goes_on and not self.stopping.is_set() else []
        loss = self._reassignment.lose(name, monotonic_ns(), status.ended, successors)
        self._losses.append(loss.record)
        text = f"worker {name}: {reason}; what it did since its last window is not known"
        if not goes_on:
            if self.failure is None:
                self.failure = text
            self.record("worker-lost", text)
            gevent.spawn(self.stop)
            return
        link.give_up()
        status.ended = dict(loss.held - loss.moved)
        moved = ", ".join(f"{count} of {group}" for group, count in loss.moved.items())
        self.record(
            "worker-replaced", f"{text}; others go on in place of its users: {moved or 'none had anything left'}"
        )
        gevent.spawn(self._hand_over, loss.adoptions)

    def _hand_over(self, adoptions: list[dict[str, Any]]) -> None:
        """Have the others take seats; all of them know of the new publishers before the first message."""
        self._order("expect", adoptions=adoptions)
        self._order("adopt", adoptions=adoptions, from_ns=monotonic_ns())
        for group in self.users:
            self._look_whether_done(group)

"""
The workers of a run: one in this process, or several in others; the controller leads them through this.

It commands, every worker executes the command and answers with what came of it: its window and events, and how its
clients are. A group is done, and all users are up, when they are in all workers together.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import gevent
from gevent.event import Event

from loadtest.clients.completion import Completion
from loadtest.clients.failures.group_progress import GroupProgress
from loadtest.clients.failures.refusal import Refusal
from loadtest.clients.failures.trouble import Trouble
from loadtest.clock import NS_PER_MS, NS_PER_US, monotonic_ns
from loadtest.measure.records import event_record
from loadtest.run.workers.clock_sync import FIRST_READINGS, READINGS
from loadtest.run.workers.worker import LostWorkerError
from loadtest.run.workers.worker_status import WorkerStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from loadtest.measure.records import Phase, Record
    from loadtest.run.workers.clock_sync import ClockSync
    from loadtest.run.workers.reassignment import Reassignment, Takeover
    from loadtest.run.workers.worker import Worker
    from loadtest.wire.pacer import Pacer

# From the moment that all are up to the first message: every greenlet gets to its start line, in about 15 µs each.
LEAD_NS: Final = 5 * NS_PER_MS
USER_LEAD_NS: Final = 20 * NS_PER_US
# How often it is looked whether all workers are there.
LOOK_S: Final = 0.25
# Commands that begin and end windows: with them a worker learns what its clock says.
_WITH_CLOCK: Final = frozenset({"open", "cut"})


class Workers:
    """
    The workers of a run; `users` are all users by group.

    All instants are on this process's clock; each worker on another is sent its clock offset.

    A worker that is gone fails the run, or, if it *goes_on*, others take over from its clients: what these did since
    the last window is not known either way.

    Attributes:
        all_up: Set when every user is connected and waits for the begin, or the run stops.
        stopping: Set when nothing new is published.
        stop_ns: The instant from which no arrival counts any more; known before it comes if the run has a duration.
        failure: Why the run cannot go on; None as long as it can.
    """

    def __init__(
        self,
        users: Mapping[str, int],
        workers: Sequence[Worker],
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
        self._workers = {worker.name: worker for worker in workers}
        self._status = {worker.name: WorkerStatus() for worker in workers}
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
        lead_ns = max((worker.lead_ns for worker in self._workers.values()), default=0)
        return LEAD_NS + lead_ns + USER_LEAD_NS * self.users_up + self._clock_sync.round_trip_ns

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
        return all(self._status[name].is_lost or worker.is_gone for name, worker in self._workers.items())

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

    def take_status(self, name: str, told: WorkerStatus) -> None:
        """Take how the clients of one worker are, asked for or not; what later news has overtaken changes nothing."""
        before = self._status.get(name)
        if before is None or told.told_ns < before.told_ns:
            return
        self._status[name] = told
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
            gevent.spawn(self._command, "mark_done", group=group, done_ns=done_ns)

    # --- orders --------------------------------------------------------------------------------------------------

    def watch(self) -> None:
        """Look again and again whether all processes are there; for a greenlet of its own."""
        while not self._is_closed:
            for name, worker in list(self._workers.items()):
                if worker.is_gone:
                    self._lose(name, "it is gone")
            gevent.sleep(LOOK_S)

    def keep_time(self) -> None:
        """Measure the processes' clocks again and again; for a greenlet of its own."""
        self._clock_sync.keep(lambda: self._workers)

    def refresh(self) -> None:
        """Ask all processes how their users are."""
        self._command("report")

    def open(self, start_ns: int) -> None:
        """Begin the first window at *start_ns*; from now on it is known what the workers' clocks say."""
        gevent.joinall([gevent.spawn(self._meet, name) for name in list(self._workers)])
        self._clock_sync.measure(self._workers, FIRST_READINGS)
        self._command("open", start_ns=start_ns)

    def begin(self, begin_ns: int, measured_ns: int, stop_ns: int | None) -> None:
        """Have all users begin at *begin_ns*."""
        self.stop_ns = stop_ns
        self._has_begun = True
        self._command("begin", begin_ns=begin_ns, measured_ns=measured_ns, stop_ns=stop_ns)

    def cut(self, now_ns: int, phase: Phase, pause: int | None = None) -> Iterator[Record]:
        """
        Yield what happened since the last cut: a window a worker, then the events in the order of their instants.

        Args:
            now_ns: Where the windows end; at 0, when all is over, none is cut, and the last events come with what each
                user took.
            phase: What they belong to.
            pause: If given, consumers count as active until their last message, or until this instant if that is later.
        """
        if not now_ns:
            self._clock_sync.measure(self._workers, READINGS)
        records = self._command("cut", now_ns=now_ns, phase=phase, pause=pause)
        events = [record for record in records if record.get("type") == "event"]
        yield from (record for record in records if record.get("type") != "event")
        yield from self._clock_sync.records(is_last=not now_ns)
        losses, self._losses = self._losses, []
        yield from losses
        own, self._events = self._events, []
        events += [event_record(at_ns, code, text) for at_ns, code, text in own]
        yield from sorted(events, key=lambda event: event["at_ns"])

    def end_publishing(self, stop_ns: int) -> None:
        """Take publishers that are at work as active until *stop_ns*, and no longer."""
        self._command("end_publishing", stop_ns=stop_ns)

    def rest(self) -> None:
        """Take consumers as active until their last message, and no longer."""
        self._command("rest")

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
        self._command("stop")

    def finish(self) -> None:
        """End what is open after the drain."""
        self._command("finish")

    def close(self) -> None:
        """End all users wherever they are."""
        self._is_closed = True
        self._command("close")

    def _command(self, command: str, **arguments: Any) -> list[Record]:
        """Have all workers execute a command at once, and return the records of their answers."""
        first, *others = self._workers or [None]
        asking = [gevent.spawn(self._ask, name, command, arguments) for name in others]
        # Here, not in one more greenlet: with one worker nothing is switched, and what it raises is raised here.
        records = [] if first is None else self._ask(first, command, arguments)
        gevent.joinall(asking)
        return records + [record for greenlet in asking for record in greenlet.value or ()]

    def _ask(self, name: str, command: str, arguments: dict[str, Any]) -> list[Record]:
        worker = self._workers.get(name)
        if worker is None:
            return []
        clock_offset_ns = self._clock_sync.clock_offset_ns(name) if command in _WITH_CLOCK else None
        try:
            answer = worker.execute(command, arguments, clock_offset_ns)
        except LostWorkerError as error:
            self._lose(name, str(error))
            return []
        self.take_status(name, answer.status)
        return answer.records

    def _meet(self, name: str) -> None:
        try:
            self._clock_sync.meet(self._workers[name])
        except LostWorkerError as error:
            self._lose(name, str(error))

    def _lose(self, name: str, reason: str) -> None:
        """Go on without a process: others take over from its clients, or the run has failed and they end it."""
        worker = self._workers.pop(name, None)
        if worker is None or self._is_closed:
            return
        status = self._status[name]
        status.mark_lost()
        goes_on = self._goes_on and self._has_begun and bool(self._workers) and self.failure is None
        successors = list(self._workers) if goes_on and not self.stopping.is_set() else []
        loss = self._reassignment.lose(name, monotonic_ns(), status.ended, successors)
        self._losses.append(loss.record)
        text = f"worker {name}: {reason}; what it did since its last window is not known"
        if not goes_on:
            if self.failure is None:
                self.failure = text
            self.record("worker-lost", text)
            gevent.spawn(self.stop)
            return
        worker.give_up()
        status.ended = dict(loss.held - loss.moved)
        moved = ", ".join(f"{count} of {group}" for group, count in loss.moved.items())
        self.record(
            "worker-replaced", f"{text}; others go on in place of its users: {moved or 'none had anything left'}"
        )
        gevent.spawn(self._hand_over, loss.takeovers)

    def _hand_over(self, takeovers: list[Takeover]) -> None:
        """Have the others take over; all of them know of the new publishers before the first message."""
        self._command("expect", takeovers=takeovers)
        self._command("take_over", takeovers=takeovers, from_ns=monotonic_ns())
        for group in self.users:
            self._look_whether_done(group)

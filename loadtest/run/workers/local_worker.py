"""
The crew: all users of a run, as the conductor sees them, whether they work in this process or in several.

`Workforce` is what it asks and orders; `LocalWorker` is the users of this process. The users of several processes are a
crew too (`Workers`), of which each process has a `LocalWorker` that gets its orders as messages. Knows nothing of
Locust, nor of when to order what.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, Protocol

import gevent

from loadtest.clients.failures.group_progress import progress_of
from loadtest.clock import NS_PER_MS, NS_PER_US, monotonic_ns
from loadtest.measure.records import event_record, users_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from gevent.event import Event

    from loadtest.clients.failures.group_progress import GroupProgress, Trouble
    from loadtest.clients.failures.refusal import Refusal
    from loadtest.clients.worker_run import RunningClient, WorkerRun
    from loadtest.measure.records import Phase, Record
    from loadtest.run.workers.gauges import Gauges

# From the moment that all are up to the first message: every greenlet gets to its start line, in about 15 µs each.
LEAD_NS: Final = 5 * NS_PER_MS
USER_LEAD_NS: Final = 20 * NS_PER_US
# Each user bounds its own end; past this one is stuck all the same, and is left behind.
END_ALL_TIMEOUT_S: Final = 15.0
# Users asked in a row before others get to run: with a thousand of them it takes milliseconds.
_TASKS_A_TURN: Final = 250


class Workforce(Protocol):
    """
    The users of a run.

    Attributes:
        all_up: Set when every user is connected and waits for the begin, or the run stops.
        stopping: Set when nothing new is published.
    """

    all_up: Event
    stopping: Event

    @property
    def stop_ns(self) -> int | None:
        """The instant from which no arrival counts any more; known before it comes if the run has a duration."""

    @property
    def failure(self) -> str | None:
        """Why the run cannot go on; None as long as it can."""

    @property
    def users(self) -> Mapping[str, int]:
        """The number of users of each group."""

    @property
    def users_up(self) -> int:
        """How many users are connected."""

    @property
    def users_away(self) -> int:
        """How many users have lost their connection and try to come back, as of `refresh`."""

    @property
    def lead_ns(self) -> int:
        """How long before the begin the order to begin has to be given."""

    @property
    def last_taken_ns(self) -> Mapping[str, int]:
        """When each group of consumers or getters took its last message, as of `refresh`."""

    @property
    def is_lost(self) -> bool:
        """Whether no user has a connection any more, as of `refresh`."""

    def in_flight(self) -> int:
        """Return the messages not confirmed yet, or taken and still in work, as of `refresh`."""

    def refusals(self) -> Sequence[Refusal]:
        """Return the operations that the broker refused and has never accepted from the group, as of `refresh`."""

    def troubles(self) -> Mapping[str, Trouble]:
        """Return the groups for all of whose users nothing is done, as of `refresh`."""

    def is_started(self, group: str) -> bool:
        """Return whether a user of *group* has begun its work."""

    def is_done(self, group: str) -> bool:
        """Return whether all users of *group* have nothing more to do."""

    def done_ns(self, group: str) -> int:
        """Return since when *group*, which is done, has nothing more to do."""

    def wait_done(self, groups: Sequence[str], timeout_s: float | None) -> None:
        """Block until all *groups* are done, the run stops, or *timeout_s* is over."""

    def sleep_until_ns(self, instant_ns: int) -> None:
        """Block until an instant, exactly."""

    def refresh(self) -> None:
        """Ask the users how they are, where that is not known anyway."""

    def open(self, start_ns: int) -> None:
        """Begin the first window at *start_ns*."""

    def begin(self, begin_ns: int, measured_ns: int, stop_ns: int | None) -> None:
        """Have all users begin at *begin_ns*; messages intended from *measured_ns* on are measured."""

    def cut(self, now_ns: int, phase: Phase, pause: int | None = None) -> Iterator[Record]:
        """
        Return what happened since the last cut, a window a process, and the events since.

        Args:
            now_ns: Where the windows end; at 0, when all is over, none is cut, and the last events come with what each
                user took.
            phase: What they belong to.
            pause: If given, consumers count as active until their last message, or until this instant if that is later.
        """

    def end_publishing(self, stop_ns: int) -> None:
        """Take publishers that are at work as active until *stop_ns*, and no longer."""

    def rest(self) -> None:
        """Take consumers as active until their last message, and no longer."""

    def record(self, code: str, text: str) -> None:
        """Put an event on the timeline."""

    def fail(self, text: str, *, code: str = "run-failed") -> None:
        """End the run because it cannot go on."""

    def stop(self) -> None:
        """End publishing now."""

    def finish(self) -> None:
        """End what is open after the drain: nothing more is taken."""

    def close(self) -> None:
        """End all users wherever they are, and close their connections."""


class LocalWorker:
    """The users of this process: a `WorkerRun`, its recorder, and the gauges of the process."""

    def __init__(self, run: WorkerRun, gauges: Gauges) -> None:
        self.run = run
        self.all_up = run.all_up
        self.stopping = run.stopping
        self.users = run.users
        self.is_started = run.is_started
        self.is_done = run.completion.is_done
        self.done_ns = run.completion.done_ns
        self.wait_done = run.completion.wait_done
        self.sleep_until_ns = run.pacer.sleep_until_ns
        self.record = run.record
        self.fail = run.fail
        self.stop = run.stop
        self.last_taken_ns = run.last_taken_ns
        self._gauges = gauges
        self._cut_ns = monotonic_ns()

    @property
    def users_up(self) -> int:
        """How many users are connected."""
        return self.run.users_up

    @property
    def stop_ns(self) -> int | None:
        """The instant from which no arrival counts any more."""
        return self.run.stop_ns

    @property
    def failure(self) -> str | None:
        """Why the run cannot go on."""
        return self.run.failure

    @property
    def users_away(self) -> int:
        """How many users have lost their connection and try to come back."""
        return self.run.outages.count

    @property
    def lead_ns(self) -> int:
        """How long before the begin the order to begin has to be given."""
        return LEAD_NS + USER_LEAD_NS * self.run.users_up

    @property
    def is_lost(self) -> bool:
        """Whether no user has a connection any more."""
        return all(task.is_lost for task in self.run.tasks)

    def in_flight(self) -> int:
        """Return the messages not confirmed yet, or taken and still in work."""
        return sum(task.outstanding() + task.unprocessed() for task in self.run.tasks)

    def refusals(self) -> Sequence[Refusal]:
        """Return the operations that the broker refused and has never accepted from the group."""
        return self.run.operations.refused

    def standing(self) -> GroupProgress:
        """Return how the groups do whose users are here."""
        return progress_of(self.run.tasks, monotonic_ns())

    def troubles(self) -> Mapping[str, Trouble]:
        """Return the groups for all of whose users nothing is done."""
        return self.standing().troubles

    def refresh(self) -> None:
        """Nothing: all is known here."""

    def open(self, start_ns: int) -> None:
        """Begin the first window at *start_ns*."""
        self._cut_ns = start_ns

    def begin(self, begin_ns: int, measured_ns: int, stop_ns: int | None) -> None:
        """Have all users begin at *begin_ns*."""
        run = self.run
        run.stop_ns = stop_ns
        run.recorder.measure_from(measured_ns)
        run.begin_ns = begin_ns
        run.begun.set()

    def cut(self, now_ns: int, phase: Phase, pause: int | None = None) -> Iterator[Record]:
        """
        Yield the window since the last cut, and the events since.

        With a thousand users it takes some 10 ms in all; it lets others run in between, so that what is due goes out.
        """
        taken = self._last_taken() if pause is not None else {}
        for group, taken_ns in taken.items():
            self.run.recorder.inactive(group, max(taken_ns, pause or 0))
        self._catch_up(now_ns)
        if now_ns > self._cut_ns:
            gauges = self._gauges.read(self._cut_ns, now_ns)
            gevent.sleep(0)
            window = self.run.recorder.cut(self._cut_ns, now_ns, phase, gauges)
            self._cut_ns = now_ns
            for group, taken_ns in taken.items():
                if not self.is_done(group):  # it may have come to its end while others ran
                    self.run.recorder.active(group, taken_ns)
            gevent.sleep(0)
            record = window.to_record()
            gevent.sleep(0)
            yield record
        events, self.run.events = self.run.events, []
        for at_ns, code, text in events:
            yield event_record(at_ns, code, text)
        if now_ns == 0:
            yield users_record(self.run.recorder.worker, self._taken_by_user(), self._blocked_ns())

    def end_publishing(self, stop_ns: int) -> None:
        """Take publishers that are at work as active until *stop_ns*, and no longer."""
        for group in {publisher.group for publisher in self.run.plan.publishers}:
            if not self.is_done(group):
                self.run.recorder.inactive(group, stop_ns)

    def rest(self) -> None:
        """Take consumers as active until their last message, and no longer."""
        for group, taken_ns in self._last_taken().items():
            self.run.recorder.inactive(group, taken_ns)

    def finish(self) -> None:
        """End what is open after the drain."""
        self.run.over.set()
        self._of_all(lambda task: task.finish())

    def close(self) -> None:
        """End all users wherever they are, and close their connections."""
        self.run.over.set()
        self._of_all(lambda task: task.close())

    def _catch_up(self, now_ns: int) -> None:
        for place, task in enumerate(tuple(self.run.tasks), start=1):
            task.catch_up(now_ns)
            if place % _TASKS_A_TURN == 0:
                gevent.sleep(0)

    def _last_taken(self) -> dict[str, int]:
        """Return when each group that is still at work took its last message."""
        run = self.run
        return {group: taken_ns for group, taken_ns in run.last_taken_ns.items() if not self.is_done(group)}

    def _taken_by_user(self) -> dict[str, Counter[int]]:
        taken: dict[str, Counter[int]] = {}
        for verifier in self.run.verifiers:
            taken.setdefault(verifier.spec.group, Counter())[verifier.spec.user] += verifier.taken
        return taken

    def _blocked_ns(self) -> dict[int, int]:
        """Return how long publishers were blocked by the broker, in ns, by id."""
        blocked = ((task.publisher_id, task.blocked_ns()) for task in self.run.tasks)
        return {publisher: ns for publisher, ns in blocked if publisher is not None and ns}

    def _of_all(self, end: Callable[[RunningClient], None]) -> None:
        """Call *end* for all users at once; a fault of ours in it fails the run."""
        ending = [gevent.spawn(end, task) for task in self.run.tasks]
        gevent.joinall(ending, timeout=END_ALL_TIMEOUT_S)
        for greenlet in ending:
            if greenlet.exception is not None:
                text = f"a user could not end in order: {type(greenlet.exception).__name__}: {greenlet.exception}"
                self.run.fail(text, code="internal-error")

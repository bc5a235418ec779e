"""
The worker of this process: its clients, reached by a call.

Where the process does not lead the run itself, the same calls come as messages (remote_command.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import gevent
from gevent.event import Event

from loadtest.clock import monotonic_ns
from loadtest.measure.records import event_record, users_record
from loadtest.run.workers.reassignment import expect_publishers, take_over
from loadtest.run.workers.worker import Answer
from loadtest.run.workers.worker_status import WorkerStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from loadtest.clients.running_client import RunningClient
    from loadtest.clients.worker_run import WorkerRun
    from loadtest.measure.records import Phase, Record
    from loadtest.run.workers.gauges import Gauges
    from loadtest.run.workers.reassignment import Takeover

COMMANDS: Final = frozenset(
    {
        "begin",
        "close",
        "cut",
        "end_publishing",
        "expect",
        "finish",
        "mark_done",
        "open",
        "report",
        "rest",
        "stop",
        "take_over",
    }
)
"""The methods of `LocalWorker` that are called by `LocalWorker.execute`."""

# Each user bounds its own end; past this one is stuck all the same, and is left behind.
END_ALL_TIMEOUT_S: Final = 15.0
# Users asked in a row before others get to run: with a thousand of them it takes milliseconds.
_TASKS_A_TURN: Final = 250
# What changes within this is reported at once: a thousand users come up in a second.
REPORT_S: Final = 0.005


class LocalWorker:
    """
    The clients of this process: a `WorkerRun`, its recorder, and the gauges of the process.

    A `Worker` whose clock is that of the run: what it is told and answers is by this process's clock.
    """

    is_gone = False
    lead_ns = 0

    def __init__(self, run: WorkerRun, gauges: Gauges) -> None:
        self.run = run
        self.name = run.recorder.worker
        self._gauges = gauges
        self._cut_ns = monotonic_ns()
        self._has_news = Event()
        self._reporter: gevent.Greenlet | None = None
        run.call_on_change(self._has_news.set)

    def execute(self, command: str, arguments: dict[str, Any], clock_offset_ns: int | None) -> Answer:
        """Call the method of that name."""
        assert command in COMMANDS, f"no command: {command}"
        assert not clock_offset_ns, "its clock is that of the run"
        records: list[Record] = list(getattr(self, command)(**arguments) or ())
        return Answer(records, self.status())

    def read_clock(self, timeout_s: float) -> None:
        """Return nothing: its clock is that of the run."""

    def give_up(self) -> None:
        """Do nothing: without this process there is no run."""

    def status(self) -> WorkerStatus:
        """Return how the clients are, by this process's clock."""
        return WorkerStatus.of(self.run)

    def report_to(self, listener: Callable[[WorkerStatus], None]) -> None:
        """Call *listener* with the status whenever it changes, until `stop_reports`."""

        def report() -> None:
            while True:
                self._has_news.wait()
                gevent.sleep(REPORT_S)
                self._has_news.clear()
                listener(self.status())

        self._reporter = gevent.spawn(report)

    def stop_reports(self) -> None:
        """End the calls of `report_to`."""
        if self._reporter is not None:
            self._reporter.kill()

    # --- commands ------------------------------------------------------------------------------------------------

    def report(self) -> None:
        """Nothing but answer: the status comes with it."""

    def mark_done(self, group: str, done_ns: int) -> None:
        """Take *group* as done since *done_ns*: all its users are, in all processes together."""
        self.run.mark_done(group, done_ns)

    def expect(self, takeovers: Sequence[Takeover]) -> None:
        """Take the messages of publishers that are to come as those of this run."""
        expect_publishers(self.run, takeovers)

    def take_over(self, takeovers: Sequence[Takeover], from_ns: int) -> None:
        """Have clients take over the work that is for this process; their schedules go on at *from_ns*."""
        take_over(self.run, takeovers, from_ns)

    def stop(self) -> None:
        """End publishing now."""
        self.run.stop()

    def open(self, start_ns: int) -> None:
        """Begin the first window at *start_ns*."""
        self._cut_ns = start_ns

    def begin(self, begin_ns: int, measured_ns: int, stop_ns: int | None) -> None:
        """Have all users begin at *begin_ns*."""
        self.run.begin(begin_ns, measured_ns, stop_ns)

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
                if not self.run.completion.is_done(group):  # it may have come to its end while others ran
                    self.run.recorder.active(group, taken_ns)
            gevent.sleep(0)
            record = window.to_record()
            gevent.sleep(0)
            yield record
        for at_ns, code, text in self.run.take_events():
            yield event_record(at_ns, code, text)
        if now_ns == 0:
            yield users_record(self.run.recorder.worker, self.run.taken_by_user(), self._blocked_ns())

    def end_publishing(self, stop_ns: int) -> None:
        """Take publishers that are at work as active until *stop_ns*, and no longer."""
        for group in {publisher.group for publisher in self.run.plan.publishers}:
            if not self.run.completion.is_done(group):
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
        is_done = self.run.completion.is_done
        return {group: taken_ns for group, taken_ns in self.run.last_taken_ns.items() if not is_done(group)}

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

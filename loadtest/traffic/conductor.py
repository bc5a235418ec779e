"""
The conductor moves a run from phase to phase.

    connecting → (warm_up) → measured → drain → done

It decides when users begin, when publishing ends and when the run is over; knows nothing of Locust. Every record goes
out through `emit`, in the order in which things happened.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import gevent

from loadtest.clock import NS_PER_MS, NS_PER_S, NS_PER_US, monotonic_ns
from loadtest.measure.records import queue_record
from loadtest.traffic.collecting import heap_frozen
from loadtest.traffic.cutter import WINDOW_NS, Cutter
from loadtest.traffic.drain import Drain
from loadtest.traffic.run import seats_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadtest.measure.collector import Collector
    from loadtest.traffic.cutter import Emit
    from loadtest.traffic.drain import QueueDepths
    from loadtest.traffic.gauges import Gauges
    from loadtest.traffic.run import Run, RunningTask, Seat

# From the moment that all are up to the first message: every greenlet gets to its start line, in about 15 µs each.
LEAD_NS: Final = 5 * NS_PER_MS
USER_LEAD_NS: Final = 20 * NS_PER_US
# A connection may take as long as its own time-outs allow; past that plus the pace something is stuck.
CONNECT_GRACE_S: Final = 60.0
# What fell due just before the end of publishing is sent by then, and still belongs to the measured part.
LAST_SENT_NS: Final = 2 * NS_PER_MS
# A run that is interrupted or has failed waits this long for what is in flight, so that it ends promptly and the ledger
# still closes.
SHORT_DRAIN_NS: Final = 2 * NS_PER_S
# A group whose turn comes when another is done begins a moment later.
START_LOOK_S: Final = 0.01
# Each user bounds its own end; past this one is stuck all the same, and is left behind.
END_ALL_TIMEOUT_S: Final = 15.0

_logger = logging.getLogger(__name__)


def is_bounded(seat: Seat) -> bool:
    """Return whether a user comes to an end by itself, whatever the duration of the run."""
    if seat.messages is not None or getattr(seat, "until_empty", False):
        return True
    arrivals = getattr(seat, "arrivals", None)
    return arrivals is not None and arrivals.total is not None


class Conductor:
    """
    Leads one run in this process.

    Args:
        emit: Takes every record, in order.
        queue_depths: See `Drain`.
    """

    def __init__(self, run: Run, collector: Collector, gauges: Gauges, emit: Emit, queue_depths: QueueDepths) -> None:
        self._run = run
        self._cutter = Cutter(run, gauges, emit)
        self._drain = Drain(run, collector, self._cutter, queue_depths)
        self._interrupted_ns: int | None = None
        self._is_drained = False
        seats = seats_of(run.plan)
        consumers = {consumer.group for consumer in run.plan.consumers}
        self._bounded = sorted({seat.group for seat in seats if is_bounded(seat)})
        self._has_endless = any(seat.group not in consumers and not is_bounded(seat) for seat in seats)

    @property
    def interrupted(self) -> bool:
        """Whether somebody has ended the run early."""
        return self._interrupted_ns is not None

    @property
    def phase(self) -> str:
        """The phase that the run is in."""
        return self._cutter.phase

    def conduct(self, run_record: dict[str, Any]) -> None:
        """
        Lead the run from connecting to done; returns when the last window is cut and the connections are closed.

        A fault of ours on the way fails the run: what was measured until then is handed on all the same.

        Args:
            run_record: The record that opens the journal.
        """
        self._cutter.emit(run_record)
        self._cutter.begin(run_record["start_ns"])
        try:
            self._lead()
        except Exception as error:
            _logger.exception("the run ends because of a fault of loadtest's own")
            self._run.fail(f"a fault of loadtest's own: {type(error).__name__}: {error}", code="internal-error")
            self._run.over.set()
            self._close()
        self._cutter.flush()

    def interrupt(self) -> None:
        """End the run early: what is in flight is waited for briefly, and everything is written."""
        if self.interrupted or self._run.over.is_set():
            return
        self._interrupted_ns = monotonic_ns()
        self._run.record("interrupted", "interrupted by the user or a signal")
        self._run.stop()

    # --- phases --------------------------------------------------------------------------------------------------

    def _lead(self) -> None:
        if self._wait_all_up():
            with heap_frozen():
                self._begin()
                self._measure()
        else:
            self._cutter.cut(monotonic_ns())
        self._run.stop()
        self._cutter.enter("drain", self._cutter.cut_ns)
        if not self._is_drained:
            self._wait_drained()
        self._finish()
        self._cutter.enter("done", self._cutter.cut_ns)
        self._close()

    def _wait_all_up(self) -> bool:
        run = self._run
        users = sum(run.users.values())
        run.all_up.wait(users / run.plan.scenario.run.connect_rate_per_s + CONNECT_GRACE_S)
        if run.users_up < users and not run.stopping.is_set():
            run.fail(f"only {run.users_up} of {users} users could connect in time")
        return not run.stopping.is_set()

    def _begin(self) -> None:
        run, settings = self._run, self._run.plan.scenario.run
        self._cutter.cut(monotonic_ns())
        begin_ns = monotonic_ns() + LEAD_NS + USER_LEAD_NS * run.users_up
        if settings.duration_ns is not None:
            run.stop_ns = begin_ns + settings.warm_up_ns + settings.duration_ns
        run.recorder.measure_from(begin_ns + settings.warm_up_ns)
        self._cutter.enter("warm_up" if settings.warm_up_ns else "measured", begin_ns)
        run.begin_ns = begin_ns
        run.begun.set()

    def _measure(self) -> None:
        """Cut a window each second, until the duration is over or there is nothing left to do."""
        run, cutter = self._run, self._cutter
        assert run.begin_ns is not None, "begun"
        measured_ns = run.begin_ns + run.plan.scenario.run.warm_up_ns
        while not run.stopping.is_set():
            edge_ns = self._edge(measured_ns)
            self._wait_bounded(edge_ns)
            if self._is_all_done() or self._is_starved():
                self._settle()
                break
            if monotonic_ns() < edge_ns:
                continue
            if edge_ns == run.stop_ns:
                self._end_publishing(edge_ns)
                cutter.cut_paused(monotonic_ns(), edge_ns)
                return
            cutter.cut(monotonic_ns())
            if cutter.phase == "warm_up" and cutter.cut_ns >= measured_ns:
                cutter.enter("measured", cutter.cut_ns)
        cutter.cut(monotonic_ns())

    def _edge(self, measured_ns: int) -> int:
        """Return when to cut next: at whole seconds since the begin, the end of the warm-up, the end of publishing."""
        run = self._run
        assert run.begin_ns is not None, "begun"
        since_ns = max(0, self._cutter.cut_ns - run.begin_ns)
        edges = [run.begin_ns + since_ns - since_ns % WINDOW_NS + WINDOW_NS]
        if self._cutter.phase == "warm_up":
            edges.append(measured_ns)
        if run.stop_ns is not None:
            edges.append(run.stop_ns)
        return min(edges)

    def _end_publishing(self, stop_ns: int) -> None:
        """Let what fell due before *stop_ns* go out; rates count the time until then, not until that was noticed."""
        self._run.pacer.sleep_until_ns(stop_ns + LAST_SENT_NS)
        for group in {publisher.group for publisher in self._run.plan.publishers}:
            if not self._run.is_done(group):
                self._run.recorder.inactive(group, stop_ns)

    def _settle(self) -> None:
        """Where all has been sent what is on its way is also taken within the measured part, if that goes on."""
        until_ns = self._run.stop_ns
        self._wait_drained(until_ns)
        self._is_drained = until_ns is None or monotonic_ns() < until_ns
        for group, taken_ns in self._cutter.last_taken().items():
            self._run.recorder.inactive(group, taken_ns)

    def _finish(self) -> None:
        """End what is open, cut the last window, and tell what is left in the queues."""
        run = self._run
        run.over.set()
        self._of_all(lambda task: task.finish())
        self._cutter.cut(monotonic_ns())
        if self._drain.missing():
            for queue, left in (self._drain.depths() or {}).items():
                self._cutter.emit(queue_record(queue, left))

    def _close(self) -> None:
        self._of_all(lambda task: task.close())

    def _of_all(self, end: Callable[[RunningTask], None]) -> None:
        """Call *end* for all users at once; a fault of ours in it fails the run."""
        ending = [gevent.spawn(end, task) for task in self._run.tasks]
        gevent.joinall(ending, timeout=END_ALL_TIMEOUT_S)
        for greenlet in ending:
            if greenlet.exception is not None:
                text = f"a user could not end in order: {type(greenlet.exception).__name__}: {greenlet.exception}"
                self._run.fail(text, code="internal-error")

    # --- waiting -------------------------------------------------------------------------------------------------

    def _is_all_done(self) -> bool:
        """Return whether every group that ends by itself has ended, and all others only take what those send."""
        run = self._run
        if not self._bounded or self._has_endless or not all(run.is_done(group) for group in self._bounded):
            return False
        return all(run.is_started(group) or run.is_done(group) for group in run.users)

    def _is_starved(self) -> bool:
        """Return whether what is still at work waits for messages that will not come, and say so."""
        run = self._run
        if run.stop_ns is not None or not self._drain.is_starved():
            return False
        waiting = ", ".join(group for group in self._bounded if not run.is_done(group))
        run.record("starved", f"{waiting or 'users'} would take more messages, but all are published and taken")
        return True

    def _wait_bounded(self, until_ns: int) -> None:
        """Block until *until_ns*, or until all groups that end by themselves are done."""
        timeout_s = max(0.0, (until_ns - monotonic_ns()) / NS_PER_S)
        if not self._bounded or self._has_endless:
            self._run.stopping.wait(timeout_s)
        elif all(self._run.is_done(group) for group in self._bounded):
            # The others have not all begun yet.
            self._run.stopping.wait(min(timeout_s, START_LOOK_S))
        else:
            self._run.wait_done(self._bounded, timeout_s)

    def _wait_drained(self, until_ns: int | None = None) -> None:
        """Block until the run has drained, or its time for that is over, or *until_ns*."""
        run, began_ns = self._run, monotonic_ns()
        drain_ns = run.plan.scenario.run.drain_ns

        def deadline_ns() -> int:
            instants = [began_ns + drain_ns]
            if until_ns is not None:
                instants.append(until_ns)
            if self._interrupted_ns is not None:
                instants.append(self._interrupted_ns + SHORT_DRAIN_NS)
            if run.failure is not None:
                instants.append(began_ns + SHORT_DRAIN_NS)
            return min(instants)

        self._drain.wait(deadline_ns)

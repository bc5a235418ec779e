"""
The controller moves a run from phase to phase.

    connecting → (warm_up) → measured → drain → done

It decides when users begin, when publishing ends and when the run is over; knows nothing of Locust. Every record goes
out through `emit`, in the order in which things happened.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from loadtest.clients.worker_run import specs_of
from loadtest.clock import NS_PER_MS, NS_PER_S, monotonic_ns
from loadtest.measure.records import queue_record
from loadtest.run.drain import Drain
from loadtest.run.heap_freeze import heap_frozen
from loadtest.run.progress_monitor import ProgressMonitor
from loadtest.run.window_cutter import WINDOW_NS, WindowCutter
from loadtest.scenario.schedule.stages import stages_of_groups

if TYPE_CHECKING:
    from loadtest.clients.worker_run import ClientSpec
    from loadtest.measure.collector import Collector
    from loadtest.run.drain import QueueDepths
    from loadtest.run.window_cutter import Emit
    from loadtest.run.workers.workers import Workers
    from loadtest.scenario import Plan

# A connection may take as long as its own time-outs allow; past that plus the pace something is stuck.
CONNECT_GRACE_S: Final = 60.0
# What fell due just before the end of publishing is sent by then, and still belongs to the measured part.
LAST_SENT_NS: Final = 2 * NS_PER_MS
# A run that is interrupted or has failed waits this long for what is in flight, so that it ends promptly and the ledger
# still closes.
SHORT_DRAIN_NS: Final = 2 * NS_PER_S
# A group whose turn comes when another is done begins a moment later.
START_LOOK_S: Final = 0.01

_logger = logging.getLogger(__name__)


def is_bounded(spec: ClientSpec) -> bool:
    """Return whether a user comes to an end by itself, whatever the duration of the run."""
    if spec.messages is not None or spec.until_empty:
        return True
    return spec.arrivals is not None and spec.arrivals.total is not None


class RunController:
    """
    Leads one run.

    Attributes:
        aborted: Why somebody has ended it before its time; None if nobody has.

    Args:
        workers: Its users.
        emit: Takes every record, in order.
        queue_depths: See `Drain`.
    """

    def __init__(
        self, plan: Plan, workers: Workers, collector: Collector, emit: Emit, queue_depths: QueueDepths
    ) -> None:
        self._plan = plan
        self._workers = workers
        self._cutter = WindowCutter(workers, emit)
        self._drain = Drain(plan, workers, collector, self._cutter, queue_depths)
        self._begin_ns = 0
        self._is_over = False
        self._interrupted_ns: int | None = None
        self._is_hurried = False
        self.aborted: str | None = None
        self._is_drained = False
        self._progress_monitor = ProgressMonitor(plan, workers)
        specs = specs_of(plan)
        consumers = {consumer.group for consumer in plan.consumers}
        self._bounded = sorted({spec.group for spec in specs if is_bounded(spec)})
        stages = stages_of_groups(plan.scenario).values()
        self._stage_edges = sorted({edge for group in stages for stage in group for edge in stage})
        self._has_endless = any(spec.group not in consumers and not is_bounded(spec) for spec in specs)

    @property
    def interrupted(self) -> bool:
        """Whether somebody has ended the run early."""
        return self._interrupted_ns is not None

    @property
    def phase(self) -> str:
        """The phase that the run is in."""
        return self._cutter.phase

    def run(self, run_record: dict[str, Any]) -> None:
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
            _logger.exception("the run ends because of an internal error of loadtest")
            self._workers.fail(f"an internal error of loadtest: {type(error).__name__}: {error}", code="internal-error")
            self._is_over = True
            self._workers.close()
        self._cutter.cut(0)  # the last events; nothing is measured any more

    def interrupt(self) -> None:
        """End the run early: what is in flight is waited for briefly, and everything is written."""
        if self.interrupted or self._is_over:
            return
        self._interrupted_ns = monotonic_ns()
        self._workers.record("interrupted", "interrupted by the user or a signal")
        self._workers.stop()

    def hurry(self) -> None:
        """End the run early, and do not wait for what is in flight: it is in doubt, or left in its queues."""
        self.interrupt()
        self._is_hurried = True

    def abort(self, text: str) -> None:
        """End publishing early because of what *text* says; what is in flight gets its full drain."""
        if self.aborted is None and not self.interrupted and not self._is_over:
            self.aborted = text
            self._workers.record("aborted", text)
            self._workers.stop()

    # --- phases --------------------------------------------------------------------------------------------------

    def _lead(self) -> None:
        if self._wait_all_up():
            with heap_frozen():
                self._begin()
                self._measure()
        else:
            self._cutter.cut(monotonic_ns())
        self._workers.stop()
        self._cutter.enter("drain", self._cutter.cut_ns)
        if not self._is_drained:
            self._wait_drained()
        self._finish()
        self._cutter.enter("done", self._cutter.cut_ns)
        self._workers.close()

    def _wait_all_up(self) -> bool:
        workers = self._workers
        users = sum(workers.users.values())
        workers.all_up.wait(users / self._plan.scenario.run.connect_rate_per_s + CONNECT_GRACE_S)
        if workers.users_up < users and not workers.stopping.is_set():
            workers.fail(f"only {workers.users_up} of {users} users could connect in time")
        return not workers.stopping.is_set()

    def _begin(self) -> None:
        settings = self._plan.scenario.run
        self._cutter.cut(monotonic_ns())
        begin_ns = self._begin_ns = monotonic_ns() + self._workers.lead_ns
        measured_ns = begin_ns + settings.warm_up_ns
        stop_ns = None if settings.duration_ns is None else measured_ns + settings.duration_ns
        self._cutter.enter("warm_up" if settings.warm_up_ns else "measured", begin_ns)
        self._workers.begin(begin_ns, measured_ns, stop_ns)

    def _measure(self) -> None:
        """Cut a window each second, until the duration is over or there is nothing left to do."""
        workers, cutter = self._workers, self._cutter
        measured_ns = self._begin_ns + self._plan.scenario.run.warm_up_ns
        while not workers.stopping.is_set():
            edge_ns = self._edge(measured_ns)
            self._wait_bounded(edge_ns)
            self._progress_monitor.look(self._begin_ns)
            if self._is_all_done() or self._is_starved():
                self._settle()
                break
            if monotonic_ns() < edge_ns:
                continue
            if edge_ns == workers.stop_ns:
                self._end_publishing(edge_ns)
                cutter.cut_paused(monotonic_ns(), edge_ns)
                return
            cutter.cut(monotonic_ns())
            if cutter.phase == "warm_up" and cutter.cut_ns >= measured_ns:
                cutter.enter("measured", cutter.cut_ns)
        cutter.cut(monotonic_ns())

    def _edge(self, measured_ns: int) -> int:
        """Return when to cut next: a second since the begin is whole, or a stage, the warm-up or publishing ends."""
        since_ns = max(0, self._cutter.cut_ns - self._begin_ns)
        edges = [self._begin_ns + since_ns - since_ns % WINDOW_NS + WINDOW_NS]
        edges += [self._begin_ns + edge_ns for edge_ns in self._stage_edges if edge_ns > since_ns][:1]
        if self._cutter.phase == "warm_up":
            edges.append(measured_ns)
        if self._workers.stop_ns is not None:
            edges.append(self._workers.stop_ns)
        return min(edges)

    def _end_publishing(self, stop_ns: int) -> None:
        """Let what fell due before *stop_ns* go out; rates count the time until then, not until that was noticed."""
        self._workers.sleep_until_ns(stop_ns + LAST_SENT_NS)
        self._workers.end_publishing(stop_ns)

    def _settle(self) -> None:
        """Where all has been sent what is on its way is also taken within the measured part, if that goes on."""
        until_ns = self._workers.stop_ns
        self._wait_drained(until_ns)
        self._is_drained = until_ns is None or monotonic_ns() < until_ns
        if self._is_drained and until_ns is not None and (missing := self._drain.unaccounted()):
            left_s = (until_ns - monotonic_ns()) / NS_PER_S
            text = f"{missing:,} messages have not come, and the queues are empty: the run ends {left_s:.1f} s early"
            self._workers.record("ended-early", text)
        self._workers.rest()

    def _finish(self) -> None:
        """End what is open, cut the last window, and tell what is left in the queues."""
        self._is_over = True
        self._workers.finish()
        self._cutter.cut(monotonic_ns())
        if self._drain.unaccounted():
            for queue, left in (self._drain.depths() or {}).items():
                self._cutter.emit(queue_record(queue, left))

    # --- waiting -------------------------------------------------------------------------------------------------

    def _is_all_done(self) -> bool:
        """Return whether every group that ends by itself has ended, and all others only take what those send."""
        workers = self._workers
        if not self._bounded or self._has_endless or not all(workers.is_done(group) for group in self._bounded):
            return False
        return all(workers.is_started(group) or workers.is_done(group) for group in workers.users)

    def _is_starved(self) -> bool:
        """Return whether what is still at work waits for messages that will not come, and say so."""
        workers = self._workers
        if workers.stop_ns is not None or (why := self._drain.starved()) is None:
            return False
        waiting = ", ".join(group for group in self._bounded if not workers.is_done(group))
        workers.record("starved", f"{waiting or 'users'} would take more messages, but {why}")
        return True

    def _wait_bounded(self, until_ns: int) -> None:
        """Block until *until_ns*, or until all groups that end by themselves are done."""
        timeout_s = max(0.0, (until_ns - monotonic_ns()) / NS_PER_S)
        if not self._bounded or self._has_endless:
            self._workers.stopping.wait(timeout_s)
        elif all(self._workers.is_done(group) for group in self._bounded):
            # The others have not all begun yet.
            self._workers.stopping.wait(min(timeout_s, START_LOOK_S))
        else:
            self._workers.wait_done(self._bounded, timeout_s)

    def _wait_drained(self, until_ns: int | None = None) -> None:
        """Block until the run has drained, or its time for that is over; if *until_ns* is given, that is its time."""
        workers, began_ns = self._workers, monotonic_ns()
        drain_ns = self._plan.scenario.run.drain_ns

        def deadline_ns() -> int:
            self._progress_monitor.look(self._begin_ns)
            # Within the measured part its own end counts: what users are at work on is not cut off before it.
            instants = [began_ns + drain_ns if until_ns is None else until_ns]
            if self._is_hurried:
                instants.append(began_ns)
            if self._interrupted_ns is not None:
                instants.append(self._interrupted_ns + SHORT_DRAIN_NS)
            if workers.failure is not None:
                instants.append(began_ns + SHORT_DRAIN_NS)
            return min(instants)

        self._drain.wait(deadline_ns)

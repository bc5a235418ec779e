"""
The conductor moves a run from phase to phase and cuts it into windows.

    connecting → (warm_up) → measured → drain → done

It decides when users begin, when publishing ends and when the drain is over; knows nothing of Locust, and hands every
record on through `emit`, in the order in which things happened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import gevent

from loadtest.clock import NS_PER_MS, NS_PER_S, monotonic_ns
from loadtest.measure.records import event_record, phase_record, queue_record
from loadtest.traffic.run import seats_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from loadtest.measure.collector import Collector
    from loadtest.traffic.gauges import Gauges
    from loadtest.traffic.run import Run, Seat

    Phase = Literal["connecting", "warm_up", "measured", "drain", "done"]
    Emit = Callable[[dict[str, Any]], None]
    QueueDepths = Callable[[Sequence[str]], Mapping[str, int]]

# From the moment that all are up to the first message: every greenlet gets to its start line.
LEAD_NS: Final = 5 * NS_PER_MS
WINDOW_NS: Final = NS_PER_S
# A connection may take as long as its own time-outs allow; past that plus the pace something is stuck.
CONNECT_GRACE_S: Final = 60.0
# The drain is looked at soon and then less often: a flood of a thousand ends at once, a backlog is not pestered.
FIRST_LOOK_NS: Final = 5 * NS_PER_MS
LOOK_GROWTH: Final = 1.5
LONGEST_LOOK_NS: Final = 100 * NS_PER_MS
# With nothing arriving for this long and the queues empty, what is missing will not come.
STILL_NS: Final = 2 * NS_PER_S
# An interrupted run waits this long for what is in flight, so that Ctrl-C feels prompt and the ledger still closes.
INTERRUPTED_DRAIN_NS: Final = 2 * NS_PER_S


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
        queue_depths: Returns the messages ready in the given queues; may raise OSError-like errors, which are survived.
    """

    def __init__(self, run: Run, collector: Collector, gauges: Gauges, emit: Emit, queue_depths: QueueDepths) -> None:
        self._run = run
        self._collector = collector
        self._gauges = gauges
        self._emit = emit
        self._queue_depths = queue_depths
        self._cut_ns = monotonic_ns()
        self.phase: Phase = "connecting"
        self.interrupted = False

    def conduct(self, run_record: dict[str, Any]) -> None:
        """
        Lead the run from connecting to done; returns when the last window is cut and the connections are closed.

        Args:
            run_record: The record that opens the journal.
        """
        self._emit(run_record)
        self._enter("connecting", self._cut_ns)
        if self._wait_all_up():
            self._begin()
            self._measure()
        self._drain()
        self._finish()

    def interrupt(self) -> None:
        """End the run early: what is in flight is waited for briefly, and everything is written."""
        self.interrupted = True
        self._run.record("interrupted", "interrupted by the user or a signal")
        self._run.stop()

    # --- phases --------------------------------------------------------------------------------------------------

    def _wait_all_up(self) -> bool:
        run = self._run
        users = sum(run.users.values())
        run.all_up.wait(users / run.plan.scenario.run.connect_rate_per_s + CONNECT_GRACE_S)
        if run.users_up < users and run.failure is None and not self.interrupted:
            run.fail(f"only {run.users_up} of {users} users could connect in time")
        return run.failure is None and not self.interrupted

    def _begin(self) -> None:
        run, settings = self._run, self._run.plan.scenario.run
        begin_ns = monotonic_ns() + LEAD_NS
        if settings.duration_ns is not None:
            run.stop_ns = begin_ns + settings.warm_up_ns + settings.duration_ns
        run.recorder.measure_from(begin_ns + settings.warm_up_ns)
        self._cut(monotonic_ns())
        self._enter("warm_up" if settings.warm_up_ns else "measured", begin_ns)
        run.begin_ns = begin_ns
        run.begun.set()

    def _measure(self) -> None:
        """Cut a window each second, until the duration is over or there is nothing left to do."""
        run = self._run
        assert run.begin_ns is not None, "begun"
        measured_ns = run.begin_ns + run.plan.scenario.run.warm_up_ns
        while not run.stopping.is_set():
            since_ns = max(0, self._cut_ns - run.begin_ns)
            edge_ns = run.begin_ns + since_ns - since_ns % WINDOW_NS + WINDOW_NS
            if self.phase == "warm_up":
                edge_ns = min(edge_ns, measured_ns)
            if run.stop_ns is not None:
                edge_ns = min(edge_ns, run.stop_ns)
            if self._wait_bounded(edge_ns) and self._all_bounded():
                self._settle()
                break
            if run.stop_ns is not None and monotonic_ns() >= run.stop_ns:
                self._end_publishing(run.stop_ns)
            self._cut(monotonic_ns())
            if self.phase == "warm_up" and self._cut_ns >= measured_ns:
                self._enter("measured", self._cut_ns)
            if run.stop_ns is not None and self._cut_ns >= run.stop_ns:
                break

    def _end_publishing(self, stop_ns: int) -> None:
        """Let publishers' rates count the time until publishing stopped, not until that was noticed."""
        for group in {publisher.group for publisher in self._run.plan.publishers}:
            if not self._run.is_done(group):
                self._run.recorder.inactive(group, stop_ns)

    def _settle(self) -> None:
        """In a run without duration what is sent is also taken within the measured part."""
        if self._run.stop_ns is None:
            self._wait_drained(self._deadline())
            for group, taken_ns in self._last_taken().items():
                self._run.recorder.inactive(group, taken_ns)

    def _drain(self) -> None:
        self._run.stop()
        self._cut(monotonic_ns())
        self._enter("drain", self._cut_ns)
        if self._run.failure is None:
            self._wait_drained(self._deadline())

    def _finish(self) -> None:
        run = self._run
        for task in run.tasks:
            task.finish()
        run.over.set()
        gevent.sleep(0)  # last acks leave, woken users report
        self._cut(monotonic_ns())
        self._report_queues()
        self._enter("done", self._cut_ns)
        gevent.joinall([gevent.spawn(task.close) for task in run.tasks], timeout=CONNECT_GRACE_S)

    # --- windows -------------------------------------------------------------------------------------------------

    def _cut(self, now_ns: int) -> None:
        """Hand on what happened since the last cut, events first."""
        run = self._run
        if now_ns > self._cut_ns:
            window = run.recorder.cut(self._cut_ns, now_ns, self.phase, self._gauges.read(self._cut_ns, now_ns))
            self._emit(window.to_record())
            self._cut_ns = now_ns
        events, run.events = run.events, []
        for at_ns, code, text in events:
            self._emit(event_record(at_ns, code, text))

    def _enter(self, phase: Phase, at_ns: int) -> None:
        self.phase = phase
        self._emit(phase_record(phase, at_ns))

    # --- waiting -------------------------------------------------------------------------------------------------

    def _bounded(self) -> list[str]:
        """Return the groups that end by themselves."""
        return sorted({seat.group for seat in seats_of(self._run.plan) if is_bounded(seat)})

    def _all_bounded(self) -> bool:
        """Return whether every group that ends by itself has ended, and no other publishes or gets."""
        consumers = {consumer.group for consumer in self._run.plan.consumers}
        endless = [seat for seat in seats_of(self._run.plan) if seat.group not in consumers and not is_bounded(seat)]
        bounded = self._bounded()
        return bool(bounded) and not endless and all(self._run.is_done(group) for group in bounded)

    def _wait_bounded(self, until_ns: int) -> bool:
        """Block until *until_ns*, or until all groups that end by themselves are done; returns whether they are."""
        bounded = self._bounded()
        timeout_s = max(0.0, (until_ns - monotonic_ns()) / NS_PER_S)
        if not bounded or all(self._run.is_done(group) for group in bounded):
            self._run.stopping.wait(timeout_s)
            return bool(bounded)
        self._run.wait_done(bounded, timeout_s)
        return all(self._run.is_done(group) for group in bounded)

    def _deadline(self) -> int:
        drain_ns = INTERRUPTED_DRAIN_NS if self.interrupted else self._run.plan.scenario.run.drain_ns
        return monotonic_ns() + drain_ns

    def _wait_drained(self, deadline_ns: int) -> None:
        """Block until everything published is confirmed and taken, nothing more can come, or the deadline."""
        run = self._run
        look_ns, taken_ns = FIRST_LOOK_NS, -1
        changed_ns = monotonic_ns()
        while run.failure is None and (now_ns := monotonic_ns()) < deadline_ns:
            outstanding = sum(task.outstanding() for task in run.tasks)
            newest_ns = max(run.last_taken_ns.values(), default=0)
            flowing = outstanding > 0 or newest_ns != taken_ns
            if flowing:
                taken_ns, changed_ns = newest_ns, now_ns
            # While messages flow a window a second will do; a pause may be the end.
            if not flowing or now_ns - self._cut_ns >= WINDOW_NS:
                self._cut_paused(now_ns)
                if outstanding + self._missing() == 0:
                    return
            if now_ns - changed_ns > STILL_NS and self._queues_are_empty():
                return
            gevent.sleep(min(look_ns, deadline_ns - now_ns) / NS_PER_S)
            look_ns = min(LONGEST_LOOK_NS, int(look_ns * LOOK_GROWTH))

    def _cut_paused(self, now_ns: int) -> None:
        """Cut a window in which consumers were active until their last message, not until this was looked at."""
        recorder, last = self._run.recorder, self._last_taken()
        for group, taken_ns in last.items():
            recorder.inactive(group, taken_ns)
        self._cut(now_ns)
        for group, taken_ns in last.items():
            recorder.active(group, taken_ns)

    def _last_taken(self) -> dict[str, int]:
        """Return when each group that is still at work took its last message."""
        run = self._run
        return {group: taken_ns for group, taken_ns in run.last_taken_ns.items() if not run.is_done(group)}

    def _missing(self) -> int:
        """Return how many messages are still to come: published and due somewhere, and not there."""
        losses = self._collector.losses()
        return losses.lost + losses.remaining + losses.undelivered

    # --- queues --------------------------------------------------------------------------------------------------

    def _queues_are_empty(self) -> bool:
        depths = self._depths()
        return depths is not None and not any(depths.values())

    def _report_queues(self) -> None:
        if not self._missing():
            return
        for sink, left in (self._depths() or {}).items():
            self._emit(queue_record(sink, left))

    def _depths(self) -> Mapping[str, int] | None:
        queues = [sink for sink in self._run.plan.consumed_sinks if "#" not in sink]
        try:
            return self._queue_depths(queues)
        except Exception as error:  # noqa: BLE001  # the broker may be gone in any way; the ledger says what is missing
            self._run.record("queues-unknown", f"could not ask how many messages are left in the queues: {error}")
            return None

"""
Waiting until everything that was published is confirmed and taken, or until it is clear that no more will come.

Knows the workers, the ledger and the queues' depths; not when a run drains, nor how windows are cut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import gevent

from loadtest.clock import NS_PER_MS, NS_PER_S, monotonic_ns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from loadtest.measure.collector import Collector
    from loadtest.run.window_cutter import WindowCutter
    from loadtest.run.workers.workers import Workers
    from loadtest.scenario import Plan

    QueueDepths = Callable[[Sequence[str]], Mapping[str, int]]

# The drain is looked at soon and then less often: a flood of a thousand ends at once, a backlog is not pestered.
FIRST_LOOK_NS: Final = 5 * NS_PER_MS
LOOK_GROWTH: Final = 1.5
LONGEST_LOOK_NS: Final = 100 * NS_PER_MS
# With nothing arriving for this long and the queues empty, what is missing will not come.
STILL_NS: Final = 2 * NS_PER_S
# What was asked about a second ago is not asked again: a thousand queues are a thousand questions.
ASK_AGAIN_NS: Final = NS_PER_S


class Drain:
    """
    Says what is missing, and waits for it.

    Args:
        queue_depths: Returns the messages ready in the given queues, leaving out those that are gone; may raise
            whatever a broker that is gone makes it raise, which is survived.
    """

    def __init__(
        self, plan: Plan, workers: Workers, collector: Collector, cutter: WindowCutter, queue_depths: QueueDepths
    ) -> None:
        self._plan = plan
        self._workers = workers
        self._collector = collector
        self._cutter = cutter
        self._queue_depths = queue_depths
        self._asked_ns = 0
        self._has_complained = False
        self._takers = {*(spec.group for spec in plan.consumers), *(spec.group for spec in plan.getters)}

    def wait(self, deadline_ns: Callable[[], int]) -> None:
        """
        Block until everything published is confirmed and taken, nothing more can come, or the deadline.

        Args:
            deadline_ns: Returns the instant at which to give up, which may come nearer meanwhile.
        """
        workers, look_ns = self._workers, FIRST_LOOK_NS
        taken_ns, changed_ns = -1, monotonic_ns()
        while (now_ns := monotonic_ns()) < deadline_ns() and not self._is_hopeless():
            workers.refresh()
            outstanding = workers.in_flight()
            newest_ns = max(workers.last_taken_ns.values(), default=0)
            is_flowing = outstanding > 0 or newest_ns != taken_ns
            if is_flowing:
                taken_ns, changed_ns = newest_ns, now_ns
            if workers.users_away:  # nothing can come to them yet: quiet counts from their return
                changed_ns = now_ns
            # While messages flow a window a second will do; a pause may be the end.
            if not is_flowing or self._cutter.is_due(now_ns):
                self._cutter.cut_paused(now_ns)
                if outstanding == 0 and (self._is_nobody_left() or self._is_complete()):
                    return
            if now_ns - changed_ns > STILL_NS and self.queues_are_empty():
                return
            gevent.sleep(max(0, min(look_ns, deadline_ns() - now_ns)) / NS_PER_S)
            look_ns = min(LONGEST_LOOK_NS, int(look_ns * LOOK_GROWTH))

    def unaccounted(self) -> int:
        """Return how many messages have not come so far: published and due somewhere, or in doubt."""
        if not self._takers:
            return 0
        losses = self._collector.losses()
        unknown = sum(each.messages for each in losses.unknown)
        return losses.lost + losses.remaining + losses.undelivered + losses.vanished + unknown

    def _is_complete(self) -> bool:
        """
        Return whether all has come that is due, and all that may come.

        What is in doubt may be in a queue: only empty queues tell that it has vanished, and a broker that is gone tells
        nothing.
        """
        if self.unaccounted():
            return False
        # What was requeued comes again. Where it does not, as at a delivery limit, empty queues end the wait.
        groups = self._collector.groups.values()
        come_again = self._collector.ledger.redelivered.total()
        return come_again >= sum(group.totals["requeued"] for group in groups)

    def starved(self) -> str | None:
        """
        Return why users that want more messages would wait for ever; None if they may yet get some.

        Only where the scenario publishes itself: all its publishers are done, all others have begun, nobody is at work
        on a message, and nothing has come for a while though the queues are empty; or for the whole drain time, where
        nobody says what they hold, or who takes has no schedule by which it will take that.
        """
        workers = self._workers
        publishers = {spec.group for spec in self._plan.publishers}
        if not publishers or not all(workers.is_done(group) for group in publishers):
            return None
        if not all(workers.is_started(group) or workers.is_done(group) for group in self._takers):
            return None
        workers.refresh()
        since_ns = max(*(workers.done_ns(group) for group in publishers), *workers.last_taken_ns.values(), 0)
        quiet_ns = monotonic_ns() - since_ns
        if workers.in_flight() or workers.users_away or quiet_ns <= STILL_NS or not self._may_ask():
            return None
        depths = self.depths()
        if depths is not None and not any(depths.values()):
            return "all are published, and the queues are empty"
        if quiet_ns <= self._plan.scenario.run.drain_ns or self._has_schedule():
            return None
        held = "nobody says what the queues hold" if depths is None else f"{sum(depths.values()):,} are in the queues"
        return f"nothing came for {quiet_ns / NS_PER_S:.1f} s, though {held}"

    def queues_are_empty(self) -> bool:
        """Return whether all consumed queues are known to be empty; asks once a second at most, in between it is no."""
        if not self._may_ask():
            return False
        depths = self.depths()
        return depths is not None and not any(depths.values())

    def _may_ask(self) -> bool:
        """Return whether it is time to ask for depths again, and note that they are asked for."""
        now_ns = monotonic_ns()
        if now_ns - self._asked_ns < ASK_AGAIN_NS:
            return False
        self._asked_ns = now_ns
        return True

    def _has_schedule(self) -> bool:
        """Return whether a getter that is not done gets by a schedule, whatever its pace."""
        return any(spec.arrivals is not None and not self._workers.is_done(spec.group) for spec in self._plan.getters)

    def depths(self) -> Mapping[str, int] | None:
        """Return the messages ready in the consumed queues; None, and an event the first time, where nobody answers."""
        # A stream keeps its messages, whoever has read them.
        queues = [sink for sink in self._plan.consumed_sinks if sink not in self._plan.streams]
        try:
            return self._queue_depths(queues)
        except Exception as error:  # noqa: BLE001  # the broker may be gone in any way; the ledger says what is missing
            if not self._has_complained:
                self._has_complained = True
                self._workers.record(
                    "queues-unknown", f"could not ask how many messages are left in the queues: {error}"
                )
            return None

    def _is_nobody_left(self) -> bool:
        """Return whether every user has done its work: what is left in the queues then, nobody is there to take."""
        return all(self._workers.is_done(group) for group in self._workers.users)

    def _is_hopeless(self) -> bool:
        """Return whether the run has failed and nobody is left who could take or confirm anything."""
        return self._workers.failure is not None and self._workers.is_lost

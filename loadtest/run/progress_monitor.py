"""
Ends a run in which a group gets nothing done: refused from the first, or in trouble for longer than it may be.

Decided by the leading process, so that it is the same over one process and over many: an operation that is refused in
one may have been accepted in another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadtest.clients.failures.reasons import span_text
from loadtest.clients.failures.refusal import REFUSED
from loadtest.clock import NS_PER_S, monotonic_ns

if TYPE_CHECKING:
    from loadtest.run.workers.workers import Workers
    from loadtest.scenario import Plan

NO_PROGRESS = "no-progress"
"""The code of the event by which a run ends that does not get on."""


class ProgressMonitor:
    """Looks at the groups of a run again and again; see `look`."""

    def __init__(self, plan: Plan, workers: Workers) -> None:
        settings = plan.scenario.run
        self._longest_ns = settings.reconnect_for_ns
        self._roles = plan.scenario.kinds
        self._workers = workers
        faults = [fault.at_ns if fault.at_ns is not None else fault.every_ns for fault in plan.scenario.faults]
        self._first_fault_ns = min((at_ns for at_ns in faults if at_ns is not None), default=None)

    def look(self, begin_ns: int) -> None:
        """
        Fail the run, which began at *begin_ns*, if it cannot get anywhere.

        That is if the broker refused an operation that it has never done for the group, unless a fault of the scenario
        was due before: its effects may pass. Or if nothing was done for a group in `run.reconnect_for`.
        """
        workers = self._workers
        if workers.failure is not None:
            return
        for refusal in workers.refusals():
            if self._first_fault_ns is None or refusal.at_ns < begin_ns + self._first_fault_ns:
                workers.fail(refusal.text, code=REFUSED)
                return
        now_ns = monotonic_ns()
        for group, trouble in workers.troubles().items():
            lasted_ns = now_ns - trouble.since_ns
            if trouble.is_waiting and lasted_ns > self._longest_ns:
                long = f"nothing done for {span_text(lasted_ns / NS_PER_S)}"
                limit = f"reconnect_for is {span_text(self._longest_ns / NS_PER_S)}"
                workers.fail(f"{self._roles[group]} {group}: {long} ({limit}): {trouble.reason}", code=NO_PROGRESS)
                return

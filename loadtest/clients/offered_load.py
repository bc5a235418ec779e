"""
What a schedule asks of one publisher: the arrivals that have fallen due, whether or not they could be sent.

Knows the schedule and when publishing ends; not how a message is sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from loadtest.clients.worker_run import WorkerRun
    from loadtest.measure.recorder.publisher_recorder import PublisherRecorder
    from loadtest.scenario import Arrivals

NEVER: Final = 2**62


class OfferedLoad:
    """
    Counts the arrivals of one publisher as they fall due, each once.

    It can be asked at any time and by anybody: a publisher that is held up offers what its schedule says all the same.

    Attributes:
        limit: How many messages there are in all; `NEVER` if there is no end.
    """

    def __init__(
        self, run: WorkerRun, recorder: PublisherRecorder, arrivals: Arrivals | None, messages: int | None
    ) -> None:
        total = arrivals.total if arrivals is not None else None
        self.limit = min((limit for limit in (messages, total) if limit is not None), default=NEVER)
        self._run = run
        self._recorder = recorder
        self._arrivals = arrivals
        self._start_ns = NEVER
        self._offered = 0

    def begin(self, start_ns: int) -> None:
        """Count from *start_ns*, the instant from which the schedule counts."""
        self._start_ns = start_ns

    def count_due(self, now_ns: int) -> int:
        """
        Return how many arrivals are due by *now_ns*, or before publishing ended if that is earlier, and offer the new.

        None is due before `begin`, nor ever in the closed model.
        """
        if self._arrivals is None or now_ns < self._start_ns:
            return 0
        stop_ns = self._run.stop_ns
        until_ns = now_ns if stop_ns is None else min(now_ns, stop_ns - 1)
        due = min(self._arrivals.count_due(until_ns - self._start_ns), self.limit)
        if due > self._offered:
            self._recorder.offered(due - self._offered)
            self._offered = due
        return due

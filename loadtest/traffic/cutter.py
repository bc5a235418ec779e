"""
Cuts the run into windows and hands them on, with the events in between, in the order in which things happened.

Knows the recorder and the gauges; not when to cut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import gevent

from loadtest.clock import NS_PER_S, monotonic_ns
from loadtest.measure.records import event_record, phase_record

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadtest.measure.records import Phase
    from loadtest.traffic.gauges import Gauges
    from loadtest.traffic.run import Run

    Emit = Callable[[dict[str, Any]], None]

WINDOW_NS: Final = NS_PER_S


class Cutter:
    """
    Where the run stands: its phase, and until when it is cut.

    Attributes:
        phase: The phase that the next window belongs to.
        cut_ns: When the last window ended.
    """

    def __init__(self, run: Run, gauges: Gauges, emit: Emit) -> None:
        self._run = run
        self._gauges = gauges
        self.emit = emit
        self.phase: Phase = "connecting"
        self.cut_ns = monotonic_ns()

    def begin(self, start_ns: int) -> None:
        """Begin the first window at *start_ns*."""
        self.cut_ns = start_ns
        self.enter("connecting", start_ns)

    def enter(self, phase: Phase, at_ns: int) -> None:
        """Say that *phase* begins at *at_ns*."""
        self.phase = phase
        self.emit(phase_record(phase, at_ns))

    def is_due(self, now_ns: int) -> bool:
        """Return whether the last cut is a window ago."""
        return now_ns - self.cut_ns >= WINDOW_NS

    def cut(self, now_ns: int) -> None:
        """Hand on what happened since the last cut."""
        run = self._run
        for task in run.tasks:
            task.catch_up(now_ns)
        if now_ns > self.cut_ns:
            window = run.recorder.cut(self.cut_ns, now_ns, self.phase, self._gauges.read(self.cut_ns, now_ns))
            self.cut_ns = now_ns
            gevent.sleep(
                0
            )  # with a thousand users each half takes some 10 ms: what is due meanwhile goes out in between
            self.emit(window.to_record())
        self.flush()

    def flush(self) -> None:
        """Hand on the events since the last cut."""
        events, self._run.events = self._run.events, []
        for at_ns, code, text in events:
            self.emit(event_record(at_ns, code, text))

    def cut_paused(self, now_ns: int, busy_until_ns: int = 0) -> None:
        """
        Cut a window in which consumers were active until their last message, not until this was looked at.

        Args:
            now_ns: Where the window ends.
            busy_until_ns: The instant until which they were active in any case.
        """
        recorder, last = self._run.recorder, self.last_taken()
        for group, taken_ns in last.items():
            recorder.inactive(group, max(taken_ns, busy_until_ns))
        self.cut(now_ns)
        for group, taken_ns in last.items():
            recorder.active(group, taken_ns)

    def last_taken(self) -> dict[str, int]:
        """Return when each group that is still at work took its last message."""
        run = self._run
        return {group: taken_ns for group, taken_ns in run.last_taken_ns.items() if not run.is_done(group)}

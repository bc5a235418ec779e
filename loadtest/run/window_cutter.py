"""
Cuts the run into windows and hands them on, with the events in between, in the order in which things happened.

Knows the workers; not when to cut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from loadtest.clock import NS_PER_S, monotonic_ns
from loadtest.measure.records import phase_record

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadtest.measure.records import Phase
    from loadtest.run.workers.workers import Workers

    Emit = Callable[[dict[str, Any]], None]

WINDOW_NS: Final = NS_PER_S


class WindowCutter:
    """
    Where the run stands: its phase, and until when it is cut.

    Attributes:
        phase: The phase that the next window belongs to.
        cut_ns: When the last window ended.
    """

    def __init__(self, workers: Workers, emit: Emit) -> None:
        self._workers = workers
        self.emit = emit
        self.phase: Phase = "connecting"
        self.cut_ns = monotonic_ns()

    def begin(self, start_ns: int) -> None:
        """Begin the first window at *start_ns*."""
        self.cut_ns = start_ns
        self._workers.open(start_ns)
        self.enter("connecting", start_ns)

    def enter(self, phase: Phase, at_ns: int) -> None:
        """Say that *phase* begins at *at_ns*."""
        self.phase = phase
        self.emit(phase_record(phase, at_ns))

    def is_due(self, now_ns: int) -> bool:
        """Return whether the last cut is a window ago."""
        return now_ns - self.cut_ns >= WINDOW_NS

    def cut(self, now_ns: int, pause: int | None = None) -> None:
        """Hand on what happened since the last cut; *now_ns* and *pause* as `Workers.cut` takes them."""
        self.cut_ns = max(self.cut_ns, now_ns)
        for record in self._workers.cut(now_ns, self.phase, pause):
            self.emit(record)

    def cut_paused(self, now_ns: int, busy_until_ns: int = 0) -> None:
        """
        Cut a window in which consumers were active until their last message, not until this was looked at.

        Args:
            now_ns: Where the window ends.
            busy_until_ns: The instant until which they were active in any case.
        """
        self.cut(now_ns, busy_until_ns)

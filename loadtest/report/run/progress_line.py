"""
What is shown while a run goes on: a line a few seconds where the output is a file or a pipe, a live line on a terminal.

Fed with windows as they are cut; knows nothing of who cuts them. Shows the last windows only, so it costs the same
after a day as at the start.
"""

from __future__ import annotations

from collections import Counter, deque
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple, Self, TextIO

from loadtest.clock import NS_PER_S
from loadtest.result.units import rate_text, time_text

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import Console
    from rich.live import Live

    from loadtest.measure.histogram.recorded import Recorded
    from loadtest.measure.window import Window

# Short enough to show that something moves, long enough that an hour's log of a CI run can still be read.
PLAIN_INTERVAL_NS: Final = 5 * NS_PER_S
# Of several workers windows come in a row: a line for each would cost more than merging them.
LIVE_INTERVAL_NS: Final = NS_PER_S // 4
# Rates over about this long: a second of a bursty run jumps, three can be read.
SHOWN_WINDOWS: Final = 3
COUNTED: Final = ("published", "confirmed", "delivered", "got")
LATENCIES: Final = ("confirm", "end_to_end", "get")
PHASES: Final = {"warm_up": "warm-up", "measured": "measured", "drain": "drain"}


class _Seen(NamedTuple):
    """What is shown of a window; the window itself is let go: a thousand workers' would be 100 MB."""

    start_ns: int
    end_ns: int
    phase: str
    counts: Counter[str]

    @classmethod
    def of(cls, window: Window) -> _Seen:
        counts: Counter[str] = Counter()
        for group in window.groups.values():
            counts.update({name: group.counters.get(name, 0) for name in COUNTED})
        return cls(window.start_ns, window.end_ns, window.phase, counts)


class Progress:
    """
    Shows a run as it goes on; a context manager, so that a live line is taken away again.

    Args:
        file: Where to write; the live line appears where that is a terminal.
        planned_s: How long warm-up and measured part are to take together; None where messages decide.
    """

    def __init__(self, file: TextIO, *, planned_s: float | None = None) -> None:
        self._file = file
        self.planned_s = planned_s
        self._begin_ns: int | None = None
        self._last: dict[str, deque[_Seen]] = {}  # by worker
        self._values: dict[str, list[tuple[str, Recorded]]] = {}  # by worker, of its newest window
        self._shown_ns = 0

    @cached_property
    def _console(self) -> Console:
        from rich.console import Console

        return Console(file=self._file, highlight=False, emoji=False, markup=False)

    @cached_property
    def _live(self) -> Live | None:
        """The line of a terminal; None elsewhere."""
        from rich.live import Live

        return Live(console=self._console, auto_refresh=False, transient=True) if self._console.is_terminal else None

    def __enter__(self) -> Self:
        """Begin to show."""
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Take the live line away."""
        if self._live is not None:
            self._live.stop()

    def say(self, text: str) -> None:
        """Print a line that stays."""
        from rich.text import Text

        self._console.print(Text(text), soft_wrap=True)

    def take(self, window: Window) -> None:
        """Show what *window* adds, if it is time to."""
        if window.phase not in PHASES:
            return
        if self._begin_ns is None:
            self._begin_ns = self._shown_ns = window.start_ns
        self._last.setdefault(window.worker, deque(maxlen=SHOWN_WINDOWS)).append(_Seen.of(window))
        self._values[window.worker] = [
            (name, values)
            for group in window.groups.values()
            for name, values in group.measured_values.items()
            if name in LATENCIES
        ]
        if self._live is not None:
            if window.end_ns - self._shown_ns >= LIVE_INTERVAL_NS:
                self._shown_ns = window.end_ns
                self._live.update(self.line(), refresh=True)
        elif window.end_ns - self._shown_ns >= PLAIN_INTERVAL_NS:
            self._shown_ns = window.end_ns
            self.say(self.line())

    def line(self) -> str:
        """Return what the last windows say, in a line."""
        window = max((last[-1] for last in self._last.values()), key=lambda newest: newest.end_ns)
        elapsed_s = (window.end_ns - (self._begin_ns or window.start_ns)) / NS_PER_S
        of = f" of {self.planned_s:.0f}" if self.planned_s is not None else ""
        parts = [f"{elapsed_s:.0f}{of} s", PHASES[window.phase], *self._rates(), *self._latencies()]
        return " · ".join(parts)

    def _rates(self) -> list[str]:
        counts: Counter[str] = Counter()
        windows = [window for last in self._last.values() for window in last]
        for window in windows:
            counts.update(window.counts)
        length_s = sum(window.end_ns - window.start_ns for window in windows) / len(self._last) / NS_PER_S
        return [f"{name} {rate_text(count / length_s)}" for name, count in counts.items() if count and length_s]

    def _latencies(self) -> list[str]:
        """Return the p99 of each latency in the newest windows, the slowest group's where several have it."""
        slowest: dict[str, int] = {}
        for name, values in (each for newest in self._values.values() for each in newest):
            p99_ns = values.histogram().percentile(99)
            if p99_ns is not None:
                slowest[name] = max(slowest.get(name, 0), p99_ns)
        return [f"{name} p99 {time_text(p99_ns)}" for name, p99_ns in slowest.items()]

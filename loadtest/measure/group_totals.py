"""
What a group did, merged over all workers: in the whole run, and in the parts of it that are looked at alone.

Knows windows; not when a run has begun, nor what its stages are of.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from loadtest.clock import NS_PER_S
from loadtest.counters import GroupKind
from loadtest.measure.histogram.histogram import Histogram
from loadtest.measure.histogram.recorded import Recorded
from loadtest.measure.intervals import Intervals
from loadtest.measure.runs import Run, extend_runs
from loadtest.measure.window import GroupWindow, Window

# A series of more runs than this no longer shows anything; the journal has all of it.
_SERIES_RUNS: Final = 10_000

_MOVED: Final = ("published", "delivered", "got")

Latencies = Mapping[str, Recorded]


@dataclass(slots=True)
class SpanTotals:
    """
    What a group did in a part of the run.

    Attributes:
        counts: What happened in its windows, by counter.
        active: When the group had work to do.
        latencies: By name. Of the measured part and the warm-up: of messages intended in them, whenever they were
            answered, and in the measured part also `connect` and `declare` of the whole run. Of a stage: of what was
            answered in its windows.
    """

    counts: Counter[str] = field(default_factory=Counter)
    active: Intervals = field(default_factory=Intervals)
    latencies: dict[str, Histogram] = field(default_factory=dict)

    @property
    def active_ns(self) -> int:
        """How long the group had work to do."""
        return self.active.length

    def rate(self, counter: str) -> float | None:
        """Return *counter* a second of the time in which the group was active; None if it never was."""
        active_ns = self.active_ns
        return self.counts[counter] * NS_PER_S / active_ns if active_ns else None

    def take(self, window: GroupWindow) -> None:
        """Add the counts of a window, and the time in it that the group was active."""
        self.counts.update(window.counters)
        for start, end in window.active:
            self.active.add(start, end)

    def add(self, latencies: Latencies) -> None:
        """Add the values of latencies, by name."""
        for name, values in latencies.items():
            known = self.latencies.get(name)
            if known is None:
                known = self.latencies[name] = Histogram()
            known.add_recorded(values)


@dataclass(slots=True)
class GroupTotals:
    """
    What one group did, over all workers.

    Attributes:
        kind: publisher, consumer or getter.
        model: open or closed.
        totals: Counters over the whole run.
        active: When the group had work to do.
        measured, warm_up: The parts by phase.
        stages: Begin and end of each stage of its rate, in ns after the run's begin, with what was done in it.
        pauses: By worker, when nothing was confirmed, or delivered, though something was due; only of workers that have
            users of the group at work.
        last_ns: When something was confirmed, or delivered, last; 0 if never.
        published_from_ns: Begin of the last window in which something was published; 0 if nothing was.
        given_up_ns: End of the last window in which messages became in doubt; 0 if none did.
        due_ns: Begin of the last window in which something fell due by a schedule, and until when in it the group had
            work to do; zeros if there is none.
        by_user: Messages that each user published or took over the whole run, by its number from 0; those that are not
            told are not there.
        series: `message_counts` by sink, as runs [first, count, step] in order of arrival (of several workers: of
            their windows).
        workers: Messages published, or taken, by worker; those with none are not there.
        series_left_out: By sink, how many values came after the series was full.
    """

    name: str
    kind: GroupKind
    model: str
    totals: Counter[str] = field(default_factory=Counter)
    active: Intervals = field(default_factory=Intervals)
    measured: SpanTotals = field(default_factory=SpanTotals)
    warm_up: SpanTotals = field(default_factory=SpanTotals)
    stages: list[tuple[int, int, SpanTotals]] = field(default_factory=list)
    by_user: Counter[int] = field(default_factory=Counter)
    pauses: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    last_ns: int = 0
    published_from_ns: int = 0
    given_up_ns: int = 0
    due_ns: tuple[int, int] = (0, 0)
    series: dict[str, dict[str, list[Run]]] = field(default_factory=dict)
    series_left_out: Counter[str] = field(default_factory=Counter)
    workers: Counter[str] = field(default_factory=Counter)

    @property
    def total_active_ns(self) -> int:
        """How long the group had work to do."""
        return self.active.length

    def set_stages(self, stages: Sequence[Sequence[int]]) -> None:
        """Look at these parts alone, given as [begin, end] in ns after the run's begin."""
        self.stages = [(begin, end, SpanTotals()) for begin, end in stages]

    def take(self, group: GroupWindow, window: Window, begin_ns: int | None) -> None:
        """
        Add what the group did in one window of one worker.

        Args:
            group: The group's part of *window*.
            window: The window.
            begin_ns: The instant at which the run began; None if it has not.
        """
        self.totals.update(group.counters)
        moved = sum(group.counters.get(name, 0) for name in _MOVED)
        if moved:
            self.workers[window.worker] += moved
        self._take_instants(group, window)
        for start, end in group.active:
            self.active.add(start, end)
        part = {"measured": self.measured, "warm_up": self.warm_up}.get(window.phase)
        if part is not None:
            part.take(group)
        measured, warming = group.measured_values, group.warm_up_values
        self.measured.add(measured)
        self.warm_up.add(warming)
        if self.stages and begin_ns is not None:
            middle_ns = (window.start_ns + window.end_ns) // 2 - begin_ns
            for begin, end, stage in self.stages:
                if begin <= middle_ns < end:
                    stage.take(group)
                    stage.add(measured)
                    stage.add(warming)
        if group.last_ns:
            self.pauses.setdefault(window.worker, []).extend(group.pauses)
            self.last_ns = max(self.last_ns, group.last_ns)
        self._take_series(group)

    def _take_instants(self, group: GroupWindow, window: Window) -> None:
        if group.counters.get("published"):
            self.published_from_ns = max(self.published_from_ns, window.start_ns)
        if group.counters.get("in_doubt"):
            self.given_up_ns = max(self.given_up_ns, window.end_ns)
        if group.counters.get("offered"):
            until_ns = max((end for _, end in group.active), default=window.end_ns)
            self.due_ns = max(self.due_ns, (window.start_ns, until_ns))

    def _take_series(self, group: GroupWindow) -> None:
        for name, by_sink in group.series.items():
            for sink, runs in by_sink.items():
                known = self.series.setdefault(name, {}).setdefault(sink, [])
                self.series_left_out[sink] += extend_runs(known, runs, _SERIES_RUNS)

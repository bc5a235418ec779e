"""
The timeline: a row a second of what the whole run did, compact enough for hours.

A window belongs to the second that holds its middle. Counts are summed over the windows of a second and divided by the
time these cover, so a window that is a little longer or shorter than a second does not show as a dent in the rate.
Percentiles need the values of all workers at once; these are kept for the newest `_OPEN_ROWS` seconds, then become
three numbers. Counts of windows that come later still are exact, their percentiles are left out but for
the maximum.

The broker's own gauges belong to the second in which they were read, whether or not a window does.

Corrected latencies only, warm-up included. Columns of doubles: two groups take less than 1 MB an hour.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from loadtest.clock import NS_PER_S
from loadtest.measure.histogram.histogram import Histogram
from loadtest.measure.histogram.recorded import Recorded
from loadtest.measure.window import GroupWindow, Window

RATES: Final = {
    "offered": "offered_per_s",
    "published": "published_per_s",
    "confirmed": "confirmed_per_s",
    "nacked": "nacked_per_s",
    "returned": "returned_per_s",
    "delivered": "delivered_per_s",
    "got": "got_per_s",
    "get_empty": "get_empty_per_s",
    "bytes_published": "bytes_per_s",
    "bytes_delivered": "bytes_per_s",
}
_PERCENTILES: Final = {"p50_ns": 50.0, "p99_ns": 99.0, "max_ns": 100.0}
_OPEN_ROWS: Final = 10
# Values of so many windows take less memory than a histogram of theirs; those of more are added up as they come.
_FEW_WINDOWS: Final = 16
# A gauge of several workers: these add up, of any other the highest counts.
_ADDED_GAUGES: Final = ("outstanding", "in_flight", "bytes", "users")
ALL_CPU: Final = "processes.cpu"
"""Gauge of a run over several processes: cores that all of them use. `cpu` is that of the busiest."""

Cell = tuple[str, str, str]


class _Values:
    """The values of one latency in a second: window by window while they are few."""

    __slots__ = ("_few", "_many")

    def __init__(self) -> None:
        self._few: list[Recorded] = []
        self._many: Histogram | None = None

    def add(self, values: Recorded) -> None:
        if self._many is not None:
            self._many.add_recorded(values)
            return
        self._few.append(values)
        if len(self._few) > _FEW_WINDOWS:
            self._many = self.histogram()
            self._few.clear()

    def histogram(self) -> Histogram:
        """Return all values; to be read only."""
        if self._many is not None:
            return self._many
        histogram = Histogram()
        for values in self._few:
            histogram.add_recorded(values)
        return histogram


class _Row:
    """The second that is being collected."""

    def __init__(self) -> None:
        self.phase = ""
        self.phase_end_ns = -1
        self.covered: Counter[str] = Counter()
        self.counts: Counter[tuple[str, str]] = Counter()
        self.latencies: dict[tuple[str, str], _Values] = {}
        self.gauges: dict[str, tuple[int, dict[str, float]]] = {}
        self.broker: dict[str, float] = {}
        self._measured: dict[Cell, float] | None = None  # what `cells` last came to, as long as it holds

    def take(self, window: Window) -> None:
        self._measured = None
        self.covered[window.worker] += window.end_ns - window.start_ns
        if window.end_ns > self.phase_end_ns:
            self.phase, self.phase_end_ns = window.phase, window.end_ns
        if window.index >= self.gauges.get(window.worker, (-1, {}))[0]:
            self.gauges[window.worker] = (window.index, window.gauges)
        for name, group in window.groups.items():
            self.counts.update(
                {(name, counter): count for counter, count in group.counters.items() if counter in RATES}
            )
            for latency, values in _latencies(group):
                if (name, latency) not in self.latencies:
                    self.latencies[name, latency] = _Values()
                self.latencies[name, latency].add(values)

    def cells(self) -> dict[Cell, float]:
        """Return the row as numbers, by (group, kind or latency, column)."""
        if self._measured is None:
            self._measured = self._measured_cells()
        return self._measured | self.gauge_cells()

    def _measured_cells(self) -> dict[Cell, float]:
        covered = sum(self.covered.values()) / max(len(self.covered), 1)
        cells: dict[Cell, float] = {("", "row", "covered_ns"): covered}
        cells |= {(group, "count", counter): count for (group, counter), count in self.counts.items()}
        for (group, latency), values in self.latencies.items():
            percentiles = values.histogram().percentiles(tuple(_PERCENTILES.values()))
            cells |= {
                (group, latency, column): value
                for column, value in zip(_PERCENTILES, percentiles, strict=True)
                if value is not None
            }
        return cells

    def gauge_cells(self) -> dict[Cell, float]:
        """Return the gauges of the second."""
        cells: dict[Cell, float] = {}
        if len(self.gauges) > 1:
            cells["", "gauge", ALL_CPU] = sum(gauges.get("cpu", 0.0) for _, gauges in self.gauges.values())
        for _, gauges in self.gauges.values():
            for name, value in gauges.items():
                cell = ("", "gauge", name)
                known = cells.get(cell)
                added = name.endswith(_ADDED_GAUGES)
                cells[cell] = value if known is None else known + value if added else max(known, value)
        return cells | {("", "gauge", name): value for name, value in self.broker.items()}


class Timeline:
    """The rows of a run, by second since *start_ns*."""

    def __init__(self, start_ns: int) -> None:
        self._start_ns = start_ns
        self._open: dict[int, _Row] = {}
        self._reached: dict[str, int] = {}
        self._places: dict[int, int] = {}
        self._phases: list[str] = []
        self._columns: dict[Cell, array[float]] = {}

    def take(self, window: Window) -> None:
        """Add a window to the second that holds its middle."""
        second = max(((window.start_ns + window.end_ns) // 2 - self._start_ns) // NS_PER_S, 0)
        if second in self._places:
            self._take_late(self._places[second], window)
        else:
            self._open.setdefault(second, _Row()).take(window)
        reached = (window.end_ns - self._start_ns) // NS_PER_S
        self._reached[window.worker] = max(self._reached.get(window.worker, 0), reached)
        self._close_old()

    def take_gauges(self, at_ns: int, phase: str, gauges: Mapping[str, float]) -> None:
        """Add what the broker said of itself at *at_ns*, in *phase*; of a gauge read twice in a second the later."""
        second = max((at_ns - self._start_ns) // NS_PER_S, 0)
        if second in self._places:
            for name, value in gauges.items():
                self._put(("", "gauge", name), self._places[second], value)
            return
        row = self._open.setdefault(second, _Row())
        row.phase = row.phase or phase
        row.broker.update(gauges)
        self._close_old()

    def rows(self) -> Iterator[dict[str, Any]]:
        """
        Yield the rows in order; seconds in which nothing was measured are left out.

        A row is {`t_s`, `phase`, `groups`: {name: {`rates`: {`published_per_s`, …}, `latency`: {name: {`p50_ns`,
        `p99_ns`, `max_ns`}}}},
        `gauges`: {name: value}}.
        """
        for second in sorted((*self._places, *self._open)):
            yield self._row(second)

    def gauge(self, name: str, phase: str | None) -> list[float]:
        """Return what was read of a gauge, second by second, of the seconds of *phase* or of all; some have none."""
        cell = ("", "gauge", name)
        column = self._columns.get(cell, ())
        closed = [
            value
            for value, of_phase in zip(column, self._phases, strict=False)
            if not math.isnan(value) and phase in {None, of_phase}
        ]
        rows = [row for _, row in sorted(self._open.items()) if phase in {None, row.phase}]
        return closed + [cells[cell] for row in rows if cell in (cells := row.gauge_cells())]

    def latest(self) -> dict[str, Any] | None:
        """Return the newest row that every worker has gone past; None before there is one."""
        passed = min(self._reached.values(), default=0)
        seconds = [second for second in self._open if second < passed]
        if seconds:
            return self._row(max(seconds))
        return self._row(max(self._places)) if self._places else None

    def passed(self, patience_s: int) -> int:
        """
        Return the first second of which more is still to come.

        A worker that is *patience_s* behind the first is waited for no longer; what comes of it late is in the rows all
        the same.
        """
        if not self._reached:
            return 0
        return max(min(self._reached.values()), max(self._reached.values()) - patience_s)

    def seconds(self, begin: int, end: int) -> list[int]:
        """Return the seconds from *begin* up to *end*, which is left out, of which there is a row."""
        return [second for second in range(begin, end) if second in self._places or second in self._open]

    @property
    def end(self) -> int:
        """The second after the newest of which there is a row."""
        return max(max(self._places, default=-1), max(self._open, default=-1)) + 1

    def row(self, second: int) -> dict[str, Any]:
        """
        Return the row of *second*, as `rows` yields it.

        Raises:
            KeyError: If nothing was measured in it.
        """
        return self._row(second)

    def _row(self, second: int) -> dict[str, Any]:
        if second in self._open:
            row = self._open[second]
            return _as_dict(second, row.phase, row.cells())
        place = self._places[second]
        cells = {cell: self._value(cell, place) for cell in self._columns}
        return _as_dict(
            second, self._phases[place], {cell: value for cell, value in cells.items() if value is not None}
        )

    def _close_old(self) -> None:
        while len(self._open) > _OPEN_ROWS:
            self._close(min(self._open))

    def _close(self, second: int) -> None:
        row = self._open.pop(second)
        place = self._places[second] = len(self._phases)
        self._phases.append(row.phase)
        for cell, value in row.cells().items():
            self._put(cell, place, value)

    def _put(self, cell: Cell, place: int, value: float) -> None:
        column = self._columns.setdefault(cell, array("d"))
        column.extend([math.nan] * (place + 1 - len(column)))
        column[place] = value

    def _value(self, cell: Cell, place: int) -> float | None:
        column = self._columns.get(cell)
        if column is None or place >= len(column) or math.isnan(column[place]):
            return None
        return column[place]

    def _take_late(self, place: int, window: Window) -> None:
        """Add what can still be added exactly to a row that is closed."""
        late = _Row()
        late.take(window)
        for cell, value in late.cells().items():
            _, kind, column = cell
            known = self._value(cell, place)
            if kind == "count":
                self._put(cell, place, value + (known or 0))
            elif known is None or column == "max_ns":
                self._put(cell, place, max(value, known or value))


def _latencies(group: GroupWindow) -> Iterator[tuple[str, Recorded]]:
    """Yield the values of the corrected latencies of a group's window, warm-up included."""
    for part in (group.measured_values, group.warm_up_values):
        for latency, values in part.items():
            if not latency.endswith("_uncorrected"):
                yield latency, values


def _as_dict(second: int, phase: str, cells: dict[Cell, float]) -> dict[str, Any]:
    covered_s = cells[("", "row", "covered_ns")] / NS_PER_S
    groups: dict[str, Any] = {}
    gauges: dict[str, float] = {}
    for (group, kind, column), value in cells.items():
        if kind == "gauge":
            gauges[column] = value
        elif kind == "count" and covered_s:
            groups.setdefault(group, {"rates": {}, "latency": {}})["rates"][RATES[column]] = value / covered_s
        elif group:
            latency = groups.setdefault(group, {"rates": {}, "latency": {}})["latency"]
            latency.setdefault(kind, {})[column] = int(value)
    return {"t_s": second, "phase": phase, "groups": groups, "gauges": gauges}

"""
The seconds of a run for a page that goes on for hours: bounded in number, each written once as JSON.

A point is a row of the timeline, its figures rounded as charts show them. Where there are too many, two and two become
one, and from then on a point stands for twice as many seconds: its rates are their mean, its p50 is in their middle,
any other latency and gauge the highest, what may run out the lowest. Knows nothing of who asks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING, Any, Final

from loadtest.report.html_page.series import rounded

if TYPE_CHECKING:
    from loadtest.measure.timeline import Timeline

MAX_POINTS: Final = 1_200
"""Twenty minutes second by second; then 600 to 1,200 points, of which a chart has pixels for about so many."""

PATIENCE_S: Final = 3
"""A worker that is so far behind the others is not waited for; what it tells late changes points that are there."""

Row = dict[str, Any]
Merge = Callable[[Sequence[float]], float]


@dataclass(slots=True)
class Point:
    """A point, its number in the order in which points were made or changed, and what it is as JSON."""

    row: Row
    number: int
    text: str


class Points:
    """
    The points of one run.

    Attributes:
        per_point_s: The seconds that a point stands for.
        number: Of the newest point; 0 before the first.
    """

    def __init__(self, max_points: int = MAX_POINTS, pause: Callable[[], None] = lambda: None) -> None:
        """Begin with none; *pause* is called between two seconds, for others to have their turn."""
        self._max = max_points
        self._pause = pause
        self._is_taking = False
        self._points: dict[int, Point] = {}  # by the second with which they begin
        self._last: dict[int, Row] = {}  # the rows of the newest point
        self._next = 0
        self._late: set[int] = set()
        self.per_point_s = 1
        self.number = 0

    def __len__(self) -> int:
        return len(self._points)

    def touch(self, second: int) -> None:
        """Say that the row of *second* has changed; it is looked at again with the next `take`."""
        if second < self._next:
            self._late.add(second)

    def take(self, timeline: Timeline, *, is_over: bool = False) -> None:
        """
        Take the rows that are complete, and those that were and have changed; of a run that is over, all.

        Nothing where somebody else, who has paused, is at it.
        """
        if self._is_taking:
            return
        self._is_taking = True
        try:
            late, self._late = self._late, set()
            for second in sorted(late):
                self._put(second, timeline.row(second))
                self._pause()
            end = timeline.end if is_over else timeline.passed(PATIENCE_S)
            for second in timeline.seconds(self._next, end):
                self._put(second, timeline.row(second))
                self._next = second + 1
                self._pause()
            self._next = max(self._next, end)
        finally:
            self._is_taking = False

    def since(self, number: int) -> list[str]:
        """Return the points made or changed after the one of this *number*, in the order of time."""
        if number >= self.number:
            return []
        return [point.text for _, point in sorted(self._points.items()) if point.number > number]

    def _put(self, second: int, row: Row) -> None:
        begin = second - second % self.per_point_s
        if self.per_point_s == 1:
            self._write(begin, _rounded(row))
        elif self._last and begin == min(self._last) // self.per_point_s * self.per_point_s:
            self._last[second] = row
            self._write(begin, merged(list(self._last.values())))
        elif begin >= max(self._points, default=0):
            self._last = {second: row}
            self._write(begin, _rounded(row))
        # Else it is late and long merged: one second of many, which nobody sees.
        if len(self._points) > self._max:
            self._halve()

    def _write(self, begin: int, row: Row) -> None:
        self.number += 1
        row = {**row, "t_s": begin}
        text = json.dumps(row, separators=(",", ":"), allow_nan=False)
        self._points[begin] = Point(row, self.number, text)

    def _halve(self) -> None:
        self.per_point_s *= 2
        pairs: dict[int, list[Row]] = {}
        for second, point in sorted(self._points.items()):
            pairs.setdefault(second - second % self.per_point_s, []).append(point.row)
        self._points = {}
        for begin, rows in pairs.items():
            self._write(begin, merged(rows))
        last = max(pairs)
        self._last = {row["t_s"]: row for row in pairs[last]}


def merged(rows: Sequence[Row]) -> Row:
    """Return one row for several, that begins with the first and is in the phase of the last."""
    groups = dict.fromkeys(name for row in rows for name in row["groups"])
    return {
        "t_s": rows[0]["t_s"],
        "phase": rows[-1]["phase"],
        "groups": {
            name: _merged_group([row["groups"][name] for row in rows if name in row["groups"]]) for name in groups
        },
        "gauges": _merged_values([row["gauges"] for row in rows], _merge_of_gauge),
    }


def _merged_group(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    rates = [part["rates"] for part in parts]
    names = dict.fromkeys(name for part in rates for name in part)
    latencies = dict.fromkeys(name for part in parts for name in part["latency"])
    return {
        # A rate that is not there is 0: the timeline leaves those out.
        "rates": {name: rounded(fmean(part.get(name, 0.0) for part in rates)) for name in names},
        "latency": {
            name: _merged_values(
                [part["latency"][name] for part in parts if name in part["latency"]],
                lambda statistic: median if statistic == "p50_ns" else max,
            )
            for name in latencies
        },
    }


def _merged_values(parts: Sequence[dict[str, float]], merge_of: Callable[[str], Merge]) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for part in parts:
        for name, value in part.items():
            found.setdefault(name, []).append(value)
    return {name: rounded(merge_of(name)(values)) for name, values in found.items()}


def _merge_of_gauge(name: str) -> Merge:
    if name == "broker.disk_free_bytes":
        return min
    return fmean if name.endswith("cpu") else max


def _rounded(row: Row) -> Row:
    groups = {
        name: {
            "rates": {rate: rounded(value) for rate, value in group["rates"].items()},
            "latency": {
                latency: {statistic: rounded(value) for statistic, value in part.items()}
                for latency, part in group["latency"].items()
            },
        }
        for name, group in row["groups"].items()
    }
    return {**row, "groups": groups, "gauges": {name: rounded(value) for name, value in row["gauges"].items()}}

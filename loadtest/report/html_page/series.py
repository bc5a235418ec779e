"""
The timeline of a result as columns for charts: one instant a point, and a list of values for each thing that is shown.

A run of hours has more seconds than a page needs: these are merged, so many to a point, and the page says so. Knows no
charts; a value that is not known is None.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, median
from typing import Final, TypeAlias

from loadtest.result.run.document import PointPart

MAX_POINTS: Final = 3_600
"""An hour second by second; more than that no screen has pixels for."""

DIGITS: Final = 4
Value: TypeAlias = float | None
Merge: TypeAlias = Callable[[Sequence[float]], float]


@dataclass(frozen=True)
class Columns:
    """
    The points of a timeline.

    Attributes:
        points: Of the result, a second each.
    """

    points: Sequence[PointPart]

    @cached_property
    def per_point(self) -> int:
        """How many seconds a point of the charts stands for."""
        if not self.points:
            return 1
        return math.ceil((self.points[-1].t_s + 1) / MAX_POINTS)

    @cached_property
    def _stretches(self) -> list[tuple[int, list[PointPart]]]:
        stretches: dict[int, list[PointPart]] = {}
        for point in self.points:
            stretches.setdefault(point.t_s // self.per_point * self.per_point, []).append(point)
        return sorted(stretches.items())

    @property
    def t_s(self) -> list[int]:
        """When each point begins, in s after the start of the run."""
        return [begin_s for begin_s, _ in self._stretches]

    def rate(self, group: str, name: str) -> list[Value]:
        """Return a rate of a group by point; 0 where the group was there and did nothing of it."""

        def of(point: PointPart) -> Value:
            part = point.groups.get(group)
            return None if part is None else part.rates.get(name, 0.0)

        return self._merged(of, fmean)

    def latency(self, group: str, name: str, statistic: str) -> list[Value]:
        """Return a statistic of a latency by point; of merged seconds the middle p50, the highest of any other."""

        def of(point: PointPart) -> Value:
            part = point.groups.get(group)
            latency = None if part is None else part.latency.get(name)
            return None if latency is None else getattr(latency, statistic)

        return self._merged(of, median if statistic == "p50_ns" else max)

    def gauge(self, name: str, merge: Merge = max) -> list[Value]:
        """Return a gauge by point, of merged seconds the highest unless told."""
        return self._merged(lambda point: point.gauges.get(name), merge)

    def _merged(self, of: Callable[[PointPart], Value], merge: Merge) -> list[Value]:
        return [_of_stretch(map(of, stretch), merge) for _, stretch in self._stretches]


def _of_stretch(values: Iterable[Value], merge: Merge) -> Value:
    known = [value for value in values if value is not None]
    return rounded(merge(known)) if known else None


def rounded(value: float) -> float:
    """Return *value* with the digits that a chart shows, which makes the page a third as long."""
    if value == 0 or not math.isfinite(value):
        return value
    short = round(value, DIGITS - 1 - math.floor(math.log10(abs(value))))
    return int(short) if float(short).is_integer() else short

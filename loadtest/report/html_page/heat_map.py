"""
How a latency was spread, second by second: counts in rows of latency and columns of time, for the page's heat map.

Fed with the records of a journal one by one and bounded whatever their number: when there are too many columns, two
become one. Knows no charts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from loadtest.clock import NS_PER_S
from loadtest.measure.histogram.buckets import COUNTS, bounds_of
from loadtest.measure.histogram.histogram import Histogram

HEADLINES: Final = ("confirm", "end_to_end", "get")
MAX_COLUMNS: Final = 240
"""About the pixels of a chart on a telephone, and three each on a wide screen."""

ROWS_PER_DECADE: Final = 8
"""A row is a third wider than the one below: finer than that no eye tells them apart on a logarithmic axis."""

Counts = NDArray[np.int64]


def _rows() -> tuple[Counts, list[float]]:
    """Return the row of each bucket of a histogram, and the edges of the rows in ns."""
    lows, _ = bounds_of(np.arange(COUNTS, dtype=np.int64))
    rows = np.floor(np.log10(np.maximum(lows, 1).astype(np.float64)) * ROWS_PER_DECADE).astype(np.int64)
    edges = [10 ** (row / ROWS_PER_DECADE) for row in range(int(rows.max()) + 2)]
    return rows, edges


class HeatMaps:
    """The heat maps of a run's headline latencies, by group and latency."""

    def __init__(self, start_ns: int) -> None:
        self._start_ns = start_ns
        self._row_of, self.edges_ns = _rows()
        self.width_s = 1
        self._columns: dict[tuple[str, str], dict[int, Counts]] = {}

    def take(self, record: Mapping[str, Any]) -> None:
        """Add the values of a record of the journal; those that are not windows have none."""
        if record.get("type") != "window":
            return
        second = max(0, (record["start_ns"] + record["end_ns"]) // 2 - self._start_ns) // NS_PER_S
        for group, part in record["groups"].items():
            for histograms in (part.get("histograms", {}), part.get("warm_up", {})):
                for latency in HEADLINES:
                    if latency in histograms:
                        self._add((group, latency), second, Histogram.from_record(histograms[latency]))

    def cells(self) -> dict[tuple[str, str], list[tuple[int, int, int]]]:
        """Return column (its begin in s), row and count of all cells that are not empty, by group and latency."""
        return {
            key: [
                (column * self.width_s, int(row), int(counts[row]))
                for column, counts in sorted(columns.items())
                for row in np.flatnonzero(counts)
            ]
            for key, columns in self._columns.items()
        }

    def _add(self, key: tuple[str, str], second: int, histogram: Histogram) -> None:
        while second // self.width_s >= MAX_COLUMNS:
            self._widen()
        columns = self._columns.setdefault(key, {})
        counts = np.bincount(self._row_of, histogram.counts, minlength=len(self.edges_ns)).astype(np.int64)
        column = second // self.width_s
        columns[column] = columns[column] + counts if column in columns else counts

    def _widen(self) -> None:
        """Make one column of each two."""
        self.width_s *= 2
        for key, columns in self._columns.items():
            merged: dict[int, Counts] = {}
            for column, counts in columns.items():
                merged[column // 2] = merged[column // 2] + counts if column // 2 in merged else counts
            self._columns[key] = merged

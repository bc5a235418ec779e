"""
HdrHistogram's own files, for its plotters: `.hlog` by interval, `.hgrm` percentiles of the whole.

`<group>.<latency>.hlog` holds the measured part's intervals as the workers recorded them, one line a worker's window;
lines of several workers overlap in time, and a reader that adds all lines gets the counts of `result.json`. Knows
nothing of how histograms are encoded.

Source: HdrHistogram 2.2, `HistogramLogWriter.java` (format 1.3) and `AbstractHistogram.outputPercentileDistribution`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from loadtest.measure.histogram.histogram import Histogram
from loadtest.report.folder import safe_name
from loadtest.result.run.document import LatencyPart, RunResult
from loadtest.result.samples import histogram_of

LOG_VERSION: Final = "1.3"
TICKS_PER_HALF_DISTANCE: Final = 5
"""Lines each time the distance to 100 % halves; HdrHistogram's default, which its plotter expects."""

_NS_PER_S: Final = 1_000_000_000
_NS_PER_MS: Final = 1_000_000
_ALL: Final = 100.0


def hdr_file_name(group: str, latency: str, ending: str) -> str:
    """Return the name of the file of a latency: ``shop.confirm.hlog``."""
    return f"{safe_name(group)}.{safe_name(latency)}.{ending}"


class IntervalLogs:
    """The `.hlog` of every latency, grown window by window, so that a journal of hours is read once and not held."""

    def __init__(self, started_at: datetime, start_ns: int) -> None:
        self._start_ns = start_ns
        epoch_s = started_at.timestamp()
        moment = started_at.astimezone(UTC).isoformat(sep=" ", timespec="milliseconds")
        self._head = (
            f"#[Histogram log format version {LOG_VERSION}]\n"
            f"#[StartTime: {epoch_s:.3f} (seconds since epoch), {moment}]\n"
            f"#[BaseTime: {epoch_s:.3f} (seconds since epoch)]\n"
            "# values in ns, Interval_Max in ms\n"
            '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"\n'
        )
        self._lines: dict[tuple[str, str], list[str]] = {}

    def take(self, record: Mapping[str, Any]) -> None:
        """Add the intervals of a record of the journal; those that are not windows have none."""
        if record.get("type") != "window":
            return
        start_s = max(0, record["start_ns"] - self._start_ns) / _NS_PER_S
        length_s = (record["end_ns"] - record["start_ns"]) / _NS_PER_S
        for group, part in record["groups"].items():
            for latency, histogram in part.get("histograms", {}).items():
                max_ms = max(0, histogram["max_ns"]) / _NS_PER_MS
                line = f"{start_s:.3f},{length_s:.3f},{max_ms:.3f},{histogram['hdr']}\n"
                self._lines.setdefault((group, latency), []).append(line)

    def files(self) -> Iterator[tuple[str, str]]:
        """Yield the name and content of each file."""
        for (group, latency), lines in sorted(self._lines.items()):
            yield hdr_file_name(group, latency, "hlog"), self._head + "".join(lines)


def percentile_files(result: RunResult) -> Iterator[tuple[str, str]]:
    """Yield the name and content of the `.hgrm` of each latency that has values."""
    for name, group in result.groups.items():
        for latency, part in group.latency.items():
            if part.count:
                yield hdr_file_name(name, latency, "hgrm"), percentile_distribution(part)


def percentile_distribution(latency: LatencyPart) -> str:
    """Return the percentiles of *latency* as HdrHistogram prints them, in ms, each with the values up to it."""
    histogram = histogram_of(latency)
    levels = list(_levels(histogram.count))
    values = [value or 0 for value in histogram.percentiles(tuple(levels))]
    lines = [f"{'Value':>12} {'Percentile':>14} {'TotalCount':>10} {'1/(1-Percentile)':>14}\n\n"]
    for level, value, up_to in zip(levels, values, _counts_up_to(histogram, values), strict=True):
        inverse = f" {1 / (1 - level / _ALL):14.2f}" if level < _ALL else ""
        lines.append(f"{value / _NS_PER_MS:12.3f} {level / _ALL:14.12f} {up_to:10d}{inverse}\n")
    mean_ns = latency.mean_ns or 0.0
    deviation_ms, max_ms = _deviation_ns(histogram, mean_ns) / _NS_PER_MS, (latency.max_ns or 0) / _NS_PER_MS
    lines.append(f"#[Mean    = {mean_ns / _NS_PER_MS:12.3f}, StdDeviation   = {deviation_ms:12.3f}]\n")
    lines.append(f"#[Max     = {max_ms:12.3f}, Total count    = {latency.count:12d}]\n")
    return "".join(lines)


def _levels(count: int) -> Iterator[float]:
    """Yield percentiles from 0, nearer and nearer to 100, until only the largest value is beyond; then 100."""
    level = 0.0
    while level / _ALL * count < count - 1:
        yield level
        halves = math.floor(math.log2(_ALL / (_ALL - level))) + 1
        level += _ALL / (TICKS_PER_HALF_DISTANCE * 2**halves)
    yield _ALL


def _counts_up_to(histogram: Histogram, values: Iterable[int]) -> list[int]:
    """Return for each of *values* how many recorded values are not above it, to the precision of the buckets."""
    lower, _, counts = histogram.buckets()
    cumulated = np.concatenate(([0], np.cumsum(counts)))
    up_to = [int(cumulated[np.searchsorted(lower, value, side="right")]) + histogram.negative for value in values]
    # The last value is the maximum: everything is up to it, also what lies beyond the buckets.
    return [*up_to[:-1], histogram.count]


def _deviation_ns(histogram: Histogram, mean_ns: float) -> float:
    lower, upper, counts = histogram.buckets()
    if not counts.size:
        return 0.0
    return math.sqrt(float((((lower + upper) / 2 - mean_ns) ** 2 * counts).sum() / counts.sum()))

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from loadtest.clock import NS_PER_S
from loadtest.measure import Histogram
from loadtest.report.run.hdr_files import percentile_distribution
from loadtest.report.run.write import write_results
from loadtest.result.run.build import build_result
from tests.unit.result.staged_run import StagedRun, orders


def read_log(path: Path) -> list[HdrHistogram]:
    """Return the intervals of a log as hdrhistogram's own reader sees them."""
    reader = HistogramLogReader(str(path), HdrHistogram(1, 3_600_000_000_000, 3))
    intervals = []
    while (interval := reader.get_next_interval_histogram()) is not None:
        intervals.append(interval)
    reader.close()
    return intervals


def test_log_reads_back_to_the_same_counts_with_another_reader(tmp_path: Path) -> None:
    """The reader of hdrhistogram finds every interval, its times, and in all the values of the result."""
    run = orders(seconds=4)
    run.journal(tmp_path)
    result = write_results(tmp_path, run.collector())
    intervals = read_log(tmp_path / "shop.confirm.hlog")
    whole = Histogram()
    for interval in intervals:
        whole.add(Histogram.decode(interval.encode().decode("ascii")))

    assert [interval.get_total_count() for interval in intervals] == [1_000, 1_000, 1_000]
    assert whole == Histogram.decode(result.groups["shop"].latency["confirm"].hdr)
    # 2026-03-01T12:00:01Z, the second after the warm-up, in ms.
    assert intervals[0].get_start_time_stamp() == 1_772_366_401_000.0
    assert intervals[0].get_end_time_stamp() == 1_772_366_402_000.0


def test_intervals_of_several_workers_add_up(tmp_path: Path) -> None:
    """Windows of two workers over the same second are two lines, which together hold all values."""
    run = StagedRun({"shop": ("publisher", "closed")}, routes=[[]])
    run.phase("measured", 0)
    for worker, latency_ns in (("worker-1", 1_000), ("worker-2", 2_000)):
        run.recorder(worker).latency("shop", "connect", latency_ns)
        run.cut(NS_PER_S, "measured", worker)
    run.end(NS_PER_S)
    run.journal(tmp_path)
    write_results(tmp_path, run.collector())

    assert [interval.get_total_count() for interval in read_log(tmp_path / "shop.connect.hlog")] == [1, 1]


def test_percentile_distribution_agrees_with_the_sorted_values() -> None:
    """Each line has the value at that rank, to the histogram's precision, and the count of values up to it."""
    run = StagedRun({"shop": ("publisher", "closed")}, routes=[[]])
    run.phase("measured", 0)
    values = np.random.default_rng(1).exponential(1e6, 5_000).astype(np.int64)
    for value in values.tolist():
        run.recorder().latency("shop", "connect", value)
    run.cut(NS_PER_S, "measured")
    run.end(NS_PER_S)
    latency = build_result(run.collector()).groups["shop"].latency["connect"]
    values.sort()
    lines = percentile_distribution(latency).split("\n")
    rows = [line.split() for line in lines[2:] if line and not line.startswith("#")]

    assert lines[0].split() == ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]
    assert len(rows) > 40
    for value, share, up_to, *_ in rows[1:-1]:
        rank = max(1, math.ceil(float(share) * len(values) - 1e-6))
        assert float(value) == pytest.approx(values[rank - 1] / 1e6, rel=2e-3, abs=1e-3)
        # Values are printed to the µs: a few more or less lie within that.
        assert rank <= int(up_to) == pytest.approx(np.count_nonzero(values <= float(value) * 1e6), abs=10)
    assert rows[-1][1:] == ["1.000000000000", "5000"]
    assert float(rows[-1][0]) == pytest.approx(values.max() / 1e6, abs=1e-3)


def test_distribution_of_one_value_is_that_value() -> None:
    """A single value is its every percentile."""
    run = StagedRun({"shop": ("publisher", "closed")}, routes=[[]])
    run.phase("measured", 0)
    run.recorder().latency("shop", "connect", 2_000_000)
    run.cut(NS_PER_S, "measured")
    run.end(NS_PER_S)
    latency = build_result(run.collector()).groups["shop"].latency["connect"]

    assert percentile_distribution(latency).split("\n")[2:] == [
        "       2.000 1.000000000000          1",
        "#[Mean    =        2.000, StdDeviation   =        0.000]",
        "#[Max     =        2.000, Total count    =            1]",
        "",
    ]

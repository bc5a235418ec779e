"""Locust's statistics fed in bulk: the same as if each message had been logged."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

# In a process of its own: importing Locust patches the standard library.
SCRIPT = """
import locust
import json, sys
import numpy as np
from locust.stats import RequestStats
from loadtest.measure.recorder.recorder import Recorder
from loadtest.locust_app.locust_stats import bucket_ms, feed, show_fractions

show_fractions()
random = np.random.default_rng(3)
recorder = Recorder("w", {"in": "publisher", "out": "consumer", "got": "getter", "fast": "publisher"})
confirms, ends, late = ((random.lognormal(13, 2, n)).astype(np.int64) + 1000 for n in (3000, 2000, 1000))
read_ns = 10**15
publisher, fast = recorder.publisher("in", 0), recorder.publisher("fast", 1)
publisher.published(0, read_ns - confirms, read_ns, 9)
publisher.confirmed(np.arange(3000), read_ns - confirms, read_ns - confirms, read_ns)
fast.published(0, read_ns - late, read_ns, 9)
recorder.delivery("out", "q").delivered(0, np.arange(2000), read_ns - ends, np.zeros(2000), read_ns, 20_041)
recorder.delivery("out", "q").foreign(5, 9)
recorder.delivery("got", "q").got(0, (1,), (read_ns,), (0,), read_ns, 9, message_counts=1, get_ns=7_000_000)
window = recorder.cut(0, 10**9, "measured", {})
publisher.published(3000, np.array([read_ns] * 30), read_ns, 9)  # and none of them is answered yet
waiting = recorder.cut(10**9, 2 * 10**9, "measured", {})
publisher.nacked(range(3000, 3010), np.array([read_ns] * 10), np.array([read_ns] * 10), read_ns)
publisher.in_doubt(range(3010, 3015), read_ns, read_ns)
failing = recorder.cut(2 * 10**9, 3 * 10**9, "measured", {})

bulk, single, failed = RequestStats(), RequestStats(), RequestStats()
for each in (window, waiting):
    feed(bulk, each, {"fast"})
feed(failed, failing, {"fast"})
for name, method, values in (
    ("in", "confirm", confirms), ("out", "deliver", ends), ("got", "get", [7_000_000]), ("fast", "publish", late),
):
    for value in values:
        single.log_request(method, name, value / 1e6, 0)

def view(entry):
    return {
        "num": entry.num_requests - entry.num_none_requests,
        "none": entry.num_none_requests,
        "mean": entry.total_response_time / max(1, entry.num_requests - entry.num_none_requests),
        "min": entry.min_response_time,
        "max": entry.max_response_time,
        "p": [entry.get_response_time_percentile(p) for p in (0.5, 0.9, 0.99, 0.999)],
        "failures": entry.num_failures,
    }

rows = sorted(set(bulk.entries) | set(single.entries))
report = {" ".join(row): [view(bulk.entries[row]), view(single.entries[row])] for row in rows}
report["total"] = [view(bulk.total), view(single.total)]
entry = failed.entries["in", "confirm"]
shown = entry.to_dict()
errors = sorted([error.method, error.name, error.error, error.occurrences] for error in failed.errors.values())
told = {"counts": [entry.num_requests, entry.num_failures, failed.total.num_failures], "errors": errors}
told["min"] = bulk.entries["in", "confirm"].to_dict()["min_response_time"]
told["bytes"] = bulk.entries["out", "deliver"].avg_content_length
buckets = [bucket_ms(0.12345), bucket_ms(147.2), bucket_ms(12345.0)]
json.dump({"told": told, "rows": report, "buckets": buckets}, sys.stdout)
"""
PRECISION = 0.002  # three significant digits


def close(one: float, other: float) -> bool:
    """Return whether two times are the same within the precision of a bucket, and of rounding it to three digits."""
    return abs(one - other) <= PRECISION * 4 * max(abs(one), abs(other))


@pytest.fixture(scope="module")
def report() -> Any:
    """What the script tells."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_what_failed_is_a_failure_of_locusts_too(report: Any) -> None:
    """Nacks and messages in doubt are requests that failed, each kind with its text."""
    assert report["told"]["counts"] == [15, 15, 15]
    assert report["told"]["errors"] == [["confirm", "in", "Basic.Nack", 10], ["confirm", "in", "no answer", 5]]


def test_the_table_has_fractions_and_sizes(report: Any) -> None:
    """The least time is shown in fractions of a millisecond, and the size is that of the bodies."""
    assert 0 < report["told"]["min"] < 1
    assert report["told"]["bytes"] == 10


def test_feeding_windows_equals_logging_values(report: Any) -> None:
    """Counts are the same, times within a bucket, fractions of a millisecond kept; foreign messages have no time."""
    assert report["buckets"] == [0.123, 147.0, 12300.0]
    assert sorted(report["rows"]) == ["fast publish", "got get", "in confirm", "out deliver", "total"]
    for row, (bulk, single) in report["rows"].items():
        assert bulk["num"] == single["num"], row
        assert bulk["failures"] == 0
        for name in ("mean", "min", "max"):
            assert close(bulk[name], single[name]), (row, name, bulk, single)
        assert all(map(close, bulk["p"], single["p"])), (row, bulk, single)
    assert report["rows"]["out deliver"][0]["none"] == 5

"""Locust's statistics fed in bulk: the same as if each message had been logged."""

from __future__ import annotations

import json
import subprocess
import sys

# In a process of its own: importing Locust patches the standard library.
SCRIPT = """
import locust
import json, sys
import numpy as np
from locust.stats import RequestStats
from loadtest.measure.recorder import Recorder
from loadtest.traffic.locust_stats import bucket_ms, feed, show_fractions

show_fractions()
random = np.random.default_rng(3)
recorder = Recorder("w", {"in": "publisher", "out": "consumer", "got": "getter", "fast": "publisher"})
confirms, ends, late = ((random.lognormal(13, 2, n)).astype(np.int64) + 1000 for n in (3000, 2000, 1000))
read_ns = 10**15
publisher, fast = recorder.publisher("in", 0), recorder.publisher("fast", 1)
publisher.published(0, read_ns - confirms, read_ns, 9)
publisher.confirmed(np.arange(3000), read_ns - confirms, read_ns - confirms, read_ns)
fast.published(0, read_ns - late, read_ns, 9)
recorder.delivery("out", "q").delivered(0, np.arange(2000), read_ns - ends, np.zeros(2000), read_ns, 9)
recorder.delivery("out", "q").foreign(5, 9)
recorder.delivery("got", "q").got(0, (1,), (read_ns,), (0,), read_ns, 9, message_counts=1, get_ns=7_000_000)
window = recorder.cut(0, 10**9, "measured", {})

bulk, single = RequestStats(), RequestStats()
feed(bulk, window)
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
json.dump({"rows": report, "buckets": [bucket_ms(0.12345), bucket_ms(147.2), bucket_ms(12345.0)]}, sys.stdout)
"""
PRECISION = 0.002  # three significant digits


def close(one: float, other: float) -> bool:
    """Return whether two times are the same within the precision of a bucket, and of rounding it to three digits."""
    return abs(one - other) <= PRECISION * 4 * max(abs(one), abs(other))


def test_feeding_windows_equals_logging_values() -> None:
    """Counts are the same, times within a bucket, fractions of a millisecond kept; foreign messages have no time."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)

    assert report["buckets"] == [0.123, 147.0, 12300.0]
    assert sorted(report["rows"]) == ["fast publish", "got get", "in confirm", "out deliver", "total"]
    for row, (bulk, single) in report["rows"].items():
        assert bulk["num"] == single["num"], row
        assert bulk["failures"] == 0
        for name in ("mean", "min", "max"):
            assert close(bulk[name], single[name]), (row, name, bulk, single)
        assert all(map(close, bulk["p"], single["p"])), (row, bulk, single)
    assert report["rows"]["out deliver"][0]["none"] == 5

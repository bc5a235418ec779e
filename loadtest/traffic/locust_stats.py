"""
Feeds Locust's own statistics from our windows, in bulk, so that its tables and charts are true.

Locust's statistics are for its screens only: no figure of ours is ever read from them. They take milliseconds; Locust
declares and rounds them as integers, but carries floats through to its screens, so the rounding is replaced.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import locust.stats
from locust.stats import StatsEntry

from loadtest.clock import NS_PER_MS

if TYPE_CHECKING:
    from locust.stats import RequestStats

    from loadtest.measure.window import GroupWindow, Window

# What a row of Locust's table counts, what it is called there, and the latency whose times it shows.
ROWS: Final = (
    ("confirmed", "confirm", "confirm"),
    ("delivered", "deliver", "end_to_end"),
    ("got", "get", "get"),
)
# Without confirms the only time a publisher knows is its own lateness.
UNCONFIRMED: Final = ("published", "publish", "lateness")
SIGNIFICANT_DIGITS: Final = 3


def show_fractions() -> None:
    """Have Locust keep three significant digits of a response time instead of whole milliseconds."""
    locust.stats.bucket_response_time = bucket_ms  # type: ignore[assignment]  # declared int, carried as it is


def bucket_ms(response_time_ms: float) -> float:
    """Return *response_time_ms* in three significant digits, the precision of our histograms."""
    return float(f"{response_time_ms:.{SIGNIFICANT_DIGITS}g}")


def feed(stats: RequestStats, window: Window) -> None:
    """Add what *window* saw to Locust's statistics: a row for each group and kind of answer."""
    for name, group in window.groups.items():
        rows = ROWS if group.counters.get("confirmed") else (UNCONFIRMED, *ROWS[1:])
        for counter, method, latency in rows:
            if group.counters.get(counter):
                entry = _entry(group, counter, latency)
                stats.total.extend(entry)
                stats.entries[name, method].extend(entry)


def _entry(group: GroupWindow, counter: str, latency: str) -> StatsEntry:
    n = group.counters[counter]
    now = time.time()
    entry: Any = StatsEntry(None, "", "")  # type: ignore[arg-type]  # one that belongs to no table
    entry.num_requests = n
    entry.num_reqs_per_sec = {int(now): n}
    entry.start_time = entry.last_request_timestamp = now
    histogram = group.histogram(latency)
    # Messages whose latency is not recorded (unstamped ones) have none in Locust's sense.
    entry.num_none_requests = max(0, n - histogram.count)
    if histogram.mean is not None and histogram.min is not None and histogram.max is not None:
        entry.total_response_time = histogram.mean * histogram.count / NS_PER_MS
        entry.min_response_time = histogram.min / NS_PER_MS
        entry.max_response_time = histogram.max / NS_PER_MS
    _, upper_ns, counts = histogram.buckets()
    for upper, count in zip(upper_ns.tolist(), counts.tolist(), strict=True):
        bucket = bucket_ms(upper / NS_PER_MS)
        entry.response_times[bucket] = entry.response_times.get(bucket, 0) + count
    return entry  # type: ignore[no-any-return]

"""
Feeds Locust's own statistics from our windows, in bulk, so that its tables and charts are true.

Locust's statistics are for its screens only: no figure of ours is ever read from them. They take milliseconds; Locust
declares and rounds them as integers, but carries floats through to its screens, so the rounding is replaced.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import locust.stats
from locust.stats import StatsEntry, StatsError

from loadtest.clock import NS_PER_MS

if TYPE_CHECKING:
    from collections.abc import Collection

    from locust.stats import RequestStats

    from loadtest.measure.window import GroupWindow, Window

# What a row of Locust's table counts, what it is called there, and the latency whose times it shows.
ROWS: Final = (
    ("confirmed", "confirm", "confirm"),
    ("delivered", "deliver", "end_to_end"),
    ("got", "get", "get"),
)
# What failed, of what a row counts: answers of the broker that are none of what was asked.
FAILURES: Final = {
    "confirm": (("nacked", "Basic.Nack"), ("returned", "Basic.Return: unroutable"), ("in_doubt", "no answer")),
    "deliver": (("corrupted", "another body than was sent"),),
    "get": (("corrupted", "another body than was sent"),),
}
BYTES: Final = {"confirm": "bytes_published", "publish": "bytes_published"}
# Without confirms the only time a publisher knows is its own lateness.
UNCONFIRMED: Final = ("published", "publish", "lateness")
SIGNIFICANT_DIGITS: Final = 3


def show_fractions() -> None:
    """Have Locust keep and show three significant digits of a response time instead of whole milliseconds."""
    locust.stats.bucket_response_time = bucket_ms  # type: ignore[assignment]  # declared int, carried as it is
    locust.stats.proper_round = _round_ms  # type: ignore[assignment, attr-defined]


def bucket_ms(response_time_ms: float) -> float:
    """Return *response_time_ms* in three significant digits, the precision of our histograms."""
    return float(f"{response_time_ms:.{SIGNIFICANT_DIGITS}g}")


def _round_ms(value: float, digits: int | None = None) -> float:
    """Return *value* as `bucket_ms` does, or with so many *digits* after the point where Locust asks for them."""
    return bucket_ms(value) if digits is None else round(value, digits)


def feed(stats: RequestStats, window: Window, unconfirmed: Collection[str] = ()) -> None:
    """
    Add what *window* saw to Locust's statistics: a row for each group and kind of answer.

    Args:
        stats: Of Locust.
        window: What came.
        unconfirmed: Groups that publish without confirms.
    """
    for name, group in window.groups.items():
        rows = (UNCONFIRMED, *ROWS[1:]) if name in unconfirmed else ROWS
        for counter, method, latency in rows:
            failures = {text: n for failed, text in FAILURES.get(method, ()) if (n := group.counters.get(failed, 0))}
            if not group.counters.get(counter) and not failures:
                continue
            entry = _entry(group, counter, method, latency, sum(failures.values()))
            stats.total.extend(entry)
            stats.entries[name, method].extend(entry)
            for text, n in failures.items():
                _add_failures(stats, method, name, text, n)


def _add_failures(stats: RequestStats, method: str, name: str, text: str, n: int) -> None:
    key = StatsError.create_key(method, name, text)
    error = stats.errors.setdefault(key, StatsError(method, name, text))
    error.occurred()
    error.occurrences += n - 1


def _entry(group: GroupWindow, counter: str, method: str, latency: str, failures: int) -> StatsEntry:
    # A message that was returned is confirmed, one that is corrupted delivered; the others have no such answer.
    unanswered = sum(group.counters.get(name, 0) for name in ("nacked", "in_doubt")) if method == "confirm" else 0
    n = group.counters.get(counter, 0) + unanswered
    now = time.time()
    entry: Any = StatsEntry(None, "", "")  # type: ignore[arg-type]  # one that belongs to no table
    entry.num_requests = n
    entry.num_failures = failures
    entry.num_reqs_per_sec = {int(now): n}
    entry.num_fail_per_sec = {int(now): failures} if failures else {}
    entry.total_content_length = group.counters.get(BYTES.get(method, "bytes_delivered"), 0)
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

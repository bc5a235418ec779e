"""
Feeds Locust's own statistics from our windows, in bulk, so that its tables and charts are true.

Locust's statistics are for its screens only: no figure of ours is ever read from them. They take milliseconds; Locust
declares and rounds them as integers, but carries floats through to its screens, so the rounding is replaced.
"""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import locust.stats
import numpy as np
from locust.stats import StatsCSVFileWriter, StatsEntry, StatsError

from loadtest.clock import NS_PER_MS
from loadtest.measure.histogram.buckets import COUNTS, bounds_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from locust.stats import RequestStats
    from numpy.typing import NDArray

    from loadtest.measure.histogram.recorded import Recorded
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


def complete_csv() -> None:
    """
    Have Locust's CSV files hold all of a run: it writes them once a second, and not at the end.

    They are closed on its way out, after the last window has been fed.
    """
    close_files = StatsCSVFileWriter.close_files

    def complete_and_close(writer: StatsCSVFileWriter) -> None:
        _complete(writer)
        close_files(writer)

    if close_files.__name__ != complete_and_close.__name__:
        StatsCSVFileWriter.close_files = complete_and_close  # type: ignore[assignment]


def _complete(writer: Any) -> None:
    """Write the rows of *writer*, a StatsCSVFileWriter, once more, over those that its `stats_writer` has written."""
    for file, table, columns, rows in (
        (
            writer.requests_csv_filehandle,
            writer.requests_csv_writer,
            writer.requests_csv_columns,
            writer._requests_data_rows,  # noqa: SLF001  # it has no other way
        ),
        (
            writer.failures_csv_filehandle,
            writer.failures_csv_writer,
            writer.failures_columns,
            writer._failures_data_rows,  # noqa: SLF001
        ),
    ):
        file.seek(0)
        table.writerow(columns)
        rows(table)
        file.truncate()
    if not writer.stats_history_csv_filehandle.tell():
        writer.stats_history_csv_writer.writerow(writer.stats_history_csv_columns)
    writer._stats_history_data_rows(writer.stats_history_csv_writer, time.time())  # noqa: SLF001


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
    values = group.measured_values.get(latency)
    # Messages whose latency is not recorded (unstamped ones) have none in Locust's sense.
    entry.num_none_requests = max(0, n - (values.count if values is not None else 0))
    if values is not None and values.count:
        entry.total_response_time = values.total / NS_PER_MS
        entry.min_response_time = values.smallest / NS_PER_MS
        entry.max_response_time = values.largest / NS_PER_MS
        entry.response_times = _response_times(values)
    return entry  # type: ignore[no-any-return]


def _response_times(values: Recorded) -> dict[float, int]:
    """Return how many *values* fell into each of Locust's buckets, in ms."""
    if not values.indices.size:
        return {}
    buckets = _buckets_ms()
    new = values.indices[np.isnan(buckets[values.indices])]
    if new.size:
        buckets[new] = [bucket_ms(upper_ns / NS_PER_MS) for upper_ns in bounds_of(new)[1].tolist()]
    # Ascending as the indices are, and several of ours in one of Locust's.
    ms = buckets[values.indices]
    heads = np.concatenate(([0], np.flatnonzero(np.diff(ms)) + 1))
    return dict(zip(ms[heads].tolist(), np.add.reduceat(values.counts, heads).tolist(), strict=True))


@cache
def _buckets_ms() -> NDArray[np.float64]:
    """Return Locust's bucket of each of ours, NaN where none has come yet: rounding takes most of a window's time."""
    return np.full(COUNTS, np.nan)

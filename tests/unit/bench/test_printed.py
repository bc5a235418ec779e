"""What other generators print, as they print it."""

from __future__ import annotations

import json

from bench.printed import read_locust, read_omq, read_perf_test, read_result

PERF_TEST = """\
id: bench, starting consumer #0
id: bench, time 1.000 s, sent: 1002 msg/s, confirmed: 1002 msg/s, nacked: 0 msg/s, received: 1002 msg/s, \
min/median/75th/95th/99th/max consumer latency: 129/2682/18121/25285/29059/30048 µs, \
confirm latency: 86/1997/12700/26282/27629/30041 µs
id: bench, time 2.000 s, sent: 1000 msg/s, confirmed: 1000 msg/s, nacked: 0 msg/s, received: 1000 msg/s, \
min/median/75th/95th/99th/max consumer latency: 99/258/318/949/2951/4965 µs, \
confirm latency: 76/190/227/328/1487/3992 µs
id: bench, time 3.001 s, sent: 1001 msg/s, confirmed: 1001 msg/s, nacked: 0 msg/s, received: 1001 msg/s, \
min/median/75th/95th/99th/max consumer latency: 116/276/341/476/1701/3947 µs, \
confirm latency: 83/189/218/289/419/3718 µs
test stopped (Reached time limit)
id: bench, sending rate avg: 1140 msg/s
id: bench, consumer latency min/median/75th/95th/99th/max 113/265/382/18834/25285/29092 µs
"""


def test_perf_test_latencies_are_medians_of_seconds_after_the_warm_up() -> None:
    """The seconds of the warm-up and the totals over all of them are left out."""
    expected = {
        "end_to_end_p50_us": 267.0,
        "end_to_end_p99_us": 2326.0,
        "confirm_p50_us": 189.5,
        "confirm_p99_us": 953.0,
    }

    assert expected == read_perf_test(PERF_TEST, skipped_s=1)


def test_perf_test_without_confirms_and_in_ms() -> None:
    """Where there are no confirms only the consumer's latencies are there; ms, of older versions, are scaled."""
    latencies = "min/median/75th/95th/99th/max consumer latency: 1/2/3/4/5/6 ms"
    line = f"id: x, time 5.0 s, sent: 9 msg/s, received: 9 msg/s, {latencies}"

    assert {"end_to_end_p50_us": 2000.0, "end_to_end_p99_us": 5000.0} == read_perf_test(line, skipped_s=1)


def test_perf_test_that_failed_has_no_latencies() -> None:
    """A text without a second of measurement gives nothing."""
    assert {} == read_perf_test("Main thread caught exception: java.net.ConnectException", skipped_s=0)


def test_omq_latencies_are_in_seconds() -> None:
    """The quantiles of omq's summaries are scaled to µs, other metrics and NaN left out."""
    text = """\
omq_messages_published_total 10000
omq_end_to_end_latency_seconds{priority="0",quantile="0.5"} 0.000308
omq_end_to_end_latency_seconds{priority="0",quantile="0.95"} 0.0005
omq_end_to_end_latency_seconds{priority="0",quantile="0.99"} 0.000766
omq_publishing_latency_seconds{quantile="0.5"} NaN
"""

    assert {"end_to_end_p50_us": 308.0, "end_to_end_p99_us": 766.0} == {
        name: round(value, 6) for name, value in read_omq(text).items()
    }


def test_result_of_ours() -> None:
    """Percentiles in ns become µs, and what was asked is beside what was achieved."""
    latency = {"lateness": {"p50_ns": 35_000, "p99_ns": 115_000}, "connect": {"p50_ns": 1, "p99_ns": 1}}
    document = {
        "groups": {
            "in": {"latency": latency, "rates": {"offered_per_s": 1000.0, "published_per_s": 999.5}},
            "out": {"latency": {"end_to_end": {"p50_ns": 250_000, "p99_ns": 750_000}}, "rates": {}},
        }
    }
    expected = {
        "lateness_p50_us": 35.0,
        "lateness_p99_us": 115.0,
        "end_to_end_p50_us": 250.0,
        "end_to_end_p99_us": 750.0,
        "offered_per_s": 1000.0,
        "published_per_s": 999.5,
    }

    assert expected == read_result(document)


def test_locust_table_is_read_behind_its_log() -> None:
    """Locust's JSON follows whatever it logged; percentiles come from its histogram of whole ms."""
    entry = {"name": "confirm", "response_times": {"0": 98, "3": 1, "7": 1}}
    text = "[2026-01-01] INFO: starting\n" + json.dumps([entry], indent=4)

    assert {"confirm_p50_us": 0.0, "confirm_p99_us": 3000.0} == read_locust(text)


def test_locust_that_printed_no_table() -> None:
    """Without a table, or with a cut one, there is nothing."""
    assert ({}, {}) == (read_locust("Traceback"), read_locust('[\n {"name": '))

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from loadtest.measure.histogram.histogram import Histogram
from loadtest.measure.ledger.ledger_delta import LedgerDelta
from loadtest.measure.timeline import Timeline
from loadtest.measure.window import GroupWindow, Window

S = 1_000_000_000


def _latency(*values: int) -> dict[str, Any]:
    histogram = Histogram()
    for value in values:
        histogram.record_one(value)
    return histogram.to_record()


def _window(start_ns: int, end_ns: int, *, worker: str = "w", index: int = 0, **counters: int) -> Window:
    group = GroupWindow(counters=counters, histograms={"confirm": _latency(5, 1000)})
    return Window(worker, index, start_ns, end_ns, "measured", {"shop": group}, LedgerDelta(), {"cpu": 0.25})


def _published(timeline: Timeline) -> dict[int, float]:
    return {row["t_s"]: row["groups"]["shop"]["rates"]["published_per_s"] for row in timeline.rows()}


def test_rates_are_over_the_time_that_windows_cover() -> None:
    """Windows that are not quite a second long, or two in a second, leave no dent in the rate."""
    timeline = Timeline(0)
    timeline.take(_window(0, S * 11 // 10, index=0, published=110))
    timeline.take(_window(S * 11 // 10, S * 3 // 2, index=1, published=40))
    timeline.take(_window(S * 3 // 2, S * 2, index=2, published=50))

    assert _published(timeline) == pytest.approx({0: 100.0, 1: 100.0})


def test_windows_of_two_workers_add_up() -> None:
    """A second of two workers is the sum of their rates; percentiles are over the values of both."""
    timeline = Timeline(0)
    late = _window(0, S, worker="w2", published=50)
    late = replace(late, groups={"shop": replace(late.groups["shop"], histograms={"confirm": _latency(7, 7, 9000)})})
    timeline.take(_window(0, S, published=100))
    timeline.take(late)
    row = next(timeline.rows())

    assert row["groups"]["shop"]["rates"] == {"published_per_s": 150.0}
    assert row["groups"]["shop"]["latency"]["confirm"] == {"p50_ns": 7, "p99_ns": 9000, "max_ns": 9000}


def test_seconds_without_windows_have_no_row() -> None:
    """A second in which nothing was measured is left out."""
    timeline = Timeline(10 * S)
    timeline.take(_window(10 * S, 11 * S, index=0, published=1))
    timeline.take(_window(13 * S, 14 * S, index=1, published=2))

    assert _published(timeline) == {0: 1.0, 3: 2.0}


def test_before_the_start_is_the_first_second() -> None:
    """A window from before the instant that the timeline counts from belongs to its first second."""
    timeline = Timeline(10 * S)
    timeline.take(_window(8 * S, 9 * S, published=3))

    assert _published(timeline) == {0: 3.0}


def test_a_late_window_still_counts() -> None:
    """Counts of a window that comes after its second was closed are added; of its percentiles only the maximum is."""
    timeline = Timeline(0)
    for second in range(20):
        timeline.take(_window(second * S, (second + 1) * S, index=second, published=10))
    late = _window(2 * S, 3 * S, worker="w2", published=5, offered=7)
    late = replace(late, groups={"shop": replace(late.groups["shop"], histograms={"confirm": _latency(1, 2000)})})
    timeline.take(late)
    row = list(timeline.rows())[2]

    assert row["groups"]["shop"]["rates"] == {"published_per_s": 15.0, "offered_per_s": 7.0}
    assert row["groups"]["shop"]["latency"]["confirm"] == {"p50_ns": 5, "p99_ns": 1000, "max_ns": 2000}


def test_counts_of_added_gauges() -> None:
    """Over several workers what is outstanding adds up, and of other gauges the highest counts."""
    timeline = Timeline(0)
    for worker, cpu in (("w1", 0.5), ("w2", 0.75)):
        gauges = {"cpu": cpu, "shop.outstanding": 10.0}
        timeline.take(replace(_window(0, S, worker=worker), gauges=gauges))

    assert next(timeline.rows())["gauges"] == {
        "cpu": 0.75,
        "processes.cpu": 1.25,
        "shop.outstanding": 20.0,
    }


def test_broker_gauges_stand_beside_those_of_the_worker() -> None:
    """What the broker said in a second is in its row; of what was read twice the later counts, and a gap stays one."""
    timeline = Timeline(0)
    for second in range(3):
        timeline.take(_window(second * S, (second + 1) * S, index=second, published=1))
    timeline.take_gauges(S // 10, "measured", {"queue.depth": 5.0, "broker.cpu": 0.5})
    timeline.take_gauges(S * 9 // 10, "measured", {"queue.depth": 7.0})
    timeline.take_gauges(S * 21 // 10, "measured", {"queue.depth": 0.0})

    assert [row["gauges"] for row in timeline.rows()] == [
        {"cpu": 0.25, "queue.depth": 7.0, "broker.cpu": 0.5},
        {"cpu": 0.25},
        {"cpu": 0.25, "queue.depth": 0.0},
    ]


def test_a_second_with_nothing_but_the_broker_has_a_row() -> None:
    """While users connect there are no windows, but the broker has a state, in the phase that the run is in."""
    timeline = Timeline(0)
    timeline.take_gauges(S // 2, "connecting", {"broker.connections": 9.0})
    timeline.take(_window(S, 2 * S, published=1))

    rows = [(row["t_s"], row["phase"], row["groups"].keys(), row["gauges"]) for row in timeline.rows()]
    assert rows == [
        (0, "connecting", set(), {"broker.connections": 9.0}),
        (1, "measured", {"shop"}, {"cpu": 0.25}),
    ]


def test_broker_gauges_that_come_late_are_kept() -> None:
    """A row that is closed already still takes what the broker said in it."""
    timeline = Timeline(0)
    for second in range(20):
        timeline.take(_window(second * S, (second + 1) * S, index=second, published=10))
    timeline.take_gauges(2 * S, "measured", {"queue.depth": 3.0})

    assert [row["t_s"] for row in timeline.rows() if row["gauges"].get("queue.depth") == 3.0] == [2]


def test_an_hour_takes_less_than_a_megabyte() -> None:
    """The columns of an hour of two groups with all their rates and latencies stay below 1 MB."""
    timeline = Timeline(0)
    values = _latency(5, 1000)
    shop = GroupWindow(
        counters={"published": 9, "confirmed": 9, "offered": 9, "bytes_published": 9},
        histograms=dict.fromkeys(("lateness", "confirm", "confirm_uncorrected"), values),
    )
    billing = GroupWindow(
        counters={"delivered": 9, "bytes_delivered": 9},
        histograms=dict.fromkeys(("end_to_end", "end_to_end_uncorrected"), values),
    )
    gauges = dict.fromkeys(("cpu", "loop_lag_ns", "in_flight", "shop.outstanding", "queue_ready", "memory"), 1.0)
    seconds = 120
    for second in range(seconds):
        groups = {"shop": shop, "billing": billing}
        timeline.take(Window("w", second, second * S, (second + 1) * S, "measured", groups, LedgerDelta(), gauges))
    per_row = sum(column.itemsize * len(column) for column in timeline._columns.values()) / (seconds - 1)

    assert per_row * 3600 < 1_000_000


def test_a_second_has_passed_when_every_worker_is_beyond_it() -> None:
    """A worker that is far behind is waited for only so long."""
    timeline = Timeline(0)
    assert (timeline.passed(3), timeline.end) == (0, 0)
    timeline.take(_window(0, S, worker="slow", published=1))
    for second in range(4):
        timeline.take(_window(second * S, (second + 1) * S, index=second, published=1))

    assert timeline.passed(3) == 1
    assert timeline.passed(2) == 2
    assert timeline.end == 4
    assert timeline.seconds(1, 9) == [1, 2, 3]
    assert timeline.row(2)["groups"]["shop"]["rates"] == {"published_per_s": 1.0}

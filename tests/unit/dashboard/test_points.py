"""The seconds of a run for a page: each told once, changed where it changes, bounded for days."""

from __future__ import annotations

import json
from typing import Any

import pytest

from loadtest.clock import NS_PER_S
from loadtest.dashboard.points import Points, merged
from loadtest.measure.ledger.ledger_delta import LedgerDelta
from loadtest.measure.timeline import Timeline
from loadtest.measure.window import GroupWindow, Window


def take(timeline: Timeline, second: int, published: int, worker: str = "w", cpu: float = 0.5) -> None:
    """Have a worker publish so much in a second."""
    group = GroupWindow(counters={"published": published})
    window = (worker, second, second * NS_PER_S, (second + 1) * NS_PER_S, "measured")
    timeline.take(Window(*window, {"shop": group}, LedgerDelta(), {"cpu": cpu, "outstanding": float(published)}))


def rates(texts: list[str]) -> dict[int, float]:
    """Return what was published by second."""
    rows: list[dict[str, Any]] = list(map(json.loads, texts))
    return {row["t_s"]: row["groups"]["shop"]["rates"]["published_per_s"] for row in rows}


def test_each_second_is_told_once() -> None:
    """Who knows the points up to a number is told those after it."""
    timeline, points = Timeline(0), Points()
    for second in range(3):
        take(timeline, second, 10 * second)
    points.take(timeline)
    first = points.number
    take(timeline, 3, 30)
    points.take(timeline)

    assert rates(points.since(0)) == {0: 0, 1: 10, 2: 20, 3: 30}
    assert rates(points.since(first)) == {3: 30}
    assert points.since(points.number) == []


def test_what_comes_late_changes_its_second() -> None:
    """A worker three seconds behind is not waited for; its windows still count, and the second is told again."""
    timeline, points = Timeline(0), Points()
    take(timeline, 0, 1, "slow")
    for second in range(5):
        take(timeline, second, 10)
    points.take(timeline)
    assert rates(points.since(0)) == {0: 11, 1: 10}

    known = points.number
    take(timeline, 1, 5, "slow")
    points.touch(1)
    points.take(timeline)
    assert rates(points.since(known)) == {1: 15}


def test_of_a_run_that_is_over_all_is_told() -> None:
    """Nobody is waited for any more."""
    timeline, points = Timeline(0), Points()
    take(timeline, 0, 1, "gone")
    take(timeline, 0, 10)
    take(timeline, 1, 10)
    points.take(timeline)
    assert rates(points.since(0)) == {0: 11}
    points.take(timeline, is_over=True)
    assert rates(points.since(0)) == {0: 11, 1: 10}


@pytest.mark.parametrize("seconds,per_point", [(8, 1), (9, 2), (17, 4), (1_000, 128)])
def test_points_are_bounded(seconds: int, per_point: int) -> None:
    """Two and two become one, as often as it takes; no second is lost on the way: means stay what they are."""
    timeline, points = Timeline(0), Points(max_points=8)
    for second in range(seconds):
        take(timeline, second, second)
        points.take(timeline)

    found = rates(points.since(0))
    assert points.per_point_s == per_point
    assert len(points) == len(found) <= 8
    assert all(second % per_point == 0 for second in found)
    for begin, mean in found.items():
        inside = range(begin, min(begin + per_point, seconds))
        assert mean == pytest.approx(sum(inside) / len(inside), rel=1e-3)


def test_merged_figures() -> None:
    """Rates and processor time by their mean, p50 by the middle, what may run out by the lowest, others the highest."""
    rows = [
        {
            "t_s": second,
            "phase": phase,
            "groups": {"shop": {"rates": rates_, "latency": {"confirm": {"p50_ns": p50, "p99_ns": 10 * p50}}}},
            "gauges": {"cpu": cpu, "broker.disk_free_bytes": 100 + second, "queue.depth": 5 * second},
        }
        for second, phase, rates_, p50, cpu in (
            (0, "warm_up", {"published_per_s": 100}, 10, 0.2),
            (1, "measured", {"published_per_s": 200, "nacked_per_s": 4}, 30, 0.4),
        )
    ]

    assert merged(rows) == {
        "t_s": 0,
        "phase": "measured",
        "groups": {
            "shop": {
                "rates": {"published_per_s": 150, "nacked_per_s": 2},
                "latency": {"confirm": {"p50_ns": 20, "p99_ns": 300}},
            }
        },
        "gauges": {"cpu": pytest.approx(0.3), "broker.disk_free_bytes": 100, "queue.depth": 5},
    }

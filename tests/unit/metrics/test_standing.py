"""How a run stands: what is added up, what is not known any more, and what a second run leaves of the first."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from loadtest.clock import NS_PER_S
from loadtest.measure.collector import Collector
from loadtest.measure.histogram.histogram import Histogram
from loadtest.metrics.standing import EDGES_NS, KIND_COUNTERS, STALE_NS, Latency, Standing
from tests.unit.metrics.scraping import feed
from tests.unit.result.staged_run import StagedRun, broker_lost, flood, orders


def test_edges_are_steps_of_one_two_five() -> None:
    """From 10 µs to 100 s."""
    assert EDGES_NS[:4] == (10_000, 20_000, 50_000, 100_000)
    assert EDGES_NS[-1] == 100 * NS_PER_S
    assert len(EDGES_NS) == 22


def test_buckets_hold_the_values_up_to_their_edges() -> None:
    """A value counts from the first edge that is not below it, to a thousandth; one below zero counts in all."""
    values = np.random.default_rng(3).lognormal(np.log(1e6), 2, 5_000).astype(np.int64)
    histogram = Histogram()
    histogram.record(np.append(values, -5))
    latency = Latency()
    latency.add(histogram)

    assert latency.count == 5_001
    assert latency.total_ns == int(values.sum()) - 5
    for edge, count in zip(EDGES_NS, latency.up_to.tolist(), strict=True):
        assert np.count_nonzero(values <= edge) + 1 <= count <= np.count_nonzero(values <= edge * 1.001) + 1


@pytest.mark.parametrize("beyond_ns", [101 * NS_PER_S, 10_000 * NS_PER_S], ids=["in range", "saturated"])
def test_values_beyond_the_last_edge_count_in_the_whole_alone(beyond_ns: int) -> None:
    """They are in no bucket but +Inf, and in the sum."""
    histogram = Histogram()
    histogram.record(np.array([EDGES_NS[-1], beyond_ns]))
    latency = Latency()
    latency.add(histogram)

    assert latency.up_to[-1] == 1
    assert latency.count == 2
    assert latency.total_ns == EDGES_NS[-1] + beyond_ns


@pytest.mark.parametrize("make", [orders, flood, broker_lost], ids=["orders", "flood", "broker-lost"])
def test_counts_are_those_of_the_collector_and_none_is_missing(make: Callable[[], StagedRun]) -> None:
    """All that a group of its kind can count is told, what is 0 too, so that its first increase is seen."""
    run = make()
    collector = run.collector()
    counts = feed(Standing(), run).counts()

    for name, group in collector.groups.items():
        told = {counter: count for (of, counter), count in counts.items() if of == name}
        unscheduled = {"offered"} if group.model == "closed" and not group.totals["offered"] else set()
        assert told.keys() == set(KIND_COUNTERS[group.kind]) - unscheduled
        assert {counter: count for counter, count in told.items() if count} == dict(+group.totals)


def test_a_gauge_that_is_not_told_any_more_is_not_known() -> None:
    """A broker that has gone away is not shown as it was; what is told again is known again."""
    now_ns = 0
    standing = Standing(clock=lambda: now_ns)
    run = orders()
    run.broker(5, {"broker.memory_bytes": 1e8, "queue.depth": 7.0})
    feed(standing, run)
    now_ns = STALE_NS
    assert standing.broker.fresh() == {"broker.memory_bytes": 1e8, "queue.depth": 7.0}
    standing.broker.take({"queue.depth": 8.0})

    now_ns = STALE_NS + 1
    assert standing.broker.fresh() == {"queue.depth": 8.0}
    assert standing.workers["worker-1"].fresh() == {}


def test_what_workers_used_is_added_up() -> None:
    """Shares of a window become time, none lost between two scrapes; one that comes twice counts once."""
    run = orders(seconds=3)
    blocked = broker_lost()
    standing = feed(Standing(), run)
    for record in run.records:
        standing.take(record)

    assert standing.used["worker-1"]["cpu"] == pytest.approx(0.25 * 3 * NS_PER_S)
    assert feed(Standing(), blocked).used["worker-1"]["blocked_ns"] == NS_PER_S / 4


def test_a_run_begins_anew() -> None:
    """Nothing of the run before is left: its counts, its gauges, what became of its messages."""
    standing = feed(Standing(), broker_lost())
    standing.close({"lost": 3})
    standing.follow(Collector())

    assert (standing.run, standing.phase, standing.counts(), standing.fates) == ({}, "", {}, {})
    assert (standing.workers, standing.used, standing.broker.fresh(), +standing.events()) == ({}, {}, {}, {})
    assert list(standing.latencies()) == []

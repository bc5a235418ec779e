"""The metrics of a run: what its records add up to, and that dashboard and documents name what there is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from loadtest.clock import NS_PER_S
from loadtest.measure.histogram import Histogram
from loadtest.metrics.families import BROKER_GAUGES, BY_QUEUE, COUNTERS, FATES, LATENCIES, WORKER_GAUGES, RunFamilies
from loadtest.metrics.tally import EDGES_NS, Latency, Tally
from tests.unit.result.staged_run import StagedRun, flood, orders

ROOT = Path(__file__).parents[3]
DASHBOARD = json.loads((ROOT / "docs" / "grafana" / "loadtest.json").read_text(encoding="utf-8"))
DOCUMENT = (ROOT / "docs" / "prometheus.md").read_text(encoding="utf-8")
ABOUT = {"loadtest_run_info", "loadtest_run_phase", "loadtest_events_total"}


def samples(run: StagedRun, tally: Tally | None = None) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return the samples that a scrape after *run* gives, by name and labels."""
    known = tally or Tally()
    for record in run.records:
        known.take(record)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(RunFamilies(known))
    text = generate_latest(registry).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def of(group: str) -> tuple[tuple[str, str], ...]:
    """Return the labels of a group."""
    return (("group", group),)


def test_counters_and_histograms_are_those_of_the_run() -> None:
    """All messages count, those of the warm-up too; sums and counts are exact, buckets by their edges."""
    told = samples(orders())
    bucket = {
        edge: told["loadtest_confirm_latency_seconds_bucket", (*of("shop"), ("le", edge))]
        for edge in ("0.002", "0.005", "+Inf")
    }

    assert told["loadtest_published_messages_total", of("shop")] == 4000
    assert told["loadtest_delivered_messages_total", of("billing")] == 4000
    assert told["loadtest_confirm_latency_seconds_count", of("shop")] == 4000
    assert told["loadtest_confirm_latency_seconds_sum", of("shop")] == pytest.approx(4000 * 0.003)
    assert bucket == {"0.002": 0, "0.005": 4000, "+Inf": 4000}
    assert told["loadtest_run_phase", (("loadtest_run_phase", "done"),)] == 1
    assert told["loadtest_generator_cpu_cores", (("worker", "worker-1"),)] == 0.25


def test_what_the_broker_says_is_told() -> None:
    """Its gauges have Prometheus' units; queues are told apart by a label, whatever their names are."""
    run = orders()
    name = 'a"b\\c\nd'
    run.broker(5, {"broker.memory_bytes": 1e8, "queue.depth": 7.0, f"queue.depth/{name}": 7.0})
    told = samples(run)

    assert told["loadtest_broker_memory_bytes", ()] == 1e8
    assert told["loadtest_queue_ready_messages", (("queue", name),)] == 7


def test_a_run_begins_anew() -> None:
    """A second run in the same process starts at 0; what became of the first one's messages is gone."""
    tally = Tally()
    samples(orders(), tally)
    tally.close({"lost": 3})
    told = samples(flood(), tally)

    assert told["loadtest_published_messages_total", of("flood")] == 1000
    assert ("loadtest_published_messages_total", of("shop")) not in told
    assert not [name for name, _ in told if name == FATES.name]


def test_fates_are_told_when_the_books_are_closed() -> None:
    """Lost and the others come with the result."""
    tally = Tally()
    tally.close({"lost": 3, "duplicates": 0})
    tally.run = orders().records[0]

    assert samples(StagedRun({}), Tally()) == samples(StagedRun({}), Tally())
    registry = CollectorRegistry(auto_describe=False)
    registry.register(RunFamilies(tally))
    assert b'loadtest_ledger_messages{fate="lost"} 3.0' in generate_latest(registry)


def test_nothing_is_told_before_there_is_a_run() -> None:
    """An empty answer is valid, and says nothing that is not known."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(RunFamilies(Tally()))

    assert generate_latest(registry) == b""


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


def known() -> set[str]:
    """Return the names of all metrics, as they are asked for."""
    names = {f"{named.name}_total" for named in COUNTERS.values()}
    names |= {named.name for table in (WORKER_GAUGES, BROKER_GAUGES) for named in table.values()}
    return names | {BY_QUEUE.name, FATES.name} | ABOUT


def test_the_dashboard_shows_what_there_is() -> None:
    """Every metric is on it, and it asks for none that does not exist."""
    expressions = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    asked = {name for expression in expressions for name in re.findall(r"loadtest_[a-z_]+", expression)}
    histograms = {named.name for named in LATENCIES.values()}
    buckets = {f"{name}_bucket" for name in histograms}

    assert asked - known() - buckets - ABOUT == set()
    assert (known() | buckets) - asked == set()
    assert all(expression.count("(") == expression.count(")") for expression in expressions)


def test_the_dashboard_is_whole() -> None:
    """Panels have ids of their own and do not lie over each other; the data source is a variable."""
    panels: list[dict[str, Any]] = DASHBOARD["panels"]
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]

    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
    assert {panel["datasource"]["uid"] for panel in panels} == {"${datasource}"}


def test_every_metric_is_documented() -> None:
    """docs/prometheus.md names each."""
    names = known() | {named.name for named in LATENCIES.values()}

    assert {name for name in names if f"`{name}`" not in DOCUMENT} == set()

"""The metrics of a run: what its records add up to, and that dashboard and documents name what there is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from loadtest.metrics.families import (
    BROKER_GAUGES,
    BY_QUEUE,
    COUNTERS,
    EVENTS,
    FATES,
    LATENCIES,
    WORKER_COUNTERS,
    WORKER_GAUGES,
    RunFamilies,
)
from loadtest.metrics.standing import KIND_COUNTERS, Standing
from tests.unit.metrics.scraping import feed, of, samples, samples_of, text_of
from tests.unit.result.staged_run import broker_lost, flood, orders

ROOT = Path(__file__).parents[3]
DASHBOARD = json.loads((ROOT / "docs" / "grafana" / "loadtest.json").read_text(encoding="utf-8"))
DOCUMENT = (ROOT / "docs" / "prometheus.md").read_text(encoding="utf-8")
RATE = re.compile(r"(?:rate|increase)\((loadtest_[a-z_]+)(?:\{[^}]*\})?\[")


def test_counters_and_histograms_are_those_of_the_run() -> None:
    """All messages count, those of the warm-up too; sums and counts are exact, buckets by their edges."""
    told = samples(orders())
    bucket = {
        edge: told["loadtest_confirm_latency_seconds_bucket", (*of("shop"), ("le", edge))]
        for edge in ("0.002", "0.005", "+Inf")
    }

    assert told["loadtest_published_messages_total", of("shop")] == 4000
    assert told["loadtest_nacked_messages_total", of("shop")] == 0
    assert told["loadtest_delivered_messages_total", of("billing")] == 4000
    assert told["loadtest_confirm_latency_seconds_count", of("shop")] == 4000
    assert told["loadtest_confirm_latency_seconds_sum", of("shop")] == pytest.approx(4000 * 0.003)
    assert bucket == {"0.002": 0, "0.005": 4000, "+Inf": 4000}
    assert told["loadtest_run_phase", (("loadtest_run_phase", "done"),)] == 1
    assert told["loadtest_generator_cpu_seconds_total", (("worker", "worker-1"),)] == pytest.approx(1)


def test_what_the_broker_says_is_told() -> None:
    """Its gauges have Prometheus' units; queues are told apart by a label, whatever their names are."""
    run = orders()
    name = 'a"b\\c\nd'
    run.broker(5, {"broker.memory_bytes": 1e8, "queue.depth": 7.0, f"queue.depth/{name}": 7.0})
    told = samples(run)

    assert told["loadtest_broker_memory_bytes", ()] == 1e8
    assert told["loadtest_queue_ready_messages", (("queue", name),)] == 7


def test_events_are_counted_by_code() -> None:
    """A lost connection shows, and how long the broker blocked."""
    told = samples(broker_lost())

    assert told["loadtest_events_total", (("code", "connection-lost"),)] == 1
    assert told["loadtest_blocked_seconds_total", (("worker", "worker-1"),)] == 0.25


def test_fates_are_told_when_the_books_are_closed() -> None:
    """Lost and the others come with the result; before it they are not known."""
    standing = feed(Standing(), flood())
    assert FATES.name not in text_of(standing)
    standing.close({"lost": 3, "duplicates": 0})

    assert samples_of(text_of(standing))[FATES.name, (("fate", "lost"),)] == 3


def test_a_second_run_is_told_alone() -> None:
    """Counters begin anew, and groups of the first run are gone."""
    standing = feed(Standing(), orders())
    told = samples_of(text_of(feed(standing, flood())))

    assert told["loadtest_published_messages_total", of("flood")] == 1000
    assert ("loadtest_published_messages_total", of("shop")) not in told


def test_nothing_is_told_before_there_is_a_run() -> None:
    """An empty answer is valid, and says nothing that is not known."""
    assert text_of(Standing()) == ""


def test_all_is_of_one_moment_and_others_have_their_turn() -> None:
    """What is told while a slow answer is being made is not in it; each family lets others go first."""
    standing = feed(Standing(), orders())
    turns = []

    def turn() -> None:
        standing.close({"lost": 3})
        feed(standing, flood())
        turns.append(1)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(RunFamilies(standing, turn))
    text = generate_latest(registry).decode()

    assert samples_of(text) == samples(orders())
    assert len(turns) == text.count("# TYPE")


def test_openmetrics_is_well_formed() -> None:
    """The strict parser of OpenMetrics takes it, and reads the same figures."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(RunFamilies(feed(Standing(), broker_lost())))
    text = generate_openmetrics(registry).decode()  # type: ignore[no-untyped-call]
    families = list(parse_openmetrics(text))  # type: ignore[no-untyped-call]

    assert {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    } == samples(broker_lost())


def test_every_counter_of_a_group_has_a_metric() -> None:
    """What is told at 0 from the start is told under the name that it has later."""
    assert {counter for counters in KIND_COUNTERS.values() for counter in counters} == COUNTERS.keys()


def known() -> set[str]:
    """Return the names of all metrics, as they are asked for."""
    names = {f"{named.name}_total" for named in [*COUNTERS.values(), *WORKER_COUNTERS.values(), EVENTS]}
    names |= {named.name for table in (WORKER_GAUGES, BROKER_GAUGES) for named in table.values()}
    return names | {BY_QUEUE.name, FATES.name, "loadtest_run_info", "loadtest_run_phase"}


EXPRESSIONS = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


def test_the_dashboard_shows_what_there_is() -> None:
    """Every metric is on it, and it asks for none that does not exist."""
    variables = [variable.get("definition", "") for variable in DASHBOARD["templating"]["list"]]
    asked = {name for text in EXPRESSIONS for name in re.findall(r"loadtest_[a-z_]+", text)}
    parts = {f"{named.name}_{part}" for named in LATENCIES.values() for part in ("bucket", "count", "sum")}
    buckets = {name for name in parts if name.endswith("_bucket")}

    assert asked - known() - parts == set()
    assert (known() | buckets) - asked == set()
    assert {name for text in variables for name in re.findall(r"loadtest_[a-z_]+", text)} <= known() | parts


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_expressions_of_the_dashboard_are_well_formed(expression: str) -> None:
    """Brackets are closed in order; what only grows is shown as it grows, but events, of which there are few."""
    closing = {"(": ")", "{": "}", "[": "]"}
    open_ones: list[str] = []
    for character in re.sub(r'"[^"]*"', "", expression):
        if character in closing:
            open_ones.append(closing[character])
        elif character in closing.values():
            assert open_ones.pop() == character
    growing = {name for name in re.findall(r"loadtest_[a-z_]+", expression) if name.endswith(("_total", "_bucket"))}

    assert open_ones == []
    assert growing - {f"{EVENTS.name}_total"} == set(RATE.findall(expression))
    assert ("histogram_quantile" not in expression) or "by (le" in expression


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

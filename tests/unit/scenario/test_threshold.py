"""Thresholds: what their text means, and when they hold."""

from __future__ import annotations

from fractions import Fraction

import pytest

from loadtest.scenario import Metric, Threshold, load_scenario, parse_threshold
from loadtest.scenario.schedule.stages import stages_of_groups

S = 10**9

PARSED = [
    (
        "shop.confirm.p99 < 20ms",
        Threshold("shop.confirm.p99 < 20ms", Metric("latency", "shop", "confirm", "p99"), "<", Fraction(20_000_000)),
    ),
    (
        " billing.end_to_end.p99.9<=1.5s ",
        Threshold(
            "billing.end_to_end.p99.9<=1.5s",
            Metric("latency", "billing", "end_to_end", "p99.9"),
            "<=",
            Fraction(1_500_000_000),
        ),
    ),
    ("lost == 0", Threshold("lost == 0", Metric("total", None, "lost"), "==", Fraction(0), part="run")),
    ("g.got != 7", Threshold("g.got != 7", Metric("total", "g", "got"), "!=", Fraction(7), part="run")),
    (
        "published_rate >= 99.9% of offered",
        Threshold(
            "published_rate >= 99.9% of offered",
            Metric("rate", None, "published_rate"),
            ">=",
            Fraction(999, 1000),
            of_offered=True,
        ),
    ),
    (
        "shop.confirmed_rate > 100/m",
        Threshold("shop.confirmed_rate > 100/m", Metric("rate", "shop", "confirmed_rate"), ">", Fraction(5, 3)),
    ),
    (
        "shop.confirm.count >= 1000 in  stage  2",
        Threshold(
            "shop.confirm.count >= 1000 in  stage  2",
            Metric("latency", "shop", "confirm", "count"),
            ">=",
            Fraction(1000),
            part="stage 2",
        ),
    ),
    (
        "broker.memory.max < 1GB",
        Threshold("broker.memory.max < 1GB", Metric("gauge", None, "broker.memory", "max"), "<", Fraction(10**9)),
    ),
    (
        "queue.depth/a.b/c.p99.9 <= 5 in run",
        Threshold(
            "queue.depth/a.b/c.p99.9 <= 5 in run",
            Metric("gauge", None, "queue.depth", "p99.9", "a.b/c"),
            "<=",
            Fraction(5),
            part="run",
        ),
    ),
    (
        "generator.cpu.p95 < 80%",
        Threshold("generator.cpu.p95 < 80%", Metric("gauge", None, "generator.cpu", "p95"), "<", Fraction(4, 5)),
    ),
    (
        "broker.cpu.mean < 1.5 cores in warm_up",
        Threshold(
            "broker.cpu.mean < 1.5 cores in warm_up",
            Metric("gauge", None, "broker.cpu", "mean"),
            "<",
            Fraction(3, 2),
            part="warm_up",
        ),
    ),
    (
        "shop.outstanding.max < 256",
        Threshold("shop.outstanding.max < 256", Metric("gauge", "shop", "outstanding", "max"), "<", Fraction(256)),
    ),
    (
        "broker.published == 3 in measured",
        Threshold(
            "broker.published == 3 in measured",
            Metric("total", "broker", "published"),
            "==",
            Fraction(3),
            part="measured",
        ),
    ),
]


@pytest.mark.parametrize("text, expected", PARSED, ids=[text for text, _ in PARSED])
def test_thresholds_are_read(text: str, expected: Threshold) -> None:
    """Metric, comparison and limit come out of the text, the limit in the metric's unit."""
    assert parse_threshold(text) == expected


@pytest.mark.parametrize(
    "text, value, offered, expected",
    [
        ("shop.confirm.p99 < 20ms", 19_999_999, None, True),
        ("shop.confirm.p99 < 20ms", 20_000_000, None, False),
        ("lost == 0", 0, None, True),
        ("lost == 0", 1, None, False),
        ("published_rate >= 99.9% of offered", 999.0, 1000.0, True),
        ("published_rate >= 99.9% of offered", 998.9, 1000.0, False),
        ("published_rate >= 5/s", 5.0, None, True),
    ],
)
def test_thresholds_hold_or_not(text: str, value: float, offered: float | None, expected: bool) -> None:
    """A value passes by the exact comparison with the limit."""
    assert parse_threshold(text).holds(value, offered) is expected


def test_a_share_needs_an_offered_rate() -> None:
    """Without an offered rate a share of it cannot be judged."""
    with pytest.raises(ValueError, match="no offered rate"):
        parse_threshold("published_rate >= 99% of offered").holds(1.0)


def test_percentiles_are_numbers() -> None:
    """The percentile of a statistic is a number from 0 to 100; mean has none."""
    assert Metric("latency", "g", "get", "p99.99").percentile == 99.99
    assert Metric("latency", "g", "get", "mean").percentile is None


def test_a_gauge_knows_its_name_on_the_timeline() -> None:
    """Names of thresholds are for people; the timeline has its own."""
    assert parse_threshold("broker.memory.max < 1GiB").metric.source == "broker.memory_bytes"
    assert parse_threshold("queue.depth/orders.max < 1").metric.source == "queue.depth/orders"
    assert parse_threshold("shop.outstanding.max < 1").metric.source == "shop.outstanding"
    assert parse_threshold("generator.loop_lag.max < 5ms").metric.unit == "time"


def test_a_mapping_says_when_a_run_is_hopeless() -> None:
    """`abort` ends a run early, after 10 s of the measured part or what `after` says; it is dumped as it was read."""
    text = """
name: hopeless
publishers: {shop: {exchange: "", routing_key: q, body: {size: 12B}}}
topology: {queues: {q: {}}}
run: {duration: 60s}
thresholds:
  - shop.confirm.p50 < 1s
  - {check: shop.confirm.p99 < 20ms, abort: true}
  - {check: shop.confirm.p99 < 30ms, abort: true, after: 3s}
  - {check: lost == 0}
"""
    loaded = load_scenario("hopeless.yaml", text=text)

    assert [threshold.abort_after_ns for threshold in loaded.scenario.thresholds] == [None, 10 * 10**9, 3 * 10**9, None]
    assert load_scenario("again.yaml", text=loaded.text).scenario == loaded.scenario
    assert "- {check: shop.confirm.p99 < 30ms, abort: true, after: 3s}" in loaded.text


def test_stages_of_publishers_are_those_of_their_consumers() -> None:
    """A group has its own stages, and without any those on which all others agree."""
    text = """
name: staged
topology: {queues: {q: {}}}
publishers:
  ramp: {exchange: "", routing_key: q, start_at: 1s, rate: [{for: 2s, rate: 10/s}, {for: 3s, rate: 20/s}]}
consumers: {out: {queue: q}}
run: {duration: 10s}
"""
    scenario = load_scenario("staged.yaml", text=text).scenario

    assert stages_of_groups(scenario) == {"ramp": ((S, 3 * S), (3 * S, 6 * S)), "out": ((S, 3 * S), (3 * S, 6 * S))}

"""A run beside an older one."""

from __future__ import annotations

from typing import Any

import pytest

from loadtest.errors import UsageError
from loadtest.result.compare.regression import check_regressions, differences, parse_regression
from loadtest.result.run.build import build_result
from loadtest.result.run.document import RunResult
from tests.unit.result.staged_run import flood, orders

TEXT = """
name: orders
topology: {queues: {q: {}}}
publishers: {shop: {exchange: "", routing_key: q, messages: 10}}
thresholds: [lost == 0]
"""


def changed(result: RunResult, **parts: Any) -> RunResult:
    """Return a result with other parts."""
    return result.model_copy(update=parts)


def with_latency(result: RunResult, factor: float) -> RunResult:
    """Return a result in which the mean of shop.confirm is *factor* times what it was."""
    shop = result.groups["shop"]
    confirm = shop.latency["confirm"]
    slower = confirm.model_copy(update={"mean_ns": (confirm.mean_ns or 0) * factor})
    group = shop.model_copy(update={"latency": {**shop.latency, "confirm": slower}})
    return changed(result, groups={**result.groups, "shop": group})


OLD = build_result(orders().collector())


@pytest.mark.parametrize(
    "factor,share,ok,value",
    [
        (1.0, "0%", True, "3.00 ms after 3.00 ms (no change)"),
        (1.1, "10%", True, "3.30 ms after 3.00 ms (+10%)"),
        (1.101, "10%", False, "3.30 ms after 3.00 ms (+10.1%)"),
        (0.5, "0%", True, "1.50 ms after 3.00 ms (−50%)"),
    ],
)
def test_a_latency_may_be_so_much_higher(factor: float, share: str, ok: bool, value: str) -> None:
    """The limit is a share of the older value; less is never a regression."""
    allowed = parse_regression(f"shop.confirm.mean {share}")
    (check,) = check_regressions([allowed], with_latency(OLD, factor), OLD)

    assert (check.value, check.ok) == (value, ok)


@pytest.mark.parametrize("seconds,share,ok", [(4, "0%", True), (3, "0.1%", True)])
def test_of_a_rate_less_is_worse(seconds: int, share: str, ok: bool) -> None:
    """A rate is compared the other way round."""
    new = build_result(orders(seconds).collector())
    (check,) = check_regressions([parse_regression(f"published_rate {share}")], new, OLD)
    slow = changed(OLD, groups={**OLD.groups, "shop": OLD.groups["shop"].model_copy(update={"rates": _half()})})
    (slower,) = check_regressions([parse_regression("published_rate 49.9%")], slow, OLD)

    assert check.ok is ok
    assert (slower.ok, slower.value, slower.limit) == (False, "500/s after 1,000/s (−50%)", "at most 49.9% less")


def _half() -> Any:
    rates = OLD.groups["shop"].rates
    return rates.model_copy(update={"published_per_s": (rates.published_per_s or 0) / 2})


@pytest.mark.parametrize(
    "text,note",
    [
        ("shop.confirm.p99.9 10%", "p99.9 of 3,000 values is mostly chance; it needs 10,000, so it counts as failed"),
        (
            "nobody.confirm.p50 10%",
            "cannot be evaluated, so it counts as failed: the run had no group nobody (this run)",
        ),
        (
            "broker.memory.max 10%",
            "cannot be evaluated, so it counts as failed: broker.memory was not read in the measured part (this run)",
        ),
    ],
)
def test_what_proves_nothing_has_failed(text: str, note: str) -> None:
    """A gate that cannot tell does not open."""
    (check,) = check_regressions([parse_regression(text)], OLD, OLD)

    assert (check.ok, check.note) == (False, note)


@pytest.mark.parametrize(
    "text",
    [
        "shop.confirm.p99",
        "10%",
        "shop.confirm.p99 10",
        "shop.confirm.p99 -10%",
        "shop.confrim.p99 10%",
        "lost 10%",
        "shop.confirm.count 10%",
        "shop.confirm.p99 10% in run",
    ],
)
def test_what_cannot_be_a_gate_is_refused(text: str) -> None:
    """It is said what was found and what is allowed."""
    with pytest.raises(UsageError, match=r"--max-regression: found .*; allowed "):
        parse_regression(text)


def test_runs_that_are_alike_differ_in_nothing() -> None:
    """The same scenario, broker and host; thresholds judge and change nothing."""
    scenario = OLD.scenario.model_copy(update={"text": TEXT})
    other = OLD.scenario.model_copy(update={"text": TEXT.replace("[lost == 0]", "[published == 10]")})

    assert differences(changed(OLD, scenario=scenario), changed(OLD, scenario=other)) == {}


def test_each_way_of_being_unlike_is_told() -> None:
    """Scenario, broker and host, each with what it is and what it was, unless it is accepted."""
    scenario = OLD.scenario.model_copy(update={"text": TEXT})
    new = changed(
        OLD,
        scenario=OLD.scenario.model_copy(update={"text": TEXT.replace("10", "11")}),
        broker={**OLD.broker, "version": "4.0.1"},
        generator={**OLD.generator, "cores": 4},
    )
    old = changed(OLD, scenario=scenario)

    assert differences(new, old) == {
        "scenario": ["scenario: orders was run with other settings than in the baseline (see scenario.yaml)"],
        "broker": ["broker version: 4.0.1, and 3.10.8 in the baseline"],
        "host": ["generator cores: 4, and 2 in the baseline"],
    }
    assert differences(new, old, ("scenario", "host")).keys() == {"broker"}


def test_another_scenario_is_named() -> None:
    """A flood is no order book."""
    other = build_result(flood().collector())

    assert differences(other, OLD)["scenario"] == ["scenario: flood, and orders in the baseline"]

"""What is run at each rate, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtest.capacity.probing import CapacityRequest, CapacitySearch, rate_shares, scenario_rate_per_s
from loadtest.compare.variants import Variant
from loadtest.errors import LoadTestError, UsageError
from loadtest.scenario import load_scenario

TWO = """
name: two
topology: {queues: {q: {}}}
publishers:
  big: {routing_key: q, rate: 300/s, messages: 50}
  small: {routing_key: q, rate: 100/s}
consumers: {out: {queue: q}}
run: {duration: 1s}
"""


def search(tmp_path: Path, text: str, **changes: object) -> CapacitySearch:
    """Return a search whose scenario is *text*."""
    path = tmp_path / "two.yaml"
    path.write_text(text)
    asked = {"slo": ("big.confirm.p99 < 20ms",), "broker": Variant("broker")} | changes
    return CapacitySearch(CapacityRequest(scenario=str(path), **asked), tmp_path, lambda _: None)  # type: ignore[arg-type]


def test_rates_are_kept_in_proportion() -> None:
    """Three quarters to one group, a quarter to the other; evenly where one has none."""
    scenario = load_scenario("two.yaml", text=TWO).scenario
    unpaced = load_scenario("two.yaml", text=TWO.replace("rate: 100/s", "messages: 5")).scenario

    assert rate_shares(scenario) == {"big": 0.75, "small": 0.25}
    assert scenario_rate_per_s(scenario) == 400
    assert rate_shares(unpaced) == {"big": 0.5, "small": 0.5}
    assert scenario_rate_per_s(unpaced) is None


@pytest.mark.parametrize(
    "text, words",
    [
        ("name: t\ntopology: {queues: {q: {}}}\nconsumers: {out: {queue: q}}\nrun: {duration: 1s}\n", "has none"),
        (TWO.replace("rate: 100/s", "rate: [{for: 1s, rate: 5/s}]"), "in stages"),
    ],
)
def test_scenarios_without_a_rate_have_no_capacity(tmp_path: Path, text: str, words: str) -> None:
    """Refused before anything runs."""
    with pytest.raises(UsageError, match=words):
        search(tmp_path, text)


def test_a_faulty_slo_is_told_before_anything_runs(tmp_path: Path) -> None:
    """As a threshold of the scenario would be."""
    with pytest.raises(LoadTestError, match="unknown group"):
        search(tmp_path, TWO, slo=("large.confirm.p99 < 20ms",))


@pytest.mark.parametrize("rate, duration", [(1_000.0, "10s"), (20.0, "1m")])
def test_a_rate_is_held_long_enough_for_its_percentiles(tmp_path: Path, rate: float, duration: str) -> None:
    """A p99 needs 1,000 values, which are long in coming at 20 a second."""
    overrides = search(tmp_path, TWO)._overrides(rate)
    scenario = load_scenario("two.yaml", text=TWO, overrides=overrides).scenario

    assert f"run.duration={duration}" in overrides
    assert float(scenario.publishers["big"].rate or 0) == pytest.approx(0.75 * rate)  # type: ignore[arg-type]
    assert scenario.publishers["big"].messages is None
    assert [each.text for each in scenario.thresholds] == ["big.confirm.p99 < 20ms"]

"""A search carried out: what is run at each rate, what is said and written, and how it is gone on with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loadtest.errors import BrokerError, LoadTestError, UsageError
from loadtest.experiments import experiment
from loadtest.experiments.capacity.capacity_request import CapacityRequest, request_again
from loadtest.experiments.capacity.capacity_search import CapacitySearch
from loadtest.experiments.capacity.load_step import LoadStep, rate_shares, scenario_rate_per_s
from loadtest.experiments.compare.rounds import Trial
from loadtest.experiments.compare.variants import Variant
from loadtest.report.capacity.capacity_report import CAPACITY
from loadtest.result.run.build import build_result
from loadtest.result.run.document import CheckPart, RunResult
from loadtest.scenario import load_scenario
from tests.unit.result.staged_run import flood

TWO = """
name: two
topology: {queues: {q: {}}}
publishers:
  big: {routing_key: q, rate: 300/s, messages: 50}
  small: {routing_key: q, rate: 100/s}
consumers: {out: {queue: q}}
run: {duration: 1s}
"""
FLOOD = build_result(flood().collector())
SLO = "big.confirm.p99 < 20ms"


def run_options_of(tmp_path: Path, text: str = TWO, **changes: object) -> CapacityRequest:
    """Return a request whose scenario is *text*."""
    path = tmp_path / "two.yaml"
    path.write_text(text)
    return CapacityRequest(scenario=str(path), **({"slo": (SLO,), "broker": Variant("broker")} | changes))  # type: ignore[arg-type]


def search_of(tmp_path: Path, text: str = TWO, **changes: object) -> CapacitySearch:
    """Return a search whose scenario is *text*."""
    return CapacitySearch(run_options_of(tmp_path, text, **changes), tmp_path, lambda _: None)


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
        search_of(tmp_path, text)


def test_a_faulty_slo_is_told_before_anything_runs(tmp_path: Path) -> None:
    """As a threshold of the scenario would be."""
    with pytest.raises(LoadTestError, match="unknown group"):
        search_of(tmp_path, slo=("large.confirm.p99 < 20ms",))


@pytest.mark.parametrize(
    "rate, hold, quick, full",
    [
        (1_000.0, "10s", 3, 10),
        (1_000.0, "60s", 18, 60),
        (20.0, "10s", 60, 60),
        (1_000.0, "2s", 2, 2),
        (1.0, "10s", 300, 300),
    ],
    ids=["usual", "long", "few values", "short", "very few values"],
)
def test_a_rate_is_held_long_enough_for_its_percentiles(rate: float, hold: str, quick: int, full: int) -> None:
    """A p99 needs 1,000 values, which are long in coming at 20 a second; short tries need as many."""
    load_step = LoadStep(load_scenario("two.yaml", text=TWO).scenario, [SLO], hold)
    times = [load_step.hold_ns(rate, is_quick=is_quick) / 1e9 for is_quick in (True, False)]

    assert times == [quick, full]
    assert load_step.is_shorter(rate) == (quick < full)


def test_what_is_run_is_the_scenario_at_a_rate() -> None:
    """Its own duration, messages and thresholds do not count."""
    overrides = LoadStep(load_scenario("two.yaml", text=TWO).scenario, [SLO], "10s").overrides(1_000.0)
    scenario = load_scenario("two.yaml", text=TWO, overrides=overrides).scenario

    assert "run.duration=10s" in overrides
    assert float(scenario.publishers["big"].rate or 0) == 750  # type: ignore[arg-type]  # no stages
    assert scenario.publishers["big"].messages is None
    assert [each.text for each in scenario.thresholds] == [SLO]


def test_no_rate_is_tried_that_could_not_be_judged() -> None:
    """In the longest hold of 300 s a p99 needs four a second, and a total one."""
    scenario = load_scenario("two.yaml", text=TWO).scenario

    assert LoadStep(scenario, [SLO], "10s").least_per_s == 4
    assert LoadStep(scenario, ["lost == 0"], "10s").least_per_s == 1


class Tries:
    """Stands for the processes: each try is held up to a rate, or fails."""

    def __init__(self, capacity: float, fails: Callable[[int], bool] = lambda _: False, stop_at: int = 10_000) -> None:
        self._capacity = capacity
        self._fails = fails
        self._stop_at = stop_at
        self.made = 0

    def run(self, trial: Trial, variant: Variant) -> tuple[int, Path, RunResult | None]:
        """Return what a trial comes to."""
        self.made += 1
        if self.made == self._stop_at:
            raise KeyboardInterrupt
        if self._fails(self.made):
            return 3, Path(variant.name), None
        rate = float(trial.variant.removesuffix("-per-s"))
        groups = {
            name: group.model_copy(update={"rates": group.rates.model_copy(update={"published_per_s": rate})})
            for name, group in FLOOD.groups.items()
        }
        is_held = rate <= self._capacity
        check = CheckPart(check=SLO, value="3 ms" if is_held else "31 ms", limit="< 20 ms", ok=is_held, note=None)
        verdict = FLOOD.verdict.model_copy(update={"exit_code": int(not is_held), "checks": (check,)})
        return 0, Path(variant.name), FLOOD.model_copy(update={"groups": groups, "verdict": verdict})

    def last_words(self, _: Path) -> str:
        """Return why a try failed."""
        return "the broker is gone"


@pytest.fixture
def carried_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., tuple[CapacitySearch, list[str]]]:
    """Return what makes a search that runs nothing, and what it says."""

    def made(tries: Tries) -> tuple[CapacitySearch, list[str]]:
        monkeypatch.setattr(experiment, "TrialRunner", lambda *_: tries)
        said: list[str] = []
        broker = Variant("broker", brokers=("amqp://guest:secret@nowhere/",))
        return CapacitySearch(run_options_of(tmp_path, broker=broker), tmp_path, said.append), said

    return made


def test_a_search_says_and_writes_what_it_does(
    carried_out: Callable[..., tuple[CapacitySearch, list[str]]], tmp_path: Path
) -> None:
    """What will be done and how long it takes, each try with what came, and time left once it can be told."""
    tries = Tries(3_000)
    search, said = carried_out(tries)
    plan = list(search.plan())
    result = search.run()

    assert plan[0].startswith("searching for the capacity of")
    assert plan[1] == (
        "from 400/s, each rate held for 10 s, 3 s in the ramp; to 5% of the answer, which has to be held 2 times"
    )
    # Four short tries of 6 s, and seven of 13 s.
    assert plan[2] == (
        "about 115 s; more where the capacity is far from that rate, or tries of the same rate do not agree"
    )
    assert [line.partition("; about ")[0] for line in said[:4]] == [
        "ramp 1: 400/s for 3 s",
        "  held: taker.end_to_end p50 575 ms, p99 649 ms",
        "ramp 2: 800/s for 3 s",
        "  held: taker.end_to_end p50 575 ms, p99 649 ms",
    ]
    assert f"  not held (SLO): {SLO} came to 31 ms" in said
    assert any(line.startswith("bisect ") and "left" in line for line in said)
    assert result == CAPACITY.read(tmp_path)
    assert (result.exit_code, result.complete, result.bound) == (0, True, "slo")
    assert result.capacity_per_s is not None
    assert result.capacity_per_s <= 3_000 < (result.missed_per_s or 0) <= result.capacity_per_s * 1.05
    assert len(result.probes) == tries.made
    assert "secret" not in "".join(path.read_text() for path in tmp_path.glob("*.json"))


@pytest.mark.parametrize("processes, options", [(1, ()), (2, ("--processes", "2")), (-1, ("--processes", "-1"))])
def test_users_are_spread_over_processes(
    processes: int, options: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each try is told so."""
    kinds = []

    def runner(*arguments: Any) -> Tries:
        kinds.append(arguments[-1])
        return Tries(3_000)

    monkeypatch.setattr(experiment, "TrialRunner", runner)
    broker = Variant("broker", brokers=("amqp://nowhere/",))
    CapacitySearch(run_options_of(tmp_path, broker=broker, processes=processes), tmp_path, lambda _: None).run()

    assert (kinds[0].command, kinds[0].options(Trial(1, 0, "a"))) == ("run", options)


def test_an_interrupted_search_is_gone_on_with(
    carried_out: Callable[..., tuple[CapacitySearch, list[str]]], tmp_path: Path
) -> None:
    """It ends where it would have ended, and tries nothing twice."""
    whole, _ = carried_out(Tries(3_000))
    expected = whole.run()
    search, _ = carried_out(Tries(3_000, stop_at=7))
    with pytest.raises(KeyboardInterrupt):
        search.run()
    before = CAPACITY.read(tmp_path)
    again, _ = carried_out(Tries(3_000))
    again.resume(before)
    result = again.run()

    assert (before.complete, before.exit_code, len(before.probes)) == (False, 130, 6)
    assert before.reason.startswith("interrupted; so far ")
    assert [probe.rate_per_s for probe in result.probes] == [probe.rate_per_s for probe in expected.probes]
    assert result.probes[:6] == before.probes
    assert (result.capacity_per_s, result.started_at) == (expected.capacity_per_s, before.started_at)
    with pytest.raises(UsageError, match="another SLO"):
        search_of(tmp_path, slo=("lost == 0",)).resume(before)


def test_a_try_that_fails_is_no_answer(carried_out: Callable[..., tuple[CapacitySearch, list[str]]]) -> None:
    """It is made again; the answer is what it would have been."""
    search, said = carried_out(Tries(3_000, fails=lambda number: number == 5))
    result = search.run()

    assert result.capacity_per_s is not None
    assert result.capacity_per_s <= 3_000 < result.capacity_per_s * 1.05
    assert [probe.bound for probe in result.probes].count("failed") == 1
    assert result.probes[4].rate_per_s == result.probes[5].rate_per_s
    assert "  not held (failed): the broker is gone" in said


def test_a_broker_that_is_gone_ends_the_search(carried_out: Callable[..., tuple[CapacitySearch, list[str]]]) -> None:
    """At the second failure in a row, with the command that goes on; a first try that fails ends it at once."""
    search, _ = carried_out(Tries(3_000, fails=lambda number: number > 4))
    with pytest.raises(BrokerError, match="could not be run 2 times: the broker is gone; to go on: loadtest capacity"):
        search.run()
    first, _ = carried_out(Tries(3_000, fails=lambda _: True))
    with pytest.raises(BrokerError, match="400/s cannot be run: the broker is gone"):
        first.run()


def test_a_request_is_kept_without_passwords(tmp_path: Path) -> None:
    """Addresses are named again, or are those that the environment names; an override with a password is refused."""
    url = "amqp://guest:secret@host/"
    broker = Variant("broker", brokers=(url,), config=Path("a.conf"), nodes=3)
    request = run_options_of(tmp_path, broker=broker, overrides=("run.warm_up=0s",), start_per_s=5.0, hold="2s")
    text = request.to_json()

    assert "secret" not in text
    assert request_again(text, [url], []) == request
    assert request_again(text, [], [url]) == request
    with pytest.raises(UsageError, match="--broker URL is needed"):
        request_again(text, [], ["amqp://guest:secret@other/"])
    with pytest.raises(UsageError, match="search anew"):
        request_again(run_options_of(tmp_path, overrides=("a.password=geheim",)).to_json(), [], [])
    with pytest.raises((TypeError, KeyError)):
        request_again(json.dumps({"scenario": "x"}), [], [])

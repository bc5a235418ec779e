"""A comparison of made-up trials: what is saved, resumed and repeated, and when it is over."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from loadtest.broker.endpoint import broker_urls
from loadtest.errors import BrokerError, UsageError
from loadtest.experiments import experiment
from loadtest.experiments.compare import comparison
from loadtest.experiments.compare.compare_request import CompareRequest
from loadtest.experiments.compare.comparison import Comparison
from loadtest.experiments.compare.effects import Effect
from loadtest.experiments.compare.rounds import Trial
from loadtest.experiments.compare.variants import Variant
from loadtest.experiments.experiment import REQUEST
from loadtest.report.compare.comparison_report import COMPARISON
from loadtest.report.run.read import read_result
from loadtest.result.compare.compare_result import CompareResult
from loadtest.result.run.document import RunResult

GOLDEN: Final = read_result(Path(__file__).parents[3] / "golden" / "flood")
METRIC: Final = "flood.confirmed_rate"
SECRET: Final = "hunter2-of-ann"

Rate = Callable[[Trial], float | None]


class FakeRunner:
    """Stands for trials: *rate* says what each brings, None for one that fails; a rate below 0 is Ctrl-C."""

    rate: Rate = staticmethod(lambda trial: 100.0)
    trials: Sequence[Trial] = ()

    def __init__(self, scenario: str, overrides: Any, folder: Path, brokers: Any, environ: Any, kind: Any) -> None:
        self._folder = folder

    def run(self, trial: Trial, variant: Variant) -> tuple[int, Path, RunResult | None]:
        """Return what the trial comes to."""
        folder = self._folder / f"{trial.round:02}-{trial.block + 1}-{trial.attempt}-{variant.name}"
        rate = FakeRunner.rate(trial)
        if rate is not None and rate < 0:
            raise KeyboardInterrupt
        FakeRunner.trials = [*FakeRunner.trials, trial]
        if rate is None:
            return 3, folder, None
        (folder / "run").mkdir(parents=True, exist_ok=True)
        result = with_rate(rate)
        (folder / "run" / "result.json").write_text(result.model_dump_json(by_alias=True))
        return 0, folder, result

    def last_words(self, folder: Path) -> str:
        """Return what it said."""
        return "the broker is gone"


class FakeBrokers:
    """Stands for private brokers; tells whether they are up."""

    up = False

    def __init__(self, environ: Any, say: Any) -> None:
        pass

    def start(self, variants: Any) -> None:
        """Bring them up."""
        FakeBrokers.up = True

    def config(self, variant: Variant) -> str | None:
        """Return a configuration with a port, which differs always, and with one value that does by variant."""
        return f"listeners.tcp.1 = 127.0.0.1:{id(variant)}\nheartbeat = {variant.name}\nframe_max = 1\n"

    def close(self) -> None:
        """Take them down."""
        FakeBrokers.up = False


def with_rate(rate: float) -> RunResult:
    """Return a result with that rate."""
    group = GOLDEN.groups["flood"]
    rates = group.rates.model_copy(update={"confirmed_per_s": rate})
    return GOLDEN.model_copy(update={"groups": {**GOLDEN.groups, "flood": group.model_copy(update={"rates": rates})}})


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put them in the place of what runs processes."""
    monkeypatch.setattr(experiment, "TrialRunner", FakeRunner)
    monkeypatch.setattr(experiment, "PrivateBrokers", FakeBrokers)
    monkeypatch.setattr(comparison, "PrivateBrokers", FakeBrokers)
    monkeypatch.setattr(FakeRunner, "rate", staticmethod(lambda trial: 100.0))
    monkeypatch.setattr(FakeRunner, "trials", ())
    monkeypatch.setattr(FakeBrokers, "up", False)


def rates(monkeypatch: pytest.MonkeyPatch, rate: Rate) -> None:
    """Have trials bring *rate*."""
    monkeypatch.setattr(FakeRunner, "rate", staticmethod(rate))


def noisy(seed: int, share: float, **shift: float) -> Rate:
    """Return rates about 100 with noise, times what a variant's name says."""
    rng = np.random.default_rng(seed)
    return lambda trial: float(100 * shift.get(trial.variant, 1.0) * np.exp(share * rng.standard_normal()))


REQUEST_OF_TWO: Final = CompareRequest(
    scenario="flood-1000-direct", variants=(Variant("a"), Variant("b")), baseline="a", metrics=(METRIC,)
)


def keys(trials: Sequence[Any]) -> list[tuple[int, int, str]]:
    """Return which trials they are."""
    return [(each.round, each.block if isinstance(each, Trial) else each.turn, each.variant) for each in trials]


def written(folder: Path) -> CompareResult:
    """Return the document as it is on disk."""
    return CompareResult.model_validate_json((folder / COMPARISON.document).read_text())


def silent(text: str) -> None:
    """Take what is said."""


def test_all_rounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A warm-up of each, then five rounds there and back; equal variants are told to be so."""
    rates(monkeypatch, noisy(1, 0.01))
    result = Comparison(REQUEST_OF_TWO, tmp_path, silent).run()

    assert len(FakeRunner.trials) == 2 + 5 * 4
    assert keys(FakeRunner.trials) == keys(result.laps)
    assert result == written(tmp_path)
    assert result.complete
    assert result.rounds == 5
    assert [finding.verdict for finding in result.findings] == ["no-difference"]
    assert result.findings[0].pairs == 10
    assert result.exit_code == 0
    assert not FakeBrokers.up


def test_a_slowdown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rate that is 10 % lower is worse, and fails the comparison if that is asked."""
    rates(monkeypatch, noisy(2, 0.01, b=0.9))
    result = Comparison(replace(REQUEST_OF_TWO, fails_on_worse=True), tmp_path, silent).run()

    assert [finding.verdict for finding in result.findings] == ["worse"]
    assert result.exit_code == 1
    assert result.reason == f"{METRIC} of b came out worse"


def test_every_lap_is_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After each trial the document on disk is whole and holds it; no part of a file is left beside it."""
    seen: list[int] = []

    def rate(trial: Trial) -> float:
        if (tmp_path / COMPARISON.document).exists():
            document = written(tmp_path)
            seen.append(len(document.laps))
            assert not document.complete
            assert document.exit_code == 130
            assert document.reason.startswith("not complete: ")
        return 100.0

    rates(monkeypatch, rate)
    Comparison(replace(REQUEST_OF_TWO, rounds=2), tmp_path, silent).run()

    assert seen == list(range(1, 10))
    assert sorted(path.name for path in tmp_path.iterdir()) == [COMPARISON.document, "laps", REQUEST]


@pytest.mark.parametrize("at", [(0, 0, "b"), (1, 0, "a"), (2, 1, "b"), (5, 1, "a")])
def test_resume(at: tuple[int, int, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was interrupted goes on with the trial that was interrupted, and comes to what it would have come to."""

    def rate(trial: Trial) -> float:
        return 100.0 + trial.round + (0.5 if trial.variant == "b" else 0.0)

    whole = tmp_path / "whole"
    whole.mkdir()
    rates(monkeypatch, rate)
    expected = Comparison(REQUEST_OF_TWO, whole, silent).run()
    FakeRunner.trials = ()
    rates(monkeypatch, lambda trial: -1.0 if keys([trial]) == [at] else rate(trial))
    with pytest.raises(KeyboardInterrupt):
        Comparison(REQUEST_OF_TWO, tmp_path, silent).run()
    before = written(tmp_path) if (tmp_path / COMPARISON.document).exists() else None
    done = keys(FakeRunner.trials)
    assert not FakeBrokers.up

    FakeRunner.trials = ()
    rates(monkeypatch, rate)
    again = Comparison(REQUEST_OF_TWO, tmp_path, silent)
    if before is not None:
        assert not before.complete
        again.resume(before)
    result = again.run()

    assert keys(FakeRunner.trials) == [key for key in keys(expected.laps) if key not in done]
    assert result.findings == expected.findings
    assert keys(result.laps) == keys(expected.laps)
    assert result.variants == expected.variants


def test_failed_laps_are_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial that failed counts for nothing, nor does its pair, and is what a resumed comparison runs."""
    said: list[str] = []
    rates(monkeypatch, lambda trial: None if keys([trial]) == [(2, 0, "b")] else 100.0)
    first = Comparison(REQUEST_OF_TWO, tmp_path, said.append).run()

    assert first.exit_code == 5
    assert first.findings[0].pairs == 9
    assert "1 run failed, the first laps/02-1-1-b with exit code 3" in first.reason
    assert "  b: failed (the broker is gone)" in said

    FakeRunner.trials = ()
    rates(monkeypatch, lambda trial: 100.0)
    again = Comparison(REQUEST_OF_TWO, tmp_path, silent)
    again.resume(first)
    result = again.run()

    assert keys(FakeRunner.trials) == [(2, 0, "b")]
    assert result.exit_code == 0
    assert result.findings[0].pairs == 10


def disturbed(monkeypatch: pytest.MonkeyPatch, *places: tuple[int, int, str, int]) -> None:
    """Have the machine disturb trials, by round, turn, variant and attempt."""
    read: list[Trial] = []

    def taken(before: Any, after: Any) -> tuple[str, ...]:
        read.append(FakeRunner.trials[-1])
        return ("stopped by a quota",) if astuple(FakeRunner.trials[-1]) in places else ()

    monkeypatch.setattr(experiment, "interference", taken)


def test_marked_turns_are_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole, at once and in their order; what was first stays in the document and counts for nothing."""
    said: list[str] = []
    disturbed(monkeypatch, (2, 0, "b", 1))
    rates(monkeypatch, lambda trial: 50.0 if trial == Trial(2, 0, "b") else 100.0)
    result = Comparison(replace(REQUEST_OF_TWO, repeat_marked=1), tmp_path, said.append).run()
    again = [trial for trial in FakeRunner.trials if trial.attempt == 2]
    at = FakeRunner.trials.index(again[0])

    assert [*FakeRunner.trials[at - 2 : at + 3]] == [
        Trial(2, 0, "b"),
        Trial(2, 0, "a"),
        Trial(2, 0, "b", 2),
        Trial(2, 0, "a", 2),
        Trial(2, 1, "a"),
    ]
    first = [trial for trial in result.laps if trial.repeated]
    assert [(trial.variant, trial.marks, trial.why, trial.counts) for trial in first] == [
        ("b", ("disturbed",), ("stopped by a quota",), False),
        ("a", (), (), False),
    ]
    assert first[0].values == {METRIC: 50.0}
    assert result.findings[0].pairs == 10
    assert result.findings[0].change == 0
    assert result.exit_code == 0
    assert "  b: disturbed (stopped by a quota)" in said
    assert any(text.startswith("round 2 of 5: b, block 1 again (1)") for text in said)


def test_a_turn_is_run_again_as_often_as_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the last attempt counts, with its mark."""
    disturbed(monkeypatch, *((2, 0, "b", attempt) for attempt in range(1, 9)))
    result = Comparison(replace(REQUEST_OF_TWO, repeat_marked=2), tmp_path, silent).run()
    turn = [trial for trial in result.laps if (trial.round, trial.turn) == (2, 0)]

    assert [(trial.attempt, trial.variant, trial.counts) for trial in turn] == [
        (1, "b", False),
        (1, "a", False),
        (2, "b", False),
        (2, "a", False),
        (3, "b", True),
        (3, "a", True),
    ]
    assert turn[4].marks == ("disturbed",)


@pytest.mark.parametrize("interrupted", [False, True])
def test_a_complete_comparison_has_its_marked_turns_run_again(
    interrupted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing else; a turn of which half was run again is gone on with, and until then its first attempt counts."""
    disturbed(monkeypatch, (2, 0, "b", 1))
    rates(monkeypatch, lambda trial: None if trial == Trial(4, 1, "a") else 100.0)
    before = Comparison(REQUEST_OF_TWO, tmp_path, silent).run()
    request = replace(REQUEST_OF_TWO, repeat_marked=1)
    done: list[Trial] = []
    if interrupted:
        rates(monkeypatch, lambda trial: -1.0 if trial == Trial(2, 0, "a", 2) else 100.0)
        first = Comparison(request, tmp_path, silent)
        first.resume(before)
        FakeRunner.trials = ()
        with pytest.raises(KeyboardInterrupt):
            first.run()
        done = list(FakeRunner.trials)
        before = written(tmp_path)
        half = [trial for trial in before.laps if (trial.round, trial.turn) == (2, 0)]
        assert [(trial.attempt, trial.counts) for trial in half] == [(1, True), (1, True), (2, False)]
    rates(monkeypatch, lambda trial: 100.0)
    FakeRunner.trials = ()
    again = Comparison(request, tmp_path, silent)
    again.resume(before)
    result = again.run()

    assert [*done, *FakeRunner.trials] == [
        Trial(2, 0, "b", 2),
        Trial(2, 0, "a", 2),
        Trial(4, 1, "a", 2),
        Trial(4, 1, "b", 2),
    ]
    assert result.findings[0].pairs == 10
    assert result.exit_code == 0


def test_the_scenario_is_changed_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its trials would not compare; what was done before stays."""
    run = FakeRunner.run

    def other(runner: FakeRunner, trial: Trial, variant: Variant) -> tuple[int, Path, RunResult | None]:
        exit_code, folder, result = run(runner, trial, variant)
        if result is not None and trial == Trial(1, 0, "b"):
            scenario = result.scenario.model_copy(update={"hash": "another"})
            result = result.model_copy(update={"scenario": scenario})
        return exit_code, folder, result

    monkeypatch.setattr(FakeRunner, "run", other)
    with pytest.raises(UsageError, match=r"was changed while it was compared: b is not what it was"):
        Comparison(REQUEST_OF_TWO, tmp_path, silent).run()

    assert len(written(tmp_path).laps) == 3


def test_a_variant_that_always_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After two rounds in which nothing could be compared it is over, with what it said."""
    rates(monkeypatch, lambda trial: None if trial.variant == "b" and trial.round else 100.0)
    with pytest.raises(BrokerError) as error:
        Comparison(REQUEST_OF_TWO, tmp_path, silent).run()

    assert str(error.value) == (
        "nothing could be compared in rounds 1 and 2, as runs of b failed, the last with exit code 3 "
        "(the broker is gone); "
        f"to go on: loadtest compare --resume {tmp_path}"
    )
    assert max(trial.round for trial in written(tmp_path).laps) == 2


def test_other_variants_are_not_gone_on_with(tmp_path: Path) -> None:
    """They would be compared with trials of others."""
    before = Comparison(replace(REQUEST_OF_TWO, rounds=2), tmp_path, silent).run()
    other = Comparison(replace(REQUEST_OF_TWO, variants=(Variant("a"), Variant("c"))), tmp_path, silent)

    with pytest.raises(UsageError, match="other variants were compared"):
        other.resume(before)


@pytest.mark.parametrize(
    "share, b, rounds",
    [
        pytest.param(0.01, 1.0, 5, id="decided at the first look"),
        pytest.param(0.08, 1.25, 7, id="at the second"),
        pytest.param(0.5, 1.0, 10, id="never"),
    ],
)
def test_until_decided(share: float, b: float, rounds: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends when all is decided, by looks after 5, 7 and 10 rounds; and after the last round in any case."""
    rates(monkeypatch, noisy(20, share, b=b))
    if rounds == 7:  # five rounds that contradict each other
        agreed = noisy(3, 0.005, b=1.25)
        rates(
            monkeypatch,
            lambda trial: 100.0 if trial.round == 1 or (trial.block == 0 and trial.round < 4) else agreed(trial),
        )
    request = replace(REQUEST_OF_TWO, until_decided=True, max_rounds=10)
    result = Comparison(request, tmp_path, silent).run()

    assert result.rounds == rounds
    assert (result.exit_code == 0) == (rounds < 10)


def test_default_metrics_are_what_all_variants_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are settled after the warm-up."""
    result = Comparison(replace(REQUEST_OF_TWO, metrics=(), rounds=2), tmp_path, silent).run()

    assert [metric.name for metric in result.metrics] == [
        METRIC,
        "flood.confirm.p50",
        "flood.confirm.p99",
        "drain.got_rate",
        "drain.get.p50",
        "drain.get.p99",
    ]


def test_what_differs_in_the_config_is_told(tmp_path: Path) -> None:
    """Of brokers that all trials of a variant share; ports differ always, and are left out."""
    result = Comparison(replace(REQUEST_OF_TWO, rounds=2), tmp_path, silent).run()

    assert [variant.differs for variant in result.variants] == [{}, {"config heartbeat": ("a", "b")}]


def test_a_metric_that_no_variant_has(tmp_path: Path) -> None:
    """It is refused after the warm-up, before the rounds."""
    with pytest.raises(UsageError, match=r"--metric shop\.confirm\.p99: the warm-up has no such figure"):
        Comparison(replace(REQUEST_OF_TWO, metrics=("shop.confirm.p99",)), tmp_path, silent).run()
    assert len(FakeRunner.trials) == 2
    assert not FakeBrokers.up


def test_a_warm_up_that_cannot_be_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends the comparison with what it said, and with the exit code of a broker that is gone."""
    rates(monkeypatch, lambda trial: None)
    with pytest.raises(BrokerError, match="b cannot be run: the broker is gone") as error:
        Comparison(REQUEST_OF_TWO, tmp_path, silent).run()

    assert error.value.exit_code == 3


def test_a_round_of_which_all_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends the comparison, which can be gone on with when the broker is back."""
    rates(monkeypatch, lambda trial: None if trial.round > 1 else 100.0)
    with pytest.raises(BrokerError, match=r"all runs of round 2 failed, the last with exit code 3; to go on: loadtest"):
        Comparison(REQUEST_OF_TWO, tmp_path, silent).run()

    assert len(FakeRunner.trials) == 2 + 2 * 4
    FakeRunner.trials = ()
    rates(monkeypatch, lambda trial: 100.0)
    again = Comparison(REQUEST_OF_TWO, tmp_path, silent)
    again.resume(written(tmp_path))

    assert again.run().exit_code == 0
    assert len(FakeRunner.trials) == 4 * 4


def test_nothing_secret_is_written(tmp_path: Path) -> None:
    """Passwords of URLs, of overrides and of the environment are in no file."""
    url = f"amqp://ann:{SECRET}@broker.example/"
    variants = (
        Variant("a", brokers=(url,)),
        Variant("b", overrides=(f"variables.url={url}", f"variables.password={SECRET}")),
    )
    request = replace(
        REQUEST_OF_TWO, variants=variants, overrides=(f"description={url}",), rounds=2, environ={"LOADTEST_BROKER": url}
    )
    Comparison(request, tmp_path, silent).run()
    texts = [(tmp_path / name).read_text() for name in (COMPARISON.document, REQUEST)]

    assert all(SECRET not in text for text in texts)
    assert "amqp://ann:***@broker.example/" in texts[0]
    assert json.loads(texts[1])["variants"][0]["brokers"] == ["amqp://ann:***@broker.example/"]


@pytest.mark.parametrize(
    "environ, urls",
    [
        ({}, ()),
        ({"AMQP_URL": "amqp://x"}, ("amqp://x",)),
        ({"AMQP_URL": "amqp://x", "LOADTEST_BROKER": "amqp://y, amqp://z"}, ("amqp://y", "amqp://z")),
    ],
)
def test_brokers_of_the_environment(environ: Mapping[str, str], urls: tuple[str, ...]) -> None:
    """They are found as `loadtest run` finds them."""
    assert broker_urls(environ) == urls


@pytest.mark.parametrize("restart", [False, True], ids=["brokers that stay", "a broker for each trial"])
def test_a_comparison_of_nothing_is_refused_before_a_lap(tmp_path: Path, restart: bool) -> None:
    """Where each trial has a broker of its own, too: one is brought up to be asked, and taken down."""
    asked = replace(
        REQUEST_OF_TWO, variants=(Variant("a"), Variant("b", overrides=("description=x",))), restart=restart
    )
    seen: list[bool] = []

    def same(request: Any, variants: Mapping[str, Variant], brokers: Any) -> dict[str, Effect]:
        seen.append(FakeBrokers.up)
        return {name: Effect(name, "RabbitMQ 4.0.5", "plan") for name in variants}

    with pytest.raises(UsageError, match="a and b compare nothing: description=x changes nothing that is run"):
        Comparison(asked, tmp_path, silent, read_back=same).run()

    assert (seen, FakeBrokers.up, FakeRunner.trials) == ([True], False, ())
    assert not (tmp_path / COMPARISON.document).exists()


def test_what_was_read_back_is_in_the_document(tmp_path: Path) -> None:
    """A variant's effect, and, of one that is as the baseline, a note; both before the first trial."""
    variants = (Variant("a"), Variant("b", settings=("heartbeat = 5",)), Variant("c", overrides=("name=x",)))
    said: list[str] = []

    def read(request: Any, variants: Mapping[str, Variant], brokers: Any) -> dict[str, Effect]:
        assert FakeRunner.trials == ()
        values = {"a": "60", "b": "5", "c": "60"}
        return {name: Effect(name, "RabbitMQ", "", {"rabbit heartbeat": value}) for name, value in values.items()}

    Comparison(replace(REQUEST_OF_TWO, variants=variants, rounds=2), tmp_path, said.append, read_back=read).run()
    found = written(tmp_path)

    assert [variant.effect for variant in found.variants] == [{}, {"rabbit heartbeat": ("60", "5")}, {}]
    assert found.notes == ("a and c are the same here: name=x changes nothing that is run",)
    assert said.index(found.notes[0]) < next(place for place, text in enumerate(said) if text.startswith("warm-up"))

"""A sweep from run to run, with runs that are made up: what is saved, gone on with, repeated; when it ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from loadtest.errors import BrokerError, UsageError
from loadtest.experiments import experiment
from loadtest.experiments.compare.rounds import Trial
from loadtest.experiments.compare.variants import Variant
from loadtest.experiments.experiment import REQUEST
from loadtest.experiments.sweep.axes import parse_axes
from loadtest.experiments.sweep.parameter_sweep import Sweep, SweepRequest, sweep_metric
from loadtest.experiments.sweep.point_order import order_of_round
from loadtest.report.run.read import read_result
from loadtest.report.sweep.sweep_report import SWEEP
from loadtest.result.run.document import RunResult
from loadtest.result.sweep_result import SweepResult

GOLDEN: Final = read_result(Path(__file__).parents[3] / "golden" / "flood")
METRIC: Final = "flood.confirmed_rate"
POINTS: Final = 4

Came = Callable[[Trial], Any]
"""What a run comes to: a rate, a result, None for Ctrl-C, or an exit code below 0 of one that failed."""


class FakeRunner:
    """Stands for runs."""

    came: Came = staticmethod(lambda trial: 100.0)
    trials: Sequence[Trial] = ()

    def __init__(self, scenario: str, overrides: Any, folder: Path, brokers: Any, environ: Any, kind: Any) -> None:
        self._folder = folder

    def run(self, trial: Trial, variant: Variant) -> tuple[int, Path, RunResult | None]:
        """Return what the run comes to."""
        assert variant.overrides
        folder = self._folder / f"{trial.round:02}-{trial.block + 1}-{variant.name}"
        came = FakeRunner.came(trial)
        if came is None:
            raise KeyboardInterrupt
        FakeRunner.trials = [*FakeRunner.trials, trial]
        if isinstance(came, int):
            return -came, folder, None
        result = came if isinstance(came, RunResult) else with_rate(came)
        (folder / "run").mkdir(parents=True, exist_ok=True)
        (folder / "run" / "result.json").write_text(result.model_dump_json(by_alias=True))
        return result.verdict.exit_code, folder, result

    def last_words(self, folder: Path) -> str:
        """Return what it said."""
        return "amqp://ann:hunter2@host/ is gone"


class FakeBrokers:
    """Stands for private brokers; tells whether they are up."""

    up = False

    def __init__(self, environ: Any, say: Any) -> None:
        pass

    def start(self, variants: Any) -> None:
        """Bring them up."""
        FakeBrokers.up = True

    def close(self) -> None:
        """Take them down."""
        FakeBrokers.up = False


def with_rate(rate: float, **more: Any) -> RunResult:
    """Return a result with that rate."""
    group = GOLDEN.groups["flood"]
    rates = group.rates.model_copy(update={"confirmed_per_s": rate, "published_per_s": rate})
    latency = {} if more.pop("unconfirmed", False) else group.latency
    changed = group.model_copy(update={"rates": rates, "latency": latency})
    return GOLDEN.model_copy(update={"groups": {**GOLDEN.groups, "flood": changed}, **more})


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put them in the place of what runs processes."""
    monkeypatch.setattr(experiment, "TrialRunner", FakeRunner)
    monkeypatch.setattr(experiment, "PrivateBrokers", FakeBrokers)
    monkeypatch.setattr(FakeRunner, "came", staticmethod(lambda trial: 100.0))
    monkeypatch.setattr(FakeRunner, "trials", ())
    monkeypatch.setattr(FakeBrokers, "up", False)


REQUEST_OF_FOUR: Final = SweepRequest(
    scenario="flood-1000-direct",
    axes=parse_axes(["flood.users=1,2", "durable=true,false"]),
    broker=Variant("point"),
    metrics=(METRIC,),
    repeats=2,
)


def sweep_of(folder: Path, request: SweepRequest = REQUEST_OF_FOUR, said: list[str] | None = None) -> Sweep:
    """Return a sweep, with what it says in a list."""
    variants = [replace(request.broker, name=point.name, overrides=point.overrides) for point in request.points]
    lines: list[str] = [] if said is None else said
    return Sweep(request, variants, [1.0] * len(variants), folder, lines.append)


def came(monkeypatch: pytest.MonkeyPatch, what: Came) -> None:
    """Have runs come to that."""
    monkeypatch.setattr(FakeRunner, "came", staticmethod(what))


def failing(which: Callable[[Trial], bool], exit_code: int = 3) -> Came:
    """Return what has some runs fail."""
    return lambda trial: -exit_code if which(trial) else 100.0


def well(trial: Trial) -> float:
    """Have all runs bring the same."""
    return 100.0


def keys(result: SweepResult) -> set[tuple[int, int]]:
    """Return round and point of each run."""
    return {(run.round, number) for number, point in enumerate(result.points) for run in point.runs}


def test_all_rounds(tmp_path: Path) -> None:
    """A warm-up of the first point, then every point in each round, in the order of the seed; brokers go down."""
    said: list[str] = []
    result = sweep_of(tmp_path, said=said).run()
    names = [point.name for point in REQUEST_OF_FOUR.points]
    orders = {number: order_of_round(number, POINTS, seed=1) for number in (1, 2)}
    planned = [(number, turn, names[point]) for number, order in orders.items() for turn, point in enumerate(order)]

    assert [(trial.round, trial.block, trial.variant) for trial in FakeRunner.trials] == [(0, 0, names[0]), *planned]
    assert result == SWEEP.read(tmp_path)
    assert (result.complete, result.exit_code) == (True, 0)
    assert keys(result) == {(number, point) for number in (1, 2) for point in range(POINTS)}
    assert all(point.figures[METRIC].count == 2 for point in result.points)
    assert result.broker == f"RabbitMQ {GOLDEN.broker['version']}, private"
    assert said[0] == "warm-up: users 1, durable true"
    assert said[1].startswith("run 1 of 8: ")
    assert said[8].startswith("run 8 of 8: ")
    assert said[8].endswith(" left")
    assert not FakeBrokers.up


@pytest.mark.parametrize("at", [(1, 0), (1, 3), (2, 2)])
def test_resume(at: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was interrupted goes on with the run that was interrupted, without another warm-up."""
    came(monkeypatch, lambda trial: None if (trial.round, trial.block) == at else 100.0)
    with pytest.raises(KeyboardInterrupt):
        sweep_of(tmp_path).run()
    done = {(trial.round, trial.block) for trial in FakeRunner.trials}
    assert not FakeBrokers.up
    if at == (1, 0):  # the warm-up alone leaves nothing to go on with
        assert not (tmp_path / SWEEP.document).exists()
        return
    before = SWEEP.read(tmp_path)
    assert (before.complete, before.exit_code) == (False, 130)
    assert before.reason == f"not complete: {len(done) - 1} of 8 runs"

    FakeRunner.trials = []
    came(monkeypatch, well)
    again = sweep_of(tmp_path)
    again.resume(before)
    result = again.run()

    assert not done & {(trial.round, trial.block) for trial in FakeRunner.trials}
    assert len(done) + len(FakeRunner.trials) == 9
    assert result.complete
    assert len(keys(result)) == 8
    assert result.started_at == before.started_at


def test_what_failed_is_a_gap_and_is_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A point that cannot be run does not end the sweep; the next time it is what is run, and the gap is closed."""
    said: list[str] = []
    gap = REQUEST_OF_FOUR.points[2].name
    came(monkeypatch, failing(lambda trial: trial.variant == gap))
    first = sweep_of(tmp_path, said=said).run()

    assert (first.complete, first.exit_code) == (True, 5)
    assert first.reason.endswith(f"with exit code 3; no figures of {gap}")
    assert [METRIC in point.figures for point in first.points] == [True, True, False, True]
    assert "  failed (amqp://ann:***@host/ is gone)" in said
    assert "hunter2" not in (tmp_path / SWEEP.document).read_text()

    FakeRunner.trials = []
    came(monkeypatch, well)
    again = sweep_of(tmp_path)
    again.resume(first)

    assert again.run().exit_code == 0
    assert {trial.variant for trial in FakeRunner.trials} == {gap}
    assert len(FakeRunner.trials) == 2


def test_a_round_in_which_all_failed_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nothing to wait for, and what was done is kept."""
    came(monkeypatch, failing(lambda trial: trial.round == 2))
    with pytest.raises(BrokerError, match=r"all runs of round 2 failed, the last with exit code 3: .*; to go on: "):
        sweep_of(tmp_path).run()

    assert len(FakeRunner.trials) == 1 + 2 * POINTS
    assert all(point.figures[METRIC].count == 1 for point in SWEEP.read(tmp_path).points)


def test_a_broker_that_is_not_there_ends_it_at_the_warm_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else every point would find that out for itself; any other warm-up that fails is one point's affair."""
    came(monkeypatch, lambda trial: -3)
    with pytest.raises(BrokerError, match="users 1, durable true cannot be run"):
        sweep_of(tmp_path).run()
    assert len(FakeRunner.trials) == 1

    came(monkeypatch, failing(lambda trial: trial.round == 0, exit_code=2))
    assert sweep_of(tmp_path).run().exit_code == 0


def test_more_rounds(tmp_path: Path) -> None:
    """A sweep that is complete is gone on with by more rounds."""
    before = sweep_of(tmp_path).run()
    FakeRunner.trials = []
    again = sweep_of(tmp_path, replace(REQUEST_OF_FOUR, repeats=3))
    again.resume(before)

    assert {point.figures[METRIC].count for point in again.run().points} == {3}
    assert {trial.round for trial in FakeRunner.trials} == {3}


def test_something_else_is_not_gone_on_with(tmp_path: Path) -> None:
    """Its points would be others."""
    before = sweep_of(tmp_path).run()

    with pytest.raises(UsageError, match="something else was varied"):
        sweep_of(tmp_path, replace(REQUEST_OF_FOUR, axes=parse_axes(["flood.users=1,3"]))).resume(before)


def test_usual_metrics_are_those_of_any_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that only some points have is looked at in all, and read from the results of those that were run before."""
    other = REQUEST_OF_FOUR.points[order_of_round(1, 4, 1)[-1]].name
    came(monkeypatch, lambda trial: with_rate(50.0, unconfirmed=True) if trial.variant == other else 100.0)
    result = sweep_of(tmp_path, replace(REQUEST_OF_FOUR, metrics=(), repeats=1)).run()

    assert [metric.name for metric in result.metrics] == [
        METRIC,
        "flood.confirm.p99",
        "drain.got_rate",
        "drain.get.p99",
        "flood.published_rate",
    ]
    assert all("flood.published_rate" in point.figures for point in result.points)
    assert sum("flood.confirm.p99" in point.figures for point in result.points) == 3


def test_verdicts_of_runs_are_marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A threshold that failed, and lost messages, are marks of a run whose figures count; the latter fail the sweep."""
    failed = with_rate(100.0, verdict=GOLDEN.verdict.model_copy(update={"exit_code": 1, "outcome": "fail"}))
    lossy = failed.model_copy(update={"totals": failed.totals.model_copy(update={"lost": 3})})
    names = [point.name for point in REQUEST_OF_FOUR.points]
    came(monkeypatch, lambda trial: {names[1]: failed, names[2]: lossy}.get(trial.variant, 100.0))
    result = sweep_of(tmp_path).run()

    assert [point.runs[0].marks for point in result.points] == [(), ("not-passed",), ("lost",), ()]
    assert all(point.figures[METRIC].count == 2 for point in result.points)
    assert (result.exit_code, result.reason[:41]) == (1, "messages were lost or corrupted in 2 of 8")


def test_nothing_secret_is_written(tmp_path: Path) -> None:
    """Passwords of URLs and of overrides are in no file, and those that were not kept are known to be missing."""
    request = replace(
        REQUEST_OF_FOUR,
        axes=parse_axes(["variables.password=hunter2,hunter3"]),
        overrides=("variables.url=amqp://ann:hunter2@host/",),
        broker=Variant("point", brokers=("amqp://ann:hunter2@host/",)),
        environ={"X": "hunter2"},
    )
    sweep_of(tmp_path, request).run()

    assert "hunter" not in (tmp_path / SWEEP.document).read_text() + (tmp_path / REQUEST).read_text()
    assert (tmp_path / REQUEST).read_text().count("***") == 4


def test_a_metric_that_there_is_not() -> None:
    """It is refused with what there is."""
    with pytest.raises(UsageError, match="--metric: found"):
        sweep_metric("in.confrm.p99")

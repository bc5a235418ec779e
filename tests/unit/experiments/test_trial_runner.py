"""Trials: what they are marked with, the broker they find, and Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from loadtest.experiments import trial_runner
from loadtest.experiments.compare.rounds import Trial
from loadtest.experiments.compare.trial_kinds import RunTrials, default_metrics, lap_part, value_of
from loadtest.experiments.compare.variants import Variant
from loadtest.experiments.trial_runner import RUN, PrivateBrokers, TrialRunner, with_config_file
from loadtest.report.run.read import read_result
from loadtest.result.compare.compare_result import MetricPart
from loadtest.result.run.document import BoundPart, FindingPart, RunResult

GOLDEN: Final = read_result(Path(__file__).parents[2] / "golden" / "flood")
RATE: Final = MetricPart(name="flood.confirmed_rate", better="more", unit="rate")
LAP: Final = Trial(1, 0, "a")
MISSING: Final = MetricPart(name="broker.cpu.mean", better="less", unit="cores")


def judged(*, codes: tuple[str, ...] = (), machine: float | None = None, broker: float | None = None) -> RunResult:
    """Return a result with findings of these codes, and with these cores in use."""
    findings = tuple(
        FindingPart(code=code, group=None, text="", value=None, limit=None, unit="", next_step="") for code in codes
    )
    bound = BoundPart(
        by="unknown",
        text="",
        generator_cores=0.5,
        broker_cores=broker,
        machine_cores=machine,
        share_of_calibrated=None,
    )
    verdict = GOLDEN.verdict.model_copy(update={"findings": findings, "bound": bound})
    known = {"cpu": 0.5, "machine.cpu": machine, "broker.cpu": broker}
    gauges = {name: cores for name, cores in known.items() if cores is not None}
    timeline = tuple(point.model_copy(update={"gauges": gauges}) for point in GOLDEN.timeline)
    return GOLDEN.model_copy(update={"verdict": verdict, "timeline": timeline})


@pytest.mark.parametrize(
    "exit_code, result, marks",
    [
        pytest.param(0, GOLDEN, (), id="as it should be"),
        pytest.param(1, GOLDEN, (), id="a threshold failed: the figures hold"),
        pytest.param(3, GOLDEN, ("failed",), id="the broker is gone"),
        pytest.param(4, GOLDEN, ("failed",), id="incomplete"),
        pytest.param(130, GOLDEN, ("failed",), id="interrupted"),
        pytest.param(0, None, ("failed",), id="no result"),
        pytest.param(-9, None, ("failed",), id="killed"),
        pytest.param(0, judged(codes=("generator-bound",)), ("generator-bound",), id="bound by the generator"),
        pytest.param(0, judged(codes=("lateness-high",)), (), id="another finding"),
        pytest.param(0, judged(machine=1.9, broker=0.8), ("disturbed",), id="0.6 cores of others"),
        pytest.param(0, judged(machine=1.7, broker=0.8), (), id="0.4 cores of others"),
        pytest.param(0, judged(machine=1.9, broker=None), (), id="a broker elsewhere"),
    ],
)
def test_marks(exit_code: int, result: RunResult | None, marks: tuple[str, ...]) -> None:
    """Only `failed` keeps a trial from counting; its values are kept all the same."""
    part = lap_part(Trial(2, 1, "a"), exit_code, Path("x/laps/02-2-a"), result, [RATE, MISSING], RunTrials())

    assert part.marks == marks
    assert part.folder == "laps/02-2-a"
    assert part.values == {RATE.name: None if result is None else value_of(RATE.name, result), MISSING.name: None}
    assert result is None or (part.values[RATE.name] or 0) > 1000


def test_others_where_the_measured_part_is_too_short() -> None:
    """All of the trial tells then."""
    point = GOLDEN.timeline[-1]
    gauges = [
        {"machine.cpu": 1.9, "broker.cpu": 0.4, "cpu": 0.2},
        {"machine.cpu": 1.5, "broker.cpu": 0.4, "cpu": 0.2},
        {},
    ]
    timeline = tuple(point.model_copy(update={"gauges": each}) for each in gauges)
    part = lap_part(
        Trial(1, 0, "a"), 0, Path("x/laps/a"), GOLDEN.model_copy(update={"timeline": timeline}), [], RunTrials()
    )

    assert part.marks == ("disturbed",)
    assert part.why == ("other programs used 1.1 cores",)


def test_what_the_machine_took() -> None:
    """It disturbs a trial, but says nothing of one that failed."""
    taken = ("stopped by a quota",)
    done = lap_part(Trial(1, 0, "a", 2), 0, Path("x/laps/a"), GOLDEN, [], RunTrials(), taken)
    failed = lap_part(Trial(1, 0, "a"), 3, Path("x/laps/a"), None, [], RunTrials(), taken)

    assert (done.marks, done.why, done.attempt) == (("disturbed",), taken, 2)
    assert (failed.marks, failed.why) == (("failed",), ())


def test_default_metrics() -> None:
    """What all variants have; what one lacks is left out."""
    getters = {name: group for name, group in GOLDEN.groups.items() if group.kind == "getter"}
    other = GOLDEN.model_copy(update={"groups": getters})

    assert "flood.confirmed_rate" in default_metrics([GOLDEN, GOLDEN])
    assert default_metrics([GOLDEN, other]) == ["drain.got_rate", "drain.get.p50", "drain.get.p99"]


ELSEWHERE: Final = {
    "LOADTEST_BROKER": "amqp://x.example",
    "AMQP_URL": "amqp://y.example",
    "LOADTEST_MANAGEMENT_URL": "http://x.example",
    "KEPT": "1",
}


@pytest.mark.parametrize(
    "variant, environ",
    [
        pytest.param(Variant("a"), {"KEPT": "1"}, id="a broker of its own"),
        pytest.param(
            Variant("a", brokers=("amqp://z.example", "amqp://w.example")),
            {"KEPT": "1", "LOADTEST_BROKER": "amqp://z.example,amqp://w.example"},
            id="a broker that is named",
        ),
        pytest.param(
            Variant("a", brokers=("amqp://x.example",)),
            {
                "KEPT": "1",
                "LOADTEST_BROKER": "amqp://x.example",
                "LOADTEST_MANAGEMENT_URL": ELSEWHERE["LOADTEST_MANAGEMENT_URL"],
            },
            id="that of the environment",
        ),
    ],
)
@pytest.mark.parametrize("is_fresh", [False, True])
def test_environment(variant: Variant, environ: dict[str, str], is_fresh: bool, tmp_path: Path) -> None:
    """A trial finds the broker that is its variant's, and nothing of another one."""
    brokers = None if is_fresh else PrivateBrokers(ELSEWHERE, lambda text: None)
    runner = TrialRunner("x", (), tmp_path, brokers, ELSEWHERE, RUN)

    assert runner._env(variant) == environ


def test_options_of_private_brokers(tmp_path: Path) -> None:
    """They are those of each trial only where each has a broker of its own."""
    variant = Variant("a", overrides=("b=2",), config=Path("own.conf"), nodes=3)
    shared = TrialRunner("x", ("a=1",), tmp_path, PrivateBrokers({}, lambda text: None), {}, RUN)._command(
        LAP, variant, tmp_path
    )
    fresh = TrialRunner("x", ("a=1",), tmp_path, None, {}, RUN)._command(LAP, variant, tmp_path)

    assert shared[4:] == ["x", "--results", str(tmp_path), "--set", "a=1", "--set", "b=2"]
    assert fresh == [*shared, "--config", "own.conf", "--nodes", "3"]


def test_what_nodes_are_told(tmp_path: Path) -> None:
    """Each trial with a node of its own is told to tell it; where nodes are shared they have been told already."""
    variant = Variant("a", env=(("ERL_FLAGS", "+S 1:1"),))
    environ = {"LOADTEST_NODE_ENV": '{"ERL_FLAGS": "+S 2:2", "A": "1"}'}
    fresh = TrialRunner("x", (), tmp_path, None, environ, RUN)._env(variant)

    assert json.loads(fresh["LOADTEST_NODE_ENV"]) == {"ERL_FLAGS": "+S 1:1", "A": "1"}
    assert TrialRunner("x", (), tmp_path, None, {}, RUN)._env(Variant("b")) == {}


def test_settings_become_a_file(tmp_path: Path) -> None:
    """Which nobody else can read; variants with the same settings share it, and so their broker."""
    placed = [with_config_file(Variant(name, settings=("default_pass = x", "a = 1")), tmp_path) for name in "ab"]
    config = placed[0].config

    assert config is not None
    assert config.read_text() == "default_pass = x\na = 1\n"
    assert config.stat().st_mode & 0o077 == 0
    assert config.suffix == ".conf"
    assert placed[0].broker == placed[1].broker
    assert with_config_file(Variant("c"), tmp_path) == Variant("c")


# Stands for a trial.
TAKES_INTERRUPTS: Final = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    print("up", flush=True)
    time.sleep(30)
except KeyboardInterrupt:
    sys.exit(130)
"""


class InterruptedOnce(subprocess.Popen[bytes]):
    """A process for which somebody waits who then types Ctrl-C."""

    is_typed = False

    def wait(self, timeout: float | None = None) -> int:
        """Wait, and be interrupted the first time."""
        if not self.is_typed:
            self.is_typed = True
            os.kill(os.getpid(), signal.SIGINT)
        return super().wait(timeout)


def test_an_interrupt_is_handed_on() -> None:
    """The trial, in a session of its own, gets it, and ends in order before the comparison does."""
    command = [sys.executable, "-c", TAKES_INTERRUPTS]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with InterruptedOnce(command, start_new_session=True, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"up\n"
            with pytest.raises(KeyboardInterrupt):
                trial_runner._wait(child)
    finally:
        signal.signal(signal.SIGINT, before)

    assert child.returncode == 130


def test_results_of_an_earlier_try_are_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial that is run again and fails has no result, though its folder has one."""
    old = tmp_path / "01-1-a" / "run" / "result.json"
    old.parent.mkdir(parents=True)
    old.write_text(GOLDEN.model_dump_json(by_alias=True))

    def command(runner: TrialRunner[RunResult], trial: Any, variant: Any, folder: Any) -> list[str]:
        return [sys.executable, "-c", "import sys; sys.exit('no broker')"]

    monkeypatch.setattr(TrialRunner, "_command", command)
    runner = TrialRunner("x", (), tmp_path, None, {}, RUN)
    exit_code, folder, result = runner.run(Trial(1, 0, "a"), Variant("a"))

    assert (exit_code, folder.name, result) == (1, "01-1-a", None)
    assert runner.last_words(folder) == "no broker"

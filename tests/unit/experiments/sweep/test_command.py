"""`loadtest sweep` before anything is started: what is refused, what is told, and what is asked for again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from loadtest.cli import app
from loadtest.errors import LoadTestError, UsageError
from loadtest.experiments.compare.variants import Variant
from loadtest.experiments.experiment import REQUEST
from loadtest.experiments.sweep.axes import parse_axes
from loadtest.experiments.sweep.parameter_sweep import SweepRequest, sweep_duration_text
from loadtest.experiments.sweep.sweep_setup import checked_plan, resumed_sweep
from loadtest.report.sweep.sweep_report import SWEEP
from loadtest.scenario.catalogue import find_scenario
from tests.unit.report.staged_sweep import sweep


def refused(*words: str) -> str:
    """Return why a command is refused; nothing is run, as no broker can be."""
    done = CliRunner().invoke(app, ["sweep", *words])
    assert isinstance(done.exception, LoadTestError), done.output
    return str(done.exception)


@pytest.mark.parametrize(
    "words, why",
    [
        ([], "name a scenario, or go on"),
        (["steady-1kb"], "nothing to sweep"),
        (["steady-1kb", "--vary", "body.sizes=1KB,2KB"], "publishers.in.body.sizes: found an unknown key"),
        (["steady-1kb", "--vary", "users=1,2"], "publishers.in.users, consumers.out.users"),
        (["steady-1kb", "--vary", "rate=1000/s,1"], "found 2 places that end so"),
        (["steady-1kb", "--vary", "in.rate=1000/s,1"], "rate 1: --vary: publishers.in.rate: found 1; allowed"),
        (["steady-1kb", "--vary", "in.users=1,2", "--metric", "shop.confirm.p99"], "has no group shop; it has in, out"),
        (["steady-1kb", "--vary", "in.users=1,2", "--metric", "p99"], "--metric: found"),
        (["steady-1kb", "--vary", "in.users=1,2", "--broker", "amqp://h", "--nodes", "3"], "are for a private broker"),
        (["steady-1kb", "--vary", "in.users=1,2", "--config", "no.conf"], "no.conf"),
        (["steady-1kb", "--vary", "in.users=1,2", "--nodes", "4"], "--nodes: found 4; allowed 1, 3 or 5"),
        (["steady-1kb", "--vary", "in.users=1,2", "--set", "drain=1"], "users 1: --set:1: run.drain: found 1"),
        (["steady-1kb", "--vary", "in.users=1,2", "--restart", "all"], "found 'all'; allowed each"),
        (["kill-node-classic", "--vary", "shop.users=1,2"], "give --restart each"),
        (["steady-1kb", "--resume", "x"], "leave the scenario"),
        (["--resume", "no-such-folder"], "holds no sweep"),
        (["no-such", "--vary", "in.users=1,2"], 'scenario: found "no-such"'),
    ],
)
def test_what_cannot_be_swept_is_refused_before_anything_runs(words: list[str], why: str, tmp_path: Path) -> None:
    """With a word on what is allowed; no folder is made."""
    assert why in refused(*words, "--results", str(tmp_path / "results"))
    assert not (tmp_path / "results").exists()


def test_thousands_of_points_are_refused_with_the_time_they_would_take() -> None:
    """And with the option that allows them."""
    many = ",".join(str(number) for number in range(1, 65))
    said = refused("steady-1kb", "--vary", f"in.users={many}", "--vary", f"out.users={many}", "--repeats", "2")

    assert said == (
        "4,096 points, 8,193 runs: a warm-up, then 2 rounds of all in random order; about 86 h 29 min in all; "
        "allowed 100 points: vary less, or raise --max-points"
    )


@pytest.mark.parametrize(
    "repeats, takes_s, expected",
    [
        (1, [10.0, 20.0], "2 points, 3 runs: a warm-up, then one round of all in random order; about 40 s in all"),
        (3, [10.0, 20.0], "2 points, 7 runs: a warm-up, then 3 rounds of all in random order; about 100 s in all"),
        (
            1,
            [10.0, None],
            "2 points, 3 runs: a warm-up, then one round of all in random order; how long its messages decide",
        ),
    ],
)
def test_how_long_it_takes_is_told(repeats: int, takes_s: list[float | None], expected: str) -> None:
    """By what each point's scenario says, which may differ."""
    assert sweep_duration_text(2, repeats, takes_s) == expected


def staged(folder: Path, request: SweepRequest, *, complete: bool) -> SweepRequest:
    """Put down what a sweep leaves, and return what was asked, with what is known of its files."""
    scenario = folder / "steady.yaml"
    if request.file is None:
        scenario.write_text(find_scenario("steady-1kb").read_text())
        request = replace(request, scenario="steady.yaml", file=scenario)
        request = replace(request, hashes=checked_plan(request).hashes)
    (folder / SWEEP.document).write_text(sweep(complete=complete).model_dump_json(by_alias=True))
    (folder / REQUEST).write_text(request.to_json())
    return request


ASKED = SweepRequest(
    scenario="steady-1kb",
    axes=parse_axes(["body.size=12B,1KB,10KB", "in.users=1,2,4"]),
    broker=Variant("point", config=None, nodes=3),
    overrides=("run.duration=2s",),
    metrics=("in.confirm.p99",),
    repeats=2,
    seed=7,
)


def test_what_was_asked_is_asked_again(tmp_path: Path) -> None:
    """All of it, but for the environment; more rounds, if asked for."""
    asked = staged(tmp_path, ASKED, complete=False)
    taken = [resumed_sweep(tmp_path, (), repeats)[0]._request for repeats in (None, 5)]

    assert [replace(request, environ={}) for request in taken] == [asked, replace(asked, repeats=5)]
    assert taken[0].source == str(tmp_path / "steady.yaml")


@pytest.mark.parametrize(
    "asked, complete, repeats, why",
    [
        (ASKED, True, None, "that sweep is complete, and no run of it failed; --repeats N adds rounds"),
        (ASKED, True, 1, "--repeats: found 1; allowed 2"),
        (replace(ASKED, overrides=("in.properties.headers.token=x",)), False, None, "an override held a password"),
        (
            replace(ASKED, broker=Variant("p", brokers=("amqp://a:b@h/",))),
            False,
            None,
            "--broker URL is needed: its password was not kept",
        ),
    ],
    ids=["complete", "fewer rounds", "a password", "a password of a broker"],
)
def test_what_cannot_be_gone_on_with(
    asked: SweepRequest, complete: bool, repeats: int | None, why: str, tmp_path: Path
) -> None:
    """It says why not."""
    staged(tmp_path, asked, complete=complete)

    with pytest.raises(UsageError, match=why):
        resumed_sweep(tmp_path, (), repeats)


def test_a_scenario_that_was_changed_is_not_gone_on_with(tmp_path: Path) -> None:
    """Nor one that is gone: its points would be others under the same names."""
    asked = staged(tmp_path, ASKED, complete=False)
    scenario = tmp_path / "steady.yaml"
    scenario.write_text(scenario.read_text().replace("prefetch: 200", "prefetch: 20"))
    with pytest.raises(UsageError, match=r"steady\.yaml, or its config, has been changed since that sweep"):
        resumed_sweep(tmp_path, ())

    scenario.unlink()
    with pytest.raises(UsageError, match=rf"the scenario {asked.file} is not there any more"):
        resumed_sweep(tmp_path, ())


def test_the_schema_is_printed() -> None:
    """`loadtest schema sweep`."""
    done = CliRunner().invoke(app, ["schema", "sweep"])

    assert json.loads(done.stdout)["title"] == "SweepResult"

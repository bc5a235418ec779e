"""What `loadtest compare` refuses before anything is started, in its own process."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from loadtest.cli import app
from loadtest.errors import LoadTestError
from loadtest.experiments.compare.compare_options import CompareOptions, request_from
from loadtest.experiments.compare.compare_request import CompareRequest
from loadtest.experiments.compare.comparison import Comparison
from loadtest.experiments.compare.comparison_plan import comparison_plan
from loadtest.experiments.compare.comparison_setup import checked_request
from loadtest.experiments.compare.variants import VariantOptions

TYPES = "topology.queues.Queue111112.type=classic,quorum"
DOCUMENT = (
    '{"schema": "loadtest.compare/1", "scenario": "x", "baseline": "a", "min_effect": 0.05, "started_at": "", '
    '"ended_at": "", "rounds": 0, "complete": false, "variants": [], "metrics": [], "laps": [], "findings": [], '
    '"exit_code": 5, "reason": ""}'
)
SIZES = "variables.size=1KB,10KB"
SEARCHES = ("steady-1kb", "--variant", "a", "--variant", "c", "--capacity", "--slo", "lost == 0")
KILL = "faults=[{at: 10ms, do: kill-node}]"


@pytest.mark.parametrize(
    "words, told",
    [
        pytest.param([], "name a scenario", id="no scenario"),
        pytest.param(["no-such-scenario", "--vary", "x=1,2"], "no-such-scenario", id="unknown scenario"),
        pytest.param(["flood-1000-direct"], "nothing to compare", id="no variants"),
        pytest.param(["flood-1000-direct", "--variant", "a=run.drain=1s"], "nothing to compare", id="one variant"),
        pytest.param(["flood-1000-direct", "--vary", "x.y=1,2"], "1: ", id="bad path"),
        pytest.param(
            ["flood-1000-direct", "--variant", "a", "--variant", "b=publishers.flood.users=none"], "b: ", id="bad value"
        ),
        pytest.param(["flood-1000-direct", "--vary", TYPES, "--metric", "speed"], "speed", id="unknown metric"),
        pytest.param(["flood-1000-direct", "--vary", TYPES, "--metric", "lost"], "lost", id="neither better nor worse"),
        pytest.param(
            ["flood-1000-direct", "--vary", TYPES, "--baseline", "stream"], "allowed classic, quorum", id="baseline"
        ),
        pytest.param(
            ["flood-1000-direct", "--vary", TYPES, "--fail-on", "x"],
            "--fail-on: allowed worse, or slower",
            id="fail on",
        ),
        pytest.param(
            ["flood-1000-direct", "--vary", TYPES, "--until-decided", "--max-rounds", "3"], "--max-rounds", id="rounds"
        ),
        pytest.param(
            ["steady-1kb", "--variant", "a", "--variant", f"b={KILL}"], "b: faults[0]: kill-node", id="harms a node"
        ),
        pytest.param(
            [
                "flood-1000-direct",
                "--broker",
                "a=amqp://x.example",
                "--broker",
                "b=amqp://y.example",
                "--restart",
                "each",
            ],
            "--restart each is for private brokers",
            id="restart of a named broker",
        ),
        pytest.param(["steady-1kb", "--vary", SIZES, "--slo", "lost == 0"], "give --capacity", id="slo of runs"),
        pytest.param(["steady-1kb", "--vary", SIZES, "--hold", "5s"], "give --capacity", id="hold of runs"),
        pytest.param(["steady-1kb", "--vary", SIZES, "--capacity"], "--slo is needed", id="no slo"),
        pytest.param([*SEARCHES, "--metric", "in.confirm.p99"], "--metric is of runs", id="metric of searches"),
        pytest.param([*SEARCHES, "--hold", "5"], "--hold: found '5'", id="hold"),
        pytest.param([*SEARCHES, "--slo", "inn.confirm.p99 < 1ms"], "unknown group", id="slo of no group"),
        pytest.param(
            [*SEARCHES, "--variant", "b=publishers.in.rate=[{for: 1s, rate: 5/s}]"], "b: a rate in stages", id="stages"
        ),
        pytest.param(["--resume", "nowhere"], "nowhere holds no comparison", id="nothing to go on with"),
    ],
)
def test_faults_are_told_before_anything_runs(
    words: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each in its words; no folder is made."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LoadTestError) as error:
        app(["compare", *words], standalone_mode=False)

    assert told in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_comparison_that_held_a_password_is_not_gone_on_with(tmp_path: Path) -> None:
    """An override without its password would be another variant."""
    (tmp_path / "request.json").write_text('{"overrides": ["variables.url=amqp://ann:***@x.example"], "variants": []}')
    (tmp_path / "compare.json").write_text(DOCUMENT)

    with pytest.raises(LoadTestError, match="an override held a password, which was not kept"):
        app(["compare", "--resume", str(tmp_path)], standalone_mode=False)


SCENARIO = """\
name: two
topology: {queues: {q: {type: classic}}}
publishers: {in: {routing_key: q, body: {size: 100B}, rate: 5/s}}
consumers: {out: {queue: q}}
run: {duration: 1s}
compare: {variants: {a: {}, b: {config: own.conf}}}
"""


def interrupted(folder: Path, **changes: object) -> None:
    """Leave a comparison of a file in *folder* as an interruption would."""
    (folder / "two.yaml").write_text(SCENARIO)
    (folder / "own.conf").write_text("heartbeat = 30\n")
    request = checked_request(request_from(CompareOptions(str(folder / "two.yaml")), {}))
    (folder / "request.json").write_text(request.to_json())
    variants = [{"name": name, "overrides": [], "broker": ""} for name in "ab"]
    (folder / "compare.json").write_text(json.dumps({**json.loads(DOCUMENT), "variants": variants, **changes}))


@pytest.mark.parametrize(
    "file, before, after, told",
    [
        pytest.param(
            "two.yaml", "5/s", "6/s", "a, b: the scenario, or a file that it names, is not what", id="scenario"
        ),
        pytest.param("own.conf", "30", "31", "b: the scenario, or a file that it names, is not what", id="config"),
    ],
)
def test_what_has_changed_meanwhile_is_not_gone_on_with(
    file: str, before: str, after: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its runs would not compare with those of before."""
    interrupted(tmp_path)
    monkeypatch.setattr("loadtest.experiments.life_cycle.carry_out", lambda *_: 0)
    assert app(["compare", "--resume", str(tmp_path)], standalone_mode=False) in {0, None}

    path = tmp_path / file
    path.write_text(path.read_text().replace(before, after))
    with pytest.raises(LoadTestError) as error:
        app(["compare", "--resume", str(tmp_path)], standalone_mode=False)

    assert str(error.value).startswith(told)


def two_rounds() -> list[dict[str, object]]:
    """Return the trials of two rounds, none of which failed or has a mark."""
    trial: dict[str, object] = {"turn": 0, "folder": "", "exit_code": 0, "values": {}}
    return [{**trial, "round": number, "variant": name} for number in (1, 2) for name in "ab"]


def test_a_complete_comparison_is_not_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nothing to do; it is where a run of it failed."""
    monkeypatch.setattr("loadtest.experiments.life_cycle.carry_out", lambda *_: 0)
    trials = two_rounds()
    interrupted(tmp_path, complete=True, laps=trials)
    with pytest.raises(LoadTestError) as error:
        app(["compare", "--resume", str(tmp_path)], standalone_mode=False)

    assert str(error.value) == f"{tmp_path}: that comparison is complete, and no run of it failed"
    assert error.value.exit_code == 2

    trials[-1]["marks"] = ["failed"]
    interrupted(tmp_path, complete=True, laps=trials)
    assert app(["compare", "--resume", str(tmp_path)], standalone_mode=False) in {0, None}


def test_a_complete_comparison_with_marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says how to have them run again, and does."""
    trials = two_rounds()
    trials[0]["marks"] = ["disturbed"]
    interrupted(tmp_path, complete=True, laps=trials)
    with pytest.raises(LoadTestError, match=r"1 blocks have marks: --repeat-marked N runs them again"):
        app(["compare", "--resume", str(tmp_path)], standalone_mode=False)
    asked: list[CompareRequest] = []

    def resumed(comparison: Comparison, *_: object) -> int:
        asked.append(comparison._request)
        return 0

    monkeypatch.setattr("loadtest.experiments.life_cycle.carry_out", resumed)
    app(["compare", "--resume", str(tmp_path), "--repeat-marked", "2"], standalone_mode=False)

    assert asked[0].repeat_marked == 2


def test_what_is_said_before_it_begins(tmp_path: Path) -> None:
    """What is compared, how long it takes, and that equals are equals."""
    interrupted(tmp_path)
    asked = request_from(
        CompareOptions(str(tmp_path / "two.yaml"), VariantOptions(variants=["a", "b", "c=run.duration=4s"])), {}
    )
    lines = list(comparison_plan(checked_request(replace(asked, until_decided=True)), 0))

    assert lines == [
        f"comparing {tmp_path}/two.yaml: a, b, c (run.duration=4s)",
        "a and b are the same: what differs between them is noise, and nothing else",
        (
            "33 runs: a warm-up of each, then 5 rounds there and back; at most 123 runs in 20 rounds, until all is "
            "decided; about 2 min 45 s in all, at most 10 min"
        ),
    ]

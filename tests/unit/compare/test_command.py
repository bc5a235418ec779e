"""What `loadtest compare` refuses before anything is started, in its own process."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtest.cli import app
from loadtest.errors import LoadTestError

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
            ["flood-1000-direct", "--vary", TYPES, "--fail-on", "x"], "--fail-on: allowed worse", id="fail on"
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

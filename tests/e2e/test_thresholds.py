"""Thresholds as people use them: on the command line, to end a hopeless run, and on a run that is over."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.processes import LOADTEST, Door, Processes, run_command

pytestmark = pytest.mark.e2e

STEADY = """
name: staged
topology: {queues: {q: {}}}
publishers:
  shop: {exchange: "", routing_key: q, body: {size: 100B}, rate: RATE}
consumers: {out: {queue: q, users: 2}}
run: {duration: 2s}
thresholds:
  - shop.confirm.p99 < 1s
"""
STAGES = "[{for: 1s, rate: 500/s}, {for: 1s, rate: 2000/s}]"


def scenario(processes: Processes, text: str) -> str:
    """Write a scenario and return its file name."""
    (processes.folder / "staged.yaml").write_text(text, encoding="utf-8")
    return "staged.yaml"


def run_twice(processes: Processes, commands: list[list[str]]) -> list[Path]:
    """Run two commands that pass, and return the folders of their results, in that order."""
    folders: list[Path] = []
    for command in commands:
        run = processes.run(command)
        assert run.exit_code == 0, run.printed
        (folder,) = {path for path in (processes.folder / "results").iterdir() if path not in folders}
        folders.append(folder)
    return folders


@pytest.mark.parametrize("door", ["loadtest", pytest.param("locust", marks=pytest.mark.long)])
def test_thresholds_of_the_command_line_are_added(door: Door, processes: Processes, vhost_url: str) -> None:
    """A run holds the scenario's thresholds and those given; stages, counts and gauges among them."""
    file = scenario(processes, STEADY.replace("RATE", STAGES))
    more = [
        "shop.published_rate > 450/s in stage 1",
        "out.end_to_end.count > 1900 in stage 2",
        "generator.cpu.max < 0%",
    ]
    options = [part for text in more for part in ("--threshold", text)]
    run = processes.run(run_command(door, file, "--broker", vhost_url, *options))
    checks = {check["check"]: check["ok"] for check in run.result["verdict"]["checks"]}

    assert run.exit_code == 1, run.printed
    assert checks == {"shop.confirm.p99 < 1s": True, more[0]: True, more[1]: True, more[2]: False}


def test_stages_and_users_are_told_apart(processes: Processes, vhost_url: str) -> None:
    """Each stage has its own counts and latencies, and each user its messages; they add up to the totals."""
    file = scenario(processes, STEADY.replace("RATE", STAGES))
    result = processes.run(run_command("loadtest", file, "--broker", vhost_url)).result
    shop, out = result["groups"]["shop"], result["groups"]["out"]
    first, second = (shop["spans"][f"stage {number}"] for number in (1, 2))

    # A window is cut when a stage ends; what falls due or is answered around that instant may count on either side.
    assert first["counts"]["published"] == pytest.approx(500, abs=20)
    assert second["latency"]["confirm"]["count"] == pytest.approx(2_000, abs=40)
    assert first["counts"]["published"] + second["counts"]["published"] == result["totals"]["published"]
    assert second["start_s"] - first["start_s"] == pytest.approx(1, abs=1e-6)
    assert shop["by_user"] == [result["totals"]["published"]]
    assert (len(out["by_user"]), sum(out["by_user"])) == (2, result["totals"]["delivered"])


@pytest.mark.parametrize("processes_asked", [1, 2])
def test_a_hopeless_run_is_ended(processes_asked: int, processes: Processes, vhost_url: str) -> None:
    """Publishing ends, what is in flight is drained, nothing is lost, and the run has failed by that threshold."""
    file = scenario(processes, STEADY.replace("RATE", "500/s").replace("duration: 2s", "duration: 50s"))
    abort = "{check: shop.confirm.p50 < 1us, abort: true, after: 1s}"
    command = run_command("loadtest", file, "--broker", vhost_url, "--threshold", abort)
    if processes_asked > 1:
        command += ["--processes", str(processes_asked), "--set", "publishers.shop.users=2"]
    run = processes.run(command)
    result = run.result
    totals = result["totals"]

    assert run.exit_code == 1, run.printed
    assert run.elapsed_s < 45
    assert result["verdict"]["outcome"] == "fail"
    assert "ended early" in result["verdict"]["reason"]
    assert "shop.confirm.p50 < 1us came to" in result["verdict"]["reason"]
    assert [event["code"] for event in result["events"] if event["code"] == "aborted"] == ["aborted"]
    assert 400 < totals["published"] < 20_000
    assert totals["published"] == totals["confirmed"] == totals["delivered"]
    assert (totals["lost"], result["ledger"]["balanced"]) == (0, True)
    assert sum(result["groups"]["out"]["by_user"]) == totals["delivered"]


def test_a_run_that_is_over_is_judged_anew(processes: Processes, vhost_url: str) -> None:
    """`loadtest check` says what a run's own thresholds say, those given, and how it stands beside an older run."""
    file = scenario(processes, STEADY.replace("RATE", "1000/s"))
    old, new = run_twice(processes, [run_command("loadtest", file, "--broker", vhost_url)] * 2)
    before = {path: path.read_bytes() for path in new.iterdir()}
    check = [*LOADTEST, "check", str(new)]

    again = processes.run(check)
    failing = processes.run([*check, "--threshold", "shop.confirm.p99 < 1us"])
    gate = [*check, "--baseline", str(old), "--max-regression"]
    same = processes.run([*gate, "shop.published_rate 5%"])
    wrong = processes.run([*gate, "shop.confrim.p50 5%"])

    assert (again.exit_code, failing.exit_code, same.exit_code) == (0, 1, 0), again.printed + same.printed
    assert "PASS (exit code 0): 1 of 1 threshold holds" in again.stdout
    assert "FAIL  shop.confirm.p99 < 1us" in failing.stdout
    assert "shop.published_rate 5% over the baseline" in same.stdout
    assert (wrong.exit_code, wrong.stdout, wrong.stderr.count("\n")) == (2, "", 1)
    assert {path: path.read_bytes() for path in new.iterdir()} == before


@pytest.mark.long
def test_runs_that_are_not_alike_are_not_compared(processes: Processes, vhost_url: str) -> None:
    """Other settings are refused in one line that says how to go on all the same."""
    file = scenario(processes, STEADY.replace("RATE", "1000/s"))
    commands = [
        run_command("loadtest", file, "--broker", vhost_url, sets=[f"publishers.shop.rate={rate}"])
        for rate in ("1000/s", "500/s")
    ]
    old, new = run_twice(processes, commands)
    command = [*LOADTEST, "check", str(new), "--baseline", str(old), "--max-regression", "published_rate 10%"]

    refused = processes.run(command)
    told = processes.run([*command, "--despite", "scenario"])

    assert (refused.exit_code, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
    assert "not alike" in refused.stderr
    assert "--despite scenario" in refused.stderr
    assert told.exit_code == 1
    assert "FAIL  published_rate 10% over the baseline" in told.stdout

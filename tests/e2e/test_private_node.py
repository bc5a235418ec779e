"""A run without a broker given: on a node of its own, which is gone with it, however it ended."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from tests.e2e.processes import LOADTEST, Processes, assert_closed, run_command, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("rabbitmq_server")]

# From the death of the tool to that of its node, which the kernel kills with it.
ORPHANS_S = 5.0
# steady-1kb: two publishers with a confirm window of 256.
IN_FLIGHT = 512


def test_node_lives_as_long_as_the_run(processes: Processes, tmp_path: Path) -> None:
    """The node is started, used and gone: neither a process nor a folder of it is there when the command returns."""
    run = processes.run(run_command("loadtest", "flood-1000-direct"), LOADTEST_STATE_DIR=str(tmp_path / "state"))

    assert processes.running() == []
    assert run.exit_code == 0, run.printed
    assert node_folders(tmp_path) == []
    assert_closed(run.result)
    starting, up = run.stderr.splitlines()
    assert starting.startswith("starting a private RabbitMQ node with ")
    pattern = rf"RabbitMQ {run.result['broker']['version']} is up at amqp://loadtest-[0-9a-f]{{8}}:\*\*\*@127\.0\.0\.1:"
    assert re.match(pattern, up)


def test_killed_run_leaves_a_report_and_no_node(processes: Processes, tmp_path: Path) -> None:
    """
    After kill -9 of the tool its node ends, and the journal makes a full report, marked incomplete.

    What was in flight when it was killed cannot be accounted for, and the report does not pretend to.
    """
    state = str(tmp_path / "state")
    running = processes.start(run_command("locust", "steady-1kb", sets=["run.warm_up=0s"]), LOADTEST_STATE_DIR=state)
    running.wait_measured(windows=2)

    running.send(signal.SIGKILL)
    run = running.wait()
    wait_until(lambda: processes.running() == [], ORPHANS_S, "the end of the node whose tool was killed")

    assert run.exit_code == -signal.SIGKILL
    report = processes.run([*LOADTEST, "report", str(run.results_folder.relative_to(run.folder))])
    assert report.exit_code == 4, report.printed
    assert report.stderr == ""
    assert "INCONCLUSIVE (exit code 4): the run was cut off" in " ".join(report.stdout.split())
    result = run.result
    assert (result["complete"], result["ledger"]["balanced"]) == (False, None)
    assert result["totals"]["published"] >= 1900
    # What the scenario lets be in flight may have been, when the last window was cut.
    unanswered = result["totals"]["published"] - result["groups"]["in"]["latency"]["confirm"]["count"]
    assert 0 <= unanswered <= IN_FLIGHT
    assert 2 <= len([point for point in result["timeline"] if point["phase"] == "measured"])
    names = {path.name for path in run.results_folder.iterdir()}
    assert {"windows.csv", "scenario.yaml", "in.confirm.hlog", "out.end_to_end.hlog"} <= names


def test_config_that_the_node_refuses_is_3(processes: Processes, tmp_path: Path) -> None:
    """A node that does not come up is an error with the broker's own words, and nothing of it stays."""
    (processes.folder / "my.conf").write_text("channel_maxx = 77\n")

    run = processes.run(
        [*run_command("loadtest", "hello-default-exchange"), "--config", "my.conf"],
        LOADTEST_STATE_DIR=str(tmp_path / "state"),
    )

    assert run.exit_code == 3, run.printed
    assert "channel_maxx" in run.stderr
    assert run.stdout == ""
    assert node_folders(tmp_path) == []


def node_folders(tmp_path: Path) -> list[Path]:
    """Return the folders of nodes under the state folder of the test."""
    return [path for path in (tmp_path / "state" / "nodes").iterdir() if path.is_dir()]

"""A private cluster as a person has it: started, looked at, run on, stopped; and one of a run's own."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from loadtest.broker.admin.reach import probe
from loadtest.broker.endpoint import resolve_endpoints
from tests.e2e.processes import LOADTEST, Processes, assert_closed, blocks, run_command

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("rabbitmq_server")]


@pytest.mark.long
def test_life_of_a_cluster_that_stays(processes: Processes, tmp_path: Path) -> None:
    """`start` prints one word for LOADTEST_BROKER; status and logs tell its nodes; a run sees all; `stop` ends all."""
    state = str(tmp_path / "state")

    def broker(*arguments: str, exit_code: int = 0) -> str:
        run = processes.run([*LOADTEST, "broker", *arguments], LOADTEST_STATE_DIR=state)
        assert run.exit_code == exit_code, run.printed
        return run.printed if exit_code else run.stdout

    urls = broker("start", "--name", "three", "--nodes", "3")
    endpoints = resolve_endpoints([], {"LOADTEST_BROKER": urls}) or []
    versions = {probe(endpoint).version for endpoint in endpoints}
    refused = broker("start", "--name", "three", exit_code=3)
    run = processes.run(
        run_command("loadtest", "flood-1000-direct"), LOADTEST_STATE_DIR=state, LOADTEST_BROKER=urls.strip()
    )
    logs = broker("logs", "--name", "three", "--node", "2", "--lines", "3")
    running = blocks(broker("status"))
    os.kill(int(running[1]["pid"]), signal.SIGSTOP)
    paused = blocks(broker("status"))
    stopped = broker("stop", "--name", "three")

    assert (len(urls.split()), len(endpoints), len(versions)) == (1, 3, 1)
    assert "a private cluster named three runs already" in refused
    assert run.exit_code == 0, run.printed
    assert_closed(run.result)
    names = [f"three-{number}@localhost" for number in (1, 2, 3)]
    assert [node["name"] for node in run.result["broker"]["nodes"]] == names
    assert run.result["broker"]["private"]
    assert len(logs.splitlines()) == 3
    described = [(node["name"], node["url"]) for node in running]
    assert described == list(zip(["three-1", "three-2", "three-3"], urls.strip().split(","), strict=True))
    assert [node["state"] for node in paused] == ["running", "paused", "running"]
    assert stopped == "stopped the 3 nodes of three\n"
    assert "no node is started" in broker("status")
    assert processes.running() == []


@pytest.mark.long
def test_run_on_a_cluster_of_its_own(processes: Processes, tmp_path: Path) -> None:
    """`--nodes 3` is a cluster for the run: users are spread over its nodes, and it is gone with it."""
    run = processes.run(
        [*run_command("locust", "flood-1000-direct"), "--nodes", "3"], LOADTEST_STATE_DIR=str(tmp_path / "state")
    )

    assert run.exit_code == 0, run.printed
    assert_closed(run.result)
    assert len(run.result["broker"]["nodes"]) == len(run.result["broker"]["endpoints"]) == 3
    assert processes.running() == []
    assert [path for path in (tmp_path / "state" / "nodes").iterdir() if path.is_dir()] == []


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--nodes", "2"], "--nodes: found 2; allowed 1, 3 or 5"),
        (
            ["--nodes", "3", "--broker", "amqp://127.0.0.1:1"],
            "--nodes and --tls are for a private node, but a broker is named",
        ),
    ],
    ids=["even", "foreign"],
)
def test_nodes_that_cannot_be(arguments: list[str], words: str, processes: Processes) -> None:
    """It is wrong usage, said before anything is started."""
    run = processes.run([*run_command("loadtest", "flood-1000-direct"), *arguments])

    assert run.exit_code == 2
    assert words in run.stderr
    assert "starting" not in run.stderr

"""Whose fault it is: a generator that was stopped, descriptors that ran out, consumers that can do no more."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.processes import LOADTEST, Finished, Processes, Running

pytestmark = [pytest.mark.e2e]

STOPPED_S = 3
SCENARIO = """
name: blame
topology: {queues: {blame: {}}}
publishers: {in: {users: 2, routing_key: blame, body: {size: 50B}, rate: RATE/s}}
consumers: {out: {users: 2, queue: blame, prefetch: 20, ack: every 1WORK}}
run: {duration: 9s, drain: 5s}
"""


def scenario(folder: Path, rate: int = 100, work: str = "") -> str:
    """Return the path of a scenario."""
    path = folder / "blame.yaml"
    path.write_text(SCENARIO.replace("RATE", str(rate)).replace("WORK", work))
    return str(path)


def findings(run: Finished) -> dict[str, str]:
    """Return the texts of a run's findings, by code."""
    return {each["code"]: each["text"] for each in run.result["verdict"]["findings"]}


def stop_for_a_while(pid: int) -> None:
    """Stop a process, as swapping or a suspended machine does."""
    os.kill(pid, signal.SIGSTOP)
    time.sleep(STOPPED_S)
    os.kill(pid, signal.SIGCONT)


def workers_of(running: Running) -> list[int]:
    """Return the processes that Locust's master has forked."""
    pid = running.process.pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def longest_outage_s(result: dict[str, Any]) -> float:
    """Return the longest outage of any group."""
    outages = [outage for group in result["groups"].values() for outage in group["outages"] or ()]
    return max((outage["end_s"] - outage["start_s"] for outage in outages), default=0.0)


def test_a_generator_that_was_stopped_is_no_outage_of_the_broker(processes: Processes, vhost_url: str) -> None:
    """Its loop lag tells: it is the finding, and no group has an outage of that time."""
    running = processes.start([*LOADTEST, "run", scenario(processes.folder), "--broker", vhost_url])
    running.wait_measured(windows=2)
    stop_for_a_while(running.process.pid)
    run = running.wait()

    assert run.exit_code == 0, run.printed
    assert "the generator stood still" in findings(run)["generator-stalled"], run.printed
    assert longest_outage_s(run.result) < STOPPED_S / 2
    assert run.result["verdict"]["bound"]["by"] == "generator"


def test_a_worker_that_was_stopped_is_no_outage_of_the_broker(processes: Processes, vhost_url: str) -> None:
    """One of two processes: its users were not answered, and the others were."""
    command = [*LOADTEST, "run", scenario(processes.folder), "--broker", vhost_url, "--processes", "2"]
    running = processes.start(command)
    running.wait_measured(windows=2)
    stop_for_a_while(workers_of(running)[0])
    run = running.wait()

    assert run.exit_code == 0, run.printed
    assert "of 2 processes of the generator stood still" in findings(run)["generator-stalled"], run.printed
    assert longest_outage_s(run.result) < STOPPED_S / 2


@pytest.mark.parametrize("several", [False, True], ids=["one process", "two"])
def test_descriptors_that_would_run_out_end_a_run_before_it_begins(processes: Processes, several: bool) -> None:
    """With the number that is needed, and exit code 2: it is no broker that is lost."""
    words = ["--processes", "2"] * several + ["--set", "publishers.in.users=400"]
    command = " ".join([*LOADTEST, "run", scenario(processes.folder), *words])
    run = processes.run(["bash", "-c", f"ulimit -n 200; exec {command}"])

    assert run.exit_code == 2, run.printed
    assert "file descriptors, one a connection and some more, and may have 200 (ulimit -Hn)" in run.stderr
    assert "Traceback" not in run.printed


@pytest.mark.first
def test_consumers_that_can_do_no_more_are_the_limit(processes: Processes, vhost_url: str) -> None:
    """It is said before the run, by the scenario's arithmetic, and after it, by what they did."""
    path = scenario(processes.folder, 400, ", processing_time: 10ms")
    validated = processes.run([*LOADTEST, "validate", path])
    run = processes.run([*LOADTEST, "run", path, "--broker", vhost_url])

    arithmetic = "2 users × 10 ms of work = 200/s at most"
    assert validated.exit_code == 0
    assert f"warning: consumer `out`: {arithmetic}, but 400/s will be published to its queue" in validated.stderr
    assert f"warning: consumer `out`: {arithmetic}" in run.stderr
    assert run.result["verdict"]["bound"]["by"] == "consumers", run.printed
    assert arithmetic in findings(run)["consumers-bound"]

"""Runs over several processes: the same result as of one, and nobody left behind, whoever is killed."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.processes import (
    LOADTEST,
    LOCUST,
    LOCUSTFILE,
    Door,
    Processes,
    Running,
    assert_closed,
    journal,
    run_command,
    wait_until,
)

pytestmark = pytest.mark.e2e

# Publishers and consumers of a group are on both processes, a getter comes after them, and one message finds no queue.
ACROSS = """
name: across
topology:
  exchanges: {hub: {type: topic}}
  queues: {"mine-%d": {count: 3}, later: {}}
  bindings:
    - {exchange: hub, queue: "mine-%d", routing_key: "to.%d"}
    - {exchange: hub, queue: later, routing_key: later}
publishers:
  paced: {users: 3, exchange: hub, routing_key: "to.%d", body: {text: hello}, rate: 900/s, messages: 1800}
  closed: {users: 2, exchange: hub, routing_key: later, body: {size: 100B}, confirm_window: 10, messages: 500}
consumers:
  out: {users: 3, queue: "mine-%d", ack: every 7, prefetch: 20}
getters:
  drain: {users: 2, queue: later, after: closed, until: empty, ack: auto}
run: {drain: 10s}
thresholds: [lost == 0, duplicates == 0, drain.got == 500, out.delivered == 1800]
"""
# Locust misses a worker's heartbeats after some four seconds; then the drain is two.
LOST_S = 20.0


@pytest.fixture
def across(tmp_path: Path) -> Path:
    """Return the file of a scenario whose users depend on each other across processes."""
    path = tmp_path / "across.yaml"
    path.write_text(ACROSS)
    return path


def test_groups_work_together_across_processes(door: Door, processes: Processes, vhost_url: str, across: Path) -> None:
    """Every message has its row, every user its seat, and what workers measured is added up exactly."""
    run = processes.run(run_command(door, across, "--broker", vhost_url, "--processes", "2"))

    assert run.exit_code == 0, run.printed
    result = run.result
    assert_closed(result)
    totals = result["totals"]
    assert (totals["published"], totals["confirmed"], totals["delivered"], totals["got"]) == (2300, 2300, 1800, 500)
    assert [part["published"] for part in result["ledger"]["publishers"]] == [600, 600, 600, 250, 250]
    windows = [record for record in journal(run.results_folder / "windows.jsonl") if record["type"] == "window"]
    workers = {window["worker"] for window in windows}
    assert len(workers) == 2
    for name, group in result["groups"].items():
        counted = dict.fromkeys(group["latency"], 0)
        for window in windows:
            part = window["groups"].get(name, {})
            for latencies in (part.get("histograms", {}), part.get("warm_up", {})):
                for latency, histogram in latencies.items():
                    counted[latency] += histogram["count"]
        assert counted == {latency: part["count"] for latency, part in group["latency"].items()}
    assert result["groups"]["out"]["latency"]["end_to_end"]["count"] == 1800
    # Over the time until the last of them was confirmed, which a busy machine makes longer.
    assert 700 < result["groups"]["paced"]["rates"]["offered_per_s"] <= 902


def started(processes: Processes, url: str) -> Running:
    """Return a run over two processes that has begun to measure, and lasts longer than any test."""
    command = run_command("locust", "steady-1kb", "--broker", url, "--processes", "2", sets=["run.warm_up=0s"])
    running = processes.start(command)
    running.wait_measured(windows=3)
    return running


def workers_of(running: Running) -> list[int]:
    """Return the pids of the workers."""
    text = Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children").read_text()
    return [int(pid) for pid in text.split()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_an_interrupted_run_is_ended_in_order_by_all(
    number: signal.Signals, processes: Processes, vhost_url: str
) -> None:
    """The master has its workers take what is in flight; the ledger of the part that ran is closed."""
    running = started(processes, vhost_url)

    running.send(number)
    run = running.wait(10.0)

    assert run.exit_code == 130, run.printed
    assert_closed(run.result)
    totals = run.result["totals"]
    assert 1000 <= totals["published"] == totals["confirmed"] == totals["delivered"]


def test_a_worker_that_is_killed_makes_the_run_incomplete(processes: Processes, vhost_url: str) -> None:
    """The others end the run; the result names the worker, and claims nothing of what it had not told."""
    running = started(processes, vhost_url)

    os.kill(workers_of(running)[0], signal.SIGKILL)
    run = running.wait(LOST_S)

    assert run.exit_code == 4, run.printed
    assert [event["code"] for event in run.result["events"]].count("worker-lost") == 1
    assert run.result["complete"] is False
    assert "a process of the run is gone: worker" in run.result["verdict"]["reason"]


# Seven publishers and five consumers that acknowledge nothing: whoever is killed takes some of both with it.
HELD = """
name: held
topology: {queues: {"mine-%d": {count: 5}}}
publishers: {in: {users: 7, routing_key: "mine-%d", body: {size: 100B}, rate: 700/s, arrival: poisson}}
consumers: {out: {users: 5, queue: "mine-%d", ack: auto}}
run: {duration: 12s, drain: 10s}
thresholds: [lost == 0]
"""


def held(processes: Processes, url: str, *arguments: str) -> Running:
    """Return a run over three processes of twelve seconds that has begun to measure."""
    path = processes.folder / "held.yaml"
    path.write_text(HELD)
    running = processes.start(run_command("locust", path, "--broker", url, "--processes", "3", *arguments))
    running.wait_measured(windows=6)
    return running


@pytest.mark.long
def test_others_take_the_place_of_a_worker_that_is_killed(processes: Processes, vhost_url: str) -> None:
    """The run goes on to its end and passes; what the worker had open is in doubt, and nothing of it lost."""
    running = held(processes, vhost_url, "--on-worker-lost", "continue")

    os.kill(workers_of(running)[0], signal.SIGKILL)
    run = running.wait(60.0)

    assert run.exit_code == 0, run.printed
    assert_closed(run.result)
    assert run.result["complete"] is True
    codes = [event["code"] for event in run.result["events"]]
    assert (codes.count("worker-replaced"), codes.count("worker-lost")) == (1, 0)
    assert "worker-lost" in [finding["code"] for finding in run.result["verdict"]["findings"]]
    totals, groups = run.result["totals"], run.result["groups"]
    assert totals["published"] == totals["delivered"] + totals["vanished"]
    assert totals["published"] <= totals["offered"]
    # Its users were away for some five seconds of twelve at most, and came back.
    last = [point for point in run.result["timeline"] if point["phase"] == "measured"][-2]
    assert last["groups"]["in"]["rates"]["published_per_s"] == pytest.approx(700, rel=0.25)
    assert len(groups["in"]["by_user"]) == 7
    assert min(groups["in"]["by_user"]) > 300


@pytest.mark.long
def test_windows_of_a_worker_that_stands_still_are_waited_for(processes: Processes, vhost_url: str) -> None:
    """Three seconds in which a process does nothing: its part comes late, is whole, and nothing is missing."""
    running = held(processes, vhost_url)
    worker = workers_of(running)[0]

    os.kill(worker, signal.SIGSTOP)
    time.sleep(2.5)
    os.kill(worker, signal.SIGCONT)
    run = running.wait(60.0)

    assert run.exit_code == 0, run.printed
    assert_closed(run.result)
    totals = run.result["totals"]
    assert totals["published"] == totals["confirmed"] == totals["delivered"] == totals["offered"]
    assert totals["offered"] == pytest.approx(700 * 12, rel=0.1)


def test_workers_go_with_a_master_that_is_killed(processes: Processes, vhost_url: str) -> None:
    """Nothing is left, and the journal makes a report of what had come in."""
    running = started(processes, vhost_url)

    running.process.kill()
    running.wait(5.0)

    wait_until(lambda: not processes.running(), 5.0, "the workers' end")
    report = processes.run([*LOADTEST, "report", str(next((processes.folder / "results").iterdir()))])
    assert report.exit_code == 4, report.printed


def test_an_error_before_the_run_leaves_no_worker(processes: Processes) -> None:
    """A broker that is not there is said once, with exit code 3."""
    run = processes.run(
        run_command("locust", "flood-1000-direct", "--broker", "amqp://127.0.0.1:1/", "--processes", "2")
    )

    assert run.exit_code == 3, run.printed
    assert len(run.stderr.splitlines()) == 1
    wait_until(lambda: not processes.running(), 5.0, "the workers' end")


def test_a_run_over_processes_has_the_options_of_one_in_one(processes: Processes) -> None:
    """
    Its private broker has the nodes and the TLS that were asked for, and no more processes start than it has users.

    Locust's configuration file and variables count for `locust`, and for no run of `loadtest`.
    """
    (processes.folder / "locust.conf").write_text("users = 7\nset = [run.seed=77]\n")
    options = ("--nodes", "3", "--tls", "--plugin", "rabbitmq_management", "--processes", "5", "-r", "1000000")
    run = processes.run(run_command("loadtest", "hello-default-exchange", *options), LOCUST_USERS="9")

    assert run.exit_code == 0, run.printed
    result = run.result
    assert [url.partition(":")[0] for url in result["broker"]["endpoints"]] == ["amqps"] * 3
    assert sum(group["users"] for group in result["groups"].values()) == 2
    assert "seed: 1\n" in result["scenario"]["text"]
    assert "connect_rate: 1000000/s\n" in result["scenario"]["text"]
    assert "--processes 5: the run has 2 users, and is spread over as many" in run.stderr
    windows = [record for record in journal(run.results_folder / "windows.jsonl") if record["type"] == "window"]
    assert len({window["worker"] for window in windows}) == 2


def test_master_and_workers_started_by_hand(processes: Processes, vhost_url: str, free_port: int) -> None:
    """Workers started apart from their master, without a scenario, do the same."""
    port = ["--master-port", str(free_port)]
    workers = [processes.start([LOCUST, "-f", str(LOCUSTFILE), "--worker", *port]) for _ in range(2)]
    master = [*run_command("locust", "hello-default-exchange", "--broker", vhost_url), "--master", "--expect-workers=2"]

    run = processes.run([*master, "--master-bind-port", str(free_port)])

    assert run.exit_code == 0, run.printed
    assert_closed(run.result)
    assert [worker.wait(10.0).exit_code for worker in workers] == [0, 0]


def test_the_page_starts_runs_over_processes_again_and_again(
    processes: Processes, vhost_url: str, free_port: int
) -> None:
    """The second run has the users and the messages of its own scenario, and none of the first."""
    import requests

    command = [LOCUST, "-f", str(LOCUSTFILE), "--processes", "2", "--broker", vhost_url, "--web-port", str(free_port)]
    running = processes.start(command)
    url = f"http://127.0.0.1:{free_port}"
    results: list[Any] = []

    def post(scenario: str) -> bool:
        try:
            answer = requests.post(
                f"{url}/swarm", {"scenario": scenario, "user_count": "", "spawn_rate": ""}, timeout=9
            )
        except requests.ConnectionError:
            return False
        return bool(answer.json()["success"])

    for number, scenario in enumerate(("flood-1000-direct", "topic-routing"), start=1):
        wait_until(lambda scenario=scenario: post(scenario), 20.0, f"the start of {scenario}")  # type: ignore[misc]
        wait_until(lambda number=number: len(documents(processes.folder)) == number, 20.0, "a result")  # type: ignore[misc]
        results = documents(processes.folder)
    running.send(signal.SIGTERM)
    running.wait(15.0)

    assert [result["verdict"]["outcome"] for result in results] == ["pass", "pass"]
    assert [result["totals"]["published"] for result in results] == [1000, 4000]
    assert results[1]["totals"]["foreign"] == 0


def documents(folder: Path) -> list[Any]:
    """Return the results that are written, the oldest first."""
    time.sleep(0.05)
    paths = sorted((folder / "results").glob("*/result.json"), key=lambda path: path.stat().st_mtime)
    return [json.loads(path.read_text()) for path in paths]

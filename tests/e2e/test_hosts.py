"""Runs over several hosts: clocks that differ, files that are not there, brokers that cannot be reached."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.e2e.elsewhere import can, slow_way, with_clock
from tests.e2e.processes import (
    LOCUST,
    LOCUSTFILE,
    Finished,
    Processes,
    assert_closed,
    journal,
    run_command,
    wait_until,
)

pytestmark = pytest.mark.e2e

# One of each on each worker: every message goes from one to the other, or may.
FLOW = """
name: flow
topology: {queues: {q: {}}}
publishers: {in: {users: USERS, routing_key: q, body: BODY, rate: 400/s, arrival: ARRIVAL, messages: 400}}
consumers: {out: {users: USERS, queue: q, ack: every 10, prefetch: 50}}
run: {drain: 10s}
thresholds: [lost == 0, duplicates == 0, "out.end_to_end.p50 < 1s"]
"""
# A second locustfile, of the master: it says when a worker has come, which Locust logs below what is shown.
TELLING = """
from locust import events

@events.worker_connect.add_listener
def tell(**_):
    print("worker connected", flush=True)
"""
AHEAD_S = 5_000
NS_PER_S = 1_000_000_000


def flow(folder: Path, *, users: int = 1, body: str = "{size: 50B}", arrival: str = "constant") -> Path:
    """Return the file of the scenario."""
    path = folder / "flow.yaml"
    path.write_text(FLOW.replace("USERS", str(users)).replace("BODY", body).replace("ARRIVAL", arrival))
    return path


def worker(port: int) -> list[str]:
    """Return the command of a worker."""
    return [LOCUST, "-f", str(LOCUSTFILE), "--worker", "--master-port", str(port)]


def run_over(
    processes: Processes, port: int, scenario: Path, url: str, workers: Sequence[Sequence[str]], *arguments: str
) -> Finished:
    """Run a scenario with these workers, which have nothing of it in their folder."""
    elsewhere = processes.in_folder("elsewhere")
    for command in workers:
        elsewhere.start(command)
    master = [*run_command("locust", scenario, "--broker", url), "--master", f"--expect-workers={len(workers)}"]
    return processes.run([*master, "--master-bind-port", str(port), *arguments])


@pytest.fixture
def clocks() -> None:
    """Skip where the kernel does not let this user give a process a clock of its own."""
    if not can(with_clock(1, ["true"])):
        pytest.skip("no right to make a time namespace")


@pytest.mark.usefixtures("clocks")
def test_latencies_between_clocks_are_true(
    processes: Processes, vhost_url: str, free_port: int, tmp_path: Path
) -> None:
    """A publisher and a consumer whose clocks are 5,000 s apart: what is measured between them is the way."""
    far = with_clock(AHEAD_S, worker(free_port))

    run = run_over(processes, free_port, flow(tmp_path), vhost_url, [far, worker(free_port)])

    assert run.exit_code == 0, run.printed
    assert_closed(run.result)
    own, other = sorted(run.result["workers"], key=lambda each: each["has_own_clock"])
    assert (own["has_own_clock"], own["offset_ns"], own["bound_ns"]) == (False, 0, 0)
    assert other["has_own_clock"]
    assert 0 <= abs(other["offset_ns"] - AHEAD_S * NS_PER_S) <= other["bound_ns"] < NS_PER_S // 10
    latency = run.result["groups"]["out"]["latency"]["end_to_end"]
    assert (latency["count"], latency["clock_bound_ns"]) == (400, other["bound_ns"])
    assert -other["bound_ns"] <= latency["min_ns"] < latency["p50_ns"] < NS_PER_S
    assert run.result["groups"]["in"]["latency"]["confirm"]["clock_bound_ns"] is None
    windows = [record for record in journal(run.results_folder / "windows.jsonl") if record["type"] == "window"]
    ends = [max(each["end_ns"] for each in windows if each["worker"] == name["worker"]) for name in (own, other)]
    assert abs(ends[0] - ends[1]) < NS_PER_S


@pytest.mark.long
@pytest.mark.usefixtures("clocks")
def test_an_uneven_way_is_within_the_bound(
    processes: Processes, vhost_url: str, free_port: int, tmp_path: Path
) -> None:
    """With 30 ms on the way to the worker and none back the estimate is off by half of that, which the bound covers."""
    with slow_way(free_port, there_s=0, back_s=0.03) as port:
        far = with_clock(-300, worker(port))
        run = run_over(processes, free_port, flow(tmp_path), vhost_url, [far, worker(free_port)])

    assert run.exit_code == 0, run.printed
    (other,) = [each for each in run.result["workers"] if each["has_own_clock"]]
    assert 0.010 * NS_PER_S < abs(other["offset_ns"] + 300 * NS_PER_S) <= other["bound_ns"]
    assert "clock-offset" in [finding["code"] for finding in run.result["verdict"]["findings"]]


def test_workers_need_no_file_of_the_run(processes: Processes, vhost_url: str, free_port: int, tmp_path: Path) -> None:
    """Scenario and body files come from the master, the locustfile too; groups of uneven size are whole."""
    (tmp_path / "bodies").mkdir()
    (tmp_path / "bodies" / "order.json").write_text('{"order": 1}')
    scenario = flow(tmp_path, users=7, body="{file: bodies/order.json}", arrival="poisson")
    bare = [LOCUST, "-f", "-", "--worker", "--master-port", str(free_port)]

    run = run_over(processes, free_port, scenario, vhost_url, [bare, worker(free_port), worker(free_port)])

    assert run.exit_code == 0, run.printed
    assert_closed(run.result)
    assert [part["publisher"] for part in run.result["ledger"]["publishers"]] == list(range(7))
    assert run.result["totals"]["delivered"] == run.result["totals"]["published"] == 400
    assert len(run.result["workers"]) == 3


def test_a_worker_that_comes_late_has_no_part_in_the_run(
    processes: Processes, vhost_url: str, free_port: int, tmp_path: Path
) -> None:
    """Nobody's users are ended or moved for it; it waits for the next run, and ends with the master."""
    # It has no end of its own, as nobody knows how long a worker takes to connect on a busy machine.
    scenario, telling = flow(tmp_path, users=3), tmp_path / "telling.py"
    telling.write_text(TELLING)
    first = processes.start(worker(free_port))
    sets = ["publishers.in.messages=null", "run.duration=10m"]
    master = [*run_command("locust", scenario, "--broker", vhost_url, sets=sets), "--master", "--expect-workers=1"]
    running = processes.start([*master, "-f", f"{LOCUSTFILE},{telling}", "--master-bind-port", str(free_port)])
    running.wait_measured()

    late = processes.start(worker(free_port))
    wait_until(lambda: running.stdout.count("worker connected") == 2, 60.0, "the late worker")
    running.wait_measured(running.measured() + 3)
    running.send(signal.SIGINT)
    run = running.wait()

    assert run.exit_code == 130, run.printed
    assert_closed(run.result)
    assert run.result["totals"]["delivered"] == run.result["totals"]["published"] > 0
    assert len(run.result["workers"]) == 1
    assert [first.wait(20.0).exit_code, late.wait(70.0).exit_code] == [0, 0]

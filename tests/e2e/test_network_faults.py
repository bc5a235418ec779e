"""Faults of the network, done to the connections of a run's users: told, survived, every message accounted for."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.e2e.processes import Door, Json, Processes, assert_closed, run_command

pytestmark = pytest.mark.e2e

FLOW = """
name: harmed
topology: {queues: {q: {durable: true}}}
publishers:
  in:
    {routing_key: q, body: {text: hi}, rate: 300/s, confirm_window: 100, properties: {delivery_mode: 2}, users: 3}
consumers: {out: {queue: q, users: 3, ack: every 10, prefetch: 100}}
run: {duration: 6s, drain: 15s}
faults: [FAULTS]
thresholds: [lost == 0]
"""
EVERY_FAULT = """
  {at: 300ms, do: slow-network, latency: 20ms, jitter: 5ms, bandwidth: 1MB/s, for: 1s},
  {at: 2s, do: cut-network, how: reset},
  {at: 3s, do: cut-network, how: reset, for: 500ms},
  {at: 4600ms, do: cut-network, for: 600ms},
  {at: 5500ms, do: slow-network, latency: 2ms},
  {at: 5700ms, do: restore-network, node: 1}
"""


def scenario(folder: Path, faults: str, **replaced: str) -> Path:
    """Write the flow with *faults*, and with a few words of it replaced, and return its file."""
    text = FLOW.replace("FAULTS", faults)
    for old, new in replaced.items():
        text = text.replace(old, new)
    path = folder / "harmed.yaml"
    path.write_text(text)
    return path


def told(result: Json, code: str = "fault") -> list[str]:
    """Return the texts of the events of a code, less how long they took."""
    return [event["text"].split(" (it took")[0] for event in result["events"] if event["code"] == code]


@pytest.mark.parametrize("door", ["loadtest", pytest.param("locust", marks=pytest.mark.long)])
def test_every_fault_of_the_network(door: Door, processes: Processes, tmp_path: Path, vhost_url: str) -> None:
    """Each is done and undone at its time, and nothing is lost; through both doors."""
    path = scenario(tmp_path, EVERY_FAULT)
    run = processes.run(run_command(door, path, "--broker", vhost_url))
    result = run.result

    assert run.exit_code == 0, run.printed
    assert_closed(result)
    assert told(result) == [
        "slow-network all links: +20 ms ±5 ms, 1 MB/s",
        "restore-network all links",
        "cut-network all links: reset",
        "cut-network all links: reset and refused",
        "restore-network all links",
        "cut-network all links: black hole",
        "restore-network all links",
        "slow-network all links: +2 ms",
        "restore-network all links",
    ]
    assert len(told(result, "connection-dropped")) == len(told(result, "reconnected")) == 2
    assert any("Connection reset by peer" in text for text in told(result, "connection-dropped"))
    # 20 ms there and back while it is slow, and nobody gets through while nothing passes.
    latencies = [row["groups"]["in"]["latency"] for row in result["timeline"] if row["groups"].get("in")]
    confirms = [latency["confirm"] for latency in latencies if "confirm" in latency]
    assert 30e6 < confirms[0]["p50_ns"]
    assert result["groups"]["in"]["latency"]["confirm"]["max_ns"] > 500e6
    assert "the users' connections go through a proxy of this tool" in run.stderr


@pytest.mark.long
def test_all_processes_go_through_the_proxy(processes: Processes, tmp_path: Path, vhost_url: str) -> None:
    """Users of two workers lose their connections with those resets, and come back."""
    path = scenario(tmp_path, "{every: 2s, do: cut-network, how: reset}")
    run = processes.run(
        run_command("loadtest", path, "--broker", vhost_url, "--processes", "2", sets=["run.duration=5s"])
    )

    assert run.exit_code == 0, run.printed
    assert_closed(run.result)
    assert told(run.result) == ["cut-network all links: reset"] * 2
    # An outage is told by each process.
    assert len(told(run.result, "connection-dropped")) == len(told(run.result, "reconnected")) == 4


@pytest.mark.long
def test_a_network_that_stays_cut(processes: Processes, tmp_path: Path, vhost_url: str) -> None:
    """The run ends all the same: what was not answered is in doubt, and nothing is counted as lost."""
    path = scenario(tmp_path, "{at: 1s, do: cut-network}", **{"duration: 6s, drain: 15s": "duration: 2s, drain: 2s"})
    run = processes.run(run_command("loadtest", path, "--broker", vhost_url))

    assert_closed(run.result)
    assert run.result["totals"]["in_doubt"] > 0
    assert run.elapsed_s < 60


def test_the_end_of_the_proxy_is_told(processes: Processes, tmp_path: Path, vhost_url: str) -> None:
    """A run whose proxy was killed is inconclusive, and says why."""
    path = scenario(tmp_path, "{at: 5s, do: cut-network, how: reset}", **{"drain: 15s": "drain: 2s, reconnect_for: 1s"})
    running = processes.start(run_command("loadtest", path, "--broker", vhost_url))
    running.wait_measured()
    (proxy,) = [pid for pid in processes.running() if b"loadtest.broker.proxy" in command(pid)]
    os.kill(proxy, signal.SIGKILL)
    run = running.wait()

    assert run.exit_code not in {0, 1}, run.printed
    assert "network: the proxy that the users' connections go through has ended by itself" in told(
        run.result, "fault-failed"
    )


def test_nothing_is_left_of_a_killed_run(processes: Processes, tmp_path: Path, vhost_url: str) -> None:
    """The proxy dies with the tool, even by kill -9."""
    path = scenario(tmp_path, "{at: 5s, do: cut-network}")
    running = processes.start(run_command("loadtest", path, "--broker", vhost_url))
    running.wait_measured()
    descriptors = [os.pidfd_open(pid) for pid in processes.running() if b"loadtest.broker.proxy" in command(pid)]
    running.send(signal.SIGKILL)
    running.process.wait()
    processes.end()

    assert len(descriptors) == 1
    os.close(descriptors[0])


def command(pid: int) -> bytes:
    """Return the command line of a process."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")


def test_a_node_that_is_not_named(processes: Processes, tmp_path: Path, vhost_url: str) -> None:
    """It is refused before anything starts."""
    path = scenario(tmp_path, "{at: 1s, do: cut-network, node: 2}")
    run = processes.run(run_command("loadtest", path, "--broker", vhost_url))

    assert run.exit_code == 2
    assert "faults[0]: cut-network: there is no node 2; the broker is named by 1 URL" in run.stderr
    assert not list(tmp_path.glob("work/results/*/result.json"))

"""Faults of a scenario, done to private nodes: each is told, survived, and every message accounted for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.processes import LOADTEST, Json, Processes, assert_closed

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.xdist_group("cluster")]

# A quorum queue that is younger than 2 s may be lost with all its nodes.
FLOW = """
name: harmed
topology: {queues: {q: {type: TYPE, durable: true}}}
publishers:
  in:
    {routing_key: q, body: {text: hi}, rate: 300/s, confirm_window: 100, properties: {delivery_mode: 2}, users: 3}
consumers: {out: {queue: q, users: 3, ack: every 10, prefetch: 100}}
run: {duration: 9s, drain: 20s}
faults: [{at: 3s, FAULT}]
thresholds: [lost == 0]
"""
AT_S = 3.0


@pytest.fixture(scope="module")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """Starts all processes here: a node that a run starts again lives longer than the run, as it did before."""
    starter = Processes(tmp_path_factory.mktemp("cluster"))
    yield starter
    starter.end()


@pytest.fixture(scope="module")
def state(starter: Processes) -> Path:
    """Where the cluster is noted."""
    return starter.folder / "state"


@pytest.fixture(scope="module")
def urls(rabbitmq_server: object, starter: Processes, state: Path) -> Iterator[str]:
    """A cluster of three nodes that stays over the tests here."""
    environ = {"LOADTEST_STATE_DIR": str(state)}
    started = starter.run([*LOADTEST, "broker", "start", "--name", "harmed", "--nodes", "3"], **environ)
    assert started.exit_code == 0, started.printed
    yield started.stdout.strip()
    starter.run([*LOADTEST, "broker", "stop", "--name", "harmed"], **environ)


@pytest.fixture
def processes(starter: Processes, request: pytest.FixtureRequest) -> Processes:
    """Start processes in a folder of the test's own, as `starter`."""
    return starter.in_folder(request.node.name)


def harmed(processes: Processes, tmp_path: Path, state: Path, urls: str, fault: str, *sets: str) -> Json:
    """Run the flow with a fault, and return its result, with the ledger closed."""
    scenario = tmp_path / "harmed.yaml"
    scenario.write_text(FLOW.replace("FAULT", fault).replace("TYPE", "quorum"))
    run = processes.run([*LOADTEST, "run", str(scenario), *sets], LOADTEST_STATE_DIR=str(state), LOADTEST_BROKER=urls)
    assert run.exit_code in {0, 1}, run.printed
    assert_closed(run.result)
    return run.result


def codes(result: Json) -> list[str]:
    """Return the codes of a result's events."""
    return [event["code"] for event in result["events"]]


def test_leader_is_killed(processes: Processes, tmp_path: Path, state: Path, urls: str) -> None:
    """The node that leads the queue dies and comes back: users go to others, and nothing confirmed is lost."""
    result = harmed(processes, tmp_path, state, urls, "do: kill-node, leader_of: q, for: 3s")
    told = [event["text"] for event in result["events"] if event["code"] == "fault"]

    assert [text.split()[0] for text in told] == ["kill-node", "start-node"]
    assert "(leader of q)" in told[0]
    assert told[0].split()[1] == told[1].split()[1]
    assert codes(result).count("connection-dropped") == codes(result).count("reconnected") > 0
    assert result["verdict"]["exit_code"] == 0


def test_all_nodes_are_killed(processes: Processes, tmp_path: Path, state: Path, urls: str) -> None:
    """Nobody can publish until they are back; what fell due meanwhile is sent then, late."""
    result = harmed(processes, tmp_path, state, urls, "do: kill-node, node: all, for: 2s", "--set", "run.duration=25s")

    assert codes(result).count("fault") == 2
    assert result["totals"]["published"] >= 0.9 * result["totals"]["offered"]
    assert max(outage["end_s"] - outage["start_s"] for outage in result["groups"]["in"]["outages"]) > 2
    assert result["verdict"]["exit_code"] == 0


def test_memory_alarm_blocks_publishers(processes: Processes, tmp_path: Path, state: Path, urls: str) -> None:
    """They stand still while it is on, no connection is lost, and all is sent once it is off."""
    result = harmed(processes, tmp_path, state, urls, "do: memory-alarm, for: 2s")
    blocked_ns = [row["gauges"].get("blocked_ns", 0) for row in result["timeline"]]

    assert codes(result).count("fault") == 2
    assert "connection-dropped" not in codes(result)
    assert sum(blocked_ns) > 3 * 10**9  # three publishers, over a second each
    books = result["ledger"]["publishers"]
    off_s = max(event["t_s"] for event in result["events"] if event["code"] == "fault")
    assert all(1 < book["blocked_s"] < off_s - AT_S + 1 for book in books)  # an alarm takes its time on a busy machine
    assert sum(book["blocked_s"] for book in books) == pytest.approx(sum(blocked_ns) / 10**9, abs=0.5)
    assert result["totals"]["published"] == result["totals"]["offered"]
    assert result["totals"]["in_doubt"] == 0


def test_connections_are_closed_again_and_again(processes: Processes, tmp_path: Path, state: Path, urls: str) -> None:
    """Each time every user comes back."""
    fault = "do: close-connections, reason: tidying up}, {at: 5s, do: pause-node, for: 1s"
    result = harmed(processes, tmp_path, state, urls, fault)
    dropped = [event["text"] for event in result["events"] if event["code"] == "connection-dropped"]

    assert codes(result).count("fault") == 3
    assert any("tidying up" in text for text in dropped)
    assert result["verdict"]["exit_code"] == 0


def test_link_to_the_leader_is_cut(processes: Processes, tmp_path: Path, state: Path, urls: str) -> None:
    """Those who were connected to that node go on to others, and nobody else sees anything of it."""
    result = harmed(processes, tmp_path, state, urls, "do: cut-network, leader_of: q, how: reset, for: 3s")
    told = [event for event in result["events"] if event["code"] == "fault"]

    assert [event["text"].split()[0] for event in told] == ["cut-network", "restore-network"]
    assert "(leader of q): reset and refused" in told[0]["text"]
    (back,) = [event for event in result["events"] if event["code"] == "reconnected"]
    # A publisher and a consumer, of three each, and before the link is there again.
    assert back["text"].startswith("all of 2 users are back after ")
    assert back["t_s"] < told[1]["t_s"]
    assert result["verdict"]["exit_code"] == 0


def test_what_is_purged_is_lost_and_counted_exactly(
    processes: Processes, tmp_path: Path, state: Path, urls: str
) -> None:
    """As many messages are lost as the broker says that it threw away; the run has failed."""
    scenario = tmp_path / "purged.yaml"
    text = FLOW.replace("FAULT", "do: purge-queue, queue: q")
    scenario.write_text(text.replace("TYPE", "classic").replace("{queue: q, users: 3", "{queue: q, start_at: 4s"))
    run = processes.run([*LOADTEST, "run", str(scenario)], LOADTEST_STATE_DIR=str(state), LOADTEST_BROKER=urls)
    (told,) = [event["text"] for event in run.result["events"] if event["code"] == "fault"]
    purged = int(told.split(" messages ready")[0].split()[-1].replace(",", ""))

    assert purged > 300
    assert run.result["totals"]["lost"] == purged
    assert run.exit_code == 1
    assert "lost" in run.stdout


def test_nodes_of_others_are_left_alone(processes: Processes, tmp_path: Path, urls: str) -> None:
    """The same nodes, unknown to this tool as its own, are not touched: refused before anything starts."""
    scenario = tmp_path / "harmed.yaml"
    scenario.write_text(FLOW.replace("FAULT", "do: kill-node").replace("TYPE", "classic"))
    run = processes.run(
        [*LOADTEST, "run", str(scenario)], LOADTEST_STATE_DIR=str(tmp_path / "other"), LOADTEST_BROKER=urls
    )

    assert run.exit_code == 2
    assert "faults[0]: kill-node is for private nodes only" in run.stderr
    assert not list(tmp_path.glob("work/results/*/result.json"))

"""`loadtest compare` as it is typed: on real brokers, with faults of the command line, interrupted and gone on with."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.e2e.processes import LOADTEST, Finished, Json, Processes, results_folders, wait_until

pytestmark = pytest.mark.e2e

TYPES = "topology.queues.Queue111112.type=classic,quorum"
SHORT = ("--set", "publishers.flood.messages=200")
FEW = ("--metric", "flood.confirmed_rate", "--metric", "drain.get.p50")


def compare(*words: str) -> list[str]:
    """Return the command."""
    return [*LOADTEST, "compare", *words]


def document(run: Finished) -> Json:
    """Return what a comparison wrote."""
    found: Json = json.loads((run.results_folder / "compare.json").read_text())
    return found


def test_values_of_a_scenario(processes: Processes, vhost_url: str) -> None:
    """Two types of a queue, two rounds: a table, a summary, a folder for each lap, on the broker that is named."""
    command = compare("flood-1000-direct", "--vary", TYPES, "--rounds", "2", *SHORT, *FEW)
    run = processes.run(command, LOADTEST_BROKER=vhost_url)
    found = document(run)

    assert run.exit_code == found["exit_code"] == 5, run.printed
    assert found["schema"] == "loadtest.compare/1"
    assert found["complete"] is True
    assert found["rounds"] == 2
    assert [variant["name"] for variant in found["variants"]] == ["classic", "quorum"]
    assert all(lap["exit_code"] == 0 and lap["values"]["drain.get.p50"] > 0 for lap in found["laps"] if lap["round"])
    assert [finding["pairs"] for finding in found["findings"]] == [4, 4]
    for lap in found["laps"]:
        assert len(list((run.results_folder / lap["folder"]).glob("*/result.json"))) == 1
    assert "quorum beside classic" in run.stdout
    assert "starting a private" not in run.stderr
    assert "round 2 of 2: quorum, about" in run.stderr
    assert (run.results_folder / "summary.md").read_text().startswith("# flood-1000-direct, compared")


def test_configs_of_private_brokers(processes: Processes, rabbitmq_server: Path, tmp_path: Path) -> None:
    """Each variant has a node of its own, and what differs in its config is told; a worse figure fails if asked."""
    (tmp_path / "a.conf").write_text("heartbeat = 60\n")
    (tmp_path / "b.conf").write_text("heartbeat = 30\nframe_max = 65536\n")
    configs = [word for name in "ab" for word in ("--config", f"{name}={tmp_path / name}.conf")]
    run = processes.run(compare("flood-1000-direct", *configs, "--rounds", "2", *SHORT, *FEW, "--fail-on", "worse"))
    found = document(run)
    differs = {name.split()[-1]: values for name, values in found["variants"][1]["differs"].items()}

    assert run.exit_code == 5, run.printed
    assert run.stderr.count("is up at") == 2
    assert differs == {"heartbeat": ["60", "30"], "frame_max": ["not set", "65536"]}
    assert "config b.conf" in run.stdout
    assert str(tmp_path) not in (run.results_folder / "compare.json").read_text()


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
        pytest.param(["--resume", "nowhere"], "nowhere holds no comparison", id="nothing to go on with"),
    ],
)
def test_faults_are_told_before_anything_runs(words: list[str], told: str, processes: Processes) -> None:
    """Nothing is started, and no folder is made."""
    run = processes.run(compare(*words))

    assert run.exit_code in {2, 4}, run.printed
    assert told in run.stderr
    assert "starting" not in run.stderr
    assert results_folders(run.folder) == []


def test_interrupted_and_gone_on_with(processes: Processes, vhost_url: str) -> None:
    """Ctrl-C in the middle of a lap ends it with 130; `--resume` runs what is missing, to the verdict."""
    broker = {"LOADTEST_BROKER": vhost_url}
    command = compare("flood-1000-direct", "--vary", TYPES, "--rounds", "2", *SHORT, *FEW)
    running = processes.start(command, **broker)
    wait_until(lambda: "round 2 of 2" in running.stderr, 40.0, "the second round")
    running.send(signal.SIGINT)
    interrupted = running.wait(20.0)
    folder = interrupted.results_folder
    before = document(interrupted)

    assert interrupted.exit_code == 130, interrupted.printed
    assert f"to go on: loadtest compare --resume {folder.relative_to(interrupted.folder)}" in interrupted.stderr
    assert before["complete"] is False
    assert 4 <= len(before["laps"]) < 10

    resumed = processes.run(compare("--resume", str(folder)), **broker)
    after = document(resumed)

    assert resumed.exit_code == after["exit_code"] == 5, resumed.printed
    assert after["complete"] is True
    assert after["started_at"] == before["started_at"]
    assert len(after["laps"]) == 10
    assert [lap for lap in after["laps"] if lap in before["laps"]] == before["laps"]
    again = processes.run(compare("--resume", str(folder)), **broker)
    assert again.exit_code == 2
    assert "that comparison is complete" in again.stderr


def test_a_broker_that_is_not_there(processes: Processes, free_port: int) -> None:
    """The warm-up says so, with the exit code of a broker that is gone, and without the password."""
    url = f"amqp://ann:hunter2@127.0.0.1:{free_port}/"
    run = processes.run(compare("flood-1000-direct", "--broker", f"a={url}", "--broker", f"b={url}", *FEW))

    assert run.exit_code == 3, run.printed
    assert "cannot be run" in run.stderr
    assert "hunter2" not in run.printed
    assert all("hunter2" not in path.read_text() for path in run.results_folder.rglob("*") if path.is_file())


STEADY = ("steady-1kb", "--set", "run.duration=3s", "--set", "run.warm_up=1s", "--rounds", "5")


@pytest.mark.long
@pytest.mark.alone
@pytest.mark.timeout(600)
def test_equal_variants_are_found_equal(processes: Processes, vhost_url: str) -> None:
    """An A/A comparison: no metric is better or worse, and the rates, which are asked for, do not differ."""
    run = processes.start(
        compare(*STEADY, "--variant", "a", "--variant", "b", "--fail-on", "worse"), LOADTEST_BROKER=vhost_url
    ).wait(300.0)
    words = {finding["metric"]: finding["verdict"] for finding in document(run)["findings"]}

    assert not {"better", "worse"} & set(words.values()), run.printed
    assert words["out.delivered_rate"] == "no-difference"
    assert run.exit_code in {0, 5}


@pytest.mark.long
@pytest.mark.alone
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "slower, metric",
    [
        pytest.param("faults=[{at: 0s, do: slow-network, latency: 10ms}]", "out.end_to_end.p50", id="latency"),
        pytest.param("variables.rate=950/s", "out.delivered_rate", id="rate"),
    ],
)
def test_a_known_slowdown_is_found(slower: str, metric: str, processes: Processes, vhost_url: str) -> None:
    """An A/B comparison: 10 ms more on the way, or 5 % less asked, is worse, and fails if asked."""
    run = processes.start(
        compare(*STEADY, "--variant", "a", "--variant", f"b={slower}", "--metric", metric, "--fail-on", "worse"),
        LOADTEST_BROKER=vhost_url,
    ).wait(300.0)
    (finding,) = document(run)["findings"]

    assert finding["verdict"] == "worse", run.printed
    assert run.exit_code == 1
    assert f"{metric} of b came out worse" in run.stdout

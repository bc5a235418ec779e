"""`loadtest compare` as it is typed: on real brokers, with faults of the command line, interrupted and gone on with."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from loadtest.scenario import catalogue_folder
from tests.e2e.processes import LOADTEST, Finished, Json, Processes, wait_until

pytestmark = pytest.mark.e2e

SHORT = ("--set", "publishers.flood.messages=200", "--set", 'thresholds=["lost == 0"]')
FEW = ("--metric", "flood.confirmed_rate", "--metric", "drain.get.p50")


def compare(*words: str) -> list[str]:
    """Return the command."""
    return [*LOADTEST, "compare", *words]


def document(run: Finished) -> Json:
    """Return what a comparison wrote."""
    found: Json = json.loads((run.results_folder / "compare.json").read_text())
    return found


FLOOD = (catalogue_folder() / "flood-1000-direct.yaml").read_text(encoding="utf-8")
BLOCK = """
compare:
  variants:
    classic:
    quorum: {set: {topology.queues.Queue111112.type: quorum}}
  rounds: 2
  metrics: [flood.confirmed_rate, drain.get.p50]
"""


@pytest.mark.first
@pytest.mark.timeout(300)
def test_interrupted_and_gone_on_with(processes: Processes, vhost_url: str, tmp_path: Path) -> None:
    """
    Two types of a queue, as the scenario's file says, on the broker that is named: a table, a summary, a folder a lap.

    Ctrl-C in the middle of a lap ends it with 130; `--resume`, typed elsewhere, runs what is missing, to the verdict.
    """
    broker = {"LOADTEST_BROKER": vhost_url}
    (processes.folder / "flood.yaml").write_text(FLOOD + BLOCK, encoding="utf-8")
    running = processes.start(compare("flood.yaml", *SHORT), **broker)
    wait_until(lambda: "round 1 of 2: quorum" in running.stderr, 40.0, "the first round")
    running.send(signal.SIGINT)
    interrupted = running.wait(20.0)
    folder = interrupted.results_folder
    before = document(interrupted)

    assert interrupted.exit_code == 130, interrupted.printed
    assert f"to go on: loadtest compare --resume {folder.relative_to(interrupted.folder)}" in interrupted.stderr
    assert before["complete"] is False
    assert 3 <= len(before["laps"]) < 10

    resumed = processes.start(["env", "-C", str(tmp_path), *compare("--resume", str(folder))], **broker).wait(120.0)
    after = document(resumed)

    assert resumed.exit_code == after["exit_code"] == 5, resumed.printed
    assert_whole(after, folder)
    assert after["started_at"] == before["started_at"]
    assert [lap for lap in after["laps"] if lap in before["laps"]] == before["laps"]
    assert "quorum beside classic" in resumed.stdout
    assert "starting a private" not in interrupted.stderr + resumed.stderr

    make_worse(folder, after)
    worse = processes.run(compare("--resume", str(folder)), **broker)

    assert worse.exit_code == 1, worse.printed
    # As lines may be broken anywhere.
    assert "FAILED (exit code 1): drain.get.p50 of quorum came out worse" in " ".join(worse.stdout.split())
    assert (folder / "summary.md").read_text().startswith("# flood.yaml, compared")


def assert_whole(found: Json, folder: Path) -> None:
    """Fail unless a comparison of two rounds has all of its laps, each with its results."""
    assert found["schema"] == "loadtest.compare/1"
    assert found["complete"] is True
    assert found["rounds"] == 2
    assert [variant["name"] for variant in found["variants"]] == ["classic", "quorum"]
    assert len(found["laps"]) == 10
    assert all(lap["exit_code"] == 0 and lap["values"]["drain.get.p50"] > 0 for lap in found["laps"] if lap["round"])
    assert [finding["pairs"] for finding in found["findings"]] == [4, 4]
    for lap in found["laps"]:
        assert (folder / lap["folder"] / "stdout.txt").is_file()
        assert list((folder / lap["folder"]).glob("*/result.json"))


def make_worse(folder: Path, found: Json) -> None:
    """
    Put in a third round, whose last lap failed, and have quorum wait a thousand times as long as classic.

    `--resume` then runs that lap alone, and six pairs of one metric are enough for a verdict.
    """
    found["laps"] += [{**lap, "round": 3} for lap in found["laps"] if lap["round"] == 1]
    found["metrics"] = [metric for metric in found["metrics"] if metric["name"] == "drain.get.p50"]
    found["laps"][-1]["marks"] = ["failed"]
    for lap in found["laps"]:
        lap["values"] = {"drain.get.p50": {"classic": 1e5, "quorum": 1e8 + lap["round"]}[lap["variant"]]}
    assert found["laps"][-1]["variant"] == "classic"
    (folder / "compare.json").write_text(json.dumps(found))
    asked = json.loads((folder / "request.json").read_text())
    (folder / "request.json").write_text(json.dumps(asked | {"rounds": 3, "fails_on_worse": True}))


@pytest.mark.long
def test_configs_of_private_brokers(processes: Processes, rabbitmq_server: Path, tmp_path: Path) -> None:
    """Each variant has a node of its own, and what differs in its config is told; SIGTERM takes both down."""
    (tmp_path / "a.conf").write_text("heartbeat = 60\n")
    (tmp_path / "b.conf").write_text("heartbeat = 30\nframe_max = 65536\n")
    configs = [word for name in "ab" for word in ("--config", f"{name}={tmp_path / name}.conf")]
    configs += ["--env", "b=RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=+S 1:1", "--env", "b=MY_TOKEN=hunter2"]
    running = processes.start(compare("flood-1000-direct", *configs, "--rounds", "2", *SHORT, *FEW))
    wait_until(lambda: "round 1 of 2" in running.stderr, 50.0, "the first round")
    running.send(signal.SIGTERM)
    run = running.wait(30.0)
    found = document(run)

    assert run.exit_code == 130, run.printed
    assert run.stderr.count("is up at") == 2
    assert found["variants"][1]["differs"] == {
        "config heartbeat": ["60", "30"],
        "config frame_max": ["not set", "65536"],
        "environment MY_TOKEN": ["not set", "***"],
        "environment RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": ["not set", "+S 1:1"],
    }
    assert "config b.conf" in found["variants"][1]["broker"]
    assert str(tmp_path) not in (run.results_folder / "compare.json").read_text()
    assert all("hunter2" not in path.read_text() for path in run.results_folder.rglob("*") if path.is_file())


def test_a_broker_that_is_not_there(processes: Processes, refusing_port: int) -> None:
    """The warm-up says so, with the exit code of a broker that is gone, and without the password."""
    url = f"amqp://ann:hunter2@127.0.0.1:{refusing_port}/"
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
    assert f"{metric} of b came out worse" in " ".join(run.stdout.split())


@pytest.mark.long
def test_capacities_of_two_links(processes: Processes, tmp_path: Path) -> None:
    """Each lap is a search, whose page is linked; a link of half the bandwidth carries half."""
    path = tmp_path / "narrow.yaml"
    path.write_text(
        """
name: narrow
variables: {bandwidth: 2MB/s}
topology: {queues: {q: {durable: true}}}
publishers: {in: {routing_key: q, body: {size: 10KB}, rate: 100/s, confirm_window: 100}}
consumers: {out: {queue: q, ack: every 10}}
run: {duration: 4s, drain: 3s}
faults: [{at: 0s, do: slow-network, bandwidth: "${bandwidth}"}]
"""
    )
    words = ["--vary", "variables.bandwidth=2MB/s,1MB/s", "--capacity", "--slo", "in.confirm.p50 < 500ms"]
    running = processes.start(
        compare(str(path), *words, "--hold", "3s", "--precision", "10", "--repeats", "1", "--rounds", "2")
    )
    run = running.wait(1_800)
    found = document(run)

    assert run.exit_code == found["exit_code"] == 5, run.printed  # four pairs decide nothing
    assert [metric["name"] for metric in found["metrics"]] == ["capacity"]
    assert found["slo"] == ["in.confirm.p50 < 500ms"]
    assert found["findings"][0]["change"] == pytest.approx(-0.5, abs=0.08)
    assert all(list((run.results_folder / lap["folder"]).glob("*/capacity.json")) for lap in found["laps"])
    assert (run.results_folder / "compare.html").read_text().count("/capacity.html") == 10

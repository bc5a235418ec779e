"""`loadtest compare` of variants that come to the same on the broker: refused before anything is measured, with why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.processes import LOADTEST, Processes

pytestmark = pytest.mark.e2e

SCENARIO = """\
name: small
variables: {unused: 1, arguments: {}}
topology: {queues: {q: {arguments: "${arguments}"}}}
publishers: {in: {routing_key: q, body: {size: 100B}, rate: 1000/s}}
consumers: {out: {queue: q, ack: auto}}
run: {duration: 1s}
"""
UNKNOWN = "b=topology.queues.q.arguments={x-of-nobody: 1}"


@pytest.mark.parametrize(
    "overrides, told",
    [
        pytest.param("description=words", "description=words changes nothing that is run", id="description"),
        pytest.param("variables.unused=2", "variables.unused=2 changes nothing that is run", id="unused-variable"),
        pytest.param("publishers.in.rate=60000/m", "changes nothing that is run", id="the-same-rate"),
        pytest.param("consumers.out.prefetch=7", "changes nothing that is run", id="prefetch-without-acks"),
        pytest.param("run.seed=2", "changes nothing that is run", id="seed-of-nothing"),
        pytest.param("run.nodes=3", "changes nothing that is run", id="nodes-of-a-named-broker"),
        pytest.param("thresholds=[lost == 0]", "changes nothing that is run", id="judgement"),
        pytest.param(
            "topology.queues.q.type=classic", "is of type classic on RabbitMQ", id="a-type-that-is-the-default"
        ),
    ],
)
def test_values_that_change_nothing(overrides: str, told: str, processes: Processes, vhost_url: str) -> None:
    """The scenario is written otherwise, and the plan and what the broker makes of it are the same: exit code 2."""
    (processes.folder / "small.yaml").write_text(SCENARIO)
    words = ["small.yaml", "--variant", "a", "--variant", f"b={overrides}", "--rounds", "2"]
    run = processes.start([*LOADTEST, "compare", *words], LOADTEST_BROKER=vhost_url).wait(60.0)

    assert run.exit_code == 2, run.printed
    assert "a and b compare nothing: " in run.stderr
    assert told in run.stderr
    assert "warm-up:" not in run.stderr


def test_two_names_of_one_broker(processes: Processes, vhost_url: str) -> None:
    """`127.0.0.1` and `localhost` are found to be one by a queue that one has and the other sees."""
    (processes.folder / "small.yaml").write_text(SCENARIO)
    other = vhost_url.replace("127.0.0.1", "localhost")
    words = ["small.yaml", "--broker", f"a={vhost_url}", "--broker", f"b={other}", "--rounds", "2"]
    run = processes.start([*LOADTEST, "compare", *words]).wait(60.0)

    assert other != vhost_url
    assert run.exit_code == 2, run.printed
    assert "a and b compare nothing: both brokers are the same, " in run.stderr


@pytest.mark.long  # the effects themselves are read in tests/unit/experiments/compare/test_effects.py
@pytest.mark.timeout(180)
def test_what_nodes_were_told_without_effect(processes: Processes, rabbitmq_server: Path) -> None:
    """
    Defaults in a config and in a variable, a number of nodes that is the usual one, an argument that nobody knows.

    Each variant has a node of its own, which reports what the baseline's does: nothing is measured.
    """
    del rabbitmq_server
    (processes.folder / "small.yaml").write_text(SCENARIO)
    (processes.folder / "b.conf").write_text("heartbeat = 60\n")
    words = ["--variant", "a", "--config", "b=b.conf", "--variant", UNKNOWN, "--nodes", "c=1"]
    words += ["--env", "c=RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-rabbit heartbeat 60"]
    run = processes.start([*LOADTEST, "compare", "small.yaml", *words, "--rounds", "2"]).wait(150.0)

    assert run.exit_code == 2, run.printed
    assert "a and b, c compare nothing: " in run.stderr
    assert "report the same settings, whatever b.conf asks" in run.stderr
    assert "-rabbit heartbeat 60 asks" in run.stderr
    assert "makes the same queue of it, whatever x-of-nobody asks" in run.stderr
    assert "warm-up:" not in run.stderr


@pytest.mark.long
@pytest.mark.timeout(180)
def test_what_is_read_back_is_in_the_report(processes: Processes, rabbitmq_server: Path) -> None:
    """A variant with an effect names it; one that is as the baseline is told before the first run and in the report."""
    del rabbitmq_server
    (processes.folder / "small.yaml").write_text(SCENARIO)
    erlang = "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-rabbit"
    words = ["--variant", "a", "--env", f"b={erlang} heartbeat 31", "--env", f"c={erlang} heartbeat 60"]
    words += ["--metric", "out.delivered_rate", "--rounds", "2"]
    run = processes.start([*LOADTEST, "compare", "small.yaml", *words]).wait(150.0)
    found = json.loads((run.results_folder / "compare.json").read_text())

    assert run.exit_code in {0, 5}, run.printed
    assert [variant["effect"] for variant in found["variants"]] == [{}, {"rabbit heartbeat": ["60", "31"]}, {}]
    assert len(found["notes"]) == 1
    assert found["notes"][0].startswith("a and c are the same here: ")
    assert run.stderr.index(found["notes"][0]) < run.stderr.index("warm-up:")
    assert "a and c are the same here" in (run.results_folder / "summary.md").read_text()
    assert "rabbit heartbeat 31, 60 in the baseline" in (run.results_folder / "summary.md").read_text()
    assert "rabbit heartbeat (read back)" in (run.results_folder / "compare.html").read_text()

"""Who may use a private node, and what is said where the management API refuses the user of a run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from loadtest.broker.endpoint import Endpoint
from loadtest.broker.monitor.management import ManagementApi
from tests.e2e.processes import LOADTEST, Finished, Processes, blocks, run_command

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("rabbitmq_server")]

SCENARIO = """\
name: plain
topology: {queues: {q: {}}}
publishers: {in: {routing_key: q, rate: 20/s}}
consumers: {out: {queue: q}}
run: {duration: 3s}
"""


@dataclass
class Started:
    """A node of `loadtest broker start`, and what that printed."""

    processes: Processes
    start: Finished

    @property
    def endpoint(self) -> Endpoint:
        """Where it is."""
        return Endpoint.parse(self.start.stdout.strip())

    def run(self, *command: str, **settings: str) -> Finished:
        """Run a command of `loadtest` that knows of the node."""
        state = {"LOADTEST_STATE_DIR": str(self.processes.folder / "state")}
        return self.processes.run(command, **state, **settings)


@pytest.fixture
def started(processes: Processes) -> Iterator[Started]:
    """Start a node that stays, and stop it."""
    start = [*LOADTEST, "broker", "start"]
    node = Started(processes, processes.run(start, LOADTEST_STATE_DIR=str(processes.folder / "state")))
    try:
        yield node
    finally:
        node.run(*LOADTEST, "broker", "stop")


def test_a_node_has_a_user_of_its_own(started: Started, tmp_path: Path) -> None:
    """`start` and `status` say all that other programs need; guest is refused; results have no password."""
    endpoint = started.endpoint
    (status,) = blocks(started.run(*LOADTEST, "broker", "status").stdout)
    (management_url,) = re.findall(r"^management: (http://\S+)$", started.start.stderr, re.MULTILINE)
    api = ManagementApi(management_url, (endpoint.username, endpoint.password))
    as_guest = replace(endpoint, username="guest", password="guest").url
    refused = started.run(*run_command("loadtest", "hello-default-exchange"), LOADTEST_BROKER=as_guest)
    run = started.run(*run_command("loadtest", "hello-default-exchange"), LOADTEST_BROKER=endpoint.url)

    assert len(started.start.stdout.split()) == 1
    assert endpoint.username != "guest"
    assert endpoint.password not in started.start.stderr
    assert (status["url"], status["management"]) == (endpoint.url, management_url)
    assert api.overview()["node"] == "default@localhost"
    assert refused.exit_code == 3, refused.printed
    assert "it refuses user guest or the password" in refused.stderr
    assert run.exit_code == 0, run.printed
    written = [run.printed, *(path.read_text() for path in run.results_folder.iterdir())]
    assert not any(endpoint.password in text for text in written)


def test_a_user_whom_the_management_api_refuses_is_told(started: Started) -> None:
    """The run passes, and a finding says why the broker's own figures are missing."""
    endpoint = started.endpoint
    (management_url,) = re.findall(r"^management: (http://\S+)$", started.start.stderr, re.MULTILINE)
    api = ManagementApi(management_url, (endpoint.username, endpoint.password))
    api.create_user("plain", "pässwörd-€")
    api.set_permissions("/", "plain", configure=".*", write=".*", read=".*")
    url = replace(endpoint, username="plain", password="pässwörd-€").url
    (started.processes.folder / "plain.yaml").write_text(SCENARIO)
    run = started.run(*run_command("loadtest", "plain.yaml"), LOADTEST_BROKER=url)

    assert run.exit_code == 0, run.printed
    (found,) = [each for each in run.result["verdict"]["findings"] if each["code"] == "broker-unsampled"]
    assert "401" in found["text"]
    assert "the tag monitoring" in found["text"]
    assert "broker-unsampled" in " ".join(run.stdout.split())

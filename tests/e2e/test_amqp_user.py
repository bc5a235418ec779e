"""`AmqpUser` in people's own locustfiles: the example of the documentation, and what Locust says of a failure."""

from __future__ import annotations

import csv
import json
from typing import Any

import pytest

from loadtest.broker.endpoint import Endpoint
from tests.e2e.processes import LOCUST, ROOT, Finished, Processes

pytestmark = pytest.mark.e2e

EXAMPLE = ROOT / "docs" / "examples" / "amqp_user.py"
UNROUTABLE = """\
from locust import constant_throughput, task

from loadtest import AmqpUser


class Lost(AmqpUser):
    wait_time = constant_throughput(20)

    @task
    def publish_nowhere(self):
        self.amqp.publish("", "no-such-queue", b"hello")
"""


def run_locustfile(
    processes: Processes, path: str, broker: str, *options: str
) -> tuple[Finished, list[dict[str, Any]]]:
    """Run a locustfile for three seconds and return the process and Locust's own statistics."""
    command = [LOCUST, "-f", path, "--headless", "-t", "3s", "--host", broker, "--json-file", "stats", "--csv", "stats"]
    run = processes.run([*command, *options])
    return run, json.loads((processes.folder / "stats.json").read_text())


def test_example_of_the_documentation_runs(processes: Processes, vhost_endpoint: Endpoint) -> None:
    """Six users publish, get and consume for three seconds, each call a request in Locust's tables, none failed."""
    run, statistics = run_locustfile(processes, str(EXAMPLE), vhost_endpoint.url, "-u", "6", "-r", "6")

    assert run.exit_code == 0, run.printed
    requests = {entry["method"]: entry for entry in statistics}
    assert {"publish", "get", "consume"} <= requests.keys()
    assert all(entry["num_requests"] > 0 for entry in statistics)
    assert [entry["name"] for entry in statistics if entry["num_failures"]] == []
    assert 0 < requests["publish"]["min_response_time"] < 1000
    assert "guest:guest" not in run.printed


def test_unroutable_message_is_a_failed_request(processes: Processes, vhost_endpoint: Endpoint) -> None:
    """A publish that no queue takes is a failure with the broker's words; locust goes on, and ends with its code 1."""
    (processes.folder / "lost.py").write_text(UNROUTABLE)

    run, statistics = run_locustfile(processes, "lost.py", vhost_endpoint.url, "-u", "1")

    assert run.exit_code == 1, run.printed
    (publish,) = [entry for entry in statistics if entry["method"] == "publish"]
    assert publish["num_requests"] == publish["num_failures"] > 10
    (failure,) = csv.DictReader((processes.folder / "stats_failures.csv").read_text().splitlines())
    assert "312 NO_ROUTE" in failure["Error"]

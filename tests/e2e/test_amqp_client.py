"""What `self.amqp` of an `AmqpUser` does, call by call, and what Locust is told of it, against a broker."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from loadtest.broker.endpoint import Endpoint
from tests.e2e.processes import LOCUST, Processes

pytestmark = pytest.mark.e2e

SESSION = Path(__file__).with_name("amqp_client_session.py")
UNROUTABLE = """\
from locust import constant, task
from loadtest import AmqpUser

class Lost(AmqpUser):
    wait_time = constant(0.1)

    @task
    def publish(self):
        self.amqp.publish("", "nowhere", b"")
"""


@pytest.fixture
def session(processes: Processes, vhost_url: str) -> dict[str, Any]:
    """What amqp_client_session.py saw."""
    run = processes.start([sys.executable, str(SESSION)], LOADTEST_BROKER=vhost_url).wait()
    assert run.exit_code == 0, run.printed
    seen: dict[str, Any] = json.loads(run.stdout)
    return seen


def test_calls_do_what_they_say(session: dict[str, Any]) -> None:
    """Messages come whole and in order, each once; failures carry the broker's words; every call is one request."""
    counted = Counter((each["request_type"], each["name"], each["failure"] is None) for each in session["requests"])

    assert session["first"] == "0"
    assert session["consumed"] == [str(number) for number in range(1, 201)]
    assert session["short"] == 49
    assert session["empty"] is None
    assert session["failures"] == {
        "unroutable": "PublishError: unroutable: 312 NO_ROUTE",
        "no exchange": "RequestError: the broker closed the channel: 404 NOT_FOUND - no exchange 'nowhere'",
        "no queue": "RequestError: the broker closed the channel: 404 NOT_FOUND - no queue 'nowhere'",
        "deleted": "ConsumeError: the broker cancelled the consumer of QUEUE",
    }
    assert counted["publish", "numbers", True] == 250
    assert counted["publish", "session/b", False] == 1
    assert sum(count for (kind, _, _), count in counted.items() if kind == "connect") == 2
    assert all(each["response_time"] > 0 for each in session["requests"])


def test_killed_request_is_not_counted(session: dict[str, Any]) -> None:
    """A call that Locust cuts off at the end of a test is neither a success nor a failure."""
    assert session["reported when killed"] == 0


def test_failures_are_in_the_table_and_nowhere_else(processes: Processes, vhost_endpoint: Endpoint) -> None:
    """Failed calls stand in Locust's table of errors, with no traceback for each, and Locust's exit code is 1."""
    (processes.folder / "unroutable.py").write_text(UNROUTABLE)
    command = [LOCUST, "-f", "unroutable.py", "--headless", "-u", "1", "-t", "2s", "--host", vhost_endpoint.url]
    run = processes.run(command)

    assert run.exit_code == 1, run.printed
    assert "PublishError('unroutable: 312 NO_ROUTE')" in run.printed
    assert "Traceback" not in run.printed

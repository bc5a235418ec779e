"""A broker, or a connection, that goes away in the middle of a run: it ends by itself, with its ledger closed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from loadtest.broker.endpoint import Endpoint
from loadtest.broker.monitor.management import ManagementApi
from loadtest.broker.private.private_node import PrivateNode
from tests.e2e.processes import LOADTEST, Door, Json, Processes, run_command, wait_until

pytestmark = pytest.mark.e2e

# Within this of the loss the process has ended, with all files written.
END_S = 25.0
AT_ONCE = ["run.warm_up=0s", "run.reconnect=off"]
CONFIRMED_LOAD = [*AT_ONCE, "publishers.in.confirm_window=192", "consumers.out.ack=every 200"]


@pytest.fixture
def victim(rabbitmq_server: object) -> Iterator[PrivateNode]:
    """A node of the test's own, to be killed."""
    with PrivateNode.start() as node:
        yield node


def test_killed_broker_ends_the_run(processes: Processes, victim: PrivateNode) -> None:
    """After kill -9 of the node at full load the result accounts for each message, and says that the broker went."""
    running = processes.start(
        run_command("locust", "saturate-12b", "--broker", victim.endpoint.url, sets=CONFIRMED_LOAD)
    )
    running.wait_measured()

    killed_s = time.monotonic()
    victim.kill()
    run = running.wait(END_S)

    assert time.monotonic() - killed_s < END_S
    assert run.exit_code in {1, 3}, run.printed
    assert_accounted_for(run.result)
    assert run.exit_code == run.result["verdict"]["exit_code"]
    assert run.result["totals"]["in_doubt"] > 0
    assert run.result["totals"]["published"] > 1000
    assert "lost the broker: " in " ".join(run.stdout.split())
    assert run.stderr == ""


def test_killed_broker_ends_a_run_that_drains(processes: Processes, victim: PrivateNode) -> None:
    """A getter that waits for its answer when the node is killed does not hang."""
    sets = ["publishers.flood.messages=50000", "run.drain=60s", "run.reconnect=off"]
    running = processes.start(run_command("loadtest", "flood-1000-direct", "--broker", victim.endpoint.url, sets=sets))
    running.wait_measured(moved="got")

    victim.kill()
    run = running.wait(END_S)

    assert run.exit_code in {1, 3}, run.printed
    assert_accounted_for(run.result)
    assert 0 < run.result["totals"]["got"] < 50_000


def test_connection_closed_by_an_operator_ends_the_run(
    door: Door, processes: Processes, vhost_endpoint: Endpoint, management: ManagementApi
) -> None:
    """A connection closed through the management API ends the run with the broker's reply code and the reason given."""
    running = processes.start(run_command(door, "steady-1kb", "--broker", vhost_endpoint.url, sets=AT_ONCE))
    running.wait_measured()
    publisher = find_connection(management, vhost_endpoint.vhost, "loadtest in/1")

    management.close_connection(publisher["name"], "making room")
    run = running.wait(END_S)

    assert run.exit_code in {1, 3}, run.printed
    assert_accounted_for(run.result)
    (event,) = [event for event in run.result["events"] if event["code"] == "connection-lost"]
    assert "publisher in/1: the broker closed the connection: 320 CONNECTION_FORCED" in event["text"]
    assert "making room" in event["text"]
    assert "making room" in run.result["verdict"]["reason"]


def test_deleted_queue_ends_the_run(processes: Processes, vhost_endpoint: Endpoint, management: ManagementApi) -> None:
    """A queue that is deleted under its consumers ends the run, which says so."""
    command = run_command("loadtest", "steady-1kb", "--broker", vhost_endpoint.url, sets=AT_ONCE)
    running = processes.start(command)
    running.wait_measured()

    management._send("DELETE", "queues", vhost_endpoint.vhost, "steady")
    run = running.wait(END_S)

    # 4 where it held no message when it was deleted, so that none is lost.
    assert run.exit_code in {1, 3, 4}, run.printed
    assert_accounted_for(run.result)
    assert "consumer-cancelled" in {event["code"] for event in run.result["events"]}
    report = processes.run([*LOADTEST, "report", str(run.results_folder.relative_to(run.folder))])
    assert (report.exit_code, report.stdout) == (run.exit_code, run.stdout)


def assert_accounted_for(result: Json) -> None:
    """Fail unless every published message is confirmed, nacked, returned or in doubt, in total and by publisher."""
    assert result["complete"] is False
    assert result["ledger"]["imbalances"] == []
    for books in [*result["ledger"]["publishers"], result["totals"]]:
        settled = books["confirmed"] + books["nacked"] + books["returned_only"] + books["in_doubt"]
        assert books["published"] == settled, books
        assert books["unconfirmed"] == 0, books


def find_connection(management: ManagementApi, vhost: str, name: str) -> dict[str, Any]:
    """Return the connection that calls itself *name*, as soon as the management API shows it."""
    found: list[dict[str, Any]] = []

    def is_shown() -> bool:
        found[:] = [
            connection
            for connection in management.connections()
            if connection.get("vhost") == vhost and connection.get("user_provided_name") == name
        ]
        return bool(found)

    wait_until(is_shown, 15.0, f"connection {name} in the management API")
    return found[0]

"""
The scenarios of the catalogue, shortened, on a real broker: each runs to its end and closes its ledger.

Thresholds on time and rates are left out: they are judged in unit tests, and say here how busy the machine is.
"""

from __future__ import annotations

from typing import Any

import pika
import pytest

from loadtest.broker.endpoint import Endpoint
from tests.e2e.processes import Finished, Json, Processes, assert_closed, run_command

pytestmark = pytest.mark.e2e

HELLO_COUNT = 200

CASES = [
    pytest.param("hello-default-exchange", [], {"published": 1000, "confirmed": 1000, "delivered": 1000}, id="hello"),
    pytest.param(
        "fanout-1-to-10",
        [
            "publishers.press.messages=200",
            "thresholds=[press.confirmed == 200, readers.delivered == 2000, duplicates == 0, lost == 0]",
        ],
        {"published": 200, "confirmed": 200, "delivered": 2000},
        id="fanout",
    ),
    pytest.param("topic-routing", [], {"published": 4000, "confirmed": 4000, "delivered": 6000}, id="topic"),
    pytest.param(
        "backlog-drain",
        ["variables.messages=5000"],
        {"published": 5000, "confirmed": 5000, "delivered": 5000, "duplicates": 0},
        id="backlog",
    ),
    pytest.param(
        "quorum-confirms",
        ["run.duration=2s", "run.warm_up=1s", "thresholds=[lost == 0, returned == 0]"],
        {"offered": 1500},
        id="quorum",
    ),
    pytest.param(
        "steady-1kb",
        ["run.duration=2s", "run.warm_up=1s", "thresholds=[lost == 0, returned == 0]"],
        {"offered": 3000},
        id="steady",
    ),
    pytest.param(
        "slow-consumer",
        ["run.duration=2s", "run.warm_up=1s", "thresholds=[lost == 0]"],
        {"rejected": 0},
        id="slow-consumer",
    ),
    pytest.param(
        "many-connections",
        [
            "publishers.writers.users=50",
            "publishers.writers.rate=50/s",
            "consumers.readers.users=50",
            "topology.queues.mailbox-%d.count=50",
            "run.duration=2s",
            "run.warm_up=1s",
            "thresholds=[lost == 0, returned == 0]",
        ],
        {"offered": 150},
        id="many-connections",
    ),
]


@pytest.mark.parametrize("scenario, sets, totals", CASES)
def test_scenario_passes(
    scenario: str, sets: list[str], totals: dict[str, int], processes: Processes, vhost_url: str
) -> None:
    """It ends by itself with exit code 0, every message arrived where it should, once, and its thresholds hold."""
    run = processes.run(run_command("loadtest", scenario, "--broker", vhost_url, sets=sets))

    assert run.exit_code == 0, run.printed
    assert_closed(run.result)
    assert totals == {name: run.result["totals"][name] for name in totals}
    assert_all_offered_was_sent(run.result)
    assert run.result["totals"]["duplicates"] == run.result["totals"]["foreign"] == 0
    assert run.result["ledger"]["left"] == {}


def test_poison_messages_are_dead_lettered(processes: Processes, vhost_url: str) -> None:
    """One in a hundred comes six times, and stands in the dead letter queue then; the others go through."""
    sets = ["publishers.shop.messages=1000", "thresholds=[dead_lettered == 10, requeued == 60, lost == 0]"]
    run = processes.run(run_command("loadtest", "poison-message", "--broker", vhost_url, sets=sets))

    assert run.exit_code == 0, run.printed
    assert_closed(run.result)
    assert run.result["ledger"]["dead_letters"] == {"orders": {"delivery_limit": 10}}
    assert run.result["totals"]["duplicates"] == run.result["totals"]["redelivered"] == 50
    assert "dead lettered 10" in run.stdout


def test_scenario_passes_under_locust(processes: Processes, vhost_url: str) -> None:
    """The same run comes to the same under locust: open model, several users, a warm-up."""
    sets = ["run.duration=2s", "run.warm_up=1s", "thresholds=[lost == 0, returned == 0]"]

    run = processes.run(run_command("locust", "steady-1kb", "--broker", vhost_url, sets=sets))

    assert run.exit_code == 0, run.printed
    assert_closed(run.result)
    assert run.result["totals"]["offered"] == 3000
    assert_all_offered_was_sent(run.result)
    assert 1900 <= run.result["groups"]["in"]["latency"]["confirm"]["count"] <= 2000


def test_nothing_is_lost_on_a_flaky_network(processes: Processes, vhost_url: str) -> None:
    """`flaky-network`: what was in doubt is published again, so it may come twice, and nothing is missing."""
    sets = ["run.duration=5s", "variables.resets=2s", "faults.1.at=500ms", "thresholds=[lost == 0, returned == 0]"]

    run = processes.run(run_command("loadtest", "flaky-network", "--broker", vhost_url, sets=sets))

    assert run.exit_code == 0, run.printed
    assert_closed(run.result)
    assert_all_offered_was_sent(run.result)
    assert run.result["totals"]["offered"] == 2500
    assert [event["code"] for event in run.result["events"]].count("connection-dropped") == 2
    assert run.result["ledger"]["left"] == {}


def test_consumer_takes_what_others_publish(processes: Processes, vhost_endpoint: Endpoint) -> None:
    """`consume-autoack` counts messages of another program as foreign, and passes although it published nothing."""
    command = run_command("loadtest", "consume-autoack", "--broker", vhost_endpoint.url, sets=["run.duration=4s"])
    running = processes.start(command)
    running.wait_measured(moved=None)

    publish_plainly(vhost_endpoint, "hello", HELLO_COUNT)
    run = running.wait()

    assert run.exit_code == 0, run.printed
    assert run.result["totals"]["foreign"] == run.result["totals"]["delivered"] == HELLO_COUNT
    assert f"delivered {HELLO_COUNT} · foreign {HELLO_COUNT}" in " ".join(run.stdout.split())
    assert 0 == ready_messages(vhost_endpoint, "hello")


def test_getter_takes_what_a_flood_left(processes: Processes, vhost_endpoint: Endpoint) -> None:
    """A flood that keeps its queue leaves 600 messages; `get-one-by-one` then counts down from 599 to 0."""
    sets = ["topology.keep=true", "getters.drain.messages=400", "thresholds=[drain.got == 400, lost == 0]"]
    flood = processes.run(run_command("loadtest", "flood-1000-direct", "--broker", vhost_endpoint.url, sets=sets))
    assert flood.exit_code == 0, flood.printed
    assert_closed(flood.result)
    assert flood.result["totals"]["remaining"] == 600
    assert flood.result["ledger"]["left"] == {"Queue111112": 600}

    taken = get_one_by_one(processes.in_folder("getter"), vhost_endpoint)

    assert taken.exit_code == 0, taken.printed
    assert taken.result["totals"]["foreign"] == taken.result["totals"]["got"] == 600
    series: dict[str, Any] = taken.result["groups"]["taker"]["message_counts"]["Queue111112"]
    assert series["stretches"] == [{"first": 599, "count": 600, "step": -1}]
    assert taken.result["totals"]["get_empty"] == 1


def test_getter_on_an_empty_queue_measures_nothing(processes: Processes, vhost_endpoint: Endpoint) -> None:
    """`get-one-by-one` with nothing to get says so, with the one Get-Empty that it saw, and does not pass."""
    run = get_one_by_one(processes, vhost_endpoint)

    assert run.exit_code == 4, run.printed
    assert run.result["verdict"]["outcome"] == "nothing-measured"
    assert run.result["totals"]["get_empty"] == 1
    assert "NOTHING MEASURED (exit code 4)" in run.stdout


def assert_all_offered_was_sent(result: Json) -> None:
    """
    Fail unless all that the schedule asked was published, confirmed and taken.

    On a machine that is busy otherwise the last arrivals before the end may be too late to be sent: a tenth at most.
    """
    totals = result["totals"]

    assert totals["published"] == totals["confirmed"]
    assert 0.9 * totals["offered"] <= totals["published"]
    assert totals["remaining"] == totals["undelivered"] == totals["in_doubt"] == 0


def get_one_by_one(processes: Processes, endpoint: Endpoint) -> Finished:
    """Run the scenario of that name."""
    return processes.run(run_command("loadtest", "get-one-by-one", "--broker", endpoint.url))


def publish_plainly(endpoint: Endpoint, queue: str, count: int) -> None:
    """Publish as a program does that knows nothing of this tool."""
    connection = pika.BlockingConnection(endpoint.pika_parameters())
    channel = connection.channel()
    channel.confirm_delivery()
    for number in range(count):
        channel.basic_publish("", queue, f"Hello {number}".encode(), mandatory=True)
    connection.close()


def ready_messages(endpoint: Endpoint, queue: str) -> int:
    """Return how many messages are ready in *queue*."""
    connection = pika.BlockingConnection(endpoint.pika_parameters())
    declared = connection.channel().queue_declare(queue, passive=True)
    connection.close()
    return int(declared.method.message_count)

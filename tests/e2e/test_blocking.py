"""`client: blocking`: the same users on pika's BlockingConnection, recorded and judged as all others."""

from __future__ import annotations

import pytest

from tests.e2e.processes import Door, Processes, assert_closed, run_command

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("door", ["loadtest", pytest.param("locust", marks=pytest.mark.long)])
def test_blocking_publisher_and_getter(door: Door, processes: Processes, vhost_url: str) -> None:
    """`flood-1000-direct` comes to the same result one call a message."""
    sets = [
        "publishers.flood.client=blocking",
        "publishers.flood.confirm_window=1",
        "getters.drain.client=blocking",
    ]

    run = processes.run(run_command(door, "flood-1000-direct", "--broker", vhost_url, sets=sets))

    assert run.exit_code == 0, run.printed
    assert_closed(run.result)
    assert [1000, 1000, 1000, 1] == [
        run.result["totals"][name] for name in ("published", "confirmed", "got", "get_empty")
    ]
    series = run.result["groups"]["drain"]["message_counts"]["Queue111112"]
    assert series["stretches"] == [{"first": 999, "count": 1000, "step": -1}]


def test_blocking_publisher_and_consumer(processes: Processes, vhost_url: str) -> None:
    """An open model at 200 a second with acks: nothing is lost, nothing left, and latencies count from the intent."""
    sets = [
        "publishers.in.client=blocking",
        "publishers.in.confirm_window=1",
        "consumers.out.client=blocking",
        "variables.rate=200/s",
        "run.warm_up=0s",
        "publishers.in.messages=400",
        "thresholds=[lost == 0]",
    ]

    run = processes.run(run_command("loadtest", "steady-1kb", "--broker", vhost_url, sets=sets))

    assert run.exit_code == 0, run.printed
    assert_closed(run.result)
    assert {400} == {run.result["totals"][name] for name in ("offered", "published", "confirmed", "delivered")}
    assert run.result["groups"]["in"]["latency"]["confirm"]["model"] == "open"
    assert run.result["totals"]["redelivered"] == 0

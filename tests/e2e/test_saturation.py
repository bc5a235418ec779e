"""
How much one process brings through beside its broker: `saturate-12b`, and the same with confirms and acks.

Judged by the result and by the broker's own counters, and held against plain pika on the same queue a moment later, so
that the machine may be of any speed and as busy as it is. Other programs only ever take away, so the best of a few
short runs of each counts. What it reaches on a quiet machine is in docs/benchmarks.md.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass

import pika
import pytest

from loadtest.broker.endpoint import Endpoint
from loadtest.broker.monitor.management import ManagementApi
from loadtest.errors import BrokerError
from tests.e2e.processes import Json, Processes, assert_closed, run_command, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.alone]

TRIES = 3
# Nine and twelve times in docs/benchmarks.md.
LEAST_TIMES_PIKA = 3
PIKA_PUBLISHES_S = 0.7
PER_TRY = ["run.duration=3s", "run.warm_up=1s", "topology.keep=true", "thresholds=[lost == 0]"]
STATISTICS_S = 20.0


@dataclass(frozen=True)
class Case:
    """What is set, and the broker's counter of deliveries, by how they are acknowledged."""

    sets: tuple[str, ...]
    with_confirms: bool
    broker_counter: str


CASES = [
    pytest.param(Case((), with_confirms=False, broker_counter="deliver_no_ack"), id="no-confirms-auto-ack"),
    pytest.param(
        Case(
            ("publishers.in.confirm_window=192", "consumers.out.prefetch=200", "consumers.out.ack=every 200"),
            with_confirms=True,
            broker_counter="deliver",
        ),
        id="confirms-192-acks-200",
    ),
]


@pytest.mark.parametrize("case", CASES)
def test_it_does_a_multiple_of_plain_pika(
    case: Case, processes: Processes, vhost_endpoint: Endpoint, management: ManagementApi
) -> None:
    """One locust process brings through a multiple of what plain pika does; the broker counted the same messages."""
    ours, pikas = 0.0, 0.0
    totals = {"published": 0, "delivered": 0}
    for number in range(TRIES):
        folder = processes.in_folder(f"try-{number}")
        sets = [*PER_TRY, *case.sets]
        run = folder.run(run_command("locust", "saturate-12b", "--broker", vhost_endpoint.url, sets=sets))

        assert run.exit_code == 0, run.printed
        assert_closed(run.result)
        for name in totals:
            totals[name] += run.result["totals"][name]
        ours = max(ours, min(rates(run.result)))
        pikas = max(pikas, plain_pika_per_s(vhost_endpoint, with_confirms=case.with_confirms))
        if ours >= LEAST_TIMES_PIKA * pikas:
            break

    assert totals["published"] == totals["delivered"]
    assert (totals["published"], totals["delivered"]) == broker_counts(
        management, vhost_endpoint.vhost, case.broker_counter, totals["delivered"]
    )
    assert ours >= LEAST_TIMES_PIKA * pikas, f"{ours:,.0f} a second, plain pika {pikas:,.0f}"


def rates(result: Json) -> tuple[float, float]:
    """Return the messages published and delivered a second in the measured part."""
    groups = result["groups"]
    return groups["in"]["rates"]["published_per_s"], groups["out"]["rates"]["delivered_per_s"]


def plain_pika_per_s(endpoint: Endpoint, *, with_confirms: bool) -> float:
    """
    Return how many messages a second pika's BlockingConnection publishes and then takes, in one process.

    As its own examples do it: a publish a message, confirmed one by one where confirms are asked for.
    """
    with contextlib.closing(pika.BlockingConnection(endpoint.pika_parameters())) as connection:
        channel = connection.channel()
        queue = channel.queue_declare("", exclusive=True).method.queue
        if with_confirms:
            channel.confirm_delivery()
        began_s = time.monotonic()
        published = 0
        while time.monotonic() - began_s < PIKA_PUBLISHES_S:
            channel.basic_publish("", queue, bytes(12))
            published += 1
        for taken, _ in enumerate(channel.consume(queue, auto_ack=True), start=1):
            if taken == published:
                break
        return published / (time.monotonic() - began_s)


def broker_counts(management: ManagementApi, vhost: str, deliveries: str, expected: int) -> tuple[int, int]:
    """Return what the queue's own counters say was published to it and delivered, once they have caught up."""
    counts = (0, 0)

    def is_counted() -> bool:
        nonlocal counts
        try:
            found = management.queue(vhost, "saturate").get("message_stats") or {}
        except BrokerError:
            return False
        counts = (found.get("publish", 0), found.get(deliveries, 0))
        return min(counts) >= expected

    wait_until(is_counted, STATISTICS_S, f"the broker's counters for {expected:,} messages")
    return counts

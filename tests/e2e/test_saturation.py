"""
How much one process brings through beside its broker: `saturate-12b`, and the same with confirms and acks.

The figures are goals of this tool, on two cores that the broker shares, judged by the result and by the broker's own
counters. Other machines' noise only ever takes away, so the best of a few short runs counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from loadtest.broker.endpoint import Endpoint
from loadtest.broker.management import ManagementApi
from loadtest.errors import BrokerError
from tests.e2e.processes import Json, Processes, assert_closed, run_command, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.alone]

TRIES = 3
PER_TRY = ["run.duration=3s", "run.warm_up=1s", "topology.keep=true", "thresholds=[lost == 0]"]
STATISTICS_S = 20.0


@dataclass(frozen=True)
class Case:
    """What is set, and how many messages a second are to be published and delivered."""

    sets: tuple[str, ...]
    least_per_s: float
    broker_counter: str  # of deliveries, by how they are acknowledged


CASES = [
    pytest.param(Case((), 60_000, "deliver_no_ack"), id="no-confirms-auto-ack"),
    pytest.param(
        Case(
            ("publishers.in.confirm_window=192", "consumers.out.prefetch=200", "consumers.out.ack=every 200"),
            40_000,
            "deliver",
        ),
        id="confirms-192-acks-200",
    ),
]


@pytest.mark.parametrize("case", CASES)
def test_rate_is_reached(case: Case, processes: Processes, vhost_endpoint: Endpoint, management: ManagementApi) -> None:
    """One locust process publishes and takes as many a second as it should; the broker counted the same messages."""
    best = (0.0, 0.0)
    totals = {"published": 0, "delivered": 0}
    for number in range(TRIES):
        folder = processes.in_folder(f"try-{number}")
        sets = [*PER_TRY, *case.sets]
        run = folder.run(run_command("locust", "saturate-12b", "--broker", vhost_endpoint.url, sets=sets))

        assert run.exit_code == 0, run.printed
        assert_closed(run.result)
        for name in totals:
            totals[name] += run.result["totals"][name]
        best = max(best, rates(run.result), key=min)
        if min(best) >= case.least_per_s:
            break

    assert totals["published"] == totals["delivered"]
    assert (totals["published"], totals["delivered"]) == broker_counts(
        management, vhost_endpoint.vhost, case.broker_counter, totals["delivered"]
    )
    assert min(best) >= case.least_per_s, f"published and delivered {best[0]:,.0f} and {best[1]:,.0f} a second"


def rates(result: Json) -> tuple[float, float]:
    """Return the messages published and delivered a second in the measured part."""
    groups = result["groups"]
    return groups["in"]["rates"]["published_per_s"], groups["out"]["rates"]["delivered_per_s"]


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

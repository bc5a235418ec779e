"""Users on a real broker by way of the proxy: what they measure, lose and find again when their network is harmed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace

import gevent
import pytest

from loadtest.broker.endpoint import Endpoint
from loadtest.broker.faults.network import Network
from loadtest.broker.proxy.shaper import Shape
from loadtest.clock import NS_PER_MS
from loadtest.result.run.document import RunResult
from tests.broker.clients.load_run import LoadRun

pytestmark = pytest.mark.broker

FLOW = """
topology: {queues: {q: {durable: true}}}
publishers: {in: {routing_key: q, body: {text: hi}, rate: 500/s, confirm_window: 200, users: USERS}}
consumers: {out: {queue: q, users: USERS, ack: every 10}}
run: {duration: 2s, drain: 10s, reconnect: on}
"""

Meanwhile = Callable[[Network, LoadRun], None]


@pytest.fixture
def network(vhost_endpoint: Endpoint) -> Iterator[Network]:
    """A link to the broker, whose users send heartbeats every second."""
    with Network.start([replace(vhost_endpoint, tunings={"heartbeat": 1})], os.environ) as started:
        yield started


def perform(endpoint: Endpoint, network: Network, meanwhile: Meanwhile, users: int = 1) -> RunResult:
    """Run the flow by way of *network*, and something beside it; the ledger is closed, and nothing lost."""
    with LoadRun(endpoint, FLOW.replace("USERS", str(users)), nodes=network.endpoints) as load_run:
        result = load_run.perform(meanwhile=lambda run: meanwhile(network, run))
    totals = result.totals

    assert result.ledger.imbalances == ()
    assert totals.published == totals.confirmed + totals.nacked + totals.returned_only + totals.in_doubt
    assert (totals.lost, totals.corrupted) == (0, 0)
    return result


def codes(result: RunResult) -> list[str]:
    """Return the codes of the events."""
    return [event.code for event in result.events]


def nothing(_: Network, _run: LoadRun) -> None:
    """Leave the network as it is."""


def least_ns(result: RunResult, group: str, latency: str) -> float:
    """Return the least latency, to which other programs add nothing."""
    found = result.groups[group].latency[latency].min_ns
    assert found is not None
    return found


def test_latency_is_measured_twice_in_a_confirm(vhost_endpoint: Endpoint, network: Network) -> None:
    """There and back: the least of confirms, and of deliveries, grows by twice the latency."""
    plain = perform(vhost_endpoint, network, nothing)
    network.slow([0], Shape(latency_ns=20 * NS_PER_MS))
    slow = perform(vhost_endpoint, network, nothing)

    for group, latency in (("in", "confirm"), ("out", "end_to_end")):
        grown_ms = (least_ns(slow, group, latency) - least_ns(plain, group, latency)) / NS_PER_MS
        assert 39 < grown_ms < 59  # not once, nor three times
    assert "connection-dropped" not in codes(slow)


def test_resets_are_survived(vhost_endpoint: Endpoint, network: Network) -> None:
    """A hundred connections lose theirs at once, twice, and come back."""

    def reset(network: Network, load_run: LoadRun) -> None:
        for _ in range(2):
            gevent.sleep(0.5)
            while load_run.run.outages.count:
                gevent.sleep(0.05)
            network.reset([0])

    result = perform(vhost_endpoint, network, reset, users=50)

    assert codes(result).count("connection-dropped") == codes(result).count("reconnected") == 2
    assert any("Connection reset by peer" in event.text for event in result.events)
    assert result.verdict.exit_code == 0


def test_refused_until_restored(vhost_endpoint: Endpoint, network: Network) -> None:
    """Users try until the link is there again."""

    def refuse(network: Network, _: LoadRun) -> None:
        gevent.sleep(0.5)
        network.reset([0], refuses=True)
        gevent.sleep(1)
        network.restore([0])

    result = perform(vhost_endpoint, network, refuse, users=3)
    (outage,) = [event.text for event in result.events if event.code == "reconnected"]

    # Publishers whose time was over meanwhile do not come back.
    assert "6 users are back" in outage
    assert float(outage.split()[-2]) > 1


def test_a_short_black_hole_is_a_pause(vhost_endpoint: Endpoint, network: Network) -> None:
    """No connection is lost; what was under way arrives when the hole is gone, and nothing is in doubt."""

    def hold(network: Network, _: LoadRun) -> None:
        gevent.sleep(0.5)
        network.hold([0])
        gevent.sleep(0.7)
        network.restore([0])

    result = perform(vhost_endpoint, network, hold)

    assert "connection-dropped" not in codes(result)
    assert result.totals.in_doubt == 0
    assert result.totals.published == result.totals.confirmed == 1_000
    assert 0.6e9 < result.groups["in"].latency["confirm"].max_ns < 10e9  # type: ignore[operator]  # there are some


@pytest.mark.long
def test_a_long_black_hole_is_noticed_by_heartbeats(vhost_endpoint: Endpoint, network: Network) -> None:
    """The users give silent connections up, though nobody tells them, and are back when there is a way again."""
    text = FLOW.replace("USERS", "1").replace("duration: 2s", "duration: 9s")

    def hold(load_run: LoadRun) -> None:
        gevent.sleep(0.3)
        network.hold([0])
        deadline_s = 12.0
        while load_run.run.outages.count < 2 and deadline_s > 0:
            gevent.sleep(0.05)
            deadline_s -= 0.05
        network.restore([0])

    with LoadRun(vhost_endpoint, text, nodes=network.endpoints) as load_run:
        result = load_run.perform(meanwhile=hold)
    (dropped,) = [event.text for event in result.events if event.code == "connection-dropped"]

    assert "heartbeat" in dropped.lower()
    assert codes(result).count("reconnected") == 1
    assert (result.totals.lost, result.ledger.imbalances) == (0, ())

"""Consumers that refuse: what nack, reject and requeue do to the counts, on real queues."""

from __future__ import annotations

import pytest

from loadtest.broker.admin.run_topology import queue_depths
from loadtest.broker.endpoint import Endpoint
from tests.broker.clients.load_run import lasted_s, perform

pytestmark = pytest.mark.broker

TEXT = """
topology: {keep: true, queues: {q: {type: TYPE, durable: true}}}
publishers: {in: {routing_key: q, body: {text: hi}, messages: 1000, confirm_window: 100}}
consumers: {out: {queue: q, prefetch: 100, ack: every 10, REFUSALS}}
run: {drain: 10s}
"""


def text(refusals: str, queue_type: str = "classic") -> str:
    """Return the scenario with a consumer that refuses."""
    return TEXT.replace("REFUSALS", refusals).replace("TYPE", queue_type)


@pytest.mark.parametrize("method", ["nack", "reject"])
def test_what_is_refused_is_gone(vhost_endpoint: Endpoint, method: str) -> None:
    """Without requeue each message comes once, and nothing is lost: it was delivered."""
    result, _ = perform(vhost_endpoint, text(f"{method}: 2%"))
    totals = result.totals

    assert (totals.delivered, totals.rejected, totals.requeued, totals.duplicates) == (1000, 20, 0, 0)
    assert (totals.lost, totals.remaining) == (0, 0)
    assert queue_depths(vhost_endpoint, ["q"]) == {"q": 0}
    assert result.groups["out"].totals["rejected"] == 20


@pytest.mark.parametrize("queue_type", ["classic", "quorum"])
def test_what_is_requeued_comes_again(vhost_endpoint: Endpoint, queue_type: str) -> None:
    """As often as it was requeued, flagged, as a duplicate; at the end the queue is empty."""
    result, _ = perform(vhost_endpoint, text("nack: {share: 10%, requeue: true}", queue_type))
    totals = result.totals

    assert totals.requeued == totals.duplicates == totals.redelivered
    # A tenth of all deliveries, of those that come again too: 1,000 / 0.9 = 1,111 and some.
    assert totals.requeued == totals.delivered // 10 == 111
    assert totals.delivered == 1000 + totals.duplicates
    assert queue_depths(vhost_endpoint, ["q"]) == {"q": 0}


def test_both_at_once(vhost_endpoint: Endpoint) -> None:
    """Each by its share."""
    result, _ = perform(vhost_endpoint, text("nack: {share: 10%, requeue: true}, reject: 5%"))
    totals = result.totals

    assert totals.requeued == totals.duplicates
    assert totals.requeued + totals.rejected == totals.delivered * 15 // 100
    assert totals.rejected == pytest.approx(totals.delivered * 0.05, abs=1)


def test_times_of_work_are_drawn(vhost_endpoint: Endpoint) -> None:
    """800 messages of 1 ms on average by one consumer take about as long, or longer; refusals as well."""
    result, load_run = perform(
        vhost_endpoint, text("reject: 10%, processing_time: {exponential: {mean: 1ms}}").replace("1000", "800")
    )

    assert 0.7 < lasted_s(load_run, "measured")
    assert (result.totals.delivered, result.totals.rejected) == (800, 80)

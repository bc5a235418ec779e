"""Connections that are lost in the middle of a run: users come back, and the ledger knows each message's fate."""

from __future__ import annotations

import time
from collections.abc import Callable

import gevent
import pika
import pytest

from loadtest.broker.endpoint import Endpoint
from loadtest.result.run.document import RunResult
from tests.broker.clients.load_run import LoadRun
from tests.broker.wire.proxy import Proxy

pytestmark = pytest.mark.broker

FLOW = """
topology: {queues: {q: {durable: true}}}
publishers: {in: {routing_key: q, body: {text: hi}, rate: 2000/s, confirm_window: 100 PUBLISHER}}
consumers: {out: {queue: q, users: 2, ack: every 10}}
run: {duration: 3s, drain: 10s, reconnect: on SETTINGS}
"""


def flow(publisher: str = "", settings: str = "") -> str:
    """Return the scenario, with more keys of its publishers and its run."""
    return FLOW.replace("PUBLISHER", publisher).replace("SETTINGS", settings)


def perform(endpoint: Endpoint, text: str, meanwhile: Callable[[LoadRun, Proxy], object]) -> tuple[RunResult, LoadRun]:
    """Run a scenario through a proxy, and something beside it."""
    with Proxy(endpoint.pika_parameters()) as proxy, LoadRun(endpoint, text) as load_run:
        load_run.run.nodes = [proxy.parameters]
        result = load_run.perform(meanwhile=lambda run: meanwhile(run, proxy))
    return result, load_run


def cuts(times: int) -> Callable[[LoadRun, Proxy], None]:
    """Return what cuts all connections so many times."""

    def cut(_: LoadRun, proxy: Proxy) -> None:
        for _number in range(times):
            gevent.sleep(0.6)
            proxy.cut()

    return cut


def assert_balanced(result: RunResult) -> None:
    """Fail unless every message is accounted for and nothing that was promised is missing."""
    totals = result.totals

    assert result.ledger.imbalances == ()
    assert totals.published == totals.confirmed + totals.nacked + totals.returned_only + totals.in_doubt
    assert (totals.lost, totals.remaining, totals.corrupted, totals.unpublished) == (0, 0, 0, 0)


def test_users_come_back_after_every_cut(vhost_endpoint: Endpoint) -> None:
    """Three cuts at 2,000/s: all that was offered is published, what was unanswered is in doubt, nothing is lost."""
    result, load_run = perform(vhost_endpoint, flow(), cuts(3))
    totals = result.totals
    codes = [event.code for event in result.events]

    assert_balanced(result)
    # What cannot be sent by the end of the run, because the last outage is not made up for, shows as offered.
    assert 5_500 < totals.published <= totals.offered == 6_000
    assert 0 < totals.in_doubt < 400
    assert totals.vanished <= totals.in_doubt
    assert codes.count("connection-dropped") == codes.count("reconnected") == 3
    assert load_run.run.failure is None
    assert result.verdict.exit_code == 0
    # What was taken and not yet acknowledged came again, and says so.
    assert totals.duplicates <= totals.redelivered


def test_what_is_in_doubt_can_be_published_again(vhost_endpoint: Endpoint) -> None:
    """Then every message is confirmed in the end, and arrives; those that had arrived the first time are duplicates."""
    result, _ = perform(vhost_endpoint, flow(", in_doubt: republish"), cuts(3))
    totals = result.totals

    assert_balanced(result)
    assert totals.republished > 0
    assert (totals.in_doubt, totals.vanished) == (0, 0)
    assert totals.confirmed == totals.published > 5_500
    assert result.verdict.exit_code == 0


@pytest.mark.long
def test_what_falls_due_meanwhile_can_be_dropped(vhost_endpoint: Endpoint) -> None:
    """Arrivals of an outage are counted as dropped, and none is sent late because of it."""

    def hold_off(load_run: LoadRun, proxy: Proxy) -> None:
        gevent.sleep(0.8)
        load_run.run.nodes = [pika.ConnectionParameters("127.0.0.1", 1)]
        proxy.cut()
        gevent.sleep(0.8)
        load_run.run.nodes = [proxy.parameters]

    result, _ = perform(vhost_endpoint, flow(", on_outage: drop"), hold_off)
    late, _ = perform(vhost_endpoint, flow(), hold_off)
    dropped = result.totals

    assert_balanced(result)
    assert 1_000 < dropped.dropped < 5_000
    assert dropped.offered == dropped.published + dropped.dropped
    assert 5_500 < late.totals.published <= late.totals.offered == 6_000
    lateness = {each: run.groups["in"].latency["lateness"].p90_ns for each, run in (("drop", result), ("late", late))}
    assert (lateness["drop"] or 0) < 100_000_000 < (lateness["late"] or 0)


def test_a_user_that_does_not_come_back_in_time_ends_the_run(vhost_endpoint: Endpoint) -> None:
    """Its last reason is told, and how long it tried; the run lost its broker."""

    def go_away(load_run: LoadRun, proxy: Proxy) -> None:
        gevent.sleep(0.5)
        load_run.run.nodes = [pika.ConnectionParameters("127.0.0.1", 1)]
        proxy.cut()

    began = time.monotonic()
    result, load_run = perform(vhost_endpoint, flow(settings=", reconnect_for: 1s").replace("3s", "60s"), go_away)

    assert 1.5 < time.monotonic() - began < 30
    assert "not back after" in load_run.events()["connection-lost"]
    assert "Connection refused" in load_run.events()["connection-lost"]
    assert result.verdict.exit_code == 3
    assert result.ledger.imbalances == ()


def test_without_reconnecting_the_first_loss_ends_the_run(vhost_endpoint: Endpoint) -> None:
    """`reconnect: off`: no pause, no second connection."""
    result, load_run = perform(vhost_endpoint, flow().replace("reconnect: on", "reconnect: off"), cuts(1))

    assert "the connection was lost" in load_run.events()["connection-lost"]
    assert "connection-dropped" not in load_run.events()
    assert result.ledger.imbalances == ()


def test_nodes_are_tried_in_turn(vhost_endpoint: Endpoint) -> None:
    """A node that is gone is passed over at the next attempt."""

    def leave_one(load_run: LoadRun, proxy: Proxy) -> None:
        gevent.sleep(0.5)
        load_run.run.nodes = [pika.ConnectionParameters("127.0.0.1", 1), proxy.parameters]
        proxy.cut()

    result, _ = perform(vhost_endpoint, flow(), leave_one)

    assert_balanced(result)
    assert result.totals.published > 5_500
    assert result.verdict.exit_code == 0


def test_what_was_transient_is_declared_again(vhost_endpoint: Endpoint) -> None:
    """A queue that is not durable and goes is there again, bound, before its consumer comes back to it."""
    text = """
topology:
  exchanges: {x: {type: direct, durable: false}}
  queues: {q: {durable: false}}
  bindings: [{exchange: x, queue: q, routing_key: k}]
publishers: {in: {exchange: x, routing_key: k, body: {text: hi}, rate: 500/s}}
consumers: {out: {queue: q, ack: auto}}
run: {duration: 3s, drain: 5s}
"""

    def forget(_: LoadRun, __: Proxy) -> None:
        gevent.sleep(0.8)
        connection = pika.BlockingConnection(vhost_endpoint.pika_parameters())
        connection.channel().queue_delete("q")
        connection.close()

    result, load_run = perform(vhost_endpoint, text, forget)
    totals = result.totals

    assert "the broker cancelled its subscription" in load_run.events()["connection-dropped"]
    assert load_run.run.failure is None
    # What came while there was no queue was returned, or stood in it when it went.
    assert 0 < totals.returned + totals.lost < 700
    assert totals.published == totals.confirmed == 1_500
    assert totals.delivered == totals.published - totals.returned - totals.lost


def test_a_getter_goes_on_where_it_was(vhost_endpoint: Endpoint) -> None:
    """It gets as many as were asked for in all, whatever connection each came over."""
    text = """
topology: {queues: {q: {durable: true}}}
publishers: {in: {routing_key: q, body: {text: hi}, messages: 900}}
getters: {out: {queue: q, ack: every 1, messages: 900, rate: 600/s, after: in}}
run: {drain: 10s}
"""
    result, _ = perform(vhost_endpoint, text, cuts(2))

    totals = result.totals

    assert result.ledger.imbalances == ()
    assert (totals.lost, totals.corrupted, totals.unpublished) == (0, 0, 0)
    assert totals.got >= 900
    # An ack that is lost with its connection: the message comes again, and counts among those that were asked for.
    assert totals.got - totals.duplicates + totals.remaining == 900
    assert totals.remaining <= totals.duplicates

"""Runs that something goes wrong in: each ends, says why, and closes its ledger without accusing the broker."""

from __future__ import annotations

import logging
import time
from typing import Any

import gevent
import pika
import pytest

from loadtest.broker.endpoint import Endpoint
from loadtest.clients.consumer import Consumer
from loadtest.clients.publisher import Publisher
from tests.broker.clients.load_run import LoadRun, perform
from tests.broker.wire.proxy import Proxy

pytestmark = pytest.mark.broker

# A publisher and a consumer that go on until they are stopped; the flow is slow enough to be followed.
# What a run of ENDLESS, and the wait for what is under way by default, would take if nothing ended them.
ENDLESS_S = 60
DRAIN_S = 30
ENDLESS = """
topology:
  exchanges: {x: {type: direct}}
  queues: {q: {durable: true}}
  bindings: [{exchange: x, queue: q, routing_key: k}]
publishers: {in: {exchange: x, routing_key: k, body: {text: hi}, rate: 2000/s, confirm_window: 100}}
consumers: {out: {queue: q, ack: auto}}
run: {duration: 60s, reconnect: off}
"""


def declare(endpoint: Endpoint, method: str, name: str) -> None:
    """Call a method of a channel, on a connection of its own."""
    connection = pika.BlockingConnection(endpoint.pika_parameters())
    getattr(connection.channel(), method)(name)
    connection.close()


def published_some(load_run: LoadRun, count: int = 200) -> None:
    """Wait until some messages have been published."""
    publisher: Any = load_run.members[0]
    load_run.wait_until(lambda: publisher._seq >= count)


def test_a_deleted_exchange_ends_the_run_with_the_brokers_words(vhost_endpoint: Endpoint) -> None:
    """The reason has reply code and text; what was confirmed is still taken, and nothing counts as lost."""

    def delete(load_run: LoadRun) -> None:
        published_some(load_run)
        declare(vhost_endpoint, "exchange_delete", "x")

    result, load_run = perform(vhost_endpoint, ENDLESS, meanwhile=delete)

    assert "publisher in/1: the broker closed the channel: 404 NOT_FOUND" in load_run.events()["connection-lost"]
    assert "no exchange 'x'" in load_run.events()["connection-lost"]
    assert result.totals.lost == 0
    assert result.totals.published == result.totals.confirmed + result.totals.in_doubt
    assert result.totals.in_doubt > 0
    assert result.verdict.exit_code == 3


def test_a_deleted_queue_ends_the_run(vhost_endpoint: Endpoint) -> None:
    """The consumer is cancelled by the broker: the run says so, and what was in the queue is gone."""

    def delete(load_run: LoadRun) -> None:
        published_some(load_run)
        declare(vhost_endpoint, "queue_delete", "q")

    result, load_run = perform(vhost_endpoint, ENDLESS, meanwhile=delete)

    assert "consumer out/1: the broker cancelled its subscription" in load_run.events()["consumer-cancelled"]
    assert result.ledger.balanced
    assert result.verdict.exit_code != 0


def test_a_cut_connection_ends_the_run(vhost_endpoint: Endpoint) -> None:
    """All users lose their connections at once: no drain is waited for, and the books close."""
    with Proxy(vhost_endpoint.pika_parameters()) as proxy, LoadRun(vhost_endpoint, ENDLESS) as load_run:
        load_run.run.nodes = [proxy.parameters]
        began = time.monotonic()

        def cut(load_run: LoadRun) -> None:
            published_some(load_run)
            proxy.cut()

        result = load_run.perform(meanwhile=cut)

    assert time.monotonic() - began < ENDLESS_S / 2
    assert "the connection was lost" in load_run.events()["connection-lost"]
    assert result.ledger.balanced
    # Closed by the other end is what a dying broker looks like: confirmed, and not there, is a loss or a broker lost.
    assert result.verdict.exit_code in {1, 3}


def test_a_getter_whose_connection_dies_in_a_get_ends_the_run(vhost_endpoint: Endpoint) -> None:
    """The answer that never comes does not hold the user."""
    text = "topology: {queues: {q: {}}}\ngetters: {out: {queue: q, ack: auto}}\nrun: {duration: 60s, reconnect: off}"
    with Proxy(vhost_endpoint.pika_parameters()) as proxy, LoadRun(vhost_endpoint, text) as load_run:
        load_run.run.nodes = [proxy.parameters]

        def cut(_: LoadRun) -> None:
            gevent.sleep(0.05)
            proxy.is_held = True
            gevent.sleep(0.1)
            proxy.cut()

        result = load_run.perform(meanwhile=cut)

    assert "getter out/1" in load_run.events()["connection-lost"]
    assert result.verdict.exit_code == 3


def test_a_publisher_that_waits_for_a_held_socket_ends_with_the_run(vhost_endpoint: Endpoint) -> None:
    """A peer that stops reading blocks the publisher; the duration ends the run, and what was due shows as offered."""
    text = """
topology: {queues: {q: {}}}
publishers: {in: {routing_key: q, body: {size: 100KB}, rate: 1000/s, confirm_window: 0, mandatory: false}}
run: {duration: 600ms, drain: 100ms}
"""
    with Proxy(vhost_endpoint.pika_parameters()) as proxy, LoadRun(vhost_endpoint, text) as load_run:
        load_run.run.nodes = [proxy.parameters]

        def hold(_: LoadRun) -> None:
            gevent.sleep(0.1)
            proxy.is_held = True

        result = load_run.perform(meanwhile=hold)
        proxy.is_held = False

    assert result.totals.offered == 600
    assert result.totals.published < 500


def test_refused_credentials_end_the_run_while_it_connects(vhost_endpoint: Endpoint) -> None:
    """The others are not waited for, and no user is left connecting."""
    with LoadRun(vhost_endpoint, ENDLESS) as load_run:
        refused = vhost_endpoint.pika_parameters()
        refused.credentials = pika.PlainCredentials("nobody", "wrong")
        load_run.run.nodes = [refused]

        result = load_run.perform()

    assert "ACCESS_REFUSED" in load_run.events()["connection-lost"]
    assert result.totals.published == 0
    assert result.verdict.exit_code == 3


@pytest.mark.parametrize(
    "role, method",
    [(Consumer, "taken"), (Consumer, "work"), (Publisher, "_send"), (Publisher, "_confirmed")],
    ids=["in a callback of the hub", "in a greenlet", "while publishing", "in a confirm"],
)
def test_a_fault_of_ours_ends_the_run_loudly(
    vhost_endpoint: Endpoint,
    role: type,
    method: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whatever is raised, wherever: an event, a traceback in the log, and no exit code 0."""

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr(role, method, fail)
    if method == "taken":
        monkeypatch.setattr(role, "taken_one", fail)
    if method == "_confirmed":
        monkeypatch.setattr(role, "_confirmed_one", fail)
    with caplog.at_level(logging.ERROR):
        result, load_run = perform(vhost_endpoint, ENDLESS)

    assert "ZeroDivisionError: a fault" in load_run.events()["internal-error"]
    assert any(record.exc_info and record.exc_info[0] is ZeroDivisionError for record in caplog.records)
    assert result.verdict.exit_code not in {0, 3}


def test_a_fault_of_the_conductor_ends_the_run_loudly(
    vhost_endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Even when the run cannot be led any more, users end and the journal says why."""
    with LoadRun(vhost_endpoint, ENDLESS) as load_run:

        def fail(*_: object) -> None:
            raise ZeroDivisionError("a fault")

        def break_it(_: LoadRun) -> None:
            monkeypatch.setattr(load_run.gauges, "read", fail)

        result = load_run.perform(meanwhile=break_it)

    assert "ZeroDivisionError: a fault" in load_run.events()["internal-error"]
    assert result.verdict.exit_code != 0


@pytest.mark.parametrize("rate", ["1000/s", "1/h"], ids=["busy", "asleep"])
def test_an_interrupted_run_ends_promptly(vhost_endpoint: Endpoint, rate: str) -> None:
    """Also when its publisher sleeps until its next arrival, an hour from now; later groups never begin."""
    text = ENDLESS.replace("2000/s", rate) + (
        "getters: {late: {queue: q, start_at: 50s, ack: auto}, never: {queue: q, after: first, ack: auto},"
        " first: {queue: q, messages: 1, start_at: 50s, ack: auto}}"
    )
    began = time.monotonic()

    def interrupt(load_run: LoadRun) -> None:
        gevent.sleep(0.3)
        load_run.controller.interrupt()
        load_run.controller.interrupt()

    result, load_run = perform(vhost_endpoint, text, meanwhile=interrupt)

    assert time.monotonic() - began < ENDLESS_S / 2
    assert [event["code"] for event in load_run.collector.events] == ["interrupted"]
    assert result.totals.published == result.totals.confirmed == result.totals.delivered
    assert result.verdict.exit_code == 130


def test_an_interrupt_while_users_connect_ends_the_run(vhost_endpoint: Endpoint) -> None:
    """Users that are up, connecting, and waiting for their turn all end."""
    text = ENDLESS.replace("{exchange: x, routing_key: k, body", "{users: 20, exchange: x, routing_key: k, body")
    with LoadRun(vhost_endpoint, text.replace("60s, ", "60s, connect_rate: 10/s, ")) as load_run:
        gevent.spawn_later(0.5, load_run.controller.interrupt)
        began = time.monotonic()

        result = load_run.perform()

    assert time.monotonic() - began < ENDLESS_S / 2
    assert result.totals.published == 0
    assert result.verdict.exit_code == 130


def test_an_interrupt_cuts_a_long_drain_short(vhost_endpoint: Endpoint) -> None:
    """Messages that nobody takes are waited for as long as the scenario says, but not after Ctrl-C."""
    text = """
topology: {queues: {q: {}}}
publishers: {in: {routing_key: q, body: {text: hi}, messages: 50, confirm_window: 50}}
consumers: {out: {queue: q, prefetch: 20, ack: none}}
"""
    began = time.monotonic()

    result, _ = perform(vhost_endpoint, text, meanwhile=lambda run: gevent.sleep(0.3) or run.controller.interrupt())

    assert time.monotonic() - began < DRAIN_S * 0.8
    assert result.totals.remaining == 30


def test_a_user_killed_from_outside_fails_the_run(vhost_endpoint: Endpoint) -> None:
    """Locust may end users on its own account: the run must not pass as if they had done their work."""

    def kill(load_run: LoadRun) -> None:
        published_some(load_run)
        greenlet = load_run.members[0]._greenlet
        assert greenlet is not None
        greenlet.kill()

    result, load_run = perform(vhost_endpoint, ENDLESS, meanwhile=kill)

    assert "publisher in/1 was ended from outside" in load_run.events()["user-ended"]
    assert result.verdict.exit_code == 4

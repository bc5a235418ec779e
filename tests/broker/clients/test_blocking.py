"""`client: blocking`: the same users on `pika.BlockingConnection`, with the same ledger and the same end."""

from __future__ import annotations

import pytest

from loadtest.broker.admin.run_topology import queue_depths
from loadtest.broker.endpoint import Endpoint
from tests.broker.clients.patched_run import perform_patched

pytestmark = pytest.mark.broker


def test_all_three_roles_close_the_ledger(vhost_endpoint: Endpoint) -> None:
    """Confirmed publishes, consumers that ack every few, a getter that empties the rest, bodies stamped in them."""
    report = perform_patched(
        vhost_endpoint,
        """
topology: {keep: true, queues: {q: {durable: true}, r: {durable: true}}}
publishers:
  in: {client: blocking, routing_key: q, body: {size: 50B}, messages: 200, confirm_window: 1, users: 2, stamp: body}
  more: {client: blocking, routing_key: r, body: {text: hi}, rate: 500/s, messages: 100, confirm_window: 0}
consumers: {out: {client: blocking, queue: q, users: 2, prefetch: 20, ack: every 7}}
getters: {rest: {client: blocking, queue: r, after: more, until: empty, ack: every 3}}
""",
    )

    totals = report["totals"]
    assert (totals["published"], totals["confirmed"], totals["delivered"], totals["got"]) == (300, 200, 200, 100)
    assert (totals["lost"], totals["duplicates"], report["exit_code"]) == (0, 0, 0)
    assert queue_depths(vhost_endpoint, ["q", "r"]) == {"q": 0, "r": 0}


@pytest.mark.parametrize("requeue", ["false", "true"])
def test_a_share_is_refused(vhost_endpoint: Endpoint, requeue: str) -> None:
    """By Basic.Nack and Basic.Reject, as the bulk client does: what is requeued comes again, what is not is gone."""
    report = perform_patched(
        vhost_endpoint,
        f"""
topology: {{keep: true, queues: {{q: {{durable: true}}}}}}
publishers: {{in: {{routing_key: q, body: {{text: hi}}, messages: 400, confirm_window: 100}}}}
consumers:
  out: {{client: blocking, queue: q, ack: every 7, reject: 2%, nack: {{share: 10%, requeue: {requeue}}}}}
""",
    )
    totals = report["totals"]

    assert totals["requeued"] == totals["duplicates"] == totals["redelivered"]
    assert (totals["requeued"] > 40) == (requeue == "true")
    assert totals["delivered"] == 400 + totals["duplicates"]
    assert totals["rejected"] + totals["requeued"] == totals["delivered"] * 12 // 100
    assert queue_depths(vhost_endpoint, ["q"]) == {"q": 0}


def test_auto_ack_and_a_limit(vhost_endpoint: Endpoint) -> None:
    """
    With acks what is too much goes back; with auto-ack it is taken.

    But what the broker sends after its Cancel-Ok pika throws away: with auto-ack that is lost, and counted.
    """
    report = perform_patched(
        vhost_endpoint,
        """
topology: {keep: true, queues: {q: {durable: true}, r: {durable: true}}}
publishers: {in: {routing_key: [q, r], body: {text: hi}, messages: 400, confirm_window: 100}}
consumers:
  auto: {client: blocking, queue: q, after: in, messages: 10, ack: auto}
  acks: {client: blocking, queue: r, after: in, messages: 30, prefetch: 10, ack: every 4, processing_time: 1ms}
run: {drain: 100ms}
""",
    )

    totals = report["totals"]
    assert report["left"]["r"] == 170
    assert totals["delivered"] >= 40
    assert totals["lost"] == 400 - totals["delivered"] - report["left"]["q"] - report["left"]["r"]


def test_what_comes_back_is_recorded(vhost_endpoint: Endpoint) -> None:
    """With confirms pika raises, without it calls back."""
    report = perform_patched(
        vhost_endpoint,
        """
topology: {exchanges: {x: {type: direct}}}
publishers:
  sure: {client: blocking, exchange: x, routing_key: no, mandatory: true, body: {text: hi}, messages: 20}
  fast: {client: blocking, exchange: x, routing_key: no, mandatory: true, body: {text: hi}, messages: 20,
         confirm_window: 0}
""",
    )

    assert (report["totals"]["returned"], report["totals"]["confirmed"]) == (40, 20)
    assert report["balanced"]


@pytest.mark.parametrize(
    "method, name, code",
    [("exchange_delete", "x", "connection-lost"), ("queue_delete", "q", "consumer-cancelled")],
)
def test_trouble_ends_the_run(vhost_endpoint: Endpoint, method: str, name: str, code: str) -> None:
    """A deleted exchange or queue ends the run with the reason, though it was to take a minute."""
    report = perform_patched(
        vhost_endpoint,
        """
topology:
  exchanges: {x: {type: fanout}}
  queues: {q: {}}
  bindings: [{exchange: x, queue: q}]
publishers: {in: {client: blocking, exchange: x, body: {text: hi}, rate: 200/s, mandatory: false, confirm_window: 1}}
consumers: {out: {client: blocking, queue: q, ack: auto}}
run: {duration: 60s, reconnect: off}
""",
        method,
        name,
    )

    assert code in report["events"]
    assert report["balanced"]
    assert report["exit_code"] not in {0, 130}


def test_a_duration_ends_users_that_wait(vhost_endpoint: Endpoint) -> None:
    """A publisher asleep until its next arrival and consumers without messages end with the run."""
    report = perform_patched(
        vhost_endpoint,
        """
topology: {queues: {q: {}}}
publishers: {in: {client: blocking, routing_key: q, body: {text: hi}, rate: 60/m, confirm_window: 1}}
consumers: {out: {client: blocking, queue: q, ack: every 2, prefetch: 2, users: 3}}
run: {duration: 300ms}
""",
    )

    totals = report["totals"]
    assert totals["offered"] == totals["published"] == totals["delivered"] == 1
    assert report["exit_code"] == 0


def test_a_run_does_not_end_while_a_message_has_its_processing_time(vhost_endpoint: Endpoint) -> None:
    """Though nothing comes for longer than the run would wait, and the queue says that nothing is ready in it."""
    report = perform_patched(
        vhost_endpoint,
        """
topology: {queues: {q: {}}}
publishers: {in: {client: blocking, routing_key: q, body: {text: hi}, messages: 3, confirm_window: 1}}
consumers: {out: {client: blocking, queue: q, ack: every 1, prefetch: 5, processing_time: 3500ms}}
run: {duration: 25s, drain: 1s}
""",
    )

    totals = report["totals"]
    assert (totals["published"], totals["delivered"], totals["lost"], totals["remaining"]) == (3, 3, 0, 0)
    assert report["exit_code"] == 0

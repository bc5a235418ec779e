"""Whole runs against a real broker: what is published is confirmed, taken, acknowledged and accounted for."""

from __future__ import annotations

import pika
import pytest

from loadtest.broker.admin.run_topology import queue_depths
from loadtest.broker.endpoint import Endpoint
from loadtest.result.run.document import RunResult
from tests.broker.clients.load_run import LoadRun, lasted_s, perform

pytestmark = pytest.mark.broker


def flow(result: RunResult) -> tuple[int, int, int, int]:
    """Return published, confirmed, delivered or got, and lost."""
    totals = result.totals
    return totals.published, totals.confirmed, totals.delivered + totals.got, totals.lost


# How long is waited by default for what is under way.
DRAIN_S = 30
CLOSED = """
topology: {queues: {q: {durable: true}}}
publishers: {in: {routing_key: q, body: {size: 100B}, messages: 5000, confirm_window: 100, users: 3}}
consumers: {out: {queue: q, users: 2, prefetch: 100, ack: every 7}}
"""


def test_a_closed_flow_ends_at_once_with_everything_taken(vhost_endpoint: Endpoint) -> None:
    """Three publishers and two consumers share 5,000 messages; the run ends when the last is taken."""
    result, load_run = perform(vhost_endpoint, CLOSED)

    assert flow(result) == (5000, 5000, 5000, 0)
    assert result.verdict.exit_code == 0
    assert result.ledger.balanced
    assert lasted_s(load_run, "drain") < DRAIN_S / 2


def test_the_last_messages_are_acknowledged(vhost_endpoint: Endpoint) -> None:
    """After a run that acks every 7th, nothing that was taken stands in a queue that is kept."""
    perform(vhost_endpoint, CLOSED.replace("{queues", "{keep: true, queues"))

    assert queue_depths(vhost_endpoint, ["q"]) == {"q": 0}


def test_get_one_by_one_gives_the_series(vhost_endpoint: Endpoint) -> None:
    """A getter after the publisher sees message_count go down to 0, then one Get-Empty."""
    text = """
topology: {queues: {q: {}}}
publishers: {in: {routing_key: q, body: {text: hi}, messages: 300, confirm_window: 50}}
getters: {out: {queue: q, after: in, ack: every 10, until: empty}}
"""
    result, _ = perform(vhost_endpoint, text)

    assert flow(result) == (300, 300, 300, 0)
    assert result.totals.get_empty == 1
    series = result.groups["out"].message_counts["q"]
    assert (series.first, series.last, series.count) == (299, 0, 300)


def test_users_with_nothing_to_do_do_not_hold_the_run(vhost_endpoint: Endpoint) -> None:
    """Where there are more users than messages, those without a share are done at once."""
    text = """
topology: {queues: {q: {}}}
publishers: {in: {routing_key: q, body: {text: hi}, messages: 2, confirm_window: 50, users: 5}}
consumers: {out: {queue: q, users: 4, messages: 2, prefetch: 1, ack: every 1}}
"""
    result, load_run = perform(vhost_endpoint, text)

    assert flow(result) == (2, 2, 2, 0)
    assert lasted_s(load_run, "measured") < DRAIN_S / 2


def test_a_chain_of_groups_runs_in_order(vhost_endpoint: Endpoint) -> None:
    """Fill, then two getters one after the other: each begins when the one before it is done."""
    text = """
topology: {queues: {q: {}}}
publishers: {in: {routing_key: q, body: {text: hi}, messages: 100, confirm_window: 0}}
getters:
  first: {queue: q, after: in, messages: 30, ack: auto}
  second: {queue: q, after: first, until: empty, ack: auto, start_at: 100ms}
"""
    result, _ = perform(vhost_endpoint, text)

    assert {name: group.totals.get("got") for name, group in result.groups.items()} == {
        "in": None,
        "first": 30,
        "second": 70,
    }
    assert result.totals.lost == 0


def test_a_consumer_with_a_limit_gives_the_rest_back(vhost_endpoint: Endpoint) -> None:
    """It takes exactly its share; what the broker sent beyond is in the queue again and is not counted."""
    text = """
topology: {keep: true, queues: {q: {durable: true}}}
publishers: {in: {routing_key: q, body: {text: hi}, messages: 1000, confirm_window: 100}}
consumers: {out: {queue: q, after: in, messages: 250, prefetch: 50, ack: every 20}}
run: {drain: 100ms}
"""
    result, _ = perform(vhost_endpoint, text)

    assert flow(result) == (1000, 1000, 250, 0)
    assert result.totals.remaining == 750
    assert result.ledger.left == {"q": 750}
    assert queue_depths(vhost_endpoint, ["q"]) == {"q": 750}


def test_a_consumer_that_wants_more_than_there_is_ends(vhost_endpoint: Endpoint) -> None:
    """With all publishers done and the queue empty the run does not wait for messages that nobody will send."""
    text = """
topology: {queues: {q: {}}}
publishers: {in: {routing_key: q, body: {text: hi}, messages: 10, confirm_window: 10}}
consumers: {out: {queue: q, messages: 11, prefetch: 5, ack: every 1}}
"""
    result, load_run = perform(vhost_endpoint, text)

    assert flow(result) == (10, 10, 10, 0)
    assert "out would take more messages" in load_run.events()["starved"]


def test_a_consumer_that_starts_late_is_waited_for(vhost_endpoint: Endpoint) -> None:
    """A run without duration is not over while a group has yet to begin."""
    text = """
topology: {queues: {q: {}}}
publishers: {in: {routing_key: q, body: {text: hi}, messages: 10, confirm_window: 10}}
consumers: {out: {queue: q, start_at: 700ms, ack: auto}}
run: {drain: 200ms}
"""
    result, _ = perform(vhost_endpoint, text)

    assert flow(result) == (10, 10, 10, 0)


def test_a_consumer_that_works_slowly_finishes_what_it_took(vhost_endpoint: Endpoint) -> None:
    """Each message has its processing time before its ack, and the run waits for the last."""
    text = """
topology: {keep: true, queues: {q: {durable: true}}}
publishers: {in: {routing_key: q, body: {text: hi}, messages: 40, confirm_window: 40}}
consumers: {out: {queue: q, processing_time: 10ms, prefetch: 40, ack: every 3}}
"""
    result, load_run = perform(vhost_endpoint, text)

    assert flow(result) == (40, 40, 40, 0)
    assert 0.4 <= lasted_s(load_run, "measured") < DRAIN_S / 2
    assert queue_depths(vhost_endpoint, ["q"]) == {"q": 0}


def test_without_acks_only_the_prefetch_is_taken(vhost_endpoint: Endpoint) -> None:
    """A consumer that never acks gets what its prefetch allows; the rest is reported as remaining, not as lost."""
    text = """
topology: {queues: {q: {}}}
publishers: {in: {routing_key: q, body: {text: hi}, messages: 50, confirm_window: 50}}
consumers: {out: {queue: q, prefetch: 20, ack: none}}
run: {drain: 300ms}
"""
    result, load_run = perform(vhost_endpoint, text)

    assert flow(result) == (50, 50, 20, 0)
    assert result.totals.remaining == 30
    assert lasted_s(load_run, "drain") < DRAIN_S / 2


def test_every_message_reaches_every_queue_of_a_fan_out(vhost_endpoint: Endpoint) -> None:
    """Ten queues behind a fanout exchange: ten deliveries for each message are expected, and come."""
    text = """
topology:
  exchanges: {x: {type: fanout}}
  queues: {q-%d: {count: 10}}
  bindings: [{exchange: x, queue: q-%d}]
publishers: {in: {exchange: x, body: {text: hi}, messages: 100, confirm_window: 10, users: 2}}
consumers: {out: {queue: q-%d, users: 3, ack: every 2, prefetch: 10}}
"""
    result, _ = perform(vhost_endpoint, text)

    assert flow(result) == (100, 100, 1000, 0)
    assert result.totals.duplicates == result.totals.unexpected == 0


def test_keys_and_bodies_go_round(vhost_endpoint: Endpoint) -> None:
    """Zipf-distributed keys and random bodies stamped in the body come whole and where they should."""
    text = """
topology:
  exchanges: {x: {type: topic}}
  queues: {all: {}, some: {}}
  bindings: [{exchange: x, queue: all, routing_key: "#"}, {exchange: x, queue: some, routing_key: "key-1"}]
publishers:
  in:
    {exchange: x, routing_key: {zipf: {keys: 20, s: 1.1}}, body: {random: {min: 24B, max: 2KB}}, messages: 2000,
     confirm_window: 100, stamp: body}
consumers: {out: {queue: all, ack: auto}, part: {queue: some, ack: every 5, prefetch: 5}}
"""
    result, _ = perform(vhost_endpoint, text)

    assert (result.totals.published, result.totals.lost, result.totals.corrupted) == (2000, 0, 0)
    assert result.groups["out"].totals["delivered"] == 2000
    assert 0 < result.groups["part"].totals["delivered"] < 2000
    assert result.totals.unexpected == result.totals.foreign == 0


def test_a_stream_gives_each_consumer_its_copy(vhost_endpoint: Endpoint) -> None:
    """Two consumers that read a stream from its beginning get every message each."""
    text = """
topology: {queues: {log: {type: stream}}}
publishers: {in: {routing_key: log, body: {size: 50B}, messages: 500, confirm_window: 100}}
consumers:
  out: {queue: log, users: 2, prefetch: 100, ack: every 10, arguments: {x-stream-offset: first}}
"""
    result, _ = perform(vhost_endpoint, text)

    assert flow(result) == (500, 500, 1000, 0)


def test_a_quorum_queue_confirms_and_delivers(vhost_endpoint: Endpoint) -> None:
    """Confirms of a quorum queue come in groups and in their own order; the ledger closes all the same."""
    text = """
topology: {queues: {q: {type: quorum}}}
publishers: {in: {routing_key: q, body: {size: 50B}, messages: 1000, confirm_window: 300, users: 2}}
consumers: {out: {queue: q, prefetch: 50, ack: every 25}}
"""
    result, _ = perform(vhost_endpoint, text)

    assert flow(result) == (1000, 1000, 1000, 0)


def test_unroutable_messages_come_back_and_are_no_loss(vhost_endpoint: Endpoint) -> None:
    """Of a mandatory publisher every second message has no queue: returned and confirmed, and not lost."""
    text = """
topology:
  exchanges: {x: {type: direct}}
  queues: {q: {}}
  bindings: [{exchange: x, queue: q, routing_key: here}]
publishers: {in: {exchange: x, routing_key: [here, nowhere], mandatory: true, body: {text: hi}, messages: 100}}
consumers: {out: {queue: q, ack: auto}}
"""
    result, _ = perform(vhost_endpoint, text)

    assert (result.totals.returned, result.totals.delivered, result.totals.lost) == (50, 50, 0)
    assert result.ledger.balanced


def test_returned_messages_without_a_stamp_are_told(vhost_endpoint: Endpoint) -> None:
    """Nobody can say which they were, so an event says that, why, and how many."""
    text = """
topology: {exchanges: {x: {type: direct}}}
publishers: {in: {exchange: x, routing_key: no, mandatory: true, stamp: none, body: {text: hi}, messages: 7}}
"""
    result, load_run = perform(vhost_endpoint, text)

    assert result.totals.confirmed == 7
    told = [event["text"] for event in load_run.collector.events if event["code"] == "returned-unstamped"]
    assert "312 NO_ROUTE" in told[0]
    assert "7 in all" in told[1]


def test_messages_of_others_are_foreign(vhost_endpoint: Endpoint) -> None:
    """What already stood in the queue, with another run's stamp or none, is taken and counted apart."""
    text = """
topology: {keep: true, queues: {q: {durable: true}}}
publishers: {in: {routing_key: q, body: {text: hi}, messages: 100}}
"""
    with LoadRun(vhost_endpoint, text, run_tag=5) as earlier:
        earlier.perform()
    connection = pika.BlockingConnection(vhost_endpoint.pika_parameters())
    connection.channel().basic_publish("", "q", b"no stamp")
    connection.close()

    result, _ = perform(vhost_endpoint, text + "consumers: {out: {queue: q, ack: auto}}")

    assert (result.totals.delivered, result.totals.foreign, result.totals.lost) == (201, 101, 0)
    assert result.verdict.exit_code == 0


def test_large_bodies_do_not_pile_up(vhost_endpoint: Endpoint) -> None:
    """Bodies of 1 MB go out as the socket takes them; other users run meanwhile."""
    text = """
topology: {queues: {q: {}, r: {}}}
publishers:
  in: {routing_key: q, body: {size: 1MB}, messages: 60, confirm_window: 0}
  beat: {routing_key: r, body: {text: hi}, rate: 200/s, messages: 60, confirm_window: 10}
consumers: {out: {queue: q, ack: every 1, prefetch: 4}, out2: {queue: r, ack: auto}}
"""
    unsent: list[int] = []

    def look(load_run: LoadRun) -> None:
        connection = getattr(load_run.members[0], "_connection", None)
        while not load_run.run.completion.is_done("in") and connection is not None:
            unsent.append(connection.unsent_bytes)
            load_run.wait_until(lambda: True)
            load_run.run.stopping.wait(0.002)

    result, _ = perform(vhost_endpoint, text, meanwhile=look)

    assert (result.totals.published, result.totals.delivered, result.totals.lost) == (120, 120, 0)
    assert max(unsent) < 3_000_000

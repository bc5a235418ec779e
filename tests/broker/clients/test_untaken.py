"""Every queue that messages are due at is asked for what it holds; nobody is accused where that is not known."""

from __future__ import annotations

from collections.abc import Callable

import gevent
import pika
import pytest

from loadtest.broker.admin.run_topology import queue_depths
from loadtest.broker.endpoint import Endpoint
from loadtest.broker.monitor.management import ManagementApi
from loadtest.result.run.document import RunResult
from tests.broker.clients.load_run import LoadRun, perform

pytestmark = pytest.mark.broker

ROUTED = """
topology:
  exchanges:
    first: {type: fanout, alternate_exchange: spare}
    second: {type: headers}
    third: {type: topic}
    spare: {type: fanout}
    direct: {alternate_exchange: spare}
  queues: {fan: {}, head: {}, other: {}, "top#1/0": {type: quorum}, spare: {}, taken: {}, log: {type: stream}}
  bindings:
    - {exchange: first, queue: fan}
    - {exchange: first, queue: taken}
    - {exchange: first, to_exchange: second}
    - {exchange: second, to_exchange: third, arguments: {x-match: all, kind: a}}
    - {exchange: second, queue: head, arguments: {x-match: any, kind: a, no: b}}
    - {exchange: second, queue: other, arguments: {x-match: all, kind: b}}
    - {exchange: third, queue: "top#1/0", routing_key: "a.#"}
    - {exchange: third, queue: log, routing_key: "a.*"}
    - {exchange: spare, queue: spare}
publishers:
  in:
    exchange: first
    routing_key: [a.b, c.d]
    messages: 200
    confirm_window: 50
    body: {text: hi}
    properties: {headers: {kind: a}}
  astray: {exchange: direct, routing_key: nowhere, messages: 40, confirm_window: 10, body: {text: hi}}
consumers: {out: {queue: taken, ack: every 1}}
thresholds: [lost == 0]
"""
HELD = {"fan": 200, "head": 200, "top#1/0": 100, "log": 100, "spare": 40}


def test_every_queue_that_messages_are_due_at_is_asked(vhost_endpoint: Endpoint) -> None:
    """Behind fanout, headers, topic and alternate exchanges, exchange to exchange, and in a stream, all is there."""
    result, _ = perform(vhost_endpoint, ROUTED)

    assert result.ledger.held == HELD
    assert (result.totals.lost, result.totals.unknown, result.totals.remaining, result.totals.vanished) == (0, 0, 0, 0)
    assert result.verdict.exit_code == 0, result.verdict.reason


@pytest.mark.parametrize("queue", ["fan", "head", "spare"])
@pytest.mark.parametrize("how", ["purged", "deleted"])
def test_what_the_broker_no_longer_holds_is_lost(vhost_endpoint: Endpoint, queue: str, how: str) -> None:
    """One of several queues that got a copy is purged or gone when all is confirmed: exactly its messages are lost."""

    def harm(load_run: LoadRun) -> None:
        load_run.wait_until(lambda: load_run.workers.is_done("in") and load_run.workers.is_done("astray"))
        with_channel(vhost_endpoint, lambda it: it.queue_purge(queue) if how == "purged" else it.queue_delete(queue))

    result = beside(vhost_endpoint, ROUTED + "run: {drain: 5s}\n", harm)

    assert result.totals.lost == HELD[queue]
    assert {example.sink for example in result.ledger.lost_examples} == {queue}
    assert result.verdict.exit_code == 1


PLAIN = """
topology: {keep: true, queues: {q: {SETTINGS}}}
publishers: {in: {routing_key: q, messages: 100, confirm_window: 10, body: {text: hi}}}
thresholds: [lost == 0]
"""


def test_what_stood_there_before_is_discounted(vhost_endpoint: Endpoint) -> None:
    """50 messages of others stand in the queue; where all of the run's are there, nothing is lost."""
    fill(vhost_endpoint, 50)
    result, _ = perform(vhost_endpoint, PLAIN.replace("SETTINGS", "durable: true"))

    assert (result.ledger.held, result.totals.lost) == ({"q": 150}, 0)


def test_what_stood_there_before_hides_no_loss(vhost_endpoint: Endpoint) -> None:
    """A queue that holds as many as the run confirmed, of which 30 came before, has lost 30."""
    fill(vhost_endpoint, 30)

    def harm(load_run: LoadRun) -> None:
        load_run.wait_until(lambda: load_run.workers.is_done("in"))
        with_channel(vhost_endpoint, lambda it: [it.basic_get("q", auto_ack=True) for _ in range(30)])

    result = beside(vhost_endpoint, PLAIN.replace("SETTINGS", "durable: true"), harm)

    assert (result.ledger.held, result.totals.lost) == ({"q": 100}, 30)


def test_an_exclusive_queue_is_asked_by_its_owner(vhost_endpoint: Endpoint) -> None:
    """No other connection may ask for it."""
    text = PLAIN.replace("keep: true, ", "").replace("SETTINGS", "exclusive: true, durable: false")
    result, _ = perform(vhost_endpoint, text)

    assert (result.ledger.held, result.totals.lost, result.verdict.exit_code) == ({"q": 100}, 0, 0)


@pytest.mark.parametrize("when", ["before", "during"])
@pytest.mark.parametrize("takes", [False, True], ids=["nobody of the run takes", "the run takes, too"])
def test_others_that_take_from_a_queue_make_it_unknown(vhost_endpoint: Endpoint, when: str, *, takes: bool) -> None:
    """What another consumer took is not lost: `lost == 0` fails for want of a value; missed by takers, it is exit 4."""
    text = PLAIN.replace("SETTINGS", "durable: true") + "run: {drain: 4s}\n"
    if takes:
        text = text.replace("thresholds: [lost == 0]", "consumers: {out: {queue: q, ack: every 1}}")
    fill(vhost_endpoint, 0)
    connection = pika.BlockingConnection(vhost_endpoint.pika_parameters())
    channel = connection.channel()
    if when == "before":
        channel.basic_consume("q", lambda *_: None, auto_ack=True)

    def steal(load_run: LoadRun) -> None:
        if when == "during":
            channel.basic_consume("q", lambda *_: None, auto_ack=True)
        while load_run.controller.phase != "done":
            connection.process_data_events(0.01)
            gevent.sleep(0.01)

    text = text.replace("messages: 100", "messages: 2000")
    result = beside(vhost_endpoint, text, steal)
    connection.close()

    assert result.totals.lost == 0
    assert result.totals.unknown > 0
    assert "others take from it" in result.ledger.unknown[0].reason
    assert result.verdict.exit_code == (4 if takes else 1)
    if not takes:
        assert "not known for q" in (result.verdict.checks[0].note or "")


@pytest.mark.parametrize("takes", [False, True], ids=["nobody of the run takes", "the run takes, too"])
@pytest.mark.parametrize("way", ["get", "get-no-ack", "purged", "deleted"])
def test_others_that_get_are_told_from_a_loss(
    vhost_endpoint: Endpoint, management: ManagementApi, way: str, *, takes: bool
) -> None:
    """Basic.Get has no consumer: the queue's counters tell that 30 are not known; what is purged or gone is lost."""
    text = PLAIN.replace("SETTINGS", "durable: true") + "run: {drain: 3s}\n"
    if takes:
        late = "consumers: {out: {queue: q, ack: every 1, after: in, start_at: 2s}}"
        text = text.replace("thresholds: [lost == 0]", late)
    fill(vhost_endpoint, 0)

    def harm(load_run: LoadRun) -> None:
        load_run.wait_until(lambda: load_run.workers.is_done("in"))
        with_channel(vhost_endpoint, do)

    def do(it: pika.adapters.blocking_connection.BlockingChannel) -> None:
        if way == "purged":
            it.queue_purge("q")
        elif way == "deleted":
            it.queue_delete("q")
            it.queue_declare("q", durable=True)
        else:
            for _ in range(30):
                method, _, _ = it.basic_get("q", auto_ack=way == "get-no-ack")
                if way == "get":
                    it.basic_ack(method.delivery_tag)

    with LoadRun(vhost_endpoint, text, management=management) as load_run:
        result = load_run.perform(harm)

    if way in {"purged", "deleted"}:
        assert (result.totals.lost, result.totals.unknown, result.verdict.exit_code) == (100, 0, 1)
    else:
        assert (result.totals.lost, result.totals.unknown) == (0, 30)
        assert result.ledger.unknown[0].reason.startswith("others take from it, too: 30 messages were taken")
        assert result.verdict.exit_code == (4 if takes else 1)


def test_where_nobody_knows_policies_and_takers_that_is_said(vhost_endpoint: Endpoint) -> None:
    """A loss that is seen by AMQP alone names what else may have become of the messages."""

    def harm(load_run: LoadRun) -> None:
        load_run.wait_until(lambda: load_run.workers.is_done("in"))
        with_channel(vhost_endpoint, lambda it: it.queue_purge("q"))

    with LoadRun(vhost_endpoint, PLAIN.replace("SETTINGS", "durable: true") + "run: {drain: 1s}\n") as load_run:
        load_run.perform(harm)

    assert "no management API tells whether a policy" in load_run.events()["fate-unknown"]


MANY = """
topology:
  exchanges: {all: {type: fanout}}
  queues: {held-%d: {count: 1000}}
  bindings: [{exchange: all, queue: held-%d}]
publishers: {in: {exchange: all, messages: 20, confirm_window: 10, body: {text: hi}}}
thresholds: [lost == 0]
run: {drain: 3s}
"""


def test_losses_of_some_of_many_untaken_queues_are_told_by_name(
    vhost_endpoint: Endpoint, management: ManagementApi
) -> None:
    """Of 1,000 copies three queues lose theirs, purged or deleted: 997 are right, and these are named."""
    names: list[str] = []

    def harm(load_run: LoadRun) -> None:
        load_run.wait_until(lambda: load_run.workers.is_done("in"))
        names.extend(load_run.plan.untaken[place] for place in (3, 500, 998))
        with_channel(
            vhost_endpoint, lambda it: [it.queue_purge(names[0]), it.queue_delete(names[1]), it.queue_purge(names[2])]
        )

    with LoadRun(vhost_endpoint, MANY, management=management) as load_run:
        result = load_run.perform(harm, timeout_s=120)

    held = result.ledger.held
    assert (len(held), sorted(name for name, count in held.items() if count != 20)) == (1000, sorted(names))
    assert (result.totals.confirmed, result.totals.lost, result.totals.unknown) == (20, 60, 0)
    assert {example.sink for example in result.ledger.lost_examples} == set(names)
    assert result.verdict.exit_code == 1


TRUNCATED = """
topology:
  queues:
    log:
      type: stream
      arguments: {x-max-length-bytes: 200000, x-stream-max-segment-size-bytes: 50000}
publishers: {in: {routing_key: log, messages: 1000, confirm_window: 50, body: {size: 1000B}}}
consumers: {out: {queue: log, ack: every 1, prefetch: 10, after: in, arguments: {x-stream-offset: first}}}
run: {drain: 3s}
"""


@pytest.mark.parametrize("takes", [True, False], ids=["a late consumer", "nobody takes"])
def test_a_stream_that_was_truncated_has_lost_nothing(vhost_endpoint: Endpoint, *, takes: bool) -> None:
    """What its retention dropped before the consumer began is not known to be lost, and the run ends in order."""
    text = TRUNCATED if takes else "".join(line for line in TRUNCATED.splitlines(True) if "consumers:" not in line)
    result, _ = perform(vhost_endpoint, text)
    totals = result.totals

    assert (totals.confirmed, totals.lost) == (1000, 0)
    assert result.ledger.imbalances == ()
    if takes:
        assert totals.delivered < 1000
        assert totals.delivered + totals.unread + totals.remaining + totals.unknown == 1000


def test_messages_without_a_stamp_are_compared_by_number(vhost_endpoint: Endpoint) -> None:
    """With confirms, and a consumer: all of them came."""
    text = """
topology: {queues: {q: {}}}
publishers: {in: {routing_key: q, messages: 300, confirm_window: 10, body: {text: hi}, stamp: none}}
consumers: {out: {queue: q, ack: every 1}}
thresholds: [lost == 0]
"""
    result, _ = perform(vhost_endpoint, text)

    assert (result.totals.delivered, result.totals.lost, result.totals.undelivered) == (300, 0, 0)
    assert result.verdict.exit_code == 0


def test_unstamped_messages_that_were_purged_are_lost(vhost_endpoint: Endpoint) -> None:
    """Their number tells, where nothing was taken twice."""
    text = """
topology: {queues: {q: {}}}
publishers: {in: {routing_key: q, messages: 300, confirm_window: 10, body: {text: hi}, stamp: none}}
consumers: {out: {queue: q, ack: every 1, after: in, start_at: 500ms}}
run: {drain: 4s}
"""

    def harm(load_run: LoadRun) -> None:
        load_run.wait_until(lambda: load_run.workers.is_done("in"))
        with_channel(vhost_endpoint, lambda it: it.queue_purge("q"))

    assert beside(vhost_endpoint, text, harm).totals.lost == 300


STREAM = """
topology: {keep: true, queues: {log: {type: stream}}}
publishers: {in: {routing_key: log, messages: 400, rate: 400/s, confirm_window: 50, body: {text: hi}}}
consumers: {out: {queue: log, ack: every 10, prefetch: 100, START}}
run: {drain: 3s}
thresholds: [lost == 0]
"""


@pytest.mark.parametrize(
    "start, older, unread",
    [
        ("start_at: 500ms", 0, (1, 399)),
        ("start_at: 500ms, arguments: {x-stream-offset: last}", 60, (1, 399)),
        ("arguments: {x-stream-offset: 100}", 0, (100, 100)),
        ("arguments: {x-stream-offset: 160}", 60, (100, 100)),
        ("start_at: 500ms, arguments: {x-stream-offset: first}", 60, (0, 0)),
        ("start_at: 500ms, arguments: {x-stream-offset: 1h}", 0, (0, 0)),
    ],
    ids=["next", "last", "a number", "a number, with older ones", "first", "an interval"],
)
def test_what_lies_before_the_start_in_a_stream_is_unread(
    vhost_endpoint: Endpoint, start: str, older: int, unread: tuple[int, int]
) -> None:
    """It is neither delivered nor lost, and everything after the start came."""
    if older:
        with_channel(
            vhost_endpoint,
            lambda it: it.queue_declare("log", durable=True, arguments={"x-queue-type": "stream"}),
        )
        with_channel(vhost_endpoint, lambda it: publish(it, "log", older))
    result, _ = perform(vhost_endpoint, STREAM.replace("START", start))
    totals = result.totals

    assert (totals.lost, totals.remaining, totals.unknown) == (0, 0, 0)
    assert unread[0] <= totals.unread <= unread[1]
    assert totals.delivered - totals.foreign + totals.unread == 400
    assert result.verdict.exit_code == 0


def test_a_consumer_that_is_slow_leaves_the_rest_of_a_stream(vhost_endpoint: Endpoint) -> None:
    """What it did not get to is still in the stream: remaining, not lost."""
    start = "processing_time: 20ms, arguments: {x-stream-offset: first}"
    result, _ = perform(vhost_endpoint, STREAM.replace("START", start).replace("prefetch: 100", "prefetch: 10"))

    assert result.totals.lost == 0
    assert result.totals.remaining > 0
    assert result.totals.delivered + result.totals.remaining == 400


def beside(endpoint: Endpoint, text: str, meanwhile: Callable[[LoadRun], object]) -> RunResult:
    """Run a scenario, and something beside it."""
    with LoadRun(endpoint, text) as load_run:
        return load_run.perform(meanwhile)


def with_channel(endpoint: Endpoint, do: Callable[[pika.adapters.blocking_connection.BlockingChannel], object]) -> None:
    """Do something with the broker, as somebody else."""
    connection = pika.BlockingConnection(endpoint.pika_parameters())
    do(connection.channel())
    connection.close()


def publish(channel: pika.adapters.blocking_connection.BlockingChannel, queue: str, messages: int) -> None:
    """Publish messages of nobody's run."""
    channel.confirm_delivery()
    for _ in range(messages):
        channel.basic_publish("", queue, b"old")


def fill(endpoint: Endpoint, messages: int) -> None:
    """Leave messages in queue q."""
    with_channel(endpoint, lambda it: it.queue_declare("q", durable=True))
    with_channel(endpoint, lambda it: publish(it, "q", messages))
    assert queue_depths(endpoint, ["q"]) == {"q": messages}

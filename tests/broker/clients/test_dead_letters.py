"""Messages that the broker takes out of queues by itself: each is told apart from what is lost, and counted exactly."""

from __future__ import annotations

import pika
import pytest

from loadtest.broker.admin.run_topology import queue_depths
from loadtest.broker.endpoint import Endpoint
from loadtest.broker.private.private_cluster import PrivateCluster
from loadtest.broker.private.private_node import PrivateNode
from loadtest.result.run.document import RunResult
from tests.broker.clients.load_run import LoadRun, perform
from tests.conftest import absent

pytestmark = pytest.mark.broker

TYPES = pytest.mark.parametrize("queue_type", ["classic", pytest.param("quorum", marks=pytest.mark.long)])

LETTERS = """
topology:
  keep: true
  exchanges: {dlx: {type: fanout}}
  queues:
    q: {type: TYPE, arguments: {x-dead-letter-exchange: dlx, ARGUMENTS}}
    dlq: {}
  bindings: [{exchange: dlx, queue: dlq}]
publishers: {in: {routing_key: q, body: {text: hi}, messages: 500, confirm_window: 50}}
"""


@pytest.fixture
def cluster(broker_node: PrivateNode | None) -> PrivateCluster:
    """The private node of this pytest process, for who asks its counters; no other test uses it at the same time."""
    if broker_node is None:
        absent("the broker's own counters are asked of a private node")
    return PrivateCluster("counted", [broker_node])


def letters(queue_type: str, arguments: str, groups: str) -> str:
    """Return a scenario whose queue hands its dead letters on to another."""
    return LETTERS.replace("TYPE", queue_type).replace(", ARGUMENTS", arguments and f", {arguments}") + groups


def assert_nothing_lost(result: RunResult) -> None:
    """Fail unless the books balance and every message is accounted for."""
    totals = result.totals

    assert result.ledger.imbalances == ()
    assert (totals.confirmed, totals.lost, totals.remaining, totals.unexpected) == (500, 0, 0, 0)


@TYPES
def test_rejected_messages_wait_in_a_queue_that_nobody_consumes(vhost_endpoint: Endpoint, queue_type: str) -> None:
    """They are found there after the drain, and stay: the topology is kept."""
    consumers = "consumers: {out: {queue: q, ack: every 5, reject: 10%}}"
    result, _ = perform(vhost_endpoint, letters(queue_type, "", consumers))

    assert_nothing_lost(result)
    assert (result.totals.delivered, result.totals.rejected, result.totals.dead_lettered) == (500, 50, 50)
    assert result.ledger.dead_letters == {"q": {"rejected": 50}}
    assert queue_depths(vhost_endpoint, ["q", "dlq"]) == {"q": 0, "dlq": 50}


@TYPES
def test_dead_letters_that_the_run_consumes(vhost_endpoint: Endpoint, queue_type: str) -> None:
    """They are deliveries of their own, told by their headers, and not unexpected though no binding leads there."""
    consumers = "consumers: {out: {queue: q, ack: every 5, nack: 10%}, dead: {queue: dlq, ack: every 1}}"
    result, _ = perform(vhost_endpoint, letters(queue_type, "", consumers))

    assert_nothing_lost(result)
    assert (result.totals.delivered, result.totals.dead_lettered, result.totals.duplicates) == (550, 50, 0)
    assert result.groups["dead"].totals["delivered"] == 50
    assert queue_depths(vhost_endpoint, ["q", "dlq"]) == {"q": 0, "dlq": 0}


def test_dead_letters_that_are_got(vhost_endpoint: Endpoint) -> None:
    """A getter tells of them, too."""
    groups = """
consumers: {out: {queue: q, ack: every 5, reject: 10%}}
getters: {dead: {queue: dlq, after: in, start_at: 500ms, until: empty}}
"""
    result, _ = perform(vhost_endpoint, letters("classic", "", groups))

    assert_nothing_lost(result)
    assert (result.totals.got, result.totals.dead_lettered) == (50, 50)


def test_poison_messages_die_at_the_delivery_limit(vhost_endpoint: Endpoint) -> None:
    """The same 2 % come again and again, up to the limit, and are dead letters then."""
    consumers = "consumers: {out: {queue: q, ack: every 5, reject: {share: 2%, requeue: true, of: messages}}}"
    result, _ = perform(vhost_endpoint, letters("quorum", "x-delivery-limit: 3", consumers))

    assert_nothing_lost(result)
    assert result.ledger.dead_letters == {"q": {"delivery_limit": 10}}
    # Once, and three times more (docs/quorum-queues.md, "Poison Message Handling").
    assert (result.totals.requeued, result.totals.duplicates) == (40, 30)
    assert result.totals.duplicates_unflagged == 0


@TYPES
def test_expired_messages_that_are_handed_on(vhost_endpoint: Endpoint, queue_type: str) -> None:
    """Their time was over before the consumer came: never delivered from their queue, and not lost."""
    consumers = "consumers: {out: {queue: q, ack: every 5, after: in, start_at: 1s}}\nrun: {drain: 5s}"
    result, _ = perform(vhost_endpoint, letters(queue_type, "x-message-ttl: 200", consumers))

    assert_nothing_lost(result)
    assert (result.totals.delivered, result.totals.dead_lettered) == (0, 500)
    assert result.ledger.dead_letters == {"q": {"expired": 500}}


def perform_private(endpoint: Endpoint, cluster: PrivateCluster, text: str) -> RunResult:
    """Run a scenario whose broker's own counters can be asked."""
    with LoadRun(endpoint, text, private=cluster) as load_run:
        return load_run.perform()


@pytest.mark.parametrize(
    "queue_type, arguments, properties, row",
    [
        ("classic", "x-message-ttl: 200", "", "expired"),
        ("quorum", "", ", properties: {expiration: 200ms}", "expired"),
        ("quorum", "x-max-length: 120", "", "overflowed"),
    ],
    ids=["queue's time to live", "messages' time to live", "max length"],
)
def test_what_is_dropped_is_told_by_the_brokers_counters(
    vhost_endpoint: Endpoint, cluster: PrivateCluster, queue_type: str, arguments: str, properties: str, row: str
) -> None:
    """Without a dead letter exchange the messages are gone; how many is exact, and they are not lost."""
    text = f"""
topology: {{queues: {{q: {{type: {queue_type}, arguments: {{{arguments}}}}}}}}}
publishers: {{in: {{routing_key: q, body: {{text: hi}}, messages: 500, confirm_window: 50{properties}}}}}
consumers: {{out: {{queue: q, ack: every 5, after: in, start_at: 1s}}}}
run: {{drain: 5s}}
"""
    result = perform_private(vhost_endpoint, cluster, text)
    kept = 120 if row == "overflowed" else 0

    assert_nothing_lost(result)
    assert getattr(result.totals, row) == 500 - kept
    assert result.totals.delivered == kept
    # A run that delivered nothing has measured confirms all the same.
    assert result.verdict.exit_code == 0


def test_what_nobody_tells_of_is_not_known(vhost_endpoint: Endpoint) -> None:
    """Where the counters cannot be read, what is missing may have been dropped or lost, and neither is said."""
    text = """
topology: {queues: {q: {arguments: {x-max-length: 120}}}}
publishers: {in: {routing_key: q, body: {text: hi}, messages: 500, confirm_window: 50}}
consumers: {out: {queue: q, ack: every 5, after: in, start_at: 500ms}}
run: {drain: 3s}
"""
    result, load_run = perform(vhost_endpoint, text)

    assert (result.totals.lost, result.totals.unknown) == (0, 380)
    assert "does not tell" in load_run.events()["fate-unknown"]
    assert (result.verdict.outcome, result.verdict.exit_code) == ("inconclusive", 4)


def test_a_purge_is_no_excuse(vhost_endpoint: Endpoint, cluster: PrivateCluster) -> None:
    """What somebody else took out of a queue that may drop is still lost."""
    text = """
topology: {queues: {q: {arguments: {x-max-length: 120}}}}
publishers: {in: {routing_key: q, body: {text: hi}, messages: 500, confirm_window: 50}}
consumers: {out: {queue: q, ack: every 5, after: in, start_at: 1s}}
run: {drain: 5s}
"""

    def purge(load_run: LoadRun) -> None:
        load_run.wait_until(lambda: load_run.run.completion.is_done("in"))
        connection = pika.BlockingConnection(vhost_endpoint.pika_parameters())
        assert connection.channel().queue_purge("q").method.message_count == 120
        connection.close()

    with LoadRun(vhost_endpoint, text, private=cluster) as load_run:
        result = load_run.perform(meanwhile=purge)

    assert (result.totals.overflowed, result.totals.lost) == (380, 120)

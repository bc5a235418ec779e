"""`Topology` on a real broker: declared, verified, removed, and every refusal in a line."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace

import pika
import pytest

from loadtest.broker.admin.run_topology import Topology, queue_depths
from loadtest.broker.endpoint import Endpoint
from loadtest.broker.monitor.management import ManagementApi
from loadtest.errors import BrokerError
from loadtest.scenario.plan import BindingSpec, DeclaredTopology, ExchangeSpec, QueueSpec

pytestmark = pytest.mark.broker


def queue(name: str, *, durable: bool = True, passive: bool = False, **arguments: object) -> QueueSpec:
    """Return a queue; *arguments* by their names with _ for -."""
    named = {key.replace("_", "-"): value for key, value in arguments.items()}
    return QueueSpec(name, durable, exclusive=False, auto_delete=False, arguments=named, passive=passive)


def exchange(name: str, kind: str = "direct", *, passive: bool = False) -> ExchangeSpec:
    """Return a durable exchange."""
    return ExchangeSpec(name, kind, durable=True, auto_delete=False, internal=False, arguments={}, passive=passive)


def topology(
    exchanges: Sequence[ExchangeSpec] = (),
    queues: Sequence[QueueSpec] = (),
    bindings: Sequence[BindingSpec] = (),
    *,
    keep: bool = False,
) -> DeclaredTopology:
    """Return a topology at the endpoint's vhost."""
    return DeclaredTopology(None, keep, tuple(exchanges), tuple(queues), tuple(bindings))


def to_queue(source: str, destination: str, key: str) -> BindingSpec:
    """Return a binding of a queue."""
    return BindingSpec(source, destination, "queue", key, {})


@pytest.fixture
def channel(vhost_endpoint: Endpoint) -> Iterator[pika.adapters.blocking_connection.BlockingChannel]:
    """A channel of an ordinary client: what others do on this broker."""
    connection = pika.BlockingConnection(vhost_endpoint.pika_parameters("test"))
    yield connection.channel()
    connection.close()


def refusal(declared: DeclaredTopology, endpoint: Endpoint) -> str:
    """Return what `declare` says, in one line; nothing of the topology is left."""
    with Topology(declared, endpoint) as refused, pytest.raises(BrokerError) as caught:
        refused.declare()

    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_declared_verified_used_removed(vhost_endpoint: Endpoint) -> None:
    """A message reaches the queue over an exchange bound to an exchange; afterwards all of it is gone."""
    declared = topology(
        [exchange("in"), exchange("out", "topic")],
        [queue("a"), queue("b", x_max_length=10)],
        [BindingSpec("in", "out", "exchange", "k", {}), to_queue("out", "a", "#"), to_queue("out", "b", "*")],
    )
    with Topology(declared, vhost_endpoint) as made:
        created = made.declare()
        connection = pika.BlockingConnection(vhost_endpoint.pika_parameters())
        confirming = connection.channel()
        confirming.confirm_delivery()
        confirming.basic_publish("in", "k", b"hello", mandatory=True)
        connection.close()
        depths = made.verify()
        left = made.remove()

    assert created.created_exchanges == ("in", "out")
    assert created.created_queues == ("a", "b")
    assert created.found_messages == {}
    assert depths == {"a": 1, "b": 1}
    assert left == []
    assert queue_depths(vhost_endpoint, ["a", "b"]) == {}


def test_what_was_there_stays(
    vhost_endpoint: Endpoint, channel: pika.adapters.blocking_connection.BlockingChannel
) -> None:
    """A queue of somebody else is used, its messages are reported, and it is there afterwards with what it holds."""
    channel.queue_declare("theirs", durable=True)
    channel.confirm_delivery()
    for _ in range(3):
        channel.basic_publish("", "theirs", b"old")
    with Topology(topology([], [queue("theirs"), queue("ours")]), vhost_endpoint) as made:
        created = made.declare()

    assert created.created_queues == ("ours",)
    assert created.found_messages == {"theirs": 3}
    assert queue_depths(vhost_endpoint, ["theirs", "ours"]) == {"theirs": 3}


def test_keep_leaves_all(vhost_endpoint: Endpoint) -> None:
    """A topology that says `keep` is there after the run, and found by the next."""
    kept = topology([exchange("e")], [queue("q")], [to_queue("e", "q", "k")], keep=True)
    with Topology(kept, vhost_endpoint) as first:
        first.declare()
    with Topology(kept, vhost_endpoint) as second:
        created = second.declare()

    assert created.created_queues == created.created_exchanges == ()
    assert queue_depths(vhost_endpoint, ["q"]) == {"q": 0}


def test_removed_after_a_failure_half_way(vhost_endpoint: Endpoint) -> None:
    """What was declared before the refusal is removed too."""
    refusal(topology([exchange("e")], [queue("q")], [to_queue("nowhere", "q", "k")]), vhost_endpoint)

    assert queue_depths(vhost_endpoint, ["q"]) == {}


REFUSED: Mapping[str, tuple[DeclaredTopology, str]] = {
    "durability": (
        topology([], [queue("there", durable=False)]),
        "queue there: the broker has it with durable true, the scenario asks for false; delete it, or say in the scen",
    ),
    "argument": (
        topology([], [queue("there", x_max_length=3)]),
        "queue there: the broker has it with x-max-length none, the scenario asks for 3;",
    ),
    "queue-type": (
        topology([], [queue("there", x_queue_type="quorum")]),
        "the scenario asks for quorum; delete it",  # 3.10 has none there, 4.x classic
    ),
    "exchange-type": (
        topology([exchange("amq.direct", "fanout")]),
        "exchange amq.direct: the broker has it with type direct, the scenario asks for fanout;",
    ),
    "plugin": (
        topology([exchange("e", "x-recent-history")]),
        "the broker has no exchange type x-recent-history: enable its plugin rabbitmq_recent_history_exchange (",
    ),
    "unknown-type": (
        topology([exchange("e", "x-nix")]),
        "exchange e: the broker has no exchange type x-nix: it may need a plugin (",
    ),
    "passive-queue": (
        topology([], [queue("gone", passive=True)]),
        "queue gone: 404 NOT_FOUND - no queue 'gone' in vhost",
    ),
    "passive-exchange": (
        topology([exchange("gone", passive=True)]),
        "exchange gone: 404 NOT_FOUND - no exchange 'gone' in vhost",
    ),
    "reserved-name": (topology([], [queue("amq.mine")]), "queue amq.mine: 403 ACCESS_REFUSED"),
    "unknown-queue-type": (topology([], [queue("q", x_queue_type="nix")]), "queue q: 406 PRECONDITION_FAILED"),
    "binding": (
        topology([], [queue("q")], [to_queue("gone", "q", "k")]),
        "binding gone -> q by 'k': 404 NOT_FOUND - no exchange 'gone' in vhost",
    ),
    "default-exchange": (
        topology([], [queue("q")], [to_queue("", "q", "k")]),
        "binding  -> q by 'k': 403 ACCESS_REFUSED - operation not permitted on the default exchange",
    ),
    "name-too-long": (topology([], [queue("q" * 256)]), "Queue.Declare cannot be sent: "),
}


@pytest.mark.parametrize("declared, said", REFUSED.values(), ids=REFUSED.keys())
def test_refused(
    declared: DeclaredTopology,
    said: str,
    vhost_endpoint: Endpoint,
    channel: pika.adapters.blocking_connection.BlockingChannel,
) -> None:
    """Each refusal is one line that names the thing, what the broker has, what was asked for, and its words."""
    channel.queue_declare("there", durable=True)

    assert said in refusal(declared, vhost_endpoint)


def test_no_configure_permission(vhost_endpoint: Endpoint, management: ManagementApi) -> None:
    """A user who may not declare is told so by the broker."""
    user = f"test-{secrets.token_hex(6)}"
    management.create_user(user, "pw")
    management.set_permissions(vhost_endpoint.vhost, user, configure="^$", write=".*", read=".*")
    try:
        said = refusal(topology([], [queue("q")]), replace(vhost_endpoint, username=user, password="pw"))
    finally:
        management.delete_user(user)

    assert "queue q: 403 ACCESS_REFUSED" in said


def test_many_at_once(vhost_endpoint: Endpoint) -> None:
    """A thousand durable queues with their bindings are there, and gone, no later than by plain pika one by one."""
    names = [f"q{number}" for number in range(1000)]
    declared = topology([exchange("e")], [queue(name) for name in names], [to_queue("e", name, name) for name in names])
    one_by_one_s = one_by_one(vhost_endpoint, 100) * 10
    begin = time.monotonic()
    with Topology(declared, vhost_endpoint) as made:
        created = made.declare()
        depths = made.verify()
    took_s = time.monotonic() - begin

    assert len(created.created_queues) == len(depths) == 1000
    assert queue_depths(vhost_endpoint, names) == {}
    # Twice: ours looks at all of them, too, and the broker is slower with a thousand than with a hundred.
    assert took_s < 2 * one_by_one_s


def one_by_one(endpoint: Endpoint, count: int) -> float:
    """Return how long plain pika takes to declare, bind and delete so many durable queues, in s."""
    with closing(pika.BlockingConnection(endpoint.pika_parameters())) as connection:
        channel = connection.channel()
        begin = time.monotonic()
        for number in range(count):
            channel.queue_declare(f"plain{number}", durable=True)
            channel.queue_bind(f"plain{number}", "amq.direct", f"plain{number}")
        for number in range(count):
            channel.queue_delete(f"plain{number}")
        return time.monotonic() - begin


def test_exclusive_queue_lives_as_long_as_the_topology(vhost_endpoint: Endpoint) -> None:
    """It belongs to the connection that declared it, which stays open until the topology is removed."""
    exclusive = QueueSpec("mine", durable=False, exclusive=True, auto_delete=False, arguments={}, passive=False)
    with Topology(topology([exchange("e")], [exclusive], [to_queue("e", "mine", "k")]), vhost_endpoint) as made:
        made.declare()
        depths = made.verify()

    assert depths == {"mine": 0}
    assert queue_depths(vhost_endpoint, ["mine"]) == {}


def test_removal_never_raises(vhost_endpoint: Endpoint, management: ManagementApi) -> None:
    """Where the broker or the vhost is gone, `remove` says what stays, and does so once."""
    made = Topology(topology([], [queue("q")]), vhost_endpoint)
    made.declare()
    management.delete_vhost(vhost_endpoint.vhost)
    left = made.remove()
    management.create_vhost(vhost_endpoint.vhost, vhost_endpoint.username)

    assert len(left) == 1
    assert left[0].startswith("what the run declared stays (1 queues, 0 exchanges): broker amqp")
    assert made.remove() == []

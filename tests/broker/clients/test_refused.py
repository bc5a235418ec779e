"""Operations that the broker refuses: the run ends at the first try, and later in a run when it gets no further."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator

import gevent
import pika
import pytest

from loadtest.broker.endpoint import Endpoint
from loadtest.broker.monitor.management import ManagementApi
from loadtest.result.run.document import RunResult
from tests.broker.clients.load_run import LoadRun
from tests.broker.clients.patched_run import perform_patched
from tests.broker.wire.proxy import Proxy

pytestmark = pytest.mark.broker

TOPOLOGY = """
topology:
  exchanges: {x: {durable: true}}
  queues: {d: {durable: true}, e: {durable: true}, log: {type: stream}}
  bindings: [{exchange: x, queue: d, routing_key: k}]
"""
IN = "publishers: {in: {exchange: x, routing_key: k, body: {text: hi}, messages: 1000, confirm_window: 10 MORE}}\n"
OUT = "consumers: {out: {queue: d, ack: every 1 MORE}}\n"
GET = "getters: {g: {queue: d, until: empty MORE}}\n"
# The run is to end long before that, and before the time that users may try to come back, 60 s.
RUN = "run: {drain: 5s, duration: 60s}\n"
AT_ONCE_S = 25.0
PUBLISH = "publisher in: Basic.Publish to exchange x: "
CONSUME = "consumer out: Basic.Consume of queue d: "
GETTING = "getter g: Basic.Get of queue d: "
NO_ACCESS = "403 ACCESS_REFUSED - "

Permissions = dict[str, str]


@pytest.fixture
def limited(vhost_endpoint: Endpoint, management: ManagementApi) -> Iterator[Callable[[Permissions], Endpoint]]:
    """What makes an endpoint of a user who may do everything but what is said."""
    name = f"limited-{secrets.token_hex(4)}"
    management.create_user(name, "secret")

    def limit(permissions: Permissions) -> Endpoint:
        management.set_permissions(
            vhost_endpoint.vhost, name, **{"configure": ".*", "write": ".*", "read": ".*", **permissions}
        )
        address = vhost_endpoint.url.split("@", 1)[1]
        return Endpoint.parse(f"amqp://{name}:secret@{address}")

    yield limit
    management.delete_user(name)


def flow(*parts: str, more: str = "") -> str:
    """Return a scenario of *parts*, with more keys of its groups."""
    return TOPOLOGY + "".join(part.replace(" MORE", f", {more}" if more else "") for part in parts) + RUN


def assert_refused(result: RunResult, load_run: LoadRun, refusal: str) -> None:
    """Fail unless the run ended by *refusal*, and nothing is said of its rate."""
    assert load_run.events()["operation-refused"].startswith(refusal)
    assert result.verdict.exit_code == 3
    assert refusal in result.verdict.reason
    assert not [finding for finding in result.verdict.findings if "ower the rate" in finding.text]


@pytest.mark.parametrize(
    "text, permissions, refusal",
    [
        (flow(IN, OUT), {"write": "^$"}, PUBLISH + NO_ACCESS),
        (flow(IN.replace("window: 10", "window: 0"), OUT), {"write": "^$"}, PUBLISH + NO_ACCESS),
        (
            flow(IN.replace("exchange: x, routing_key: k", "routing_key: d, in_doubt: republish")),
            {"write": "^x$"},
            "publisher in: Basic.Publish to the default exchange: 403",
        ),
        (
            flow(IN.replace("{text: hi}", "{text: hi}, properties: {user_id: other}"), OUT),
            {},
            PUBLISH + "406 PRECONDITION_FAILED - user_id property set to 'other'",
        ),
        (flow(OUT, IN), {"read": "^$"}, CONSUME + NO_ACCESS),
        (
            flow(OUT.replace("queue: d", "queue: log, arguments: {x-stream-offset: yesterday}")),
            {},
            "consumer out: Basic.Consume of queue log: ",
        ),
        (flow(IN, GET), {"read": "^$"}, GETTING + NO_ACCESS),
    ],
    ids=["publish", "publish without confirms", "default exchange", "user id", "consume", "stream offset", "get"],
)
def test_a_refusal_at_the_first_try_ends_the_run(
    limited: Callable[[Permissions], Endpoint],
    vhost_endpoint: Endpoint,
    text: str,
    permissions: Permissions,
    refusal: str,
) -> None:
    """At once, with the operation and the broker's words, and nothing is said of the rate."""
    with LoadRun(vhost_endpoint, text) as load_run:
        load_run.run.nodes = [limited(permissions).pika_parameters()]
        result = load_run.perform(timeout_s=AT_ONCE_S)

    assert_refused(result, load_run, refusal)


@pytest.mark.parametrize(
    "group, harm, refusal",
    [
        (IN, "delete x", PUBLISH + "404 NOT_FOUND - no exchange 'x'"),
        (OUT, "delete d", CONSUME + "404 NOT_FOUND - no queue 'd'"),
        (GET, "delete d", GETTING + "404 NOT_FOUND - no queue 'd'"),
        (OUT, "hold d", CONSUME + "405 RESOURCE_LOCKED"),
        (GET, "hold d", GETTING + "405 RESOURCE_LOCKED"),
        (OUT, "consume d", CONSUME + "403 ACCESS_REFUSED"),
    ],
    ids=["no exchange", "no queue", "get, no queue", "exclusive queue", "get, exclusive queue", "exclusive consumer"],
)
def test_what_somebody_took_away_before_the_begin_ends_the_run(
    vhost_endpoint: Endpoint, group: str, harm: str, refusal: str
) -> None:
    """An exchange or queue that is gone, another connection's queue, another connection's exclusive consumer."""
    what, name = harm.split()
    holder = pika.BlockingConnection(vhost_endpoint.pika_parameters())
    with LoadRun(vhost_endpoint, flow(group)) as load_run:
        channel = holder.channel()
        if what == "consume":
            channel.basic_consume(name, lambda *_: None, exclusive=True)
        elif name == "x":
            channel.exchange_delete(name)
        else:
            channel.queue_delete(name)
        if what == "hold":
            channel.queue_declare(name, exclusive=True)
        result = load_run.perform(timeout_s=AT_ONCE_S)
        holder.close()

    assert_refused(result, load_run, refusal)


@pytest.mark.parametrize(
    "text, permissions, refusal",
    [
        (flow(IN.replace("window: 10", "window: 1"), more="client: blocking"), {"write": "^$"}, PUBLISH + NO_ACCESS),
        (flow(IN.replace("window: 10", "window: 0"), more="client: blocking"), {"write": "^$"}, PUBLISH + NO_ACCESS),
        (flow(OUT, more="client: blocking"), {"read": "^$"}, CONSUME + NO_ACCESS),
        (flow(GET, more="client: blocking"), {"read": "^$"}, GETTING + NO_ACCESS),
    ],
    ids=["publish", "publish without confirms", "consume", "get"],
)
def test_a_refusal_ends_a_blocking_client(
    limited: Callable[[Permissions], Endpoint],
    vhost_endpoint: Endpoint,
    text: str,
    permissions: Permissions,
    refusal: str,
) -> None:
    """As the bulk client; the method that failed is told by the broker, for both."""
    report = perform_patched(vhost_endpoint, text, users=limited(permissions))

    assert report["events"]["operation-refused"].startswith(refusal)
    assert report["exit_code"] == 3


# --- later in a run ----------------------------------------------------------------------------------------------

FLOWING = """
topology:
  exchanges: {x: {durable: true}}
  queues: {d: {durable: true}, e: {durable: true}}
  bindings: [{exchange: x, queue: d, routing_key: k}]
publishers: {in: {exchange: x, routing_key: k, body: {text: hi}, rate: 200/s PUBLISHER}}
consumers: {out: {queue: d, ack: every 1 CONSUMER}}
run: {duration: 30s, drain: 2s, reconnect_for: 2s}
"""


def flowing(publisher: str = "", consumer: str = "") -> str:
    """Return a flow of 30 s, with more keys of its groups."""
    return FLOWING.replace(" PUBLISHER", publisher).replace(" CONSUMER", consumer)


def on_channel(endpoint: Endpoint, method: str, *words: object) -> None:
    """Call a method of a channel, on a connection of its own."""
    connection = pika.BlockingConnection(endpoint.pika_parameters())
    getattr(connection.channel(), method)(*words)
    connection.close()


def perform(endpoint: Endpoint, text: str, meanwhile: Callable[[LoadRun, Proxy], object]) -> tuple[RunResult, LoadRun]:
    """Run a scenario through a proxy, and something beside it."""
    with Proxy(endpoint.pika_parameters()) as proxy, LoadRun(endpoint, text) as load_run:
        load_run.run.nodes = [proxy.parameters]
        return load_run.perform(meanwhile=lambda run: meanwhile(run, proxy)), load_run


@pytest.mark.parametrize(
    "publisher",
    [
        pytest.param("", marks=pytest.mark.long),
        ", in_doubt: republish",
        pytest.param(", on_outage: drop", marks=pytest.mark.long),
        ", confirm_window: 0, mandatory: false",
        ", users: 3",
    ],
    ids=["", "republish", "drop", "without confirms", "users"],
)
def test_a_publisher_that_gets_no_further_ends_the_run(vhost_endpoint: Endpoint, publisher: str) -> None:
    """An exchange that somebody deletes for good ends the run after `reconnect_for`, not after its duration."""

    def delete(load_run: LoadRun, _: Proxy) -> None:
        load_run.wait_until(lambda: "out" in load_run.run.last_taken_ns)
        gevent.sleep(1.5)  # without confirms a publisher has to live on for a second to count
        on_channel(vhost_endpoint, "exchange_delete", "x")

    began = time.monotonic()
    result, load_run = perform(vhost_endpoint, flowing(publisher), delete)

    assert 2.0 < time.monotonic() - began < AT_ONCE_S
    told = load_run.events()["no-progress"]
    assert told.startswith("publisher in: nothing done for ")
    assert "Basic.Publish to exchange x: 404 NOT_FOUND - no exchange 'x'" in told
    assert result.verdict.exit_code == 3
    assert "connection-dropped" in load_run.events()
    assert not [finding for finding in result.verdict.findings if "ower the rate" in finding.text]


def test_a_consumer_that_gets_no_further_ends_the_run(vhost_endpoint: Endpoint) -> None:
    """A queue that somebody deletes for good ends the run after `reconnect_for`."""

    def delete(load_run: LoadRun, _: Proxy) -> None:
        load_run.wait_until(lambda: "out" in load_run.run.last_taken_ns)
        on_channel(vhost_endpoint, "queue_delete", "d")

    began = time.monotonic()
    result, load_run = perform(vhost_endpoint, flowing(), delete)

    assert 2.0 < time.monotonic() - began < AT_ONCE_S
    told = load_run.events()["no-progress"]
    assert told.startswith("consumer out: nothing done for ")
    assert "Basic.Consume of queue d: 404 NOT_FOUND - no queue 'd'" in told
    assert result.verdict.exit_code in {1, 3}  # 1 where messages went with the queue


@pytest.mark.parametrize("role", ["publisher", "consumer"])
def test_a_blocking_client_that_gets_no_further_ends_the_run(vhost_endpoint: Endpoint, role: str) -> None:
    """As the bulk client."""
    if role == "publisher":
        text = flowing(publisher=", client: blocking, confirm_window: 1")
        report = perform_patched(vhost_endpoint, text, "exchange_delete", "x")
    else:
        report = perform_patched(vhost_endpoint, flowing(consumer=", client: blocking"), "queue_delete", "d")

    assert report["events"]["no-progress"].startswith(f"{role} ")
    assert "404 NOT_FOUND" in report["events"]["no-progress"]
    assert report["exit_code"] in {1, 3}


def test_an_outage_shorter_than_reconnect_for_is_survived(vhost_endpoint: Endpoint) -> None:
    """An exchange that is back in time, and connections cut again and again, end nothing; nor do idle users then."""
    text = flowing(", users: 2").replace("duration: 30s", "duration: 6s").replace("drain: 2s", "drain: 5s")
    out = "{out: {queue: d, ack: every 1}}"
    idle = "{idle: {queue: e, users: 3}, out: {queue: d, ack: every 1}}\ngetters: {g: {queue: e, rate: 1/s}}"
    idle = text.replace(out, idle)

    def harm(load_run: LoadRun, proxy: Proxy) -> None:
        load_run.wait_until(lambda: "out" in load_run.run.last_taken_ns)
        on_channel(vhost_endpoint, "exchange_delete", "x")
        gevent.sleep(0.8)
        on_channel(vhost_endpoint, "exchange_declare", "x", "direct", False, True)
        on_channel(vhost_endpoint, "queue_bind", "d", "x", "k")
        for _ in range(3):
            gevent.sleep(1.2)
            proxy.cut()

    result, load_run = perform(vhost_endpoint, idle, harm)

    assert load_run.run.failure is None
    assert result.verdict.exit_code == 0, result.verdict.reason
    assert "reconnected" in load_run.events()

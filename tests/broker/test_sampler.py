"""The sampler on real nodes: what it tells is what is there, and what is missing is said once."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import gevent
import pika
import pytest

from loadtest.broker.admin.reach import probe
from loadtest.broker.endpoint import Endpoint
from loadtest.broker.monitor.management import ManagementApi, find_management
from loadtest.broker.monitor.sampler import UNSAMPLED, Sampler, state_sources
from loadtest.broker.private.private_node import PrivateNode
from tests.broker.clients.test_alarm import control

pytestmark = pytest.mark.broker

# Statistics of a node come every 5 s; right after its start the first are late.
TOLD_WITHIN_S = 20.0
QUEUE = "sampled queue/1"


class Sampling:
    """A sampler at work, and what it has told."""

    def __init__(
        self, endpoint: Endpoint, management: ManagementApi | None, node: PrivateNode | None, queues: list[str]
    ) -> None:
        self.gauges: list[dict[str, float]] = []
        self.events: list[tuple[str, str]] = []
        sources, absent = state_sources(endpoint, management, node, queues, probe(endpoint).cluster_name)
        self.sampler = Sampler(
            [endpoint],
            sources,
            absent,
            queues,
            exclusive=False,
            emit=lambda _, gauges: self.gauges.append(gauges),
            event=lambda _, code, text: self.events.append((code, text)),
        )

    def wait(self, condition: Callable[[dict[str, float]], bool], what: str) -> dict[str, float]:
        """Return the latest of each gauge, as soon as *condition* holds of what comes from now on."""
        begin, deadline = len(self.gauges), time.monotonic() + TOLD_WITHIN_S
        while True:
            latest = {name: value for gauges in self.gauges[begin:] for name, value in gauges.items()}
            if condition(latest):
                return latest
            assert time.monotonic() < deadline, f"{what}: not within {TOLD_WITHIN_S:g} s, but {latest}, {self.events}"
            gevent.sleep(0.05)


@contextmanager
def sampling(
    endpoint: Endpoint, management: ManagementApi | None, node: PrivateNode | None = None, *, queues: tuple[str, ...]
) -> Iterator[Sampling]:
    """Sample until the end of the block."""
    begun = Sampling(endpoint, management, node, list(queues))
    begun.sampler.start()
    try:
        yield begun
    finally:
        begun.sampler.stop()


def publish(endpoint: Endpoint, messages: int, queue: str = QUEUE) -> None:
    """Declare a queue and put messages into it, each confirmed."""
    with closing(pika.BlockingConnection(endpoint.pika_parameters())) as connection:
        channel = connection.channel()
        channel.queue_declare(queue, durable=True)
        channel.confirm_delivery()
        for _ in range(messages):
            channel.basic_publish("", queue, b"x")


def test_depth_is_what_was_published(vhost_endpoint: Endpoint, management: ManagementApi) -> None:
    """Messages ready are counted at once and exactly, also after they were taken; those that are held are unacked."""
    publish(vhost_endpoint, 123)
    with sampling(vhost_endpoint, management, queues=(QUEUE,)) as samples:
        gauges = samples.wait(lambda told: "queue.depth" in told, "the depth")
        assert (gauges["queue.depth"], gauges[f"queue.depth/{QUEUE}"]) == (123.0, 123.0)
        with closing(pika.BlockingConnection(vhost_endpoint.pika_parameters())) as connection:
            channel = connection.channel()
            for _ in range(23):
                channel.basic_get(QUEUE)
            samples.wait(lambda told: told.get("queue.depth") == 100.0, "the depth of what is left")
            samples.wait(lambda told: told.get("queue.unacked") == 23.0, "what is taken and not acked")

    assert samples.events == []


def test_many_queues_are_told_by_the_management_api(vhost_endpoint: Endpoint, management: ManagementApi) -> None:
    """The depths of more than twenty queues are summed up from one list, which other queues are not in."""
    queues = tuple(f"many-{number}" for number in range(25))
    for queue in queues:
        publish(vhost_endpoint, 2, queue)
    publish(vhost_endpoint, 5, "another")
    with sampling(vhost_endpoint, management, queues=queues) as samples:
        gauges = samples.wait(lambda told: told.get("queue.depth") == 50.0, "the depth of all")

    assert len([name for name in gauges if name.startswith("queue.depth/")]) == 20
    assert samples.events == []


def test_every_gauge_is_told(
    vhost_endpoint: Endpoint, management: ManagementApi, broker_node: PrivateNode | None
) -> None:
    """Memory, disk, alarms, connections and, of a node on this machine, CPU: all come, and are no nonsense."""
    names = {"broker.memory_bytes", "broker.memory_limit_bytes", "broker.disk_free_bytes", "broker.memory_alarm"}
    names |= {"broker.disk_alarm", "broker.connections", "broker.flow", "broker.blocked", "machine.cpu"}
    names |= {"queue.unacked", "queue.depth", *(["broker.cpu"] if broker_node is not None else [])}
    publish(vhost_endpoint, 1)
    with sampling(vhost_endpoint, management, broker_node, queues=(QUEUE,)) as samples:
        gauges = samples.wait(lambda told: names <= told.keys(), f"all of {sorted(names)}")

    assert 20_000_000 < gauges["broker.memory_bytes"] < gauges["broker.memory_limit_bytes"]
    assert gauges["broker.disk_free_bytes"] > 50_000_000
    assert gauges["broker.connections"] >= 1
    assert gauges["broker.memory_alarm"] == gauges["broker.disk_alarm"] == 0


def test_cpu_of_a_broker_at_work(vhost_endpoint: Endpoint, management: ManagementApi, broker_node: PrivateNode) -> None:
    """A node on this machine that takes messages uses CPU, no more than the machine does."""
    if broker_node is None:
        pytest.skip("a foreign broker may run anywhere")
    with sampling(vhost_endpoint, management, broker_node, queues=(QUEUE,)) as samples:
        gevent.sleep(0.3)
        publish(vhost_endpoint, 3_000)
        gauges = samples.wait(lambda told: "broker.cpu" in told, "the CPU")

    assert gauges["broker.cpu"] > 0.02
    assert gauges["broker.cpu"] <= gauges["machine.cpu"] + 0.1


@pytest.mark.long
def test_a_lost_connection_is_survived(vhost_endpoint: Endpoint, management: ManagementApi) -> None:
    """When the broker closes the sampler's own connection that is said once, and the depth comes again."""
    publish(vhost_endpoint, 7)
    with sampling(vhost_endpoint, management, queues=(QUEUE,)) as samples:
        samples.wait(lambda told: "queue.depth" in told, "the depth")
        for _ in range(2):
            close_all(management, vhost_endpoint.vhost)
            told = len(samples.gauges)
            samples.wait(lambda told: told.get("queue.depth") == 7.0, f"the depth again, after {told} readings")

    assert [code for code, _ in samples.events] == [UNSAMPLED]
    assert "320 CONNECTION_FORCED" in samples.events[0][1]


def close_all(management: ManagementApi, vhost: str) -> None:
    """Have the broker close the connections of a virtual host, as soon as it lists one."""
    deadline = time.monotonic() + TOLD_WITHIN_S
    while not (open_now := [each for each in management.connections() if each.get("vhost") == vhost]):
        assert time.monotonic() < deadline, "no connection of the sampler is listed"
        gevent.sleep(0.1)
    for connection in open_now:
        management.close_connection(connection["name"], "a test ends it")


def test_a_user_without_rights_of_the_management(vhost_endpoint: Endpoint, management: ManagementApi) -> None:
    """A user whom the management API refuses is told the depths by AMQP, and once why there is nothing else."""
    user, password = f"user-{secrets.token_hex(4)}", secrets.token_hex(8)
    management.create_user(user, password)
    try:
        management.set_permissions(vhost_endpoint.vhost, user, configure=".*", write=".*", read=".*")
        host, port, vhost = vhost_endpoint.host, vhost_endpoint.port, vhost_endpoint.vhost
        endpoint = Endpoint(host, port, vhost, user, password)
        publish(endpoint, 3)
        api = ManagementApi(management.base_url, (user, password))
        with sampling(endpoint, api, queues=(QUEUE,)) as samples:
            gauges = samples.wait(lambda told: bool(samples.events) and "queue.depth" in told, "depth and event")
            gevent.sleep(1.2)
    finally:
        management.delete_user(user)

    assert gauges["queue.depth"] == 3.0
    ((code, text),) = samples.events
    assert code == UNSAMPLED
    assert "401" in text
    assert password not in text


def test_a_memory_alarm_shows(rabbitmq_server: Path) -> None:
    """An alarm is on the timeline within two readings of its being raised, and gone after it."""
    with PrivateNode.start(server=rabbitmq_server) as node:
        management = find_management(node.endpoint, node, {})
        with sampling(node.endpoint, management, node, queues=()) as samples:
            samples.wait(lambda told: told.get("broker.memory_alarm") == 0.0, "no alarm")
            control(node, rabbitmq_server, "set_vm_memory_high_watermark", "0")
            samples.wait(lambda told: told.get("broker.memory_alarm") == 1.0, "the alarm")
            control(node, rabbitmq_server, "set_vm_memory_high_watermark", "0.4")
            gauges = samples.wait(lambda told: told.get("broker.memory_alarm") == 0.0, "its end")

    assert gauges["broker.disk_alarm"] == 0.0


@pytest.mark.long
def test_a_node_without_management(rabbitmq_server: Path) -> None:
    """Depth and CPU are told all the same; that and why nothing else is told is one event."""
    with PrivateNode.start(server=rabbitmq_server, plugins=("rabbitmq_mqtt",)) as node:
        publish(node.endpoint, 4)
        with sampling(node.endpoint, None, node, queues=(QUEUE,)) as samples:
            gauges = samples.wait(lambda told: {"queue.depth", "broker.cpu"} <= told.keys(), "depth and CPU")
            node.kill()
            gevent.sleep(2.2)

    assert gauges.keys() == {"queue.depth", f"queue.depth/{QUEUE}", "broker.cpu", "machine.cpu"}
    assert gauges["queue.depth"] == 4.0
    assert samples.gauges[-1].keys() == {"machine.cpu"}
    assert [code for code, _ in samples.events] == [UNSAMPLED] * 2
    assert "no management plugin" in samples.events[0][1]
    assert "queue depths are unavailable for now" in samples.events[1][1]


def test_prometheus_instead(rabbitmq_server: Path) -> None:
    """A node with metrics and no management API tells its state by those, and what they lack is said once."""
    with PrivateNode.start(server=rabbitmq_server, plugins=("rabbitmq_prometheus",)) as node:
        publish(node.endpoint, 4)
        with sampling(node.endpoint, None, node, queues=(QUEUE,)) as samples:
            names = {"broker.memory_bytes", "broker.connections", "broker.memory_alarm", "queue.depth"}
            gauges = samples.wait(
                lambda told: names <= told.keys() and told["broker.connections"] == 1.0,
                "metrics, and ours as a connection",
            )

    assert gauges["broker.memory_bytes"] > 20_000_000
    assert not {"queue.unacked", "broker.flow"} & gauges.keys()
    ((_, text),) = samples.events
    assert "the Prometheus endpoint tells its state, without unacknowledged messages" in text

"""`management` and `fingerprint` on a real broker."""

from __future__ import annotations

import json
import socket
import time
from contextlib import closing

import pika
import pytest

from loadtest.broker.admin.reach import probe
from loadtest.broker.endpoint import Endpoint
from loadtest.broker.monitor.fingerprint import broker_fingerprint, generator_fingerprint
from loadtest.broker.monitor.management import ManagementApi, find_management
from loadtest.broker.private.private_node import PrivateNode
from loadtest.errors import BrokerError, UsageError

pytestmark = pytest.mark.broker

APPEARS_WITHIN_S = 15.0


def test_queue(vhost_endpoint: Endpoint, management: ManagementApi) -> None:
    """A queue of any name is found by it."""
    connection = pika.BlockingConnection(vhost_endpoint.pika_parameters())
    connection.channel().queue_declare("a/b %", durable=True)
    connection.close()

    assert management.queue(vhost_endpoint.vhost, "a/b %")["durable"] is True


def test_refusal_is_one_line(vhost_endpoint: Endpoint, management: ManagementApi) -> None:
    """What the API refuses is told with its status and reason."""
    with pytest.raises(BrokerError, match=rf"GET queues/{vhost_endpoint.vhost}/gone: 404"):
        management.queue(vhost_endpoint.vhost, "gone")


def test_connections_can_be_closed(vhost_endpoint: Endpoint, management: ManagementApi) -> None:
    """A connection appears under its name after some seconds, and the broker closes it with the reason given."""
    connection = pika.BlockingConnection(vhost_endpoint.pika_parameters("to be closed"))
    deadline = time.monotonic() + APPEARS_WITHIN_S
    names: list[str] = []
    while not names and time.monotonic() < deadline:
        connection.sleep(0.1)
        names = [each["name"] for each in management.connections() if each.get("vhost") == vhost_endpoint.vhost]
    management.close_connection(names[0], "a test ends it")

    with pytest.raises(pika.exceptions.ConnectionClosedByBroker) as caught:
        connection.sleep(5)
    assert caught.value.reply_code == 320
    assert "a test ends it" in caught.value.reply_text


def test_named_address(broker_endpoint: Endpoint, management: ManagementApi) -> None:
    """LOADTEST_MANAGEMENT_URL says where the API of a foreign broker is; what is named must answer."""
    found = find_management(broker_endpoint, None, {"LOADTEST_MANAGEMENT_URL": management.base_url})

    assert found is not None
    assert found.overview()["cluster_name"] == management.overview()["cluster_name"]
    with closing(socket.socket()) as bound:
        bound.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{bound.getsockname()[1]}"
        with pytest.raises(BrokerError, match="cannot be reached"):
            find_management(broker_endpoint, None, {"LOADTEST_MANAGEMENT_URL": nobody})
    with pytest.raises(UsageError, match="LOADTEST_MANAGEMENT_URL is not an address"):
        find_management(broker_endpoint, None, {"LOADTEST_MANAGEMENT_URL": "broker"})


def test_absence_is_survivable() -> None:
    """A broker without the API on the usual port has none."""
    found = find_management(Endpoint("127.0.0.77"), None, {})

    assert found is None


def test_fingerprint(broker_endpoint: Endpoint, management: ManagementApi, broker_node: PrivateNode | None) -> None:
    """What a result says of the broker: all that it tells, and None for what it does not."""
    info = probe(broker_endpoint)
    full = broker_fingerprint(info, management, broker_node)
    bare = broker_fingerprint(info)

    assert (full["product"], full["version"]) == ("RabbitMQ", info.version)
    assert full["erlang"]
    assert [node["name"] for node in full["nodes"]] == [node["name"] for node in management.nodes()]
    assert full["private"] is (broker_node is not None)
    assert (bare["version"], bare["nodes"], bare["plugins"], bare["config"]) == (info.version, None, None, None)
    assert json.loads(json.dumps(full)) == full


def test_generator_fingerprint() -> None:
    """What a result says of this machine is plain data, with the versions of what matters."""
    found = generator_fingerprint()

    assert found["host"] == socket.gethostname()
    assert found["cores"] >= 1
    assert found["versions"]["pika"] == pika.__version__
    assert json.loads(json.dumps(found)) == found

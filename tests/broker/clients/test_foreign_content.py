"""
Messages of other programs: whatever a broker delivers is taken once, and counted as foreign.

The queue holds one message of each of `foreign.CONTENTS` that the broker takes, in front of the run's own.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pika
import pytest

from loadtest.broker.admin.run_topology import queue_depths
from loadtest.broker.endpoint import Endpoint
from loadtest.run.queue_reader import QueueReader
from loadtest.wire.connection.connection import Connection
from tests.broker.clients.foreign import CONTENTS, message, put
from tests.broker.clients.load_run import RUN_TAG, LoadRun
from tests.broker.clients.patched_run import perform_patched

pytestmark = pytest.mark.broker

ROOT = Path(__file__).parents[3]
OURS = 20
# What no broker of these versions can read itself; a message that it refuses is delivered to nobody.
REFUSED = {
    "infinity", "no number", "unknown type", "int16 as U", "more flags, which are none", "bytes behind the properties",
}  # fmt: skip


LOCUSTFILES_CLIENT = """
import sys
from locust.env import Environment
from loadtest.broker.endpoint import Endpoint
from loadtest.locust_app.amqp_client import AmqpClient

client = AmqpClient(Environment(), Endpoint.parse(sys.argv[1]).pika_parameters())
consumed = client.consume("q", int(sys.argv[2]))
got = []
while (message := client.get("r")) is not None:
    got.append(message)
same = [str(each.properties.headers) for each in consumed] == [str(each.properties.headers) for each in got]
late = any((each.properties.headers or {}).get("field") == 1_700_000_000_000 for each in got)
print(len(consumed), len(got), same, late)
client.close()
"""


def scenario(client: str) -> str:
    """Return a run whose consumers and getters have foreign messages before them."""
    return f"""
topology: {{keep: true, queues: {{q: {{}}, r: {{}}}}}}
publishers: {{in: {{routing_key: q, body: {{size: 50B}}, messages: {OURS}}}}}
consumers: {{out: {{client: {client}, queue: q, prefetch: 10, ack: every 1}}}}
getters: {{rest: {{client: {client}, queue: r, until: empty, ack: every 1}}}}
"""


@pytest.fixture
def foreign(vhost_endpoint: Endpoint) -> int:
    """How many foreign messages stand in each of q and r."""
    connection = Connection.open(vhost_endpoint.pika_parameters())
    channel = connection.open_channel()
    taken = {}
    for queue in ("q", "r"):
        channel.queue_declare(queue, durable=True)
        taken[queue] = put(vhost_endpoint, queue, CONTENTS)
        assert set(CONTENTS) - set(taken[queue]) <= REFUSED
    connection.close()
    foreign = len(taken["q"])
    assert queue_depths(vhost_endpoint, ["q", "r"]) == {"q": foreign, "r": foreign}
    return foreign


def assert_taken_once(totals: dict[str, Any], foreign: int) -> None:
    """Fail unless all that stood there came once, and our own messages besides."""
    assert totals["foreign"] == 2 * foreign
    assert (totals["delivered"], totals["got"]) == (foreign + OURS, foreign)
    assert (totals["lost"], totals["redelivered"], totals["corrupted"], totals["duplicates"]) == (0, 0, 0, 0)


def test_bulk_clients_take_them(vhost_endpoint: Endpoint, foreign: int) -> None:
    """By consumers and getters, each with the connection that it began with."""
    with LoadRun(vhost_endpoint, scenario("bulk")) as load_run:
        result = load_run.perform()

    assert_taken_once(result.totals.model_dump(), foreign)
    assert not {"connection-dropped", "connection-lost"} & load_run.events().keys()
    assert queue_depths(vhost_endpoint, ["q", "r"]) == {"q": 0, "r": 0}


def test_blocking_clients_take_them(vhost_endpoint: Endpoint, foreign: int) -> None:
    """By `pika.BlockingConnection`, whose decoder is pika's own."""
    report = perform_patched(vhost_endpoint, scenario("blocking"))

    assert_taken_once(report["totals"], foreign)
    assert queue_depths(vhost_endpoint, ["q", "r"]) == {"q": 0, "r": 0}


def test_a_queue_is_read_to_its_end(vhost_endpoint: Endpoint, foreign: int) -> None:
    """What stands there after a run, and whose it is."""
    reading = QueueReader("q", RUN_TAG, {0}, is_ours=True)

    assert list(reading.messages(vhost_endpoint)) == []
    assert (reading.read, reading.is_whole) == (foreign, True)


def test_a_locustfiles_client_takes_them(vhost_endpoint: Endpoint, foreign: int) -> None:
    """With a consumer and one by one, with the values that can be read; in a process that Locust has patched."""
    done = subprocess.run(
        [sys.executable, "-c", LOCUSTFILES_CLIENT, vhost_endpoint.url, str(foreign)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=ROOT,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(foreign), str(foreign), "True", "True"]


def test_they_come_back(vhost_endpoint: Endpoint) -> None:
    """Basic.Return of a message with a header that pika cannot read is told like any other."""
    connection = Connection.open(vhost_endpoint.pika_parameters())
    channel = connection.open_channel()
    returned: list[Any] = []
    channel.on_returned = returned.append
    content = CONTENTS["timestamp before 1970"]
    channel.write(message(channel.channel_number, "nowhere", content, mandatory=True))
    channel.queue_declare("q", durable=True)

    assert [(each.reply_text, each.properties.headers["field"]) for each in returned] == [("NO_ROUTE", (1 << 64) - 1)]
    connection.close()


def test_a_refusal_cut_within_a_character_is_told(vhost_endpoint: Endpoint) -> None:
    """The reason that a broker gives is cut at 255 bytes, which may be within a character of a long name."""
    for first in ("", "x"):
        connection = Connection.open(vhost_endpoint.pika_parameters())
        # RabbitMQ 4 ends the connection over it, as its reason is too long for itself.
        with pytest.raises((pika.exceptions.ChannelClosedByBroker, pika.exceptions.ConnectionClosedByBroker)) as caught:
            connection.open_channel().queue_declare(first + "ä" * 127, passive=True)
        assert isinstance(caught.value.reply_text, str)
        connection.close()

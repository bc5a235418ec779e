"""The brokers under the bench: a private RabbitMQ node, and the null broker. What each has counted, and its CPU."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import pika
import requests

from bench.process_group import cpu_s
from bench.works import EXCHANGE, Work
from loadtest.broker.private.private_node import PrivateNode
from loadtest.calibration.null_session import read_counts

PLUGINS: Final = ("rabbitmq_management", "rabbitmq_prometheus")
# Counters of the node itself, exact at the instant of the answer; the management API's are those of up to 5 s ago.
# Source: RabbitMQ `rabbit_global_counters.erl`, since 3.9.
_PUBLISHED: Final = re.compile(r'^rabbitmq_global_messages_received_total\{protocol="amqp091"\} (\d+)$', re.MULTILINE)
_DELIVERED: Final = re.compile(
    r'^rabbitmq_global_messages_delivered_total\{protocol="amqp091",queue_type="[a-z_]+"\} (\d+)$', re.MULTILINE
)
_ASK_TIMEOUT_S: Final = 10


@dataclass(frozen=True, slots=True)
class Counted:
    """What a broker had counted, and how much processor time it had used, at an instant (`time.monotonic`)."""

    at_s: float
    published: int
    delivered: int
    cpu_s: float


class BenchBroker(Protocol):
    """A broker that can be asked at any instant what it has counted."""

    url: str

    def count(self) -> Counted:
        """Return the counts of now."""

    def reset(self, work: Work) -> None:
        """Have the queues of *work* there, and empty."""


class RabbitBroker:
    """A private RabbitMQ node."""

    def __init__(self, node: PrivateNode) -> None:
        self.url = node.endpoint.url
        self.version = node.version
        self._pid = node.pid
        port = re.search(r"^prometheus\.tcp\.port = (\d+)$", _listeners(node), re.MULTILINE)
        if port is None:
            raise RuntimeError("the node says no port for its Prometheus endpoint")
        self._metrics_url = f"http://{node.endpoint.host}:{port[1]}/metrics"
        self._session = requests.Session()
        self._session.trust_env = False

    def count(self) -> Counted:
        """Return the node's global counters."""
        began = time.monotonic()
        text = self._session.get(self._metrics_url, timeout=_ASK_TIMEOUT_S).text
        at_s = (began + time.monotonic()) / 2
        return Counted(at_s, sum_of(_PUBLISHED, text), sum_of(_DELIVERED, text), cpu_s(self._pid))

    def reset(self, work: Work) -> None:
        """Declare exchange, queues and bindings of *work* anew."""
        connection = pika.BlockingConnection(pika.URLParameters(self.url))
        channel = connection.channel()
        channel.exchange_declare(EXCHANGE, "direct", durable=True)
        for queue in work.queues:
            channel.queue_delete(queue)
            channel.queue_declare(queue, durable=True)
            channel.queue_bind(queue, EXCHANGE, queue)
        connection.close()

    def clear(self, work: Work) -> None:
        """Delete what `reset` declared: a backlog that is left is not the next trial's load."""
        connection = pika.BlockingConnection(pika.URLParameters(self.url))
        channel = connection.channel()
        for queue in work.queues:
            channel.queue_delete(queue)
        channel.exchange_delete(EXCHANGE)
        connection.close()


class NullBrokerProcess:
    """The null broker in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], counts: Path, port: int) -> None:
        self.url = f"amqp://guest:guest@127.0.0.1:{port}/%2F"
        self._process = process
        self._counts = counts

    def count(self) -> Counted:
        """Return what its file says."""
        published, delivered = read_counts(self._counts)
        return Counted(time.monotonic(), published, delivered, cpu_s(self._process.pid))

    def reset(self, work: Work) -> None:
        """Nothing: it has no queues."""


@contextlib.contextmanager
def null_broker(folder: Path) -> Iterator[NullBrokerProcess]:
    """Give a null broker for one trial: a new one each, as it replays what was published first."""
    counts = folder / "null-counts"
    with subprocess.Popen(
        [sys.executable, "-m", "loadtest.calibration.null_broker", "--counts", str(counts)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    ) as process:
        try:
            port = process.stdout.readline() if process.stdout is not None else ""
            if not port.strip().isdigit():
                raise RuntimeError(f"the null broker did not start: {port!r}")
            yield NullBrokerProcess(process, counts, int(port))
        finally:
            process.terminate()


def sum_of(metric: re.Pattern[str], text: str) -> int:
    """Return the sum of a metric's lines in a text of Prometheus."""
    return sum(int(found[1]) for found in metric.finditer(text))


def _listeners(node: PrivateNode) -> str:
    return "\n".join(path.read_text() for path in sorted((node.folder / "conf.d").glob("*.conf")))

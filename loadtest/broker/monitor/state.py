"""
What a broker says of its own state while a run goes on: the management API, or else the Prometheus endpoint.

Gauges by the names that docs/results.md explains. What is not told is left out, never 0. Sources: /api/index.html of
the management API; docs/prometheus of RabbitMQ.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from urllib.parse import quote

import gevent

from loadtest.broker.monitor.http_client import NodesClient, RefusedError
from loadtest.clock import NS_PER_S, monotonic_ns
from loadtest.errors import BrokerError

Gauges = dict[str, float]

FEW_QUEUES: Final = 20
"""Up to so many queues the run's are picked out by the broker, and each has a gauge of its own."""

LISTED_PER_S: Final = 2_000
"""
Queues or connections that are listed a second, in the long run: longer lists are asked for less often.

The broker takes 22 µs to list a queue (1,000 queues: 22 ms without statistics, 51 ms with) and 27 µs a connection;
RabbitMQ 3.10, two cores. So each of the two lists costs it a twentieth of a core at most.
"""

# Asked a little before the second is full, it is a second all the same.
SLACK_NS: Final = NS_PER_S // 2

_STATES_PATH: Final = "/api/connections?columns=state"
_UNAVAILABLE: Final = 503
_RESOURCES: Final = {"memory": "broker.memory_alarm", "disk": "broker.disk_alarm"}
_METRICS: Final = {
    "rabbitmq_process_resident_memory_bytes": "broker.memory_bytes",
    "rabbitmq_resident_memory_limit_bytes": "broker.memory_limit_bytes",
    "rabbitmq_disk_space_available_bytes": "broker.disk_free_bytes",
    "rabbitmq_alarms_memory_used_watermark": "broker.memory_alarm",
    "rabbitmq_alarms_free_disk_space_watermark": "broker.disk_alarm",
    "rabbitmq_connections": "broker.connections",
}
_METRIC_LINE: Final = re.compile(rf"^({'|'.join(_METRICS)})(?:\{{[^}}]*\}})? (\S+)$".encode(), re.MULTILINE)
_IDENTITY: Final = re.compile(rb'^rabbitmq_identity_info\{.*rabbitmq_cluster="([^"]*)"', re.MULTILINE)


@dataclass(slots=True)
class Reading:
    """
    What came of asking once.

    Attributes:
        depths: Messages ready in those of the run's queues of which it is told; they lag by up to 5 s.
        refused: By gauges that are missing, what the broker said instead.
    """

    gauges: Gauges = field(default_factory=Gauges)
    depths: dict[str, int] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


class StateSource(Protocol):
    """Something that tells a broker's state."""

    def read(self) -> Reading:
        """
        Ask once.

        Raises:
            BrokerError: If there is no answer.
        """

    def close(self) -> None:
        """Close its connection."""


class ManagementState:
    """
    The state as the management API tells it, of all nodes, and of *queues*, which are those of the run.

    *urls* are those of the cluster's nodes, of which the first that answers is asked, as long as it does.

    Five questions a second. One queue and four connections cost the broker 4 ms and this process 2 ms, in pieces of
    0.5 ms at most; 1,000 queues and 300 connections 45 ms and 4 ms, in pieces of 0.9 ms. Longer lists add no more,
    by `LISTED_PER_S`.
    """

    def __init__(
        self,
        urls: Sequence[str],
        auth: tuple[str, str],
        vhost: str,
        queues: Sequence[str],
        cluster_name: str | None = None,
    ) -> None:
        self._client = NodesClient("management API", urls, auth)
        self._cluster_name = cluster_name
        self._queues = frozenset(queues)
        self._queues_path = queues_path(vhost, queues)
        self._again_ns: dict[str, int] = {}

    def read(self) -> Reading:
        """
        Ask the questions; one that this user may not ask is in `refused`.

        Raises:
            BrokerError: If there is no answer, or none of this broker's management API.
        """
        reading = Reading()
        questions: dict[str, Callable[[Reading], None]] = {
            "all": self._demand_cluster,
            "memory, disk": self._read_nodes,
            "alarms": self._read_alarms,
            "connections, flow, blocked": self._read_connections,
        }
        if self._queues:
            questions["queue.unacked"] = self._read_queues
        for gauges, ask in questions.items():
            try:
                ask(reading)
            except RefusedError as error:
                reading.refused[gauges] = str(error)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise BrokerError(f"{self._client.called} answers something else than a management API") from error
        return reading

    def close(self) -> None:
        """Close its connection."""
        self._client.close()

    def _demand_cluster(self, _: Reading) -> None:
        """Make sure, once, that what listens on this port belongs to the broker of the run."""
        if self._cluster_name is not None:
            said = json.loads(self._client.get("/api/overview?columns=cluster_name")).get("cluster_name")
            _demand(self._client, said, self._cluster_name)
            self._cluster_name = None

    def _read_nodes(self, reading: Reading) -> None:
        nodes = self._list("/api/nodes?columns=mem_used,mem_limit,disk_free") or []
        # Right after its start a node tells none of them; `disk_free` is a word where it cannot be known.
        memory = [(used, node) for node in nodes if (used := _number(node.get("mem_used"))) is not None]
        if memory:
            used, fullest = max(memory, key=lambda each: each[0])
            reading.gauges["broker.memory_bytes"] = used
            if (limit := _number(fullest.get("mem_limit"))) is not None:
                reading.gauges["broker.memory_limit_bytes"] = limit
        free = [free for node in nodes if (free := _number(node.get("disk_free"))) is not None]
        if free:
            reading.gauges["broker.disk_free_bytes"] = min(free)

    def _read_alarms(self, reading: Reading) -> None:
        """Ask the health check: it is immediate, where the flags of `/api/nodes` lag 1.5 to 8 s."""
        alarms: list[Any] = []
        try:
            self._client.get("/api/health/checks/alarms")
        except RefusedError as error:
            if error.status != _UNAVAILABLE:
                raise
            alarms = json.loads(error.body).get("alarms", [])
        for resource, gauge in _RESOURCES.items():
            nodes = {alarm.get("node") for alarm in alarms if alarm.get("resource") == resource}
            reading.gauges[gauge] = float(len(nodes))

    def _read_connections(self, reading: Reading) -> None:
        if "memory, disk" in reading.refused:
            # Who may not see the nodes is shown his own connections only.
            reading.refused["connections, flow, blocked"] = reading.refused["memory, disk"]
            return
        # Without statistics a connection is in the list at once, with them, and so with its state, after up to 5 s.
        connections = self._list("/api/connections?disable_stats=true&columns=name")
        if connections is None:
            return
        reading.gauges["broker.connections"] = float(len(connections))
        known = [connection["state"] for connection in self._list(_STATES_PATH) or [] if "state" in connection]
        if known or not connections:
            reading.gauges["broker.flow"] = float(known.count("flow"))
            reading.gauges["broker.blocked"] = float(known.count("blocked") + known.count("blocking"))

    def _read_queues(self, reading: Reading) -> None:
        told = [queue for queue in self._list(self._queues_path) or [] if queue.get("name") in self._queues]
        unacked = [count for queue in told if (count := _number(queue.get("messages_unacknowledged"))) is not None]
        if unacked and len(unacked) == len(told):
            reading.gauges["queue.unacked"] = sum(unacked)
        for queue in told:
            if (ready := _number(queue.get("messages_ready"))) is not None:
                reading.depths[queue["name"]] = int(ready)

    def _list(self, path: str) -> list[dict[str, Any]] | None:
        """Return a list; None where the last one was so long that it is not its turn yet."""
        now_ns = monotonic_ns()
        if now_ns < self._again_ns.get(path, 0):
            return None
        body = self._client.get(path)
        # A list of 1,000 is 1 ms to read and 1 ms to parse: others get their turn in between.
        gevent.sleep(0)
        answer = json.loads(body)
        gevent.sleep(0)
        items: list[dict[str, Any]] = answer["items"] if isinstance(answer, dict) else answer
        self._again_ns[path] = now_ns + len(items) * NS_PER_S // LISTED_PER_S - SLACK_NS
        # A thing of which no column is known yet comes as `[]`: Erlang's empty list is an empty object, too.
        return [item or {} for item in items]


class PrometheusState:
    """
    The state as the Prometheus endpoint tells it: of the node that is asked, and of no queue.

    Ten ms of the broker and 0.7 ms of this process, whatever there is in the broker. Its memory is what the node's
    process holds, by which the alarm is judged.
    """

    MISSING: Final = "unacknowledged messages, flow and blocked connections"

    def __init__(self, urls: Sequence[str], cluster_name: str | None = None) -> None:
        self._client = NodesClient("Prometheus endpoint", urls)
        self._cluster_name = cluster_name

    def read(self) -> Reading:
        """
        Ask for all metrics, and take those that are gauges here.

        Raises:
            BrokerError: If there is no answer, or it is another broker's.
        """
        metrics = self._client.get("/metrics")
        if self._cluster_name is not None and (said := _IDENTITY.search(metrics)) is not None:
            _demand(self._client, said[1].decode(errors="replace"), self._cluster_name)
        found = _METRIC_LINE.findall(metrics)
        if not found:
            raise BrokerError(f"{self._client.called} tells no metrics of RabbitMQ")
        return Reading({_METRICS[name.decode()]: float(value) for name, value in found})

    def close(self) -> None:
        """Close its connection."""
        self._client.close()


def queues_path(vhost: str, queues: Sequence[str]) -> str:
    """
    Return the question for what is in *queues*: few are picked out by the broker, of many all of the vhost come.

    Without statistics: these are worked out for each queue, and cost more than all the rest.
    """
    path = f"/api/queues/{quote(vhost, safe='')}?disable_stats=true&enable_queue_totals=true"
    path += "&columns=name,messages_ready,messages_unacknowledged"
    if len(queues) > FEW_QUEUES:
        return path
    pattern = f"^({'|'.join(map(re.escape, queues))})$"
    return f"{path}&page=1&page_size={FEW_QUEUES}&use_regex=true&name={quote(pattern, safe='')}"


def _demand(client: NodesClient, said: object, cluster_name: str) -> None:
    if said != cluster_name:
        raise BrokerError(f"{client.called} is that of another broker: {said}, not {cluster_name}")


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

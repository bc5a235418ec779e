"""`ManagementState` and `PrometheusState`: what is made of answers, from a server of the test's own."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from loadtest.broker.monitor import state
from loadtest.broker.monitor.http_client import NodesClient, RefusedError
from loadtest.broker.monitor.state import LISTED_PER_S, ManagementState, PrometheusState, queues_path
from loadtest.clock import NS_PER_S
from loadtest.errors import BrokerError

HEALTHY: dict[str, Any] = {
    "/api/nodes": [
        {"mem_used": 100, "mem_limit": 1000, "disk_free": 70},
        {"mem_used": 300, "mem_limit": 2000, "disk_free": 50},
    ],
    "/api/health/checks/alarms": {"status": "ok"},
    "/api/connections": [{"name": "a", "state": "running"}, {"name": "b", "state": "flow"}],
    "/api/queues/%2F": {"items": [{"name": "q", "messages_ready": 5, "messages_unacknowledged": 2}]},
}


class Broker:
    """An HTTP server that answers by path: with a text, JSON, or a status and JSON."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = dict(HEALTHY)
        self.asked: list[str] = []
        broker = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                broker.asked.append(self.path)
                answer = broker.answers[urlsplit(self.path).path]
                status, body = answer if isinstance(answer, tuple) else (200, answer)
                raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_: object) -> None:
                """Print nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def broker() -> Iterator[Broker]:
    """A server that tells of a healthy cluster of two nodes."""
    server = Broker()
    yield server
    server.close()


@pytest.fixture
def management(broker: Broker) -> Iterator[ManagementState]:
    """The state of that cluster."""
    source = ManagementState([broker.url], ("guest", "s3cret"), "/", ["q"])
    yield source
    source.close()


def test_several_nodes(management: ManagementState) -> None:
    """Memory is that of the fullest node with its limit, disk that of the node with least, and flow is counted."""
    reading = management.read()

    assert reading.gauges == {
        "broker.memory_bytes": 300.0,
        "broker.memory_limit_bytes": 2000.0,
        "broker.disk_free_bytes": 50.0,
        "broker.memory_alarm": 0.0,
        "broker.disk_alarm": 0.0,
        "broker.connections": 2.0,
        "broker.flow": 1.0,
        "broker.blocked": 0.0,
        "queue.unacked": 2.0,
    }
    assert reading.depths == {"q": 5}
    assert reading.refused == {}


def test_alarms_are_counted_by_node(broker: Broker, management: ManagementState) -> None:
    """A failing health check is an answer: two nodes are short of memory, one of them of disk, too."""
    alarms = [("a", "memory"), ("b", "memory"), ("b", "disk")]
    body = {"status": "failed", "alarms": [{"node": node, "resource": resource} for node, resource in alarms]}
    broker.answers["/api/health/checks/alarms"] = (503, body)
    gauges = management.read().gauges

    assert (gauges["broker.memory_alarm"], gauges["broker.disk_alarm"]) == (2.0, 1.0)


def test_what_is_not_known_yet_is_left_out(broker: Broker, management: ManagementState) -> None:
    """Right after a start nodes and connections come as empty lists, without figures: there is no gauge, not 0."""
    broker.answers |= {"/api/nodes": [[]], "/api/connections": [[]]}
    gauges = management.read().gauges

    assert gauges["broker.connections"] == 1.0
    missing = {"broker.memory_bytes", "broker.memory_limit_bytes", "broker.disk_free_bytes", "broker.flow"}
    assert missing & gauges.keys() == set()


def test_a_user_who_may_not_see_the_nodes(broker: Broker, management: ManagementState) -> None:
    """His own connections are not taken for the broker's; what is refused is told by gauge, with the broker's words."""
    broker.answers["/api/nodes"] = (401, {"error": "not_authorised", "reason": "Not monitor user"})
    reading = management.read()

    assert "broker.connections" not in reading.gauges
    assert reading.refused.keys() == {"memory, disk", "connections, flow, blocked"}
    assert "401 Not monitor user" in reading.refused["memory, disk"]
    assert "s3cret" not in str(reading.refused)


def test_something_else_than_a_management_api(broker: Broker, management: ManagementState) -> None:
    """A page where the API should be is an error in a line."""
    broker.answers["/api/nodes"] = "<html>"

    with pytest.raises(BrokerError, match="answers something else than a management API"):
        management.read()


def test_nobody_there(broker: Broker, management: ManagementState) -> None:
    """A server that has gone is an error in a line, and one that is back is asked again."""
    broker.answers["/api/nodes"] = "<html>"
    with pytest.raises(BrokerError):
        management.read()
    broker.answers |= HEALTHY

    assert management.read().gauges["broker.memory_bytes"] == 300.0


def test_long_lists_are_asked_for_less_often(
    broker: Broker, management: ManagementState, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connections for three seconds' worth of listing are listed every third second, and are no gauge in between."""
    now_ns = [10 * NS_PER_S]
    monkeypatch.setattr(state, "monotonic_ns", lambda: now_ns[0])
    broker.answers["/api/connections"] = [{"state": "running"}] * (3 * LISTED_PER_S)
    seen = []
    for _ in range(7):
        seen.append("broker.connections" in management.read().gauges)
        now_ns[0] += NS_PER_S

    assert seen == [True, False, False, True, False, False, True]


def test_other_queues_do_not_count(broker: Broker) -> None:
    """Of many queues all of the vhost are listed, and only the run's are taken; one that is not listed has no depth."""
    names = [f"q{number}" for number in range(30)]
    listed = [{"name": name, "messages_ready": 1, "messages_unacknowledged": 2} for name in [*names[:-1], "other"]]
    broker.answers["/api/queues/%2F"] = listed
    source = ManagementState([broker.url], ("guest", "guest"), "/", names)
    reading = source.read()
    source.close()

    assert reading.depths == dict.fromkeys(names[:-1], 1)
    assert reading.gauges["queue.unacked"] == 58.0


@pytest.mark.parametrize("queues, is_picked", [(["a.b", "c|d"], True), ([f"q{n}" for n in range(21)], False)])
def test_question_for_queues(queues: list[str], is_picked: bool) -> None:
    """Few queues are picked out by the broker, by their very names; the vhost is one part of the path."""
    path = urlsplit(queues_path("a/b", queues))
    query = parse_qs(path.query)

    assert path.path == "/api/queues/a%2Fb"
    assert query.get("name") == ([r"^(a\.b|c\|d)$"] if is_picked else None)
    assert query["disable_stats"] == ["true"]


def test_another_brokers_answers_are_not_taken(broker: Broker) -> None:
    """What listens on the usual port may belong to another broker: its cluster's name tells."""
    broker.answers |= {"/api/overview": {"cluster_name": "other@host"}, "/metrics": METRICS}
    ours = ("guest", "guest"), "/", ["q"], "ours@host"
    for source in (ManagementState([broker.url], *ours), PrometheusState([broker.url], "ours@host")):
        with pytest.raises(BrokerError, match="is that of another broker: other@host, not ours@host"):
            source.read()
        source.close()


METRICS = """\
# TYPE rabbitmq_connections gauge
rabbitmq_identity_info{rabbitmq_node="a@host",rabbitmq_cluster="other@host"} 1
rabbitmq_connections 4
rabbitmq_connections_opened_total 9
rabbitmq_process_resident_memory_bytes 1.5e8
rabbitmq_resident_memory_limit_bytes{node="a"} 2000
rabbitmq_disk_space_available_bytes 50
rabbitmq_alarms_memory_used_watermark 1
rabbitmq_queue_messages_unacked 77
"""


def test_metrics(broker: Broker) -> None:
    """Of the Prometheus endpoint's metrics those are taken that are gauges here; what is not there is left out."""
    broker.answers["/metrics"] = METRICS
    source = PrometheusState([broker.url], "other@host")
    reading = source.read()
    source.close()

    assert reading.gauges == {
        "broker.connections": 4.0,
        "broker.memory_bytes": 1.5e8,
        "broker.memory_limit_bytes": 2000.0,
        "broker.disk_free_bytes": 50.0,
        "broker.memory_alarm": 1.0,
    }


def test_the_next_node_is_asked_where_one_does_not_answer(broker: Broker) -> None:
    """The state comes from another node of the cluster, whole, and goes on from there."""
    source = ManagementState(["http://127.0.0.1:1", broker.url, "http://127.0.0.1:2"], ("guest", "guest"), "/", ["q"])
    first = source.read()
    asked = list(broker.asked)
    second = source.read()
    source.close()

    assert first == second
    assert first.gauges["queue.unacked"] == 2.0
    assert asked
    assert broker.asked == asked * 2


def test_no_node_answers(broker: Broker) -> None:
    """The error names the node that did not answer first; one that refuses is not passed over."""
    broker.answers["/x"] = (401, {"error": "not_authorised"})
    client = NodesClient("management API", [broker.url, "http://127.0.0.1:1"])
    with pytest.raises(RefusedError, match="401 not_authorised"):
        client.get("/x")
    client.close()
    silent = NodesClient("management API", ["http://127.0.0.1:1", "http://127.0.0.1:2"])

    for port in ("1", "1"):
        with pytest.raises(BrokerError, match=rf"http://127\.0\.0\.1:{port} cannot be reached"):
            silent.get("/x")

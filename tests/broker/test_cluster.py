"""`PrivateCluster` on real nodes: formed, harmed in every way, whole again, and gone with whoever started it."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pika
import pika.exceptions
import pytest

from loadtest.broker.admin.reach import probe
from loadtest.broker.endpoint import Endpoint
from loadtest.broker.faults.alarms import DISK, MEMORY, Alarm, Limit
from loadtest.broker.faults.connections import close_all_connections, close_connections
from loadtest.broker.monitor.fingerprint import broker_fingerprint
from loadtest.broker.monitor.management import ManagementApi, find_management
from loadtest.broker.monitor.queue_depths import DepthAsker
from loadtest.broker.monitor.sampler import state_sources
from loadtest.broker.private import detached
from loadtest.broker.private.private_cluster import PrivateCluster
from loadtest.broker.private.private_node import PrivateNode
from loadtest.broker.private.rabbitmqctl import control
from loadtest.broker.private.run_folder import MARKER
from loadtest.broker.processes.listening import foreign_listeners, listening_addresses
from loadtest.broker.processes.marked_process import find_marked
from loadtest.errors import BrokerError, UsageError
from tests.broker.privacy import open_paths, open_sockets

pytestmark = [pytest.mark.broker, pytest.mark.xdist_group("cluster")]

ROOT = Path(__file__).parents[2]
TOLD_WITHIN_S = 20.0
QUORUM = {"x-queue-type": "quorum", "x-quorum-initial-group-size": 3}
# A quorum queue younger than this may be lost with the node that leads it.
SETTLED_S = 2.0


@pytest.fixture(scope="module")
def said() -> list[str]:
    """The lines of progress of `cluster`."""
    return []


@pytest.fixture(scope="module")
def cluster(rabbitmq_server: Path, said: list[str]) -> Iterator[PrivateCluster]:
    """Three nodes; a test that harms them leaves them up."""
    with PrivateCluster.start(nodes=3, server=rabbitmq_server, progress=said.append) as cluster:
        yield cluster


@pytest.fixture
def whole(cluster: PrivateCluster) -> Iterator[PrivateCluster]:
    """The same, up again after the test, however that ended."""
    yield cluster
    cluster.start_all()


@pytest.fixture
def queue() -> str:
    """The name of a queue that no other test has."""
    return f"queue-{secrets.token_hex(4)}"


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Block until *condition* holds; fail with *what* was waited for if it does not in time."""
    deadline = time.monotonic() + TOLD_WITHIN_S
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {TOLD_WITHIN_S:g} s"
        time.sleep(0.05)


def publish(endpoint: Endpoint, queue: str, messages: int, arguments: dict[str, object] | None = None) -> None:
    """Declare a durable queue and put persistent messages into it, each confirmed."""
    with closing(pika.BlockingConnection(endpoint.pika_parameters())) as connection:
        channel = connection.channel()
        channel.queue_declare(queue, durable=True, arguments=arguments)
        channel.confirm_delivery()
        for number in range(messages):
            channel.basic_publish("", queue, str(number).encode(), pika.BasicProperties(delivery_mode=2))


def take_all(endpoint: Endpoint, queue: str) -> list[bytes]:
    """Return what is in a queue, and leave it empty."""
    with closing(pika.BlockingConnection(endpoint.pika_parameters())) as connection:
        channel = connection.channel()
        bodies = []
        while (got := channel.basic_get(queue, auto_ack=True))[0] is not None:
            bodies.append(got[2])
        return bodies


def management_of(node: PrivateNode) -> ManagementApi:
    """Return the management API of one node."""
    api = find_management(node.endpoint, node, {})
    assert api is not None
    return api


def test_forms_one_broker(cluster: PrivateCluster, said: list[str]) -> None:
    """Each node knows all three, has ports of its own, shares the cookie, and progress was told of each."""
    names = [node.erlang_name for node in cluster.nodes]
    ports = {endpoint.port for endpoint in cluster.endpoints}
    cookies = {(node.folder / ".erlang.cookie").read_text() for node in cluster.nodes}
    seen = [sorted(each["name"] for each in management_of(node).nodes() if each["running"]) for node in cluster.nodes]

    assert cluster.running_nodes() == names
    assert seen == [names] * 3
    assert len(ports) == 3
    assert len(cookies) == 1
    assert {probe(endpoint).cluster_name for endpoint in cluster.endpoints} == {cluster.name}
    assert all(any(endpoint.redacted in line for line in said) for endpoint in cluster.endpoints)


def test_every_file_and_socket_is_private(cluster: PrivateCluster, queue: str) -> None:
    """Nodes at work listen on the loopback address only; nobody else can read a file or enter a folder of theirs."""
    publish(cluster.endpoints[0], queue, 10, dict(QUORUM))
    with pytest.raises(BrokerError, match="rabbitmqctl eval"):
        control(cluster.nodes[0].server, "eval", "no_such_module:f().")
    pids = [pid for node in cluster.nodes for pid in find_marked(MARKER, str(node.folder))]
    paths = [path for node in cluster.nodes for path in (node.folder, *node.folder.rglob("*"))]
    names = {path.name for path in paths}
    folders = [node.folder for node in cluster.nodes]

    assert [open_paths(folder) for folder in folders] == [{}, {}, {}]
    assert open_sockets(pids, folders) == []
    assert {"rabbitmq.conf", "enabled_plugins", ".erlang.cookie", "output", "epmd.output"} <= names
    assert any("quorum" in path.parts for path in paths)
    assert any(path.suffix == ".log" for path in paths)
    assert {port for pid in pids for _, port in listening_addresses(pid)} >= {each.port for each in cluster.endpoints}
    assert [foreign for pid in pids for foreign in foreign_listeners(pid)] == []


def test_fingerprint_has_all_nodes(cluster: PrivateCluster) -> None:
    """A result names each node, whether or not there is a management API."""
    info = probe(cluster.endpoints[1])
    told = broker_fingerprint(info, find_management(cluster.endpoints[1], cluster, {}), cluster)
    bare = broker_fingerprint(info, None, cluster)
    names = [node.erlang_name for node in cluster.nodes]

    assert [node["name"] for node in told["nodes"]] == names
    assert [(node["name"], node["running"]) for node in bare["nodes"]] == [(name, True) for name in names]
    assert (told["private"], told["version"]) == (True, cluster.version)


def test_leader_is_killed_and_comes_back(whole: PrivateCluster, queue: str) -> None:
    """The leader is known, so is the one elected after kill -9 of it; a survivor confirms; started again it joins."""
    publish(whole.endpoints[0], queue, 5, dict(QUORUM))
    time.sleep(SETTLED_S)
    leader = whole.leader_of(queue)
    assert leader is not None
    survivor = next(node for node in whole.nodes if node is not leader)
    pid = leader.pid

    leader.server.kill()
    leader.server.kill()
    was_running = leader.server.is_running
    wait_until(lambda: whole.leader_of(queue) not in {None, leader}, "another leader")
    publish(survivor.endpoint, queue, 5, dict(QUORUM))
    leader.server.start()
    leader.server.start()

    assert not was_running
    assert leader.server.is_running
    assert leader.pid != pid
    api = management_of(survivor)
    wait_until(lambda: leader.erlang_name in api.queue("/", queue)["online"], "the member online again")
    assert whole.running_nodes() == [node.erlang_name for node in whole.nodes]
    assert len(take_all(leader.endpoint, queue)) == 10


def test_leader_of_what_is_not_there(cluster: PrivateCluster, queue: str) -> None:
    """Nobody leads a queue that does not exist; a classic one is where it was declared; names are taken as they are."""
    name = f"{queue} 'ä/\"%2F"
    publish(cluster.endpoints[1], name, 0)

    assert cluster.leader_of(queue) is None
    assert cluster.leader_of(queue, "no such vhost") is None
    assert cluster.leader_of(name) is cluster.nodes[1]


def test_paused_node_stands_still(whole: PrivateCluster, queue: str) -> None:
    """It takes connections and answers none; the leader is known all the same; resumed it goes on where it was."""
    publish(whole.endpoints[0], queue, 3, dict(QUORUM))
    leader = whole.leader_of(queue)
    assert leader is not None
    survivor = next(node for node in whole.nodes if node is not leader)

    leader.server.pause()
    leader.server.pause()
    state = (leader.server.is_running, leader.server.is_paused)
    living = whole.living
    known = whole.leader_of(queue)
    with pytest.raises(BrokerError, match=r"within 0\.5 s|in time|does not answer|no answer"):
        probe(leader.endpoint, timeout_s=0.5)
    with pytest.raises(BrokerError, match="is paused: it takes no orders"):
        leader.memory_alarm(on=True)
    leader.server.resume()
    leader.server.resume()

    assert state == (True, True)
    assert leader not in living
    assert survivor in living
    assert known is not None
    assert not leader.server.is_paused
    assert probe(leader.endpoint).product == "RabbitMQ"
    assert take_all(leader.endpoint, queue) == [b"0", b"1", b"2"]


@pytest.mark.long
def test_stopped_node_keeps_its_data(whole: PrivateCluster, queue: str) -> None:
    """
    After an orderly stop and a start what is durable is there, on the same port; meanwhile the others tell its state.

    The first node is stopped, paused as it is: the one that everything asks first.
    """
    first = whole.nodes[0]
    publish(first.endpoint, queue, 20)
    management = management_of(first)
    sources, _ = state_sources(first.endpoint, management, whole, [], whole.name)
    depths = DepthAsker(whole.endpoints, ["no queue"])
    before = (first.endpoint, first.folder, sources[0].read().gauges["broker.memory_alarm"], depths.read())
    first.server.pause()
    begin = time.monotonic()

    first.server.stop()
    first.server.stop()
    stopped_s = time.monotonic() - begin
    gauges = sources[0].read().gauges
    with pytest.raises(BrokerError):
        depths.read()
    found = find_management(first.endpoint, whole, {})
    still = (first.endpoint, first.folder, gauges["broker.memory_alarm"], depths.read())
    first.server.start()
    for source in sources:
        source.close()
    depths.close()

    assert stopped_s < 60
    assert before == still
    assert found is not None
    assert found.base_url == whole.nodes[1].management_url
    assert take_all(first.endpoint, queue) == [str(number).encode() for number in range(20)]


@pytest.mark.parametrize("alarm", [PrivateNode.memory_alarm, PrivateNode.disk_alarm], ids=["memory", "disk"])
def test_alarm_blocks_publishers(cluster: PrivateCluster, alarm: Callable[..., None], queue: str) -> None:
    """A connection that publishes is blocked, and unblocked when the alarm is off; then the limit is what it was."""
    node = cluster.nodes[2]
    limits = "{vm_memory_monitor:get_vm_memory_high_watermark(), rabbit_disk_monitor:get_disk_free_limit()}."
    before = control(node.server, "eval", limits)
    told: list[str] = []
    with closing(pika.BlockingConnection(node.endpoint.pika_parameters())) as connection:
        connection.add_on_connection_blocked_callback(lambda *_: told.append("blocked"))
        connection.add_on_connection_unblocked_callback(lambda *_: told.append("unblocked"))
        channel = connection.channel()
        channel.queue_declare(queue)
        for _ in range(2):
            alarm(node, on=True)
        channel.basic_publish("", queue, b"x")
        connection.process_data_events(1)
        blocked = list(told)
        alarm(node, on=False)
        connection.process_data_events(1)

    assert blocked == ["blocked"]
    assert told == ["blocked", "unblocked"]
    assert control(node.server, "eval", limits) == before


@pytest.mark.parametrize("limit", [MEMORY, DISK], ids=["memory", "disk"])
def test_an_alarm_that_another_run_left_is_cleared(cluster: PrivateCluster, limit: Limit) -> None:
    """Clearing it does not bring back the limit that raised it, which is what a later run finds set."""
    server = cluster.nodes[2].server
    before = control(server, "eval", f"{limit.read}.")
    Alarm(server, limit).turn(on=True)
    later = Alarm(server, limit)
    later.turn(on=True)
    raised = control(server, "eval", f"{limit.read}.")
    later.turn(on=False)

    assert raised != before
    assert control(server, "eval", f"{limit.read}.") == before


def test_connections_are_closed(cluster: PrivateCluster) -> None:
    """By the management API those of a run's users, with the reason; by the node all of them, however young."""
    api = management_of(cluster.nodes[0])
    ours = pika.BlockingConnection(cluster.endpoints[1].pika_parameters("loadtest shop/1"))
    others = pika.BlockingConnection(cluster.endpoints[1].pika_parameters("loadtest sampler"))
    wait_until(lambda: close_connections(api, "a fault of the scenario") == 1, "the connection in the list")
    with pytest.raises(pika.exceptions.ConnectionClosedByBroker, match="a fault of the scenario") as closed:
        ours.process_data_events(5)
    others.process_data_events(0)

    close_all_connections(cluster.nodes[1].server, "all of them")
    with pytest.raises(pika.exceptions.ConnectionClosedByBroker, match="all of them"):
        others.process_data_events(5)

    assert closed.value.reply_code == 320


def test_sizes() -> None:
    """A cluster has an odd number of nodes, so that a majority can be told; nothing is started for another."""
    with pytest.raises(UsageError, match="has 1, 3 or 5 nodes, not 2"):
        PrivateCluster.start(nodes=2)


HOLDER = """
import sys, time
from gevent import monkey; monkey.patch_all()
from loadtest.broker.private.private_cluster import PrivateCluster
cluster = PrivateCluster.start(nodes={nodes}, plugins=[], name={name!r})
cluster.nodes[-1].server.pause()
print(cluster.nodes[-1].server.is_paused, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("nodes", [1, pytest.param(3, marks=pytest.mark.long)])
def test_killed_tool_leaves_nothing(nodes: int, rabbitmq_server: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After kill -9 of the tool all nodes are gone at once, one that is paused, too."""
    name = f"test-{secrets.token_hex(4)}"
    folders = [node_folder(name if nodes == 1 else f"{name}-{number}") for number in range(1, nodes + 1)]
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER.format(nodes=nodes, name=name)],
        env=os.environ | {"PYTHONPATH": str(ROOT), "LOADTEST_RABBITMQ_SERVER": str(rabbitmq_server)},
        stdout=subprocess.PIPE,
        text=True,
    ) as tool:
        assert tool.stdout is not None
        is_paused = tool.stdout.readline().strip()
        running = [bool(find_marked(MARKER, str(folder))) for folder in folders]
        tool.kill()
        tool.wait()
        wait_until(lambda: not any(find_marked(MARKER, str(folder)) for folder in folders), "the end of the nodes")

    assert is_paused == "True"
    assert all(running)


ATTACHED = """
import sys, time
from loadtest.broker.private.detached import find_cluster, find_node
import os
cluster = find_cluster([find_node({name!r}).endpoint], os.environ)
server = cluster.nodes[0].server
server.{fault}()
print(server.is_running, server.is_paused, server.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.long
def test_a_node_that_outlives_its_tool(rabbitmq_server: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """
    A run on a node of `loadtest broker start` can harm it; killed -9, it leaves the node neither paused nor ended.

    Restarted by one process it is known to the next, and stopped by a third.
    """
    monkeypatch.setenv("LOADTEST_STATE_DIR", str(tmp_path))
    environ = os.environ | {"PYTHONPATH": str(ROOT), "LOADTEST_RABBITMQ_SERVER": str(rabbitmq_server)}
    with detached.start_detached("kept", plugins=["rabbitmq_top"], server=rabbitmq_server) as started:
        endpoint = started.endpoints[0]
        first_pid = started.nodes[0].pid
        restarted = harm("kept", "kill(); server.start", environ)
        after_restart = detached.find_node("kept")
        paused = harm("kept", "pause", environ)
        wait_until(lambda: not detached.find_node("kept").is_paused, "that it goes on")
        info = probe(endpoint)
        found = detached.find_cluster([endpoint], os.environ)
        foreign = detached.find_cluster([endpoint, Endpoint("127.0.0.1", 1)], os.environ)
        assert found is not None
        found.stop()
        still = detached.find_node("kept").is_running

    assert restarted[:2] == ["True", "False"]
    assert int(restarted[2]) == after_restart.pid != first_pid
    assert after_restart.is_running
    assert paused == ["True", "True", str(after_restart.pid)]
    assert info.product == "RabbitMQ"
    assert foreign is None
    assert still
    assert detached.running_nodes() == []


def harm(name: str, fault: str, environ: dict[str, str]) -> list[str]:
    """Have another process do *fault* to a detached node and be killed; returns what it said of it."""
    command = [sys.executable, "-c", ATTACHED.format(name=name, fault=fault)]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as tool:
        assert tool.stdout is not None
        words = tool.stdout.readline().split()
        tool.kill()
        return words


@pytest.mark.long
def test_all_nodes_are_killed_and_come_back(whole: PrivateCluster, queue: str) -> None:
    """Started together after kill -9 of all, they form the cluster that they were, and nothing confirmed is lost."""
    publish(whole.endpoints[0], queue, 50, dict(QUORUM))
    time.sleep(SETTLED_S)
    for node in whole.nodes:
        node.server.kill()
    with pytest.raises(BrokerError, match="no node of the private cluster answers"):
        whole.running_nodes()
    leader = whole.leader_of(queue)

    whole.start_all()
    wait_until(lambda: whole.leader_of(queue) is not None, "a leader")

    assert leader is None
    assert len(take_all(whole.endpoints[2], queue)) == 50


@pytest.mark.long
def test_a_cluster_of_five(rabbitmq_server: Path) -> None:
    """Five nodes form a cluster, too."""
    with PrivateCluster.start(nodes=5, server=rabbitmq_server, plugins=[]) as cluster:
        running = cluster.running_nodes()

    assert len(running) == 5


def node_folder(name: str) -> Path:
    """Return the run folder of the node *name*."""
    return Path(os.environ["LOADTEST_STATE_DIR"]).resolve() / "nodes" / name

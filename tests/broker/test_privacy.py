"""Nobody else on the machine can read or reach what a private node has, whatever the umask is."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pika
import pytest

from loadtest.broker.private import detached
from loadtest.broker.private.detached import DetachedNode
from loadtest.broker.private.run_folder import MARKER
from loadtest.broker.processes.marked_process import find_marked
from tests.broker.privacy import open_paths, open_sockets

pytestmark = [pytest.mark.broker, pytest.mark.xdist_group("privacy")]

ROOT = Path(__file__).parents[2]
PASSWORD = "s3cret-of-the-config"
CONFIG = f"default_user = ann\ndefault_pass = {PASSWORD}\n"
# As the most careless shell has it: every file of a program that asks for no mode is everybody's.
START = """
import os, sys
os.umask(0)
from pathlib import Path
from loadtest.broker.private.detached import start_detached
start_detached('private', config=Path(sys.argv[1]), plugins=['rabbitmq_management', 'rabbitmq_stream', 'rabbitmq_mqtt'])
"""


@pytest.fixture(scope="module")
def node(rabbitmq_server: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DetachedNode]:
    """A node that stays, with queues of every type that hold messages, started under the umask 0."""
    folder = tmp_path_factory.mktemp("privacy")
    (folder / "my.conf").write_text(CONFIG)
    state = {"LOADTEST_STATE_DIR": str(folder / "state")}
    environ = os.environ | state | {"PYTHONPATH": str(ROOT), "LOADTEST_RABBITMQ_SERVER": str(rabbitmq_server)}
    subprocess.run([sys.executable, "-c", START, str(folder / "my.conf")], env=environ, check=True)
    (node,) = detached.running_nodes(state)
    with pika.BlockingConnection(node.endpoint.pika_parameters()) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for kind in ("classic", "quorum", "stream"):
            channel.queue_declare(kind, durable=True, arguments={"x-queue-type": kind})
            channel.basic_publish("", kind, b"x" * 100_000, pika.BasicProperties(delivery_mode=2))
    yield node
    detached.stop_detached("private", state)


def test_every_file_and_folder_is_its_users_alone(node: DetachedNode) -> None:
    """From the state folder down: no bit for group and others, locks and records included."""
    nodes = node.folder.parent
    files = {str(path.relative_to(nodes)) for path in nodes.rglob("*") if path.is_file()}

    assert open_paths(nodes.parent) == {}
    assert {".lock", "private/lock", "private/node.json", "private/.erlang.cookie", "private/rabbitmq.conf"} <= files
    assert any(name.endswith(".log") for name in files)
    assert any("quorum" in name for name in files)
    assert any("stream" in name for name in files)
    assert any("msg_stor" in name or "queues" in name for name in files)


def test_every_socket_is_of_this_machine(node: DetachedNode) -> None:
    """AMQP, streams, MQTT, management, distribution and port mapper; no Unix socket lies where others come to."""
    pids = find_marked(MARKER, str(node.folder))

    assert len(pids) >= 3
    assert open_sockets(pids, [node.folder]) == []


def test_no_command_line_has_a_secret(node: DetachedNode) -> None:
    """What `ps` shows to everybody has neither the cookie nor the password of the config."""
    cookie = (node.folder / ".erlang.cookie").read_text()
    commands = [Path(f"/proc/{pid}/cmdline").read_text() for pid in find_marked(MARKER, str(node.folder))]

    assert commands
    assert not any(cookie in command or PASSWORD in command for command in commands)


def test_the_eyes_see_what_is_open(tmp_path: Path) -> None:
    """What these tests look with finds a file that others may read, and sockets of all kinds that are open to them."""
    (tmp_path / "open").touch(mode=0o644)
    (tmp_path / "open").chmod(0o644)
    path = tmp_path / "s"
    with (
        socket.create_server(("0.0.0.0", 0)) as stream,  # noqa: S104 - to be found
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
        socket.socket(socket.AF_UNIX) as local,
    ):
        datagrams.bind(("0.0.0.0", 0))  # noqa: S104 - as above
        local.bind(str(path))
        local.listen()
        found = open_sockets([os.getpid()], [tmp_path / "elsewhere"])
        expected = {
            f"udp 0.0.0.0:{datagrams.getsockname()[1]}",
            f"tcp 0.0.0.0:{stream.getsockname()[1]}",
            f"unix {path}",
        }

    assert str(tmp_path / "open") in open_paths(tmp_path)
    assert expected <= set(found)

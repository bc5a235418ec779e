"""`PrivateNode`: alone on this machine, as it was asked for, and gone with whoever started it."""

from __future__ import annotations

import os
import secrets
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pika
import pytest

from loadtest.broker.admin.reach import probe
from loadtest.broker.endpoint import Endpoint
from loadtest.broker.monitor.management import find_management
from loadtest.broker.private.launch import USER_FILE
from loadtest.broker.private.private_node import PrivateNode, new_password, new_user
from loadtest.broker.private.rabbitmqctl import control, evaluate
from loadtest.broker.private.run_folder import MARKER
from loadtest.broker.processes.child_process import start_child
from loadtest.broker.processes.listening import foreign_listeners, listening_addresses
from loadtest.broker.processes.marked_process import find_marked
from loadtest.errors import BrokerError, UsageError

pytestmark = [pytest.mark.broker, pytest.mark.xdist_group("private-node")]

ROOT = Path(__file__).parents[2]
CONFIG = """\
channel_max = 77
default_user = ann
default_pass = s3cret
listeners.tcp.default = 5672
management.tcp.port = 15672
"""


@pytest.fixture(scope="module")
def said() -> list[str]:
    """The lines of progress of `node`."""
    return []


@pytest.fixture(scope="module")
def node(rabbitmq_server: Path, tmp_path_factory: pytest.TempPathFactory, said: list[str]) -> Iterator[PrivateNode]:
    """A node with a config and a plugin of its own; tests look at it and leave it as it is."""
    config = tmp_path_factory.mktemp("config") / "my.conf"
    config.write_text(CONFIG)
    plugins = ["rabbitmq_management", "rabbitmq_stream", "rabbitmq_mqtt"]
    environ = {**os.environ, "LOADTEST_NODE_ENV": '{"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1", "OF_ANN": "1"}'}
    with PrivateNode.start(
        config=config, plugins=plugins, server=rabbitmq_server, environ=environ, progress=said.append
    ) as node:
        yield node


def test_what_it_is_told_reaches_its_process_only(node: PrivateNode) -> None:
    """Erlang has as many schedulers as it is told to have; neither its port mapper nor its tools know of it."""
    known = {
        Path(f"/proc/{pid}/comm").read_text().strip(): b"OF_ANN=1" in Path(f"/proc/{pid}/environ").read_bytes()
        for pid in find_marked(MARKER, str(node.folder))
    }

    assert evaluate(node.server, "erlang:system_info(schedulers_online).") == "1"
    assert known["beam.smp"]
    assert not known["epmd"]
    assert "OF_ANN" not in node.server.environ
    assert node.environment == {"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1", "OF_ANN": "1"}


def test_listens_on_loopback_only(node: PrivateNode) -> None:
    """AMQP, management, plugins, the distribution and the port mapper cannot be reached from another machine."""
    pids = find_marked(MARKER, str(node.folder))
    addresses = [address for pid in pids for address in listening_addresses(pid)]
    listeners = {port for _, port in addresses}

    assert len(listeners) >= 6
    assert node.endpoint.port in listeners
    assert [foreign for pid in pids for foreign in foreign_listeners(pid)] == []


def test_folder_and_cookie_are_private(node: PrivateNode) -> None:
    """Nobody else reads the node's folder, and its cookie shows in no command line."""
    cookie = (node.folder / ".erlang.cookie").read_text()
    commands = [Path(f"/proc/{pid}/cmdline").read_text() for pid in find_marked(MARKER, str(node.folder))]

    assert stat.S_IMODE(node.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((node.folder / ".erlang.cookie").stat().st_mode) == 0o400
    assert len(cookie) == 32
    assert not any(cookie in command for command in commands)


def test_config_takes_effect(node: PrivateNode, said: list[str]) -> None:
    """Settings of the user's file hold, its user is the endpoint's; what it says of listeners is left out and told."""
    connection = pika.BlockingConnection(node.endpoint.pika_parameters())
    channel_max = connection._impl.params.channel_max
    connection.close()

    assert (node.endpoint.username, node.endpoint.password) == ("ann", "s3cret")
    assert channel_max == 77
    assert any("listeners.tcp.default = 5672; management.tcp.port = 15672" in line for line in said)


def test_config_is_shown_without_secrets(node: PrivateNode) -> None:
    """The config in effect can be put into a result."""
    assert "channel_max = 77" in node.config
    assert "default_pass = ***" in node.config
    assert "s3cret" not in node.config + repr(node) + str(node.endpoint)


def test_plugins_are_enabled(node: PrivateNode) -> None:
    """The management API answers where the node says it is."""
    management = find_management(node.endpoint, node, {})

    assert management is not None
    assert management.overview()["node"] == f"{node.name}@localhost"


def test_version(node: PrivateNode) -> None:
    """The version that the node prints is the one it tells its clients."""
    assert node.version == probe(node.endpoint).version


def test_a_fork_does_not_own_the_node(node: PrivateNode) -> None:
    """A worker process that Locust forks ends without taking the node with it."""
    child = os.fork()
    if child == 0:
        node.stop()
        os._exit(0)
    os.waitpid(child, 0)

    assert node.is_alive
    assert node.folder.is_dir()


@pytest.fixture
def name() -> str:
    """A name for a node that no other test uses at the same time."""
    return f"test-{secrets.token_hex(4)}"


ADVANCED = '[{rabbit, [{default_user, <<"ann">>}, {default_pass, <<"s3cret">>}, {default_vhost, <<"shop">>}]}].\n'
FIRST_USERS = {
    "no config": ("my.conf", "", None, None),
    "user": ("my.conf", "default_user = ann\n", "ann", None),
    "password": ("my.conf", "default_pass = s3cret\n", "guest", "s3cret"),
    "advanced": ("advanced.config", ADVANCED, "ann", "s3cret"),
}


@pytest.mark.parametrize("file, config, user, password", FIRST_USERS.values(), ids=FIRST_USERS.keys())
def test_only_its_own_user_gets_in(
    file: str, config: str, user: str | None, password: str | None, name: str, rabbitmq_server: Path, tmp_path: Path
) -> None:
    """No password of a node is one that others know, unless its config has it; nothing but the node's files has it."""
    (tmp_path / file).write_text(config)
    with PrivateNode.start(config=tmp_path / file, plugins=[], server=rabbitmq_server, name=name) as node:
        endpoint = node.endpoint
        probe(endpoint)
        for given in {"guest", endpoint.username}:
            with pytest.raises(BrokerError, match=f"it refuses user {given} or the password"):
                probe(replace(endpoint, username=given, password="guest"))
        users = control(node.server, "list_users", "--no-table-headers").split()
        shown = [node.logs(), node.config, repr(node), str(endpoint)]
        for pid in find_marked(MARKER, str(node.folder)):
            shown += [Path(f"/proc/{pid}/{what}").read_text() for what in ("cmdline", "environ")]
        settings = node.folder / USER_FILE

        assert stat.S_IMODE(settings.stat().st_mode) == 0o600
    assert users[0] == endpoint.username
    assert user in {None, endpoint.username}
    assert password in {None, endpoint.password}
    assert endpoint.password != "guest"
    assert password is not None or not any(endpoint.password in text for text in shown)


def test_no_two_nodes_have_the_same_user() -> None:
    """Who knows one node's user and password knows nothing of another's."""
    assert len({new_user() for _ in range(100)}) == 100
    assert min(map(len, {new_password() for _ in range(100)})) >= 32


REFUSED_CONFIGS = {
    "unknown-key": ("no.such.key = 3\n", "no.such.key"),
    "wrong-type": ("heartbeat = many\n", "heartbeat"),
    "syntax": ("channel_max 5\n", "my.conf"),
}


@pytest.mark.parametrize("config, words", REFUSED_CONFIGS.values(), ids=REFUSED_CONFIGS.keys())
def test_refused_config(config: str, words: str, name: str, rabbitmq_server: Path, tmp_path: Path) -> None:
    """A config that the node refuses is an error in its own words, and nothing is left."""
    (tmp_path / "my.conf").write_text(config)

    with pytest.raises(BrokerError) as caught:
        PrivateNode.start(config=tmp_path / "my.conf", plugins=[], server=rabbitmq_server, name=name)

    assert str(caught.value).startswith("the private node refused to start: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert nothing_left(name)


def test_unreadable_config(rabbitmq_server: Path, tmp_path: Path) -> None:
    """A config file that is not there is wrong usage."""
    with pytest.raises(UsageError, match=r"--config .*gone.conf: No such file or directory"):
        PrivateNode.start(config=tmp_path / "gone.conf", server=rabbitmq_server)


def test_unknown_plugin(name: str, rabbitmq_server: Path) -> None:
    """A plugin that the installation does not have is an error; RabbitMQ itself would pass over it."""
    with pytest.raises(BrokerError, match="has no plugin rabbitmq_nix;"):
        PrivateNode.start(plugins=["rabbitmq_top", "rabbitmq_nix"], server=rabbitmq_server, name=name)

    assert nothing_left(name)


def test_listener_beyond_loopback_is_refused(name: str, rabbitmq_server: Path, tmp_path: Path, free_port: int) -> None:
    """An advanced.config that listens on all addresses does not get its node."""
    (tmp_path / "advanced.config").write_text(f'[{{rabbit, [{{tcp_listeners, [{{"0.0.0.0", {free_port}}}]}}]}}].\n')

    with pytest.raises(BrokerError, match=rf"would listen beyond this machine, on 0\.0\.0\.0:{free_port}"):
        PrivateNode.start(config=tmp_path / "advanced.config", plugins=[], server=rabbitmq_server, name=name)

    assert nothing_left(name)


def test_killed_and_stopped(name: str, rabbitmq_server: Path) -> None:
    """After `kill` the broker is gone as in a crash and its files are there; after `stop` nothing is."""
    node = PrivateNode.start(plugins=[], server=rabbitmq_server, name=name)
    node.kill()

    assert not node.is_alive
    assert (node.folder / "data").is_dir()
    with pytest.raises(BrokerError, match="nothing listens there"):
        probe(node.endpoint)

    node.stop()

    assert nothing_left(name)


HOLDER = """
import sys, time
{patch}
from loadtest.broker.private.private_node import PrivateNode, new_password, new_user
node = PrivateNode.start(plugins=[], name={name!r})
print(node.endpoint.url, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("patch", ["", "from gevent import monkey; monkey.patch_all()"], ids=["plain", "gevent"])
def test_killed_tool_leaves_nothing(patch: str, name: str, rabbitmq_server: Path) -> None:
    """After kill -9 of the tool its node is gone at once, and the next start removes its folder."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER.format(patch=patch, name=name)],
        env=os.environ | {"PYTHONPATH": str(ROOT), "LOADTEST_RABBITMQ_SERVER": str(rabbitmq_server)},
        stdout=subprocess.PIPE,
        text=True,
    ) as tool:
        assert tool.stdout is not None
        endpoint = Endpoint.parse(tool.stdout.readline().strip())
        info = probe(endpoint)
        tool.kill()
        tool.wait()
        is_gone = wait_until_gone(name)

    assert info.product == "RabbitMQ"
    assert is_gone
    assert node_folder(name).is_dir()
    with pytest.raises(BrokerError, match="has no plugin"):
        PrivateNode.start(plugins=["rabbitmq_nix"], server=rabbitmq_server)
    assert not node_folder(name).exists()


def test_bound_child_survives_the_thread_that_started_it(tmp_path: Path) -> None:
    """Linux ends such a child with the thread that started it, so that thread is one that lasts."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        sleep = Path("/bin/sleep")
        started.append(start_child([sleep, "60"], environ={}, folder=tmp_path, output=tmp_path / "output", bound=True))

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    time.sleep(0.2)
    alive = started[0].poll() is None
    started[0].send_signal(signal.SIGKILL)
    started[0].wait()

    assert alive


def node_folder(name: str) -> Path:
    """Return the run folder of the node *name*."""
    return Path(os.environ["LOADTEST_STATE_DIR"]).resolve() / "nodes" / name


def nothing_left(name: str) -> bool:
    """Return whether neither a folder nor a process of the node *name* is there."""
    return not node_folder(name).exists() and find_marked(MARKER, str(node_folder(name))) == []


def wait_until_gone(name: str) -> bool:
    """Return whether no process of the node *name* is left, within half of the time that its tool meant to live."""
    begin = time.monotonic()
    while (left := find_marked(MARKER, str(node_folder(name)))) and time.monotonic() - begin < 30:
        time.sleep(0.01)
    return not left

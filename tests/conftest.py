"""
The broker that `tests/broker` and `tests/e2e` run against, and the check that tests leave no process behind.

By default each pytest process (each worker of xdist) starts a private node of its own when the first test asks for one.
`LOADTEST_TEST_BROKER=URL` makes it another broker, `LOADTEST_RABBITMQ_SERVER` another installation. A test that harms
its broker starts its own.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import secrets
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler.loadscope import LoadScopeScheduling

from loadtest.broker.endpoint import Endpoint
from loadtest.broker.monitor.management import ManagementApi, find_management
from loadtest.broker.private.ports import PortBlock
from loadtest.broker.private.private_node import PrivateNode
from loadtest.broker.private.run_folder import STATE_ENVIRONMENT_NAME
from loadtest.broker.private.server import NO_SERVER, find_server
from loadtest.broker.processes.marked_process import find_marked

TEST_BROKER_NAME = "LOADTEST_TEST_BROKER"
SESSION_MARKER = "LOADTEST_TEST_SESSION"
FOREIGN_SETTINGS = ("LOADTEST_BROKER", "AMQP_URL", "LOADTEST_MANAGEMENT_URL")
END_GRACE_S = 3.0
# A machine at work is slow now and then, which is no fault; and what fails once is to fail again.
settings.register_profile("house", deadline=None, derandomize=True)
settings.load_profile("house")

WHOLE_FILE = re.compile(r"^pytestmark = .*xdist_group\(\"([\w-]+)\"\)", re.MULTILINE)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling | None:
    """
    Return what hands out tests with `--dist loadgroup`, so that those of an `xdist_group` meet in one process.

    xdist 3.8.0 marks them by a node id that pytest 9.2 no longer asks for, and so hands them out one by one.
    """
    return Groups(config, log) if config.getvalue("dist") == "loadgroup" else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the tests that take longest, where several processes share the tests."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: item.get_closest_marker("first") is None)


class Groups(LoadScopeScheduling):  # type: ignore[misc]  # xdist is untyped
    """Hands out the tests of a group together: one for a file's `pytestmark`, or for each function that is marked."""

    def _split_scope(self, nodeid: str) -> str:
        path, _, test = nodeid.partition("::")
        text = _text_of(path)
        whole_file = WHOLE_FILE.search(text)
        if whole_file is not None:
            return whole_file[1]
        function = test.partition("[")[0]
        return f"{path}::{function}" if "xdist_group(" in text else nodeid


@functools.cache
def _text_of(path: str) -> str:
    file = Path(__file__).parents[1] / path
    return file.read_text(encoding="utf-8") if file.is_file() else ""


@pytest.fixture(scope="session", autouse=True)
def no_process_left_behind() -> Iterator[None]:
    """Fail the session if a process that a test started outlives it; all of them inherit the marker."""
    session = f"{os.getpid()}-{secrets.token_hex(4)}"
    os.environ[SESSION_MARKER] = session
    # Apart from the user's own nodes; the same for all sessions, so that what a killed one left is swept by the next.
    os.environ[STATE_ENVIRONMENT_NAME] = str(Path(tempfile.gettempdir(), f"loadtest-tests-{os.getuid()}"))
    for name in FOREIGN_SETTINGS[:2]:
        os.environ.pop(name, None)

    yield

    deadline = time.monotonic() + END_GRACE_S
    while (left := find_marked(SESSION_MARKER, session)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not left, f"processes started by tests still run: { {pid: command_of(pid) for pid in left} }"


def command_of(pid: int) -> str:
    """Return the beginning of a process's command line, nothing if it has ended."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[:120]
    return ""


@pytest.fixture(scope="session")
def broker_node(no_process_left_behind: None) -> Iterator[PrivateNode | None]:
    """The private node of this pytest process, or None where LOADTEST_TEST_BROKER names another broker."""
    if os.environ.get(TEST_BROKER_NAME):
        yield None
        return
    demand_server()
    with PrivateNode.start() as node:
        yield node


@pytest.fixture(scope="session")
def broker_endpoint(broker_node: PrivateNode | None) -> Endpoint:
    """The broker under test."""
    return broker_node.endpoint if broker_node is not None else Endpoint.parse(os.environ[TEST_BROKER_NAME])


@pytest.fixture(scope="session")
def broker_url(broker_endpoint: Endpoint) -> str:
    """The URL of the broker under test, at its default vhost; tests that leave something there clean up."""
    return broker_endpoint.url


@pytest.fixture(scope="session")
def management(broker_node: PrivateNode | None, broker_endpoint: Endpoint) -> ManagementApi:
    """The management API of the broker under test (of a foreign one by LOADTEST_MANAGEMENT_URL or on port 15672)."""
    api = find_management(broker_endpoint, broker_node, os.environ)
    if api is None:
        absent(f"{broker_endpoint} has no management API that answers; name it with LOADTEST_MANAGEMENT_URL")
    return api


@pytest.fixture
def vhost_endpoint(broker_endpoint: Endpoint, management: ManagementApi) -> Iterator[Endpoint]:
    """A virtual host of the test's own, removed after it: tests that run at the same time do not meet."""
    yield from own_vhost(broker_endpoint, management)


def own_vhost(broker_endpoint: Endpoint, management: ManagementApi) -> Iterator[Endpoint]:
    """Yield a new virtual host, and remove it; for fixtures of any scope."""
    vhost = f"test-{secrets.token_hex(6)}"
    management.create_vhost(vhost, broker_endpoint.username)
    yield broker_endpoint.with_vhost(vhost)
    management.delete_vhost(vhost)


@pytest.fixture
def vhost_url(vhost_endpoint: Endpoint) -> str:
    """The URL of a virtual host of the test's own."""
    return vhost_endpoint.url


@pytest.fixture
def port_block() -> Iterator[PortBlock]:
    """Ports of the loopback address that nobody else gets before the test has ended."""
    with PortBlock.reserve() as block:
        yield block


@pytest.fixture
def free_port(port_block: PortBlock) -> int:
    """A port on which nothing listens yet."""
    return port_block.free[0]


@pytest.fixture
def refusing_port(port_block: PortBlock) -> int:
    """A port that refuses connections as long as the test runs."""
    return port_block.refusing


@pytest.fixture(scope="session")
def rabbitmq_server(no_process_left_behind: None) -> Path:
    """The `rabbitmq-server` for tests that start nodes of their own."""
    return demand_server()


def demand_server() -> Path:
    """Return the installation's `rabbitmq-server`, or skip the test; in CI, where it must be there, fail it."""
    server = find_server(None, os.environ)
    if server is None:
        absent(NO_SERVER)
    return server


def absent(what: str) -> NoReturn:
    """Skip the test for want of *what*, or fail it in CI."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)

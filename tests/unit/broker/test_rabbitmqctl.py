"""`rabbitmqctl`: what is said to a node, and what its answers become; with a script in the place of RabbitMQ's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from loadtest.broker.private.node_server import NodeOrder, NodeServer
from loadtest.broker.private.ports import PortBlock
from loadtest.broker.private.rabbitmqctl import control, erlang_binary, evaluate
from loadtest.broker.private.run_folder import MARKER, RunFolder
from loadtest.errors import BrokerError


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NodeServer:
    """A server that runs, as far as can be seen, and whose `rabbitmqctl` is a test's."""
    order = NodeOrder(tmp_path / "rabbitmq-server", "n", None, (), detached=False)
    server = NodeServer(order, RunFolder.found(tmp_path), PortBlock(20_000), {"PATH": os.environ["PATH"]})
    monkeypatch.setattr(NodeServer, "is_running", True)
    assert server.environ[MARKER] == str(tmp_path)
    return server


def install(server: NodeServer, script: str) -> None:
    """Put a `rabbitmqctl` beside the server's script."""
    path = server.order.script.with_name("rabbitmqctl")
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)


def test_answer(server: NodeServer) -> None:
    """It is called as the node's owner, and what it prints is the answer; no file of it stays."""
    install(server, 'echo "$RABBITMQ_NODENAME $*"')

    assert evaluate(server, "1 + 1.", timeout_s=5) == "n@localhost --quiet --timeout 5 eval 1 + 1."
    assert list(server.folder.glob("*.output")) == []


def test_refusal(server: NodeServer) -> None:
    """What it says before it fails is the error, in one line."""
    install(server, "echo 'Error:'; echo 'no such thing' >&2; exit 64")

    with pytest.raises(BrokerError, match=r"^rabbitmqctl report on the private node: Error: no such thing$"):
        control(server, "report")


def test_no_end(server: NodeServer) -> None:
    """One that hangs is ended in time."""
    install(server, "exec sleep 60")

    with pytest.raises(BrokerError, match="rabbitmqctl report does not end within 0 s"):
        control(server, "report", timeout_s=0.05)


def test_none_is_there(server: NodeServer) -> None:
    """A server by a wrapper may come without its tools."""
    with pytest.raises(BrokerError, match="there is no rabbitmqctl beside"):
        control(server, "report")


def test_nobody_to_talk_to(server: NodeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that is down is not called: the tool would wait for it."""
    monkeypatch.setattr(NodeServer, "is_running", False)

    with pytest.raises(BrokerError, match="the private node is down: it takes no orders"):
        control(server, "report")


def test_binary() -> None:
    """A name becomes numbers, in UTF-8."""
    assert erlang_binary("a'>é") == "<<97,39,62,195,169>>"
    assert erlang_binary("") == "<<>>"

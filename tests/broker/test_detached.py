"""`detached`: nodes that outlive the command that started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from loadtest.broker.admin.reach import probe
from loadtest.broker.monitor.management import find_management
from loadtest.broker.private import detached
from loadtest.broker.private.run_folder import MARKER
from loadtest.broker.processes.marked_process import find_marked
from loadtest.errors import BrokerError, UsageError

pytestmark = pytest.mark.broker

ROOT = Path(__file__).parents[2]
START = "from loadtest.broker.private.detached import start_detached; start_detached('kept', plugins=['rabbitmq_top'])"


def test_life_of_a_detached_node(rabbitmq_server: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It lives after its command, is listed, logs, cannot be started twice, and is gone when stopped."""
    monkeypatch.setenv("LOADTEST_STATE_DIR", str(tmp_path))
    environ = os.environ | {"PYTHONPATH": str(ROOT), "LOADTEST_RABBITMQ_SERVER": str(rabbitmq_server)}
    subprocess.run([sys.executable, "-c", START], env=environ, check=True)
    try:
        [node] = detached.running_nodes()
        pids = find_marked(MARKER, str(node.folder))
        info = probe(node.endpoint)
        log = detached.tail_logs("kept", lines=5)
        with pytest.raises(BrokerError, match="a private node named kept runs already"):
            detached.start_detached("kept", server=rabbitmq_server)
        still_there = probe(node.endpoint)
        found = find_management(node.endpoint, None, os.environ)
    finally:
        detached.stop_detached("kept")

    assert (node.name, node.is_running, node.plugins) == ("kept", True, ["rabbitmq_top"])
    assert node.pid in pids
    assert node.management_url is not None
    assert found is not None
    assert found.base_url == node.management_url
    assert detached.detached_management_url(node.endpoint, os.environ) is None
    assert info.version == still_there.version == node.version
    assert len(log.splitlines()) == 5
    assert detached.running_nodes() == []
    assert find_marked(MARKER, str(node.folder)) == []
    assert not node.folder.exists()


def test_a_node_that_crashed_can_be_looked_at(
    rabbitmq_server: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is listed as not running, its log is there, and `stop` cleans up."""
    monkeypatch.setenv("LOADTEST_STATE_DIR", str(tmp_path))
    started = detached.start_detached("crashed", plugins=["rabbitmq_top"], server=rabbitmq_server)
    os.kill(started.nodes[0].pid, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while detached.find_node("crashed").is_running and time.monotonic() < deadline:
        time.sleep(0.01)
    node = detached.find_node("crashed")
    log = detached.tail_logs("crashed")
    detached.stop_detached("crashed")
    started.stop()

    assert not node.is_running
    assert "[info]" in log
    assert detached.running_nodes() == []
    assert find_marked(MARKER, str(node.folder)) == []


@pytest.mark.parametrize("act", [detached.stop_detached, detached.tail_logs, detached.find_node])
def test_unknown_name(act: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A name that no node has is wrong usage, and told with those there are."""
    monkeypatch.setenv("LOADTEST_STATE_DIR", str(tmp_path))

    with pytest.raises(UsageError, match="there is no private node 'nix'; there are: none"):
        act("nix")  # type: ignore[operator]

"""`detached`: what is known of nodes that live on their own, from what is written in their folders."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loadtest.broker.endpoint import Endpoint
from loadtest.broker.private import detached
from loadtest.broker.private.run_folder import DETACHED_MARK, STATE_ENVIRONMENT_NAME, state_folder
from loadtest.errors import BrokerError, UsageError


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An environment with a state folder of the test's own."""
    return {STATE_ENVIRONMENT_NAME: str(tmp_path)}


def write(environ: dict[str, str], name: str, **known: object) -> Path:
    """Make the folder of a node that has ended, as a detached one leaves it; without what is known, no record."""
    folder = state_folder(environ) / name
    folder.mkdir()
    (folder / DETACHED_MARK).touch()
    record: dict[str, object] = {
        "name": name,
        "url": "amqp://127.0.0.1:20001",
        "management_url": None,
        "version": "3.10.8",
        "pid": 1,
    }
    record |= {"plugins": [], "config": None, "started_at": "2026-11-25T18:00:00Z"} | known
    if known:
        (folder / "node.json").write_text(json.dumps(record))
    return folder


def test_nodes_of_a_cluster(environ: dict[str, str]) -> None:
    """They are found by the name that the cluster was started by, and by their number."""
    for number in (1, 2, 3):
        write(environ, f"c-{number}", cluster="c", script="/s", base_port=20000 + 20 * number, epmd_port=20003)
    write(environ, "c-9", cluster="c-9", script="/s", base_port=21000, epmd_port=21003)

    assert [node.name for node in detached.find_nodes("c", environ)] == ["c-1", "c-2", "c-3"]
    assert detached.find_node("c", environ, 3).name == "c-3"
    with pytest.raises(UsageError, match="c has no node 4; it has 1 to 3"):
        detached.find_node("c", environ, 4)
    with pytest.raises(UsageError, match="c-9 has no node 2; it has one"):
        detached.find_node("c-9", environ, 2)
    with pytest.raises(UsageError, match=r"there is no private node 'd'; there are: c, c-9$"):
        detached.find_nodes("d", environ)
    assert detached.stop_detached("c", environ) == 3
    assert [node.name for node in detached.running_nodes(environ)] == ["c-9"]


def test_a_node_of_an_older_loadtest(environ: dict[str, str]) -> None:
    """Its record lacks what is newer; it is listed, and can be stopped."""
    folder = write(environ, "old", version="3.9.0")
    (node,) = detached.running_nodes(environ)

    assert (node.name, node.cluster, node.is_running, node.is_paused) == ("old", "old", False, False)
    assert detached.stop_detached("old", environ) == 1
    assert not folder.exists()


def test_a_start_that_was_killed_can_be_stopped(environ: dict[str, str]) -> None:
    """Nodes that nobody has written down are not listed, but stopped by the name under which they were started."""
    folders = [write(environ, f"half-{number}") for number in (1, 2)]

    assert detached.running_nodes(environ) == []
    assert detached.stop_detached("half", environ) == 2
    assert not any(folder.exists() for folder in folders)


def test_a_broker_elsewhere_is_not_ours(environ: dict[str, str]) -> None:
    """Neither another host, nor a port at which no node of ours lives, is taken for a private cluster."""
    write(environ, "ended", base_port=20000)

    assert detached.find_cluster([Endpoint("127.0.0.1", 20001)], environ) is None
    assert detached.find_cluster([Endpoint("10.0.0.1", 20001)], environ) is None


def test_even_sizes_are_refused(environ: dict[str, str]) -> None:
    """Before anything is removed or started."""
    folder = write(environ, "c", cluster="c")

    with pytest.raises(UsageError, match="1, 3 or 5 nodes, not 4"):
        detached.start_detached("c", nodes=4, environ=environ)
    with pytest.raises((BrokerError, UsageError)):
        detached.start_detached("c", nodes=3, server=Path("/nonexistent"), environ=environ)
    assert not folder.exists()

"""Runs whose broker is harmed: every row of the ledger is what the journal and the broker say, message by message."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.e2e.broken.breaking import Nodes, assert_as_expected, break_it
from tests.e2e.broken.cases import ONE_NODE, THREE_NODES, Case
from tests.e2e.broken.silences import assert_outages
from tests.e2e.broken.tap import Capture, has_tshark
from tests.e2e.broken.wire_frames import assert_wire, read_wire
from tests.e2e.processes import LOADTEST, Processes

pytestmark = [pytest.mark.e2e]


def started(folder: Path, count: int) -> Iterator[tuple[Processes, Nodes]]:
    """Yield nodes that stay over the tests of a module, and who starts processes: what they start lives as long."""
    starter = Processes(folder)
    nodes = Nodes("", folder / "state")
    environ = {"LOADTEST_STATE_DIR": str(nodes.state)}
    broker = starter.run([*LOADTEST, "broker", "start", "--name", "broken", "--nodes", str(count)], **environ)
    assert broker.exit_code == 0, broker.printed
    nodes.urls = broker.stdout.strip()
    yield starter, nodes
    starter.run([*LOADTEST, "broker", "stop", "--name", "broken"], **environ)
    starter.end()


@pytest.fixture(scope="module")
def one_node(rabbitmq_server: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Processes, Nodes]]:
    """A node."""
    yield from started(tmp_path_factory.mktemp("one"), 1)


@pytest.fixture(scope="module")
def three_nodes(rabbitmq_server: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Processes, Nodes]]:
    """A cluster of three."""
    yield from started(tmp_path_factory.mktemp("three"), 3)


def table(cases: dict[str, Case]) -> pytest.MarkDecorator:
    """Return the cases as parameters, the long ones marked."""
    return pytest.mark.parametrize(
        "case",
        [pytest.param(case, id=name, marks=[pytest.mark.long] * case.long) for name, case in cases.items()],
    )


def assert_case(case: Case, broker: tuple[Processes, Nodes], request: pytest.FixtureRequest) -> None:
    """Run a case and hold its books against the journal, the broker, and the frames where tshark reads them."""
    starter, nodes = broker
    processes = starter.in_folder(re.sub(r"\W+", "-", request.node.name))
    ports = [urlsplit(url).port or 0 for url in nodes.urls.split(",")]
    capture = Capture(processes.folder, ports) if has_tshark() else None
    with capture or contextlib.nullcontext():
        run, truth = break_it(case, nodes, processes)

    truth.assert_all(run.result)
    assert_as_expected(case, run)
    assert_outages(run.results_folder / "windows.jsonl", run.result)
    if case.faults.count("kill-node") and "node" not in case.faults.replace("kill-node", ""):
        # All there were: a user without a connection is none that is connected.
        assert min(point["gauges"].get("users", 1) for point in run.result["timeline"]) == 0
    if capture is not None:
        journal = run.results_folder / "windows.jsonl"
        assert_wire(read_wire(capture.streams()), run.result, journal, is_direct="network" not in case.faults)


@pytest.mark.xdist_group("broken-one")
@table(ONE_NODE)
def test_on_one_node(case: Case, one_node: tuple[Processes, Nodes], request: pytest.FixtureRequest) -> None:
    """A node of its own, harmed."""
    assert_case(case, one_node, request)


@pytest.mark.xdist_group("broken-three")
@table(THREE_NODES)
def test_on_three_nodes(case: Case, three_nodes: tuple[Processes, Nodes], request: pytest.FixtureRequest) -> None:
    """A cluster of its own, of which a node or all are harmed."""
    assert_case(case, three_nodes, request)

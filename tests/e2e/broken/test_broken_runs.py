"""Runs whose broker is harmed: every row of the ledger is what the journal and the broker say, message by message."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.broken.breaking import Nodes, assert_as_expected, break_it
from tests.e2e.broken.cases import ONE_NODE, THREE_NODES, Case
from tests.e2e.broken.gaps import Timing, assert_outages_on_wire
from tests.e2e.broken.silences import assert_outages
from tests.e2e.broken.tap import Capture, has_tshark
from tests.e2e.broken.wire_frames import Wire, assert_wire, read_wire
from tests.e2e.processes import LOADTEST, Finished, Processes

pytestmark = [pytest.mark.e2e]

KILLED = re.compile(r"kill-node (?P<nodes>.+) \(it took (?P<took_s>[\d.]+) s\)$")
USERS = 4
MOMENT_S = 0.05
"""A user that lost its connection tries again after that at the earliest."""


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
    capture = Capture(processes.folder, [*nodes.ports.values()]) if has_tshark() else None
    with capture or contextlib.nullcontext():
        run, truth = break_it(case, nodes, processes)

    truth.assert_all(run.result)
    assert_as_expected(case, run)
    assert_outages(run.results_folder / "windows.jsonl", run.result)
    wire = read_wire(capture.streams()) if capture is not None else None
    if wire is not None:
        assert_wire(wire, run.result)
        if "network" not in case.faults:
            assert_outages_on_wire(wire, run.result, run.results_folder / "windows.jsonl")
    assert_users_are_missed(wire, run, nodes)


def assert_users_are_missed(wire: Wire | None, run: Finished, nodes: Nodes) -> None:
    """Fail unless the gauge `users` falls by those who were on a node when it was killed, and rises again."""
    zero_s = Timing.of(run.results_folder / "windows.jsonl").zero_s
    gauges = [
        (point["t_s"], point["gauges"]["users"]) for point in run.result["timeline"] if "users" in point["gauges"]
    ]
    for event in run.result["events"]:
        killed = KILLED.match(event["text"])
        if event["code"] != "fault" or killed is None:
            continue
        at_s = event["t_s"] - float(killed["took_s"]) - MOMENT_S
        fell_s, fewest = min(
            (each for each in gauges if at_s - 1 <= each[0] <= at_s + 2), key=lambda each: (each[1], each[0])
        )
        ports = {port for name, port in nodes.ports.items() if re.search(rf"\b{name}\b", killed["nodes"])}
        if len(ports) == len(nodes.ports):
            assert fewest == 0, (event, gauges)
        elif wire is not None:
            assert fewest == USERS - len(wire.users_on(ports, zero_s + at_s)), (event, gauges, wire.connected)
        assert fewest == USERS or max(count for t_s, count in gauges if t_s > fell_s) > fewest, (event, gauges)


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

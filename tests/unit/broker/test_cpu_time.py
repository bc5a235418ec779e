"""`CpuTime`: cores in use, from a /proc of the test's own and from the machine's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from loadtest.broker.endpoint import Endpoint
from loadtest.broker.monitor import cpu_time
from loadtest.broker.monitor.cpu_time import CpuTime, is_here
from loadtest.clock import NS_PER_S

TICKS = os.sysconf("SC_CLK_TCK")
PORT = 5672


class FakeMachine:
    """A /proc with a node in it, and the clock."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.now_ns = 10 * NS_PER_S
        monkeypatch.setattr(cpu_time, "monotonic_ns", lambda: self.now_ns)
        monkeypatch.setattr(cpu_time, "listening_addresses", lambda pid: [("127.0.0.1", PORT)] if pid == 7 else [])
        self.machine(0, 0)

    def machine(self, used_s: float, idle_s: float) -> None:
        """Say how long all cores were at work and idle so far."""
        user = int(used_s * TICKS)
        (self.folder / "stat").write_text(f"cpu  {user} 0 0 {int(idle_s * TICKS)} 50 0 0 9 0 0\ncpu0 1 2 3\n")

    def process(self, pid: int, used_s: float, command: str = "beam.smp", start: int = 99) -> None:
        """Say how long a process was at work so far."""
        folder = self.folder / str(pid)
        folder.mkdir(exist_ok=True)
        (folder / "comm").write_text(f"{command}\n")
        half = int(used_s * TICKS / 2)
        fields = ["S", *["0"] * 10, str(half), str(half), *["0"] * 6, str(start), "0"]
        (folder / "stat").write_text(f"{pid} ({command}) {' '.join(fields)}\n")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeMachine:
    """A machine on which nothing has happened yet."""
    return FakeMachine(tmp_path, monkeypatch)


def test_cores_since_the_last_reading(machine: FakeMachine) -> None:
    """A node that worked 0.5 s in a second used half a core; idle, waiting and stolen time is no use."""
    machine.process(7, 1.0)
    reader = CpuTime([Endpoint("127.0.0.1", PORT)], machine.folder)
    machine.now_ns += NS_PER_S
    machine.process(7, 1.5)
    machine.machine(1.25, 0.75)

    assert reader.read() == {"machine.cpu": pytest.approx(1.25), "broker.cpu": pytest.approx(0.5)}


def test_a_node_that_comes_back_is_a_gap(machine: FakeMachine) -> None:
    """While the node is gone, and in the second in which another process takes its place, there is no CPU of it."""
    machine.process(7, 1.0)
    reader = CpuTime([Endpoint("localhost", PORT)], machine.folder)
    seen = []
    for used_s, start in ((1.5, 99), (None, 0), (0.2, 100), (0.6, 100)):
        machine.now_ns += NS_PER_S
        if used_s is None:
            (machine.folder / "7" / "stat").unlink()
            (machine.folder / "7" / "comm").write_text("other\n")
        else:
            machine.process(7, used_s, start=start)
        seen.append(reader.read().get("broker.cpu"))

    assert seen == [pytest.approx(0.5), None, None, pytest.approx(0.4)]


def test_what_is_not_a_node_is_not_the_broker(machine: FakeMachine) -> None:
    """A proxy that listens on the port, as Docker's does, says nothing of the broker's CPU."""
    machine.process(7, 1.0, command="docker-proxy")
    reader = CpuTime([Endpoint("127.0.0.1", PORT)], machine.folder)
    machine.now_ns += NS_PER_S
    machine.process(7, 1.5, command="docker-proxy")

    assert "broker.cpu" not in reader.read()


def test_a_broker_elsewhere_is_unknown(machine: FakeMachine) -> None:
    """Of a broker on another machine no CPU is told, whatever runs here."""
    machine.process(7, 1.0)
    reader = CpuTime([Endpoint("192.0.2.1", PORT)], machine.folder)
    machine.now_ns += NS_PER_S
    machine.process(7, 1.5)

    assert reader.read().keys() == {"machine.cpu"}


def test_too_soon_is_nothing(machine: FakeMachine) -> None:
    """Over less than half a second ticks of 10 ms say too little, and the time is counted into the next reading."""
    machine.process(7, 1.0)
    reader = CpuTime([Endpoint("127.0.0.1", PORT)], machine.folder)
    machine.now_ns += NS_PER_S // 10
    machine.process(7, 1.1)
    early = reader.read()
    machine.now_ns += NS_PER_S * 9 // 10
    machine.process(7, 1.2)

    assert early == {}
    assert reader.read()["broker.cpu"] == pytest.approx(0.2)


def test_no_proc_no_gauges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no /proc nothing is told, and nothing fails."""
    monkeypatch.setattr(cpu_time, "SHORTEST_NS", 0)
    reader = CpuTime([Endpoint("127.0.0.1", PORT)], tmp_path / "none")

    assert reader.read() == {}


@pytest.mark.parametrize(
    "host, here", [("127.0.0.1", True), ("127.1.2.3", True), ("::1", True), ("localhost", True), ("rabbit", False)]
)
def test_is_here(host: str, here: bool) -> None:
    """Only loopback addresses are this machine for sure."""
    assert is_here(host) is here

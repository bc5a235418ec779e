"""
Each signal, once or twice, in each phase of a run, through each door and in one process or two.

Whatever the moment: exit code 130, nothing on the user's broker, no process, no traceback; and once the run was
prepared, its results.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from loadtest.broker.endpoint import Endpoint
from loadtest.broker.monitor.management import ManagementApi
from tests.e2e.processes import LOADTEST, Door, Processes, Running, journal, run_command, wait_until

pytestmark = pytest.mark.e2e

SIGNALS: Final = {"int": signal.SIGINT, "term": signal.SIGTERM, "hup": signal.SIGHUP}
PROMPT_S: Final = 25.0
BETWEEN_S: Final = 0.4
# Users connect slowly, so that there is a phase for it; consumers take so long that something is always in flight.
SCENARIO: Final = """\
name: signalled
topology: {queues: {signalled: {durable: true}}}
publishers: {in: {routing_key: signalled, rate: 200/s}}
consumers: {out: {queue: signalled, users: 2, prefetch: 20, processing_time: 100ms}}
run: {warm_up: 1s, duration: 60s, drain: 30s}
"""
SLOW_TO_CONNECT: Final = ("run.connect_rate=2/s", "publishers.in.users=30")
SHORT: Final = ("run.warm_up=0s", "run.duration=1s")
# So many users that their results take some tenths of a second to write.
LONG_TO_WRITE: Final = ("publishers.in.users=200",)
AT_ONCE: Final = (*SHORT, "consumers.out.processing_time=0s", "run.drain=1s")


def records_of(running: Running) -> list[dict[str, object]]:
    """Return what its journal holds so far."""
    assert running.process.poll() is None, f"ended early:\n{running.stdout}\n{running.stderr}"
    return [record for path in running.folder.glob("results/*/windows.jsonl") for record in journal(path)]


def in_phase(running: Running, phase: str) -> bool:
    """Return whether the run has come to *phase*, and seen a window in it."""
    records = records_of(running)
    begun = any(record["type"] == "phase" and record["phase"] == phase for record in records)
    return begun and (phase == "drain" or any(r["type"] == "window" and r["phase"] == phase for r in records))


# What to set, and when to send.
PHASES: Final[dict[str, tuple[tuple[str, ...], Callable[[Running], bool]]]] = {
    "prepared": ((), lambda running: any(running.folder.glob("results/*/windows.jsonl"))),
    "connecting": (SLOW_TO_CONNECT, lambda running: bool(records_of(running))),
    "warm-up": (("run.warm_up=30s",), lambda running: in_phase(running, "warm_up")),
    "measured": (("run.warm_up=0s",), lambda running: in_phase(running, "measured")),
    "drain": (SHORT, lambda running: in_phase(running, "drain")),
}


def send(running: Running, number: signal.Signals, times: int) -> None:
    """Send a signal so often, unless the run has ended of the first."""
    for place in range(times):
        if place:
            time.sleep(BETWEEN_S)
        if running.process.poll() is None:
            running.send(number)


def check(
    phase: str, name: str, times: int, door: Door, count: int, processes: Processes, url: str, api: ManagementApi
) -> None:
    """Send a signal in a phase, and see what comes of the run."""
    (processes.folder / "signalled.yaml").write_text(SCENARIO)
    sets, is_there = PHASES[phase]
    several = ["--processes", str(count)] if count > 1 else []
    running = processes.start(run_command(door, "signalled.yaml", *several, sets=sets), LOADTEST_BROKER=url)
    wait_until(lambda: is_there(running), 60, phase)
    send(running, SIGNALS[name], times)
    run = running.wait(PROMPT_S)
    vhost = Endpoint.parse(url).vhost

    assert run.exit_code == 130, run.printed
    assert "Traceback" not in run.printed
    wait_until(lambda: processes.running() == [], 5, "the end of its processes")
    assert [queue["name"] for queue in api._list("queues", vhost)] == []
    assert run.result["interrupted"] is True, run.printed
    assert run.result["verdict"]["exit_code"] == 130
    assert (run.results_folder / "report.html").exists()
    assert "INCONCLUSIVE (exit code 130)" in run.stdout
    if phase in {"measured", "drain"} and count == 1 and times == 1:
        assert run.result["ledger"]["balanced"] is True


# A row of each phase, and of each of the others: what failed before.
FEW: Final = [
    ("prepared", "int", 1, "locust", 2),
    ("prepared", "hup", 2, "loadtest", 1),
    ("connecting", "hup", 1, "locust", 1),
    ("measured", "int", 2, "locust", 2),
    ("measured", "hup", 1, "loadtest", 2),
    ("measured", "hup", 2, "loadtest", 1),
    ("drain", "term", 2, "locust", 1),
]
WAYS: Final[list[tuple[Door, int]]] = [("locust", 1), ("locust", 2), ("loadtest", 1), ("loadtest", 2)]
# Each signal in each phase of each way of running; once or twice in turn, so that any two of the three meet both.
ALL: Final = [
    row
    for p, phase in enumerate(PHASES)
    for s, name in enumerate(SIGNALS)
    for w, (door, count) in enumerate(WAYS)
    if (row := (phase, name, 1 + (p + s + w) % 2, door, count)) not in FEW
]


@pytest.mark.parametrize("phase, name, times, door, count", FEW)
def test_a_signal(
    phase: str, name: str, times: int, door: Door, count: int,
    processes: Processes, vhost_url: str, management: ManagementApi,
) -> None:  # fmt: skip
    """It ends the run with its results, and leaves nothing behind."""
    check(phase, name, times, door, count, processes, vhost_url, management)


@pytest.mark.long
@pytest.mark.parametrize("phase, name, times, door, count", ALL)
def test_any_signal(
    phase: str, name: str, times: int, door: Door, count: int,
    processes: Processes, vhost_url: str, management: ManagementApi,
) -> None:  # fmt: skip
    """So do all of them, at any time."""
    check(phase, name, times, door, count, processes, vhost_url, management)


def is_writing(running: Running) -> bool:
    """Return whether the journal of a run has ended, and its result is not there yet."""
    ended = any(
        record["type"] == "end" for path in running.folder.glob("results/*/windows.jsonl") for record in journal(path)
    )
    return ended and not any(running.folder.glob("results/*/result.json"))


@pytest.mark.long
@pytest.mark.parametrize("door, count", WAYS)
@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_while_results_are_written(
    name: str, door: Door, count: int, processes: Processes, vhost_url: str, management: ManagementApi
) -> None:
    """The verdict stands: the exit code is its own, every file is whole, and nothing is left behind."""
    (processes.folder / "signalled.yaml").write_text(SCENARIO)
    several = ["--processes", str(count)] if count > 1 else []
    command = run_command(door, "signalled.yaml", *several, sets=(*AT_ONCE, *LONG_TO_WRITE))
    running = processes.start(command, LOADTEST_BROKER=vhost_url)
    wait_until(lambda: is_writing(running), 60, "the writing", poll_s=0.002)
    running.send(SIGNALS[name])
    was_writing = not any(running.folder.glob("results/*/result.json"))
    run = running.wait(PROMPT_S)

    assert was_writing, "the signal came too late to say anything"
    assert run.exit_code == 0, run.printed
    wait_until(lambda: processes.running() == [], 5, "the end of its processes")
    assert [queue["name"] for queue in management._list("queues", Endpoint.parse(vhost_url).vhost)] == []
    assert run.result["interrupted"] is False
    assert run.result["complete"] is True
    assert run.result["ledger"]["balanced"] is True
    assert "PASS (exit code 0)" in run.stdout
    written = {path.name: path.read_bytes() for path in run.results_folder.iterdir() if path.is_file()}
    assert [name for name in written if name.endswith(".part")] == []
    again = processes.run([*LOADTEST, "report", str(run.results_folder)])
    assert again.exit_code == 0, again.printed
    assert {name: (run.results_folder / name).read_bytes() for name in written} == written


def test_nohup_outlives_its_terminal(processes: Processes, vhost_url: str) -> None:
    """SIGHUP that was ignored at the start stays ignored: the run comes to its end."""
    (processes.folder / "signalled.yaml").write_text(SCENARIO)
    command = ["nohup", *run_command("loadtest", "signalled.yaml", "--processes", "2", sets=AT_ONCE)]
    running = processes.start(command, LOADTEST_BROKER=vhost_url)
    wait_until(lambda: any(running.folder.glob("results/*/windows.jsonl")), 60, "the run")
    running.send(signal.SIGHUP)
    run = running.wait()

    assert run.exit_code == 0, run.printed
    assert run.result["complete"] is True


@pytest.mark.parametrize("command", ["compare", "capacity", "sweep"])
def test_hang_up_of_many_runs(
    command: str, processes: Processes, vhost_url: str, vhost_endpoint: Endpoint, management: ManagementApi
) -> None:
    """The run under way ends in order, what was done can be gone on with, and nothing stays on the broker."""
    (processes.folder / "signalled.yaml").write_text(SCENARIO)
    more = {
        "compare": ["--vary", "publishers.in.rate=100/s,200/s"],
        "capacity": ["--slo", "lost == 0"],
        "sweep": ["--vary", "publishers.in.rate=100/s,200/s"],
    }
    running = processes.start([*LOADTEST, command, "signalled.yaml", *more[command]], LOADTEST_BROKER=vhost_url)
    wait_until(lambda: any(record_of(path) for path in running.folder.rglob("windows.jsonl")), 60, "a run")
    running.send(signal.SIGHUP)
    run = running.wait(PROMPT_S)

    assert run.exit_code == 130, run.printed
    wait_until(lambda: processes.running() == [], 5, "the end of its processes")
    assert management._list("queues", vhost_endpoint.vhost) == []


def record_of(path: Path) -> bool:
    """Return whether a journal holds a window."""
    return any(record["type"] == "window" for record in (json.loads(line) for line in whole_lines(path)))


def whole_lines(path: Path) -> list[str]:
    """Return the lines that are written to their end."""
    return [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]

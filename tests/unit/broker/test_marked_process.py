"""`marked_process`: processes found and killed by a marker in their environment; with real, short-lived processes."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtest.broker.processes.marked_process import find_marked, kill_marked

NAME = "LOADTEST_UNIT_TEST_MARKER"
SLEEP = ["sleep", "60"]


@pytest.fixture
def value() -> Iterator[str]:
    """A marker's value that no other test has; whatever carries it is ended after the test."""
    value = secrets.token_hex(8)
    yield value
    kill_marked(NAME, value)


def start(value: str, command: list[str] | None = None) -> subprocess.Popen[bytes]:
    """Return a process that carries the marker."""
    process = subprocess.Popen(command or SLEEP, env=os.environ | {NAME: value})
    # Popen waits for the exec, but the kernel shows the new environment a moment after it closes the old descriptors.
    while not Path(f"/proc/{process.pid}/environ").read_bytes():
        os.sched_yield()
    return process


def test_finds_only_what_carries_the_marker(value: str) -> None:
    """A process is found by the exact name and value, not by a longer or shorter one."""
    with start(value) as marked, start(value + "0") as other:
        found = find_marked(NAME, value)
        kill_marked(NAME, value + "0")
        kill_marked(NAME, value)

    assert found == [marked.pid]
    assert marked.returncode == other.returncode == -9


def test_kills_children_too(value: str) -> None:
    """The marker is inherited: what a process started is ended with it."""
    with start(value, ["sh", "-c", "sleep 60 & echo up; wait"]) as shell:
        kill_marked(NAME, value)

    assert shell.returncode == -9
    assert find_marked(NAME, value) == []


def test_a_zombie_is_not_found(value: str) -> None:
    """A process that has ended and was not waited for is as good as gone."""
    with start(value) as process:
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

        assert find_marked(NAME, value) == []


def test_never_itself(value: str) -> None:
    """A process that runs under a marker itself does not find, and so not kill, itself."""
    module = "loadtest.broker.processes.marked_process"
    command = f"from {module} import kill_marked; print(kill_marked({NAME!r}, {value!r}))"
    environ = os.environ | {NAME: value, "PYTHONPATH": str(Path(__file__).parents[3])}
    ended = subprocess.run([sys.executable, "-c", command], env=environ, capture_output=True, text=True, check=True)

    assert ended.stdout == "[]\n"


def test_nothing_to_find(value: str) -> None:
    """Where nothing carries the marker, nothing happens."""
    assert kill_marked(NAME, value) == []

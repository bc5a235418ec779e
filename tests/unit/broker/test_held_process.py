"""`held_process`: signals that reach the process that is held, and no other; with real, short-lived processes."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from loadtest.broker.processes.held_process import HeldProcess

LONG_S = 10.0
NAME = "LOADTEST_UNIT_TEST_HELD"


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A process that does nothing, ended after the test, paused or not."""
    with subprocess.Popen(["sleep", "60"], env=os.environ | {NAME: "ours"}) as process:
        yield process
        process.kill()


def wait_until(condition: Callable[[], bool]) -> bool:
    """Return whether *condition* comes to hold in time."""
    deadline = time.monotonic() + LONG_S
    while not condition() and time.monotonic() < deadline:
        os.sched_yield()
    return condition()


def test_ends_a_child(child: subprocess.Popen[bytes]) -> None:
    """It runs until it is sent a signal that ends it, is then reaped, and further signals go nowhere."""
    held = HeldProcess.of_child(child)
    was_running = held.is_running
    held.send(signal.SIGTERM)

    assert was_running
    assert held.wait_ended(LONG_S)
    assert child.returncode == -signal.SIGTERM
    assert not held.is_running
    held.send(signal.SIGKILL)
    held.close()


def test_a_zombie_has_ended(child: subprocess.Popen[bytes]) -> None:
    """A process that has ended and was not reaped by its parent does not run."""
    held = HeldProcess(child.pid)
    child.kill()

    assert held.wait_ended(LONG_S)
    held.close()


def test_waiting_is_bounded(child: subprocess.Popen[bytes]) -> None:
    """A process that does not end is waited for no longer than was asked."""
    held = HeldProcess.of_child(child)

    assert not held.wait_ended(0.05)
    held.close()


def test_pauses_and_resumes(child: subprocess.Popen[bytes]) -> None:
    """Paused it runs, and is seen to stand still; both are safe twice; it can be killed as it stands."""
    held = HeldProcess.of_child(child)
    states = [held.is_paused]
    for _ in range(2):
        held.pause(LONG_S, outlives_us=False)
    states.append(held.is_paused)
    for _ in range(2):
        held.resume()
    wait_until(lambda: not held.is_paused)
    states.append(held.is_paused)
    held.pause(LONG_S, outlives_us=False)
    running = held.is_running
    held.send(signal.SIGKILL)

    assert states == [False, True, False]
    assert running
    assert held.wait_ended(LONG_S)
    held.close()


def test_what_outlives_us_does_not_stay_paused(child: subprocess.Popen[bytes]) -> None:
    """The helper resumes it when it is let go of, and is gone itself."""
    held = HeldProcess.of_child(child)
    held.pause(LONG_S, outlives_us=True)
    was_paused = held.is_paused
    held.close()
    again = HeldProcess(child.pid)

    assert was_paused
    assert wait_until(lambda: not again.is_paused)
    again.close()


def test_holds_only_what_is_marked(child: subprocess.Popen[bytes]) -> None:
    """A pid that belongs to somebody else by now, or to nobody, is not held."""
    wait_until(lambda: HeldProcess.of_marked(child.pid, NAME, "ours") is not None)
    held = HeldProcess.of_marked(child.pid, NAME, "ours")
    child.kill()
    child.wait()

    assert held is not None
    assert HeldProcess.of_marked(os.getpid(), NAME, "ours") is None
    assert HeldProcess.of_marked(child.pid, NAME, "ours") is None
    assert not held.is_running
    held.close()

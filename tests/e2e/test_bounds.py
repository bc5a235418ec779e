"""`-u`, `-r` and `-t`: they mean the same to both commands, and what is left out is the scenario's business."""

from __future__ import annotations

import re

import pytest

from tests.e2e.processes import Door, Json, Processes, assert_closed, run_command

pytestmark = pytest.mark.e2e

RELAXED = "thresholds=[lost == 0, returned == 0]"


def phase_s(result: Json, name: str) -> float:
    """Return how long a phase lasted, in s."""
    (phase,) = [phase for phase in result["phases"] if phase["name"] == name]
    length_s: float = phase["end_s"] - phase["start_s"]
    return length_s


def test_users_rate_and_time_bound_a_run(door: Door, processes: Processes, vhost_url: str) -> None:
    """
    `-u 8` is eight users in all, shared over the groups; `-r 5` connects five a second; `-t 2s` ends what takes 30 s.

    The load stays the scenario's: 1,000 messages a second, in two seconds.
    """
    options = ["-u", "8", "-r", "5", "-t", "2s", "--broker", vhost_url]

    run = processes.run(run_command(door, "steady-1kb", *options, sets=["run.warm_up=0s", RELAXED]))

    assert run.exit_code == 0, run.printed
    assert {"in": 4, "out": 4} == {name: group["users"] for name, group in run.result["groups"].items()}
    assert 7 / 5 <= phase_s(run.result, "connecting")
    assert 1.9 <= run.result["measured_s"] < 15.0
    assert run.result["totals"]["offered"] == 2000
    assert_closed(run.result)


@pytest.mark.parametrize("door", ["loadtest", pytest.param("locust", marks=pytest.mark.long)])
def test_time_only_shortens(door: Door, processes: Processes, vhost_url: str) -> None:
    """`-t 1m` does not stretch a scenario of a second, and without `-u` the users are the scenario's."""
    sets = ["run.warm_up=0s", "run.duration=1s", RELAXED]

    run = processes.run(run_command(door, "steady-1kb", "-t", "1m", "--broker", vhost_url, sets=sets))

    assert run.exit_code == 0, run.printed
    assert run.result["totals"]["offered"] == 1000
    assert {"in": 2, "out": 2} == {name: group["users"] for name, group in run.result["groups"].items()}


@pytest.mark.parametrize("door", ["loadtest", pytest.param("locust", marks=pytest.mark.long)])
def test_progress_without_a_terminal_is_plain_lines(door: Door, processes: Processes, vhost_url: str) -> None:
    """Where stderr is no terminal a line each five seconds tells what goes on, with nothing that moves a cursor."""
    sets = ["run.warm_up=1s", "run.duration=5s", "variables.rate=100/s", RELAXED]

    run = processes.run(run_command(door, "steady-1kb", "--broker", vhost_url, sets=sets))

    assert run.exit_code == 0, run.printed
    (line,) = run.stderr.splitlines()
    rates = r"published \d+(\.\d+)?/s · confirmed \d+(\.\d+)?/s · delivered \d+(\.\d+)?/s"
    assert re.match(rf"5 of 6 s · measured · {rates} · confirm p99 .* · end_to_end p99 ", line), line
    assert "\x1b" not in run.printed

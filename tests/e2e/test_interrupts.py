"""Ctrl-C and SIGTERM at any time: exit code 130, soon, with all that was measured, and nothing left behind."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.e2e.processes import LOADTEST, Door, Processes, assert_closed, run_command, wait_until

pytestmark = pytest.mark.e2e

SIGNALS = [pytest.param(signal.SIGINT, id="ctrl-c"), pytest.param(signal.SIGTERM, id="sigterm")]
# A run is to end within this of the signal; without anything in flight it takes a fraction of a second.
PROMPT_S = 25.0
# Between two signals: long enough that the first has been taken, short enough that the run has not ended of it.
BETWEEN_S = 0.5


@pytest.mark.parametrize("number", SIGNALS)
def test_interrupted_run_writes_its_results(
    number: signal.Signals, door: Door, processes: Processes, vhost_url: str
) -> None:
    """The ledger of the part that ran is closed, the result says that it is a part, the summary is printed."""
    running = processes.start(run_command(door, "steady-1kb", "--broker", vhost_url, sets=["run.warm_up=0s"]))
    running.wait_measured()

    sent_s = time.monotonic()
    running.send(number)
    run = running.wait(PROMPT_S)

    assert time.monotonic() - sent_s < PROMPT_S
    assert run.exit_code == 130, run.printed
    assert_closed(run.result)
    assert run.result["complete"] is False
    assert run.result["interrupted"] is True
    assert run.result["verdict"]["exit_code"] == 130
    totals = run.result["totals"]
    assert 1000 <= totals["published"] == totals["confirmed"] == totals["delivered"] < 30_000
    assert "INCONCLUSIVE (exit code 130): the run was interrupted" in run.stdout
    assert run.stderr == ""


@pytest.mark.parametrize("number", SIGNALS)
def test_second_signal_ends_the_process(
    number: signal.Signals, door: Door, processes: Processes, vhost_url: str
) -> None:
    """
    A run that is still taking what is in flight ends at once when it is asked again; its journal makes a report.

    Its consumers take a second for each message, so that there is always something in flight.
    """
    sets = ["run.warm_up=0s", "consumers.out.processing_time=1s"]
    running = processes.start(run_command(door, "steady-1kb", "--broker", vhost_url, sets=sets))
    running.wait_measured()

    running.send(number)
    time.sleep(BETWEEN_S)
    assert running.process.poll() is None, f"it has ended of the first signal:\n{running.stdout}\n{running.stderr}"
    running.send(number)
    run = running.wait(PROMPT_S)

    assert run.exit_code == 130, run.printed
    report = processes.run([*LOADTEST, "report", str(run.results_folder)])
    assert report.exit_code in {4, 130}
    assert run.result["complete"] is False
    assert run.result["totals"]["published"] >= 1000


@pytest.mark.parametrize("number", SIGNALS)
def test_interrupted_preparation_leaves_nothing(
    number: signal.Signals, door: Door, processes: Processes, rabbitmq_server: Path, tmp_path: Path
) -> None:
    """While a private node comes up there is nothing to report; the half-started node goes, with its folder."""
    running = processes.start(run_command(door, "flood-1000-direct"), LOADTEST_STATE_DIR=str(tmp_path / "state"))
    wait_until(lambda: any((tmp_path / "state" / "nodes").glob("run-*/log/*")), 20.0, "a node on its way up")

    running.send(number)
    run = running.wait(PROMPT_S)

    assert run.exit_code == 130, run.printed
    assert [] == [path.name for path in (tmp_path / "state" / "nodes").glob("run-*")]
    assert processes.running() == []
    assert len(run.stderr.splitlines()) == 1

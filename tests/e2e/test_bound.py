"""Whose limit a rate is, judged on real runs; and the calibration that it leans on."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from loadtest.calibration.measure import null_broker
from loadtest.result.run.bottleneck import BUSY_MACHINE
from tests.e2e.processes import LOADTEST, Finished, Json, Processes, run_command

pytestmark = [pytest.mark.e2e, pytest.mark.alone]

# A program that takes the processor for a moment leaves a run between two limits.
TRIES = 3
# More than the kernel and this test take: other programs are at work.
OTHERS_CORES = 0.3
SETS = ["run.duration=3s", "run.warm_up=1s", "thresholds=[]"]
CONSUMING = """
name: consuming
topology: {queues: {null: {}}}
publishers: {in: {routing_key: "null", body: {size: 12B}, confirm_window: 0, rate: 10/s, mandatory: false, stamp: none}}
consumers: {out: {queue: "null", ack: auto, client: blocking}}
run: {duration: 3s, warm_up: 1s, drain: 1s}
"""


def test_at_saturation_the_broker_is_the_limit(processes: Processes, vhost_url: str) -> None:
    """One publisher and one consumer, as fast as they go: the broker takes the machine, and the summary says so."""
    run = processes.run(run_command("locust", "saturate-12b", "--broker", vhost_url, sets=SETS))

    bound = run.result["verdict"]["bound"]
    assert bound["broker_cores"] > bound["generator_cores"]
    assert is_right(run.result, "broker"), run.printed
    if bound["by"] == "broker":
        assert "Bottleneck the broker: " in run.stdout
        assert "broker-bound" in [finding["code"] for finding in run.result["verdict"]["findings"]]


def test_on_schedule_nobody_is_the_limit(processes: Processes, vhost_url: str) -> None:
    """A thousand a second is what was asked, and all that was done."""
    run = processes.run(run_command("loadtest", "steady-1kb", "--broker", vhost_url, sets=SETS))

    by = run.result["verdict"]["bound"]["by"]
    assert is_right(run.result, "schedule"), run.printed
    assert ("Bottleneck none: " in run.stdout) == (by == "schedule")


def test_against_a_broker_that_costs_nothing_the_generator_is_the_limit(processes: Processes, tmp_path: Path) -> None:
    """
    A process that takes all it can get has no time left, and nobody is accused of what the null broker makes up.

    Its deliveries are copies of one message, which carries no stamp, so they are foreign to the run's ledger. A
    blocking client takes them one by one, in Python, which is less than the null broker can send.
    """
    scenario = tmp_path / "consuming.yaml"
    scenario.write_text(CONSUMING)
    with null_broker(tmp_path) as (url, _):
        runs: list[Finished] = []
        while len(runs) < TRIES and not (runs and is_right(runs[-1].result, "generator")):
            folder = processes.in_folder(f"try-{len(runs)}")
            runs.append(folder.run(run_command("loadtest", scenario, "--broker", url)))

    run, result = runs[-1], runs[-1].result
    assert is_right(result, "generator"), run.printed
    if result["verdict"]["bound"]["by"] == "generator":
        # Which of the two depends on whether the null broker leaves a core.
        advice = r"more processes \(--processes \d+: \d+ of \d+ |Add workers on another host"
        assert re.search(advice, " ".join(run.stdout.split())), run.printed
    assert result["totals"]["foreign"] == result["totals"]["delivered"] > 0
    assert result["ledger"]["imbalances"] == []


def is_right(result: Json, right: str) -> bool:
    """
    Return whether *right* is named the limit.

    Where other programs took their part, it is the machine if that was full, and not known if it was not quite.
    """
    bound, cores = result["verdict"]["bound"], result["generator"]["cores"]
    others = bound["machine_cores"] - bound["generator_cores"] - (bound["broker_cores"] or 0.0)
    is_full = bound["machine_cores"] >= BUSY_MACHINE * cores
    by: str = bound["by"]
    return by == right or (others > OTHERS_CORES and by == ("machine" if is_full else "unknown"))


@pytest.mark.long  # a calibration takes as long as it takes
def test_calibration_is_measured_kept_and_carried_by_runs(processes: Processes, vhost_url: str, tmp_path: Path) -> None:
    """What it prints is what runs of this machine then carry, and judge by."""
    cache = {"XDG_CACHE_HOME": str(tmp_path)}
    calibrated = processes.run([*LOADTEST, "calibrate", "--json", "-"], **cache)
    run = processes.run(run_command("loadtest", "saturate-12b", "--broker", vhost_url, sets=SETS), **cache)

    assert calibrated.exit_code == 0, calibrated.printed
    works = json.loads(calibrated.stdout)["works"]
    assert set(works) == {"publish", "confirm", "consume", "consume_acks"}
    assert all(work["messages_per_s"] > 0 and work["cpu_us_per_message"] > 0 for work in works.values())
    assert run.result["generator"]["calibration"]["works"] == works
    assert 0 < run.result["verdict"]["bound"]["share_of_calibrated"] < 1

"""Whose limit a rate is, judged on real runs; and the calibration that it leans on."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from loadtest.calibration.measure import null_broker
from tests.e2e.processes import LOADTEST, Processes, run_command

pytestmark = [pytest.mark.e2e, pytest.mark.alone]

SETS = ["run.duration=3s", "run.warm_up=1s", "thresholds=[]"]
CONSUMING = """
name: consuming
topology: {queues: {null: {}}}
publishers: {in: {routing_key: "null", body: {size: 12B}, confirm_window: 0, rate: 10/s, mandatory: false}}
consumers: {out: {queue: "null", ack: auto}}
run: {duration: 3s, warm_up: 1s, drain: 1s}
"""


def test_at_saturation_the_broker_is_the_limit(processes: Processes, vhost_url: str) -> None:
    """One publisher and one consumer, as fast as they go: the broker takes the machine, and the summary says so."""
    run = processes.run(run_command("locust", "saturate-12b", "--broker", vhost_url, sets=SETS))

    bound = run.result["verdict"]["bound"]
    assert bound["by"] == "broker", run.printed
    assert bound["broker_cores"] > bound["generator_cores"]
    assert "Limit     the broker: " in run.stdout
    assert "broker-bound" in [finding["code"] for finding in run.result["verdict"]["findings"]]


def test_on_schedule_nobody_is_the_limit(processes: Processes, vhost_url: str) -> None:
    """A thousand a second is what was asked, and all that was done."""
    run = processes.run(run_command("loadtest", "steady-1kb", "--broker", vhost_url, sets=SETS))

    assert run.result["verdict"]["bound"]["by"] == "schedule", run.printed
    assert "Limit     none: " in run.stdout


def test_against_a_broker_that_costs_nothing_the_generator_is_the_limit(processes: Processes, tmp_path: Path) -> None:
    """A process that takes all it can get has no time left."""
    scenario = tmp_path / "consuming.yaml"
    scenario.write_text(CONSUMING)
    with null_broker(tmp_path) as (url, _):
        run = processes.run(run_command("loadtest", scenario, "--broker", url))

    bound = run.result["verdict"]["bound"]
    assert bound["by"] == "generator", run.printed
    assert bound["generator_cores"] >= 0.95
    # Which of the two depends on whether the null broker leaves a core.
    advice = r"more processes \(--processes \d+: \d+ of \d+ |Add workers on another host"
    assert re.search(advice, " ".join(run.stdout.split())), run.printed


@pytest.mark.long  # a calibration takes as long as it takes
def test_calibration_is_measured_kept_and_carried_by_runs(processes: Processes, vhost_url: str, tmp_path: Path) -> None:
    """What it prints is what runs of this machine then carry, and judge by."""
    cache = {"XDG_CACHE_HOME": str(tmp_path)}
    calibrated = processes.run([*LOADTEST, "calibrate", "--json", "-"], **cache)
    run = processes.run(run_command("loadtest", "saturate-12b", "--broker", vhost_url, sets=SETS), **cache)

    assert calibrated.exit_code == 0, calibrated.printed
    works = json.loads(calibrated.stdout)["works"]
    assert set(works) == {"publish", "confirm", "consume", "consume_acks"}
    assert all(work["messages_per_s"] > 10_000 and work["cpu_us_per_message"] > 0 for work in works.values())
    assert run.result["generator"]["calibration"]["works"] == works
    assert 0 < run.result["verdict"]["bound"]["share_of_calibrated"] < 1

"""The broker's own state in the results of whole runs."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.e2e.processes import LOADTEST, Door, Processes, assert_closed, run_command

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("rabbitmq_server")]

# Two seconds in which nobody takes anything, then a consumer that is faster than the publisher.
BACKLOG = """
name: backlog
topology: {queues: {backlog: {durable: true}}}
publishers: {in: {routing_key: backlog, body: {size: 100B}, rate: 1000/s}}
consumers: {out: {queue: backlog, ack: auto, start_at: 3s}}
run: {duration: 7s}
"""


@pytest.mark.long
@pytest.mark.parametrize("door", ["loadtest", pytest.param("locust", marks=pytest.mark.long)])
def test_depth_goes_up_and_down(door: Door, processes: Processes, tmp_path: Path) -> None:
    """A backlog shows on the timeline as it grows by the rate and goes; report and table have it, too."""
    (processes.folder / "backlog.yaml").write_text(BACKLOG)

    run = processes.run(run_command(door, "backlog.yaml"), LOADTEST_STATE_DIR=str(tmp_path / "state"))

    assert run.exit_code == 0, run.printed
    result = run.result
    assert_closed(result)
    depths = [point["gauges"]["queue.depth"] for point in result["timeline"] if "queue.depth" in point["gauges"]]
    peak = max(depths)
    assert 1_500 < peak <= 3_300
    assert depths[0] < peak > depths[-1]
    assert depths[-1] < 100
    cpu = [point["gauges"].get("broker.cpu") for point in result["timeline"]]
    assert max(cores for cores in cpu if cores is not None) > 0
    assert [event for event in result["events"] if event["code"] == "broker-unsampled"] == []
    assert f"Broker    peak queue depth {int(peak):,}" in run.stdout
    with (run.results_folder / "windows.csv").open() as table:
        column = [row["queue.depth_messages/backlog"] for row in csv.DictReader(table)]
    assert float(max(column, key=lambda text: float(text or 0))) == peak


@pytest.mark.long
def test_report_of_a_journal_without_broker_records(processes: Processes, tmp_path: Path) -> None:
    """A journal of before the broker was sampled gives the same result, less its gauges."""
    (processes.folder / "backlog.yaml").write_text(BACKLOG.replace("7s", "1s").replace("3s", "0s"))
    run = processes.run(run_command("loadtest", "backlog.yaml"), LOADTEST_STATE_DIR=str(tmp_path / "state"))
    path = run.results_folder / "windows.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith('{"type":"broker"')]
    assert len(kept) < len(lines)
    path.write_text("".join(kept))

    report = processes.run([*LOADTEST, "report", str(run.results_folder.relative_to(run.folder))])

    assert report.exit_code == 0, report.printed
    assert "Broker" not in [line.partition(" ")[0] for line in report.stdout.splitlines()]
    assert not any("broker.cpu" in point["gauges"] for point in run.result["timeline"])

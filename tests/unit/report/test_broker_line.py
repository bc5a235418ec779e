"""The broker's own state, from its records to the summary and the table."""

from __future__ import annotations

import csv
import io

import pytest

from loadtest.clock import NS_PER_S
from loadtest.errors import ResultsError
from loadtest.measure.collector import Collector
from loadtest.report.run.terminal import render
from loadtest.report.run.windows_csv import windows_csv
from loadtest.result.run.build import build_result
from tests.unit.result.staged_run import START_NS, StagedRun, orders


def sampled() -> StagedRun:
    """Return a run of which the broker told most: warm-up, then measured; a second is missing, another has an alarm."""
    run = orders()
    end = run.records.pop()
    for second, cpu, depth in ((0, 0.9, 4.0), (1, 0.2, 1500.0), (3, 0.4, 0.0)):
        run.broker(second * NS_PER_S + 1, {"broker.cpu": cpu, "queue.depth": depth, "queue.depth/my.cpu": depth})
        run.broker(second * NS_PER_S + 2, {"broker.memory_bytes": 150e6 + second, "broker.memory_alarm": second // 3})
    run.records.append(end)
    return run


def broker_line(run: StagedRun) -> list[str]:
    """Return what the summary says of the broker."""
    lines = render(build_result(run.collector()), width=120).plain.split("\n")
    return [line for line in lines if line.startswith("Broker")]


def test_gauges_are_those_of_their_second() -> None:
    """Each second of the result has what was told in it, beside the worker's gauges; a second without has none."""
    timeline = build_result(sampled().collector()).timeline

    assert [point.gauges.get("queue.depth") for point in timeline] == [4.0, 1500.0, None, 0.0]
    assert [point.gauges["cpu"] for point in timeline] == [0.25] * 4


def test_summary_has_a_line_of_the_broker() -> None:
    """Peaks are of the whole run, the mean CPU of the measured part; an alarm is told with how long it was."""
    expected = "Broker    peak queue depth 1,500 · peak memory 150 MB · mean CPU 0.3 cores · memory alarm in 1 second"

    assert broker_line(sampled()) == [expected]


def test_summary_without_samples_has_none() -> None:
    """A journal of before, or a broker that tells nothing, has no line of the broker."""
    assert broker_line(orders()) == []


def test_table_has_the_gauges_with_their_units() -> None:
    """The unit stands before the queue's name, whatever that looks like."""
    rows = list(csv.DictReader(io.StringIO(windows_csv(build_result(sampled().collector())))))
    second = next(row for row in rows if row["t_s"] == "1" and not row["group"])

    assert second["broker.cpu_cores"] == "0.2"
    assert second["queue.depth_messages"] == second["queue.depth_messages/my.cpu"] == "1500.0"
    assert second["broker.memory_alarm_nodes"] == "0.0"


def test_malformed_records_are_told() -> None:
    """A record of the broker without numbers is an error that names its type."""
    collector = Collector()
    collector.take(orders().records[0])

    with pytest.raises(ResultsError, match="'broker' is malformed"):
        collector.take({"type": "broker", "at_ns": START_NS, "gauges": {"broker.cpu": "much"}})

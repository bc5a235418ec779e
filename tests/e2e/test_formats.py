"""What a real run leaves for other programs: a journal as its schema says, histograms and a table that add up."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from loadtest.measure import Histogram
from loadtest.measure.record_models import RECORD
from tests.e2e.processes import Finished, Processes, run_command

pytestmark = pytest.mark.e2e

# Every kind of group, a warm-up, something published at a rate and as fast as it goes, messages that nobody takes.
SCENARIO = """
name: formats
topology:
  exchanges: {hub: {type: topic}}
  queues: {"mine-%d": {count: 2}, later: {}}
  bindings:
    - {exchange: hub, queue: "mine-%d", routing_key: "to.%d"}
    - {exchange: hub, queue: later, routing_key: later}
publishers:
  paced: {users: 2, exchange: hub, routing_key: "to.%d", body: {text: hello}, rate: 400/s, messages: 800}
  closed: {users: 2, start_at: 600ms, exchange: hub, routing_key: later, body: {size: 100B}, messages: 600}
consumers:
  out: {users: 2, queue: "mine-%d", ack: every 7, prefetch: 20}
getters:
  some: {users: 1, queue: later, after: closed, messages: 200, ack: auto}
run: {warm_up: 500ms, drain: 500ms}
thresholds: [lost == 0]
"""
HIGHEST_NS = 3_600_000_000_000
# Of docs/results.md: what figures are in, at the end of the column's name or before the name of a queue.
UNITS = ("_s", "_ns", "_per_s", "_bytes", "_cores", "_messages", "_connected", "_connections", "_nodes", "_share")


@pytest.fixture(params=["1", "2"], ids=["one-process", "two-processes"])
def run(request: pytest.FixtureRequest, processes: Processes, vhost_url: str) -> Finished:
    """A run that has ended."""
    scenario = processes.folder / "formats.yaml"
    scenario.write_text(SCENARIO, encoding="utf-8")
    run = processes.run(run_command("loadtest", scenario, "--broker", vhost_url, "--processes", request.param))
    assert run.exit_code == 0, run.printed
    return run


def test_what_a_run_leaves_is_what_its_formats_say(run: Finished) -> None:
    """Records are what their models say, another reader adds histograms up to the result, the table is the timeline."""
    assert_records_are_valid(run.results_folder / "windows.jsonl")
    assert_logs_add_up(run)
    assert_table_is_the_timeline(run)


def assert_records_are_valid(journal: Path) -> None:
    """Fail unless each line is a record by its model, and none of the types that such a run has is missing."""
    lines = journal.read_text(encoding="utf-8").splitlines()
    types = [RECORD.validate_json(line).type for line in lines]

    assert {"run", "phase", "window", "broker", "users", "queue", "end"} <= set(types)
    assert (types[0], types[-1]) == ("run", "end")


def assert_logs_add_up(run: Finished) -> None:
    """Fail unless the intervals of each `.hlog` are together what result.json has, and the `.hgrm` counts as many."""
    latencies = [
        (f"{name}.{latency}", part)
        for name, group in run.result["groups"].items()
        for latency, part in group["latency"].items()
        if part["count"]
    ]
    assert {"paced.confirm", "out.end_to_end", "some.get", "closed.connect"} <= {name for name, _ in latencies}
    for name, part in latencies:
        whole = Histogram()
        for interval in intervals(run.results_folder / f"{name}.hlog"):
            whole.add(Histogram.decode(interval.encode().decode("ascii")))
        told = Histogram.decode(part["hdr"])

        assert whole == told, name
        assert whole.count == part["count"], name
        percentiles = (run.results_folder / f"{name}.hgrm").read_text(encoding="utf-8")
        assert int(percentiles.rstrip().rpartition("=")[2].rstrip("]")) == part["count"], name


def intervals(path: Path) -> list[HdrHistogram]:
    """Return the intervals of a log as hdrhistogram's own reader sees them."""
    reader = HistogramLogReader(str(path), HdrHistogram(1, HIGHEST_NS, 3))
    found = list(iter(reader.get_next_interval_histogram, None))
    reader.close()
    return found


def assert_table_is_the_timeline(run: Finished) -> None:
    """Fail unless windows.csv has the timeline's figures under names that end in their units."""
    with (run.results_folder / "windows.csv").open(encoding="utf-8", newline="") as file:
        table = csv.DictReader(file)
        rows = list(table)
    figures = [column.partition("/")[0] for column in table.fieldnames or () if column not in {"phase", "group"}]
    published = [
        (f"{point['t_s']}", f"{group['rates']['published_per_s']}")
        for point in run.result["timeline"]
        for name, group in point["groups"].items()
        if name == "paced" and "published_per_s" in group["rates"]
    ]

    assert [column for column in figures if not column.endswith(UNITS)] == []
    assert published
    assert published == [
        (row["t_s"], row["published_per_s"]) for row in rows if row["group"] == "paced" and row["published_per_s"]
    ]

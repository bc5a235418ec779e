"""`flood-1000-direct`: the first thing that anybody runs, by both commands, and checked with the broker's counts."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from loadtest.broker.endpoint import Endpoint
from loadtest.broker.monitor.management import ManagementApi
from loadtest.errors import BrokerError
from tests.e2e.processes import DOORS, Door, Finished, Processes, assert_closed, run_command, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("flood")]

QUEUE = "Queue111112"
# The broker's counters lag by its statistics interval of 5 s, and the management plugin's by one more.
STATISTICS_S = 20.0


@dataclass(frozen=True)
class Flood:
    """A run of the scenario, and the virtual host in which it left its queue for the broker's counters."""

    run: Finished
    vhost: str


@pytest.fixture(scope="module", params=[*DOORS, "two processes"])
def flood(
    request: pytest.FixtureRequest,
    broker_endpoint: Endpoint,
    management: ManagementApi,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Flood]:
    """The scenario, run once by each command and once over processes; the tests look at what came of it."""
    vhost = f"test-{secrets.token_hex(6)}"
    management.create_vhost(vhost, broker_endpoint.username)
    url = broker_endpoint.with_vhost(vhost).url
    processes = Processes(tmp_path_factory.mktemp("flood"))
    flags = ["--processes", "2"] if request.param == "two processes" else []
    door: Door = "locust" if flags else request.param
    command = run_command(door, "flood-1000-direct", "--broker", url, *flags, sets=["topology.keep=true"])
    yield Flood(processes.run(command), vhost)
    processes.end()
    management.delete_vhost(vhost)


def test_every_message_is_accounted_for(flood: Flood) -> None:
    """1,000 published, confirmed and got one by one, counted down from 999 to 0; none lost, none twice."""
    run = flood.run

    assert run.exit_code == 0, run.printed
    result = run.result
    assert (result["complete"], result["verdict"]["outcome"]) == (True, "pass")
    assert_closed(result)
    counted = ("published", "confirmed", "got", "get_empty", "lost", "returned", "duplicates", "in_doubt", "delivered")
    assert [1000, 1000, 1000, 1, 0, 0, 0, 0, 0] == [result["totals"][name] for name in counted]
    series = result["groups"]["drain"]["message_counts"][QUEUE]
    assert series["stretches"] == [{"first": 999, "count": 1000, "step": -1}]
    assert (series["first"], series["last"], series["left_out"]) == (999, 0, 0)


def test_broker_counted_the_same(flood: Flood, management: ManagementApi) -> None:
    """The management API's counters of the queue, and of confirms in the virtual host, are those of the result."""
    assert {"publish": 1000, "confirm": 1000, "get_no_ack": 1000, "get_empty": 1} == broker_counts(
        management, flood.vhost
    )


def test_a_person_sees_what_came_of_it(flood: Flood) -> None:
    """The summary on stdout has the ledger, the series, the verdict and where the results are; stderr has nothing."""
    run = flood.run

    lines = [" ".join(line.split()) for line in run.stdout.splitlines()]
    assert run.stderr == ""
    assert lines[0] == "flood-1000-direct"
    for expected in (
        "Ledger published 1,000 = confirmed 1,000",
        "got 1,000",
        "lost 0",
        f"Series drain {QUEUE} · message_count 999 … 0 (1,000 values)",
        "drain Get-Empty 1",
        "PASS (exit code 0): 7 of 7 thresholds hold; 1,000 published, 1,000 got, 0 lost",
        f"results {run.results_folder.relative_to(run.folder)}",
    ):
        assert expected in lines
    assert "\x1b" not in run.stdout


def test_every_result_file_is_there(flood: Flood) -> None:
    """The folder holds result, reports, journal, table, scenario, and a log for each latency; no half file."""
    run = flood.run

    names = {path.name for path in run.results_folder.iterdir()}
    latencies = [f"{group}.{name}" for group, part in run.result["groups"].items() for name in part["latency"]]
    assert {"flood.confirm", "drain.end_to_end", "drain.get"} <= set(latencies)
    reports = {"result.json", "report.html", "summary.md", "junit.xml"}
    expected = {*reports, "windows.jsonl", "windows.csv", "scenario.yaml"}
    assert expected | {f"{name}.{kind}" for name in latencies for kind in ("hlog", "hgrm")} == names
    assert "keep: true" in (run.results_folder / "scenario.yaml").read_text()
    assert all(path.stat().st_size > 0 for path in run.results_folder.iterdir())


def broker_counts(management: ManagementApi, vhost: str) -> dict[str, int]:
    """Return what the broker counted in *vhost*, as soon as it has counted all of the run."""
    counts: dict[str, int] = {}

    def is_counted() -> bool:
        queue, whole = statistics(management, "queues", vhost, QUEUE), statistics(management, "vhosts", vhost)
        counts.update({name: queue.get(name, 0) for name in ("publish", "get_no_ack", "get_empty")})
        counts["confirm"] = whole.get("confirm", 0)
        return counts["publish"] >= 1000 and counts["get_no_ack"] >= 1000 and counts["confirm"] >= 1000

    wait_until(is_counted, STATISTICS_S, f"the broker's counters, which are {counts}")
    return counts


def statistics(management: ManagementApi, *path: str) -> dict[str, Any]:
    """Return `message_stats` of a thing, empty as long as the broker has none."""
    try:
        found: dict[str, Any] = management._ask(*path).get("message_stats") or {}
    except BrokerError:
        return {}
    return found

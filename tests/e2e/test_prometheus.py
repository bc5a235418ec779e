"""A run that is scraped: what Prometheus reads is what the result says."""

from __future__ import annotations

import re
import socket
import time
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from loadtest.metrics.tally import Tally
from tests.e2e.processes import DOORS, Door, Processes, Running, journal, run_command, wait_until

pytestmark = pytest.mark.e2e

SETS = ["run.duration=3s", "run.warm_up=1s", "thresholds=[lost == 0]"]


def scrape(url: str) -> dict[str, float]:
    """Return the samples of a scrape by name, summed over their labels."""
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  # at the loopback address
        text = answer.read().decode()
    values: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            values[sample.name] = values.get(sample.name, 0) + sample.value
    return values


def url_of(running: Running) -> str:
    """Return the address that a run says it can be scraped at."""
    found = re.search(r"Prometheus can scrape (http://127\.0\.0\.1:\d+/metrics)", running.stderr)
    assert found is not None
    return found.group(1)


@pytest.mark.parametrize("processes_asked", [1, 2])
def test_the_last_scrape_is_what_the_result_says(processes_asked: int, processes: Processes, vhost_url: str) -> None:
    """Counters and counts of histograms only grow, and end at the totals; with several processes they are the sums."""
    command = run_command("loadtest", "steady-1kb", "--broker", vhost_url, "--prometheus-port", "0", sets=SETS)
    if processes_asked > 1:
        command += ["--processes", str(processes_asked)]
    running = processes.start(command)
    wait_until(lambda: "Prometheus can scrape" in running.stderr, 20, "the address")
    url = url_of(running)
    scrapes = scrapes_of(url)
    run = running.wait()
    published = [values.get("loadtest_published_messages_total", 0) for values in scrapes]
    totals = run.result["totals"]
    tally = Tally()
    for record in journal(run.results_folder / "windows.jsonl"):
        tally.take(record)

    assert run.exit_code == 0, run.printed
    assert published == sorted(published)
    # The process ends with the run: the last window may not be scraped, but what was recorded adds up to the result.
    assert 0.7 * totals["published"] <= published[-1] <= totals["published"]
    assert tally.counts["in", "published"] == totals["published"] == 4_000
    assert tally.latencies["in", "confirm"].count == totals["confirmed"]
    assert tally.latencies["out", "end_to_end"].count == totals["delivered"]


def scrapes_of(url: str) -> list[dict[str, float]]:
    """Return what *url* says of a run, scraped again and again until it is gone."""
    scrapes: list[dict[str, float]] = []
    while True:
        try:
            values = scrape(url)
        except OSError:
            return scrapes
        if "loadtest_published_messages_total" in values:
            scrapes.append(values)
        time.sleep(0.02)


@pytest.mark.parametrize("door", DOORS)
def test_a_port_that_is_taken_is_said_before_anything_starts(door: Door, processes: Processes, vhost_url: str) -> None:
    """One line, exit code 2, and no folder of a run."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        run = processes.run(run_command(door, "steady-1kb", "--broker", vhost_url, "--prometheus-port", port))

    assert run.exit_code == 2, run.printed
    assert run.stderr.count("\n") == 1
    assert f"--prometheus-port {port}" in run.stderr
    assert not (Path(run.folder) / "results").exists()

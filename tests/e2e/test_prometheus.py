"""A run that is scraped: what Prometheus reads is what the result says."""

from __future__ import annotations

import re
import signal
import socket
import urllib.request
from functools import partial
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from loadtest.metrics.families import COUNTERS, LATENCIES
from tests.e2e.processes import DOORS, LOCUST, LOCUSTFILE, Door, Json, Processes, Running, run_command, wait_until

pytestmark = pytest.mark.e2e

DOCUMENT = (Path(__file__).parents[2] / "docs" / "prometheus.md").read_text(encoding="utf-8")
SETS = ["run.duration=2s", "run.warm_up=0s", "thresholds=[lost == 0]"]
LINGER = ("--prometheus-port", "0", "--prometheus-linger", "30s")


def scrape(url: str) -> dict[str, dict[str, float]]:
    """Return the samples of a scrape by name and group, summed over their other labels; "" where there is no group."""
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310  # at the loopback address
        text = answer.read().decode()
    values: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            by_group = values.setdefault(sample.name, {})
            group = sample.labels.get("group", "")
            by_group[group] = by_group.get(group, 0) + sample.value
    return values


def url_of(running: Running) -> str:
    """Return the address that a run says it can be scraped at."""
    wait_until(lambda: "Prometheus can scrape" in running.stderr, 20, "the address")
    found = re.search(r"Prometheus can scrape (http://127\.0\.0\.1:\d+/metrics)", running.stderr)
    assert found is not None
    return found.group(1)


def assert_agrees(told: dict[str, dict[str, float]], result: Json) -> None:
    """Fail unless a scrape after the end says what *result* says, figure by figure."""
    assert told["loadtest_run_info"] == {"": 1}
    for name, group in result["groups"].items():
        for counter, named in COUNTERS.items():
            count = told.get(f"{named.name}_total", {}).get(name)
            assert count is None or counter not in group["totals"] or count == group["totals"][counter], named
        for latency, part in group["latency"].items():
            metric = LATENCIES[latency].name
            assert told[f"{metric}_count"][name] == part["count"], metric
            assert told[f"{metric}_sum"][name] == pytest.approx(part["count"] * part["mean_ns"] / 1e9, rel=1e-9), metric
    assert told["loadtest_ledger_messages"][""] == sum(result["totals"].values())


@pytest.mark.parametrize("how", ["loadtest", "loadtest, two processes", "locust"])
def test_the_last_scrape_is_what_the_result_says(how: str, processes: Processes, vhost_url: str) -> None:
    """Counters, counts and sums of histograms end at the totals; with several processes they are those of all."""
    door: Door = "locust" if how == "locust" else "loadtest"
    command = run_command(door, "steady-1kb", "--broker", vhost_url, *LINGER, sets=SETS)
    running = processes.start(command + (["--processes", "2"] if "two" in how else []))
    url = url_of(running)
    running.wait_measured(windows=1)
    under_way = scrape(url)
    wait_until(lambda: "waiting up to 30 s for Prometheus" in running.stderr, 30, "the end of the run")
    told = scrape(url)
    run = running.wait(10)

    assert run.exit_code == 0, run.printed
    assert 0 < under_way["loadtest_published_messages_total"]["in"] <= told["loadtest_published_messages_total"]["in"]
    assert told["loadtest_published_messages_total"] == {"in": 2_000} == {"in": run.result["totals"]["published"]}
    assert told["loadtest_delivered_messages_total"] == {"out": run.result["totals"]["delivered"]}
    assert_agrees(told, run.result)
    assert {name for name in told if not is_documented(name)} == set()


def is_documented(sample: str) -> bool:
    """Return whether docs/prometheus.md names the metric that *sample* is of."""
    return f"`{sample}`" in DOCUMENT or f"`{re.sub(r'_(bucket|sum|count)$', '', sample)}`" in DOCUMENT


def test_the_warm_up_is_in_the_histograms(processes: Processes, vhost_url: str) -> None:
    """A histogram counts from the start, as counters do; result.json leaves the warm-up out of latencies."""
    sets = [*SETS, "run.warm_up=1s"]
    running = processes.start(run_command("loadtest", "steady-1kb", "--broker", vhost_url, *LINGER, sets=sets))
    url = url_of(running)
    wait_until(lambda: "waiting up to 30 s for Prometheus" in running.stderr, 30, "the end of the run")
    told = scrape(url)
    result = running.wait(10).result

    assert told["loadtest_confirm_latency_seconds_count"]["in"] == result["totals"]["confirmed"]
    assert 0 < result["groups"]["in"]["latency"]["confirm"]["count"] < result["totals"]["confirmed"]


def test_the_web_page_serves_one_run_after_the_other(processes: Processes, vhost_url: str, free_port: int) -> None:
    """Between runs the last one is told; counters begin anew with the next."""
    locust = [LOCUST, "-f", str(LOCUSTFILE), "--web-port", str(free_port), "--broker", vhost_url]
    running = processes.start([*locust, "--prometheus-port", "0", "--prometheus-linger", "30s"])
    url = url_of(running)
    assert scrape(url) == {}
    wait_until(lambda: "the web page is at" in running.stderr, 20, "the page")
    for messages in (300, 200):
        form = {"scenario": "hello-default-exchange", "overrides": f"publishers.sender.messages={messages}"}
        wait_until(partial(is_started, free_port, form), 20, "a start")
        wait_until(lambda: "loadtest_ledger_messages" in scrape(url), 30, "the end of the run")
        assert scrape(url)["loadtest_published_messages_total"] == {"sender": messages}
    running.send(signal.SIGINT)
    running.wait(10)


def is_started(port: int, form: dict[str, str]) -> bool:
    """Press the start button of the page; return whether a run has begun: it cannot while the one before is ending."""
    with requests.Session() as session:
        session.trust_env = False
        answer: Json = session.post(f"http://127.0.0.1:{port}/swarm", data=form, timeout=30).json()
    return bool(answer["success"])


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("several", [(), ("--processes", "2")], ids=["one-process", "two-processes"])
def test_a_port_that_is_taken_is_said_before_anything_starts(
    door: Door, several: tuple[str, ...], processes: Processes, vhost_url: str
) -> None:
    """One line, exit code 2, no folder of a run, and no process left behind."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = run_command(door, "steady-1kb", "--broker", vhost_url, *several)
        run = processes.run(command, LOADTEST_PROMETHEUS_PORT=port)

    assert run.exit_code == 2, run.printed
    assert run.stderr == f"loadtest: --prometheus-port {port}: cannot listen at 127.0.0.1: Address already in use\n"
    assert not (Path(run.folder) / "results").exists()


def test_waiting_for_a_scrape_ends_with_the_process(processes: Processes, vhost_url: str, free_port: int) -> None:
    """Where nobody scrapes, the verdict is that of the run all the same."""
    options = ("--prometheus-port", str(free_port), "--prometheus-linger", "1s")
    run = processes.run(run_command("loadtest", "hello-default-exchange", "--broker", vhost_url, *options))

    assert run.exit_code == 0, run.printed
    assert "it was not scraped" in run.stderr

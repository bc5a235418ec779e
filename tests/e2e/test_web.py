"""Locust's web page: a scenario is picked in the start form, runs, ends by itself, and another can follow."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.e2e.processes import (
    LOCUST,
    LOCUSTFILE,
    Processes,
    Running,
    assert_closed,
    read_result,
    results_folders,
    wait_until,
)

pytestmark = pytest.mark.e2e

HTTP_TIMEOUT_S = 10.0


class Page:
    """The page of a locust process, used as a browser uses it."""

    def __init__(self, running: Running, port: int) -> None:
        self.running = running
        self.folder = running.folder
        self.url = f"http://127.0.0.1:{port}"
        self._session = requests.Session()
        self._session.trust_env = False

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def get(self, path: str = "/") -> requests.Response:
        """GET a path."""
        return self._session.get(self.url + path, timeout=HTTP_TIMEOUT_S)

    def is_up(self) -> bool:
        """Return whether the page is served."""
        assert self.running.process.poll() is None, self.running.stderr
        try:
            return self.get().ok
        except requests.ConnectionError:
            return False

    def start(self, **form: str) -> dict[str, Any]:
        """Press the start button."""
        answer: dict[str, Any] = self._session.post(self.url + "/swarm", data=form, timeout=30.0).json()
        return answer

    def stop(self) -> dict[str, Any]:
        """Press the stop button."""
        answer: dict[str, Any] = self._session.post(self.url + "/stop", timeout=30.0).json()
        return answer

    @property
    def statistics(self) -> dict[str, Any]:
        """What the page's tables show."""
        answer: dict[str, Any] = self.get("/stats/requests").json()
        return answer

    def wait_results(self, runs: int) -> list[Path]:
        """Block until *runs* runs have written their results and nothing runs any more; return their folders."""

        def are_there() -> bool:
            return len([*self.folder.glob("results/*/result.json")]) == runs and self.statistics["state"] == "stopped"

        wait_until(are_there, 30.0, f"results of {runs} runs")
        return results_folders(self.folder)


@pytest.fixture
def page(processes: Processes, vhost_url: str, free_port: int) -> Iterator[Page]:
    """The page of `locust -f loadtest/main.py` on a free port; Ctrl-C ends it in order."""
    command = [LOCUST, "-f", str(LOCUSTFILE), "--web-port", str(free_port), "--broker", vhost_url]
    page = Page(processes.start(command), free_port)
    wait_until(page.is_up, 20.0, "the page")
    yield page
    page.close()
    page.running.send(signal.SIGINT)
    page.running.wait(15.0)


def test_page_runs_one_scenario_after_the_other(page: Page) -> None:
    """A POST with nothing but the scenario runs it; it ends by itself, and another runs in the same process."""
    assert page.get().ok
    assert "fanout-1-to-10" in [scenario["name"] for scenario in page.get("/loadtest/form").json()["scenarios"]]

    assert page.start(scenario="flood-1000-direct")["success"] is True
    (flood,) = page.wait_results(1)
    table = {entry["name"]: entry["num_requests"] for entry in page.statistics["stats"]}
    assert {"flood": 1000, "drain": 1000} == {name: table[name] for name in ("flood", "drain")}

    assert page.start(scenario="hello-default-exchange", overrides="publishers.sender.messages=500; thresholds=[]")[
        "success"
    ]
    first, hello = page.wait_results(2)

    assert first == flood
    assert {"flood-1000-direct": 0, "hello-default-exchange": 0} == {
        result["scenario"]["name"]: result["verdict"]["exit_code"] for result in map(read_result, (flood, hello))
    }
    assert read_result(hello)["totals"]["delivered"] == 500
    assert page.running.stdout.count("PASS (exit code 0)") == 2
    assert page.running.stderr.splitlines() == [f"the web page is at {page.url}; Ctrl-C ends it"]


@pytest.mark.parametrize(
    "form, text",
    [
        ({"scenario": "flood-1000-direct", "overrides": "publishers.flood.mesages=5"}, "publishers.flood.mesages"),
        ({"scenario": "flood-1000-direkt"}, "flood-1000-direkt"),
        ({"scenario": "flood-1000-direct", "user_count": "1x"}, "1x"),
        ({"scenario": "flood-1000-direct", "run_time": "soon"}, "soon"),
    ],
    ids=["override", "scenario", "users", "run-time"],
)
def test_what_is_wrong_is_told_in_the_form(form: dict[str, str], text: str, page: Page) -> None:
    """A run that cannot begin is refused with its error, nothing starts, and the page goes on."""
    answer = page.start(**form)

    assert answer["success"] is False
    assert text in answer["message"]
    assert page.statistics["state"] == "ready"
    assert results_folders(page.folder) == []


def test_stop_button_ends_a_run_in_order(page: Page) -> None:
    """A run stopped in the middle writes its results, as one that was interrupted; a start meanwhile is refused."""
    assert page.start(scenario="steady-1kb", overrides="run.warm_up=0s")["success"] is True
    page.running.wait_measured()
    refused = page.start(scenario="flood-1000-direct")
    assert refused["success"] is False
    assert "under way" in refused["message"]

    page.stop()
    (folder,) = page.wait_results(1)

    result = read_result(folder)
    assert_closed(result)
    assert (result["complete"], result["verdict"]["exit_code"]) == (False, 130)
    assert result["totals"]["published"] >= 1000


def test_signal_ends_page_and_run(processes: Processes, page: Page) -> None:
    """SIGTERM while a scenario runs from the page ends both, with results and the exit code of an interruption."""
    assert page.start(scenario="steady-1kb", overrides="run.warm_up=0s")["success"] is True
    page.running.wait_measured()

    page.running.send(signal.SIGTERM)
    run = page.running.wait(15.0)

    assert run.exit_code == 130, run.printed
    assert_closed(run.result)


def test_autostart_is_refused(processes: Processes) -> None:
    """Locust would start the page's run before there is one; it is said in a line what to do instead."""
    run = processes.run([LOCUST, "-f", str(LOCUSTFILE), "--autostart", "--scenario", "flood-1000-direct"])

    assert run.exit_code == 2, run.printed
    assert len(run.stderr.splitlines()) == 1
    assert run.stderr.startswith("loadtest: --autostart is not supported")

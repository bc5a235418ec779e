"""A password given to a run is nowhere in what it prints and writes."""

from __future__ import annotations

import re
import secrets
import signal
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests

from loadtest.broker.endpoint import Endpoint
from loadtest.broker.monitor.management import ManagementApi
from tests.e2e.processes import LOADTEST, LOCUST, LOCUSTFILE, Door, Processes, run_command, wait_until

pytestmark = pytest.mark.e2e


@pytest.fixture
def secret_endpoint(vhost_endpoint: Endpoint, management: ManagementApi) -> Iterator[Endpoint]:
    """A virtual host as a user of the test's own, whose password no text contains by chance."""
    username, password = f"ann-{secrets.token_hex(4)}", f"pw/{secrets.token_hex(12)}@"
    management.create_user(username, password)
    management.set_permissions(vhost_endpoint.vhost, username, configure=".*", write=".*", read=".*")
    yield Endpoint(vhost_endpoint.host, vhost_endpoint.port, vhost_endpoint.vhost, username, password)
    management.delete_user(username)


@pytest.mark.parametrize("door, given", [("locust", "flag"), ("loadtest", "environment")])
def test_password_is_not_shown(door: Door, given: str, processes: Processes, secret_endpoint: Endpoint) -> None:
    """Neither as it is nor as it stands in the URL; the user and the address are told, so that a person knows which."""
    flag = ["--broker", secret_endpoint.url] if given == "flag" else []
    settings = {} if given == "flag" else {"LOADTEST_BROKER": secret_endpoint.url}
    run = processes.run(run_command(door, "flood-1000-direct", *flag), **settings)
    report = processes.run([*LOADTEST, "report", str(run.results_folder)])
    files = {path.name: path.read_text() for path in run.results_folder.iterdir()}

    assert run.exit_code == 0, run.printed
    quoted = secret_endpoint.url.split(":")[2].split("@")[0]
    for text in (run.printed, report.printed, *files.values()):
        assert secret_endpoint.password not in text
        assert quoted not in text
    assert f"amqp://{secret_endpoint.username}:***@" in run.stdout
    assert secret_endpoint.username in files["result.json"]


# What stands in a scenario and on the command line: each a secret of its own, with signs that URLs and YAML trip on.
WRITTEN = {name: f"{name}-{secrets.token_hex(6)}" for name in ("text", "variable", "header", "set", "slash", "check")}
SCENARIO = f"""\
name: secrets
description: "publishes to amqp://ann:{WRITTEN["text"]}%2F%40@broker.example/ and ${{copy}}"
variables:
  copy: "amqps://bob:{WRITTEN["variable"]}@broker.example:5671/shop"
topology: {{queues: {{q: {{}}}}}}
publishers:
  shop:
    routing_key: q
    users: 2
    rate: 100/s
    properties:
      headers: {{reply: "https://carl:{WRITTEN["header"]}#@api.example/x", api_key: "{WRITTEN["header"]}"}}
    body: {{text: "see amqp://dora:{WRITTEN["slash"]}/tail@broker.example/"}}
consumers: {{clerk: {{queue: q}}}}
run: {{duration: 2s}}
thresholds: ["lost == 0"]
"""
SETS = [f'publishers.shop.properties.app_id="amqp://eve:{WRITTEN["set"]}@h"', "run.warm_up=0s"]


def secrets_of(endpoint: Endpoint) -> list[str]:
    """Return what must show nowhere: a password as it is and as it stands in a URL, and what the scenario holds."""
    return [endpoint.password, quote(endpoint.password, safe=""), *WRITTEN.values()]


def assert_none(texts: dict[str, str], forbidden: list[str]) -> None:
    """Fail, with the names of the texts, where a secret is in one."""
    shown = [
        f"{name}: …{text[max(0, text.index(secret) - 60) : text.index(secret)]}" for name, text in texts.items()
        for secret in forbidden if secret in text
    ]  # fmt: skip
    assert shown == []


def files_below(folder: Path) -> dict[str, str]:
    """Return every file below a folder, but the scenario that the test itself wrote."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != "given.yaml"]
    return {str(path.relative_to(folder)): path.read_text(errors="replace") for path in paths}


def command_lines(pids: list[int]) -> dict[str, str]:
    """Return what `ps` shows of processes."""
    return {f"ps {pid}": Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode() for pid in pids}


def test_nothing_written_or_shown_has_a_secret(processes: Processes, secret_endpoint: Endpoint, tmp_path: Path) -> None:
    """Not the files, the terminal, GitHub's outputs, the metrics, the command lines, nor what is made of it later."""
    (processes.folder / "given.yaml").write_text(SCENARIO)
    settings = {
        "LOADTEST_BROKER": secret_endpoint.url,
        "GITHUB_ACTIONS": "true",
        "GITHUB_STEP_SUMMARY": str(processes.folder / "step.md"),
        "COLUMNS": "400",
    }
    more = ("--prometheus-port", "0", "--json", "out.json", "--threshold", "shop.confirm.p99 < 1us")
    running = processes.start(run_command("loadtest", "given.yaml", *more, sets=SETS), **settings)
    running.wait_measured()
    found = re.search(r"http://127\.0\.0\.1:\d+/metrics", running.stderr)
    assert found is not None
    metrics = requests.get(found.group(), timeout=10).text
    processes_seen = command_lines(processes.running())
    run = running.wait()
    folder = str(run.results_folder.relative_to(run.folder))
    (processes.folder / "copy").mkdir()
    for path in run.results_folder.iterdir():
        (processes.folder / "copy" / path.name).write_bytes(path.read_bytes())
    (run.results_folder / "result.json").unlink()
    later = {
        command[0]: processes.run([*LOADTEST, *command], **settings).printed
        for command in (
            ["report", folder, "--json", "-"],
            ["check", folder],
            ["report", folder, "copy", "--output", "pages.html"],
        )
    }

    assert run.exit_code == 1, run.printed
    assert "loadtest_run_info" in metrics
    assert processes_seen
    files = files_below(processes.folder)
    assert {"pages.html", "step.md", "out.json", f"{folder}/windows.jsonl", f"{folder}/report.html"} <= files.keys()
    assert_none({**files, "metrics": metrics, **later}, secrets_of(secret_endpoint))
    # What somebody types after --set, ps shows of any program; what comes by the environment, it must not.
    assert_none(processes_seen, secrets_of(secret_endpoint)[:2])
    assert "amqp://ann:***@broker.example/" in files[f"{folder}/scenario.yaml"]


REFUSALS: dict[str, tuple[Door, Any, str]] = {
    "password": ("locust", lambda it: replace(it, password=it.password + "x"), "refused"),
    "vhost": ("loadtest", lambda it: replace(it, vhost="nowhere"), "nowhere"),
    "port": ("locust", lambda it: replace(it, port=1), "nothing listens there"),
    "host": ("loadtest", lambda it: replace(it, host="no-such-host.invalid"), "no-such-host.invalid"),
}


@pytest.mark.parametrize("door, change, words", REFUSALS.values(), ids=REFUSALS.keys())
def test_a_refusal_has_no_secret(
    door: Door, change: Any, words: str, processes: Processes, secret_endpoint: Endpoint
) -> None:
    """Who cannot reach the broker is told why and as whom, not by which password."""
    endpoint = change(secret_endpoint)
    run = processes.run(run_command(door, "flood-1000-direct", "--broker", endpoint.url))

    assert run.exit_code == 3, run.printed
    assert words in run.stderr
    assert_none({"printed": run.printed, **files_below(run.folder)}, secrets_of(endpoint))


URLS = {
    "tls where there is none": "amqps://ann:{secret}@127.0.0.1:{port}/",
    "port": "amqp://ann:{secret}@127.0.0.1:port/",
    "slash": "amqp://ann:{secret}/more@127.0.0.1:{port}/",
    "query": "amqp://ann:{secret}@127.0.0.1/?verify=perhaps",
    "certificate": "amqps://ann:{secret}@127.0.0.1/?cacertfile=/nowhere",
}


@pytest.mark.parametrize("url", URLS.values(), ids=URLS.keys())
def test_a_url_that_cannot_be_used_has_no_secret(url: str, processes: Processes, broker_endpoint: Endpoint) -> None:
    """What is wrong with it is said without the part that is nobody's business."""
    secret = f"pw-{secrets.token_hex(8)}"
    given = url.format(secret=secret, port=broker_endpoint.port)
    run = processes.run(run_command("loadtest", "flood-1000-direct"), LOADTEST_BROKER=given)

    assert run.exit_code in {2, 3}, run.printed
    assert_none({"printed": run.printed}, [secret])


FAULTY = {
    "name": "name: amqp://ann:SECRET@h",
    "long": "name: x\nrun: {duration: 'amqp://ann:SECRETxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx@h'}",
    "key": "name: x\nrun: {'amqp://ann:SECRET@h': 1}",
    "threshold": "name: x\nthresholds: ['amqp://ann:SECRET@h < 1']",
    "yaml": "'amqp://ann:SECRET@h",
}


def test_a_faulty_scenario_has_no_secret(processes: Processes) -> None:
    """An error quotes what it found, shortened perhaps, and never a password of it."""
    secret = f"pw-{secrets.token_hex(8)}"
    for name, text in FAULTY.items():
        (processes.folder / f"{name}.yaml").write_text(text.replace("SECRET", secret))
    printed = {
        "validate": processes.run([*LOADTEST, "validate", *(f"{name}.yaml" for name in FAULTY)]).printed,
        **{name: processes.run(run_command("loadtest", f"{name}.yaml")).printed for name in ("long", "key")},
    }

    assert all(f"{name}.yaml:" in printed["validate"] for name in FAULTY)
    assert_none(printed, [secret])


@pytest.mark.parametrize("password", ["a", "loadtest"])
def test_a_short_password_mangles_nothing(
    password: str, processes: Processes, vhost_endpoint: Endpoint, management: ManagementApi
) -> None:
    """One sign, or a common word: the outputs are as with any other, and it is in no URL of them."""
    username = f"ann-{secrets.token_hex(4)}"
    management.create_user(username, password)
    management.set_permissions(vhost_endpoint.vhost, username, configure=".*", write=".*", read=".*")
    endpoint = replace(vhost_endpoint, username=username, password=password)
    try:
        run = processes.run(run_command("loadtest", "flood-1000-direct"), LOADTEST_BROKER=endpoint.url)
    finally:
        management.delete_user(username)

    assert run.exit_code == 0, run.printed
    assert run.result["broker"]["endpoints"] == [endpoint.redacted]
    assert run.result["scenario"]["name"] == "flood-1000-direct"
    assert run.result["totals"]["published"] == 1000
    assert_none({"printed": run.printed, **files_below(run.results_folder)}, [f"{username}:{quote(password)}@"])


PAGES = (
    "/", "/stats/requests", "/stats/report", "/logs", "/exceptions", "/exceptions/csv", "/tasks", "/worker-count",
    "/stats/requests/csv", "/stats/failures/csv", "/stats/requests_full_history/csv",
    "/loadtest/", "/loadtest/live", "/loadtest/results", "/loadtest/form",
)  # fmt: skip


def test_no_page_of_locust_has_a_secret(processes: Processes, secret_endpoint: Endpoint, free_port: int) -> None:
    """Neither the start form, nor what it refuses, nor any page while a run goes on and after it."""
    (processes.folder / "given.yaml").write_text(SCENARIO)
    url = f"http://127.0.0.1:{free_port}"
    command = [LOCUST, "-f", str(LOCUSTFILE), "--web-port", str(free_port), "--broker", secret_endpoint.url]
    # Of files the page runs the one that the command line names.
    running = processes.start([*command, "--loglevel", "INFO", "--scenario", "given.yaml"])
    with closing(requests.Session()) as session:
        session.trust_env = False

        def answers() -> bool:
            try:
                return session.get(url, timeout=10).ok
            except requests.ConnectionError:
                return False

        def pages(when: str) -> dict[str, str]:
            return {f"{path} {when}": session.get(url + path, timeout=10).text for path in PAGES}

        wait_until(answers, 20, "the page")
        shown = pages("before")
        form = {"scenario": "given.yaml", "overrides": "; ".join(SETS)}
        bad = {**form, "overrides": f"run.seed=amqp://ann:{WRITTEN['check']}@h"}
        shown["refused"] = session.post(f"{url}/swarm", data=bad, timeout=30).text
        shown["started"] = session.post(f"{url}/swarm", data=form, timeout=30).text
        running.wait_measured()
        shown |= pages("while it runs")
        wait_until(lambda: bool([*running.folder.glob("results/*/result.json")]), 30, "the result")
        shown |= pages("after")
    running.send(signal.SIGINT)
    run = running.wait(15)

    assert '"success":false' in shown["refused"].replace(" ", "")
    assert '"success":true' in shown["started"].replace(" ", "")
    assert_none({**shown, **files_below(run.folder)}, secrets_of(secret_endpoint))

"""The other commands of `loadtest`: what they print, and what they say to arguments that they cannot use."""

from __future__ import annotations

import json
from pathlib import Path

import pika
import pytest

from loadtest.broker.admin.reach import probe
from loadtest.broker.endpoint import Endpoint
from tests.e2e.processes import LOADTEST, ROOT, Processes, blocks, run_command

pytestmark = pytest.mark.e2e

CATALOGUE = sorted(path.stem for path in (ROOT / "scenarios").glob("*.yaml"))


def test_report_makes_the_same_files_again(processes: Processes, vhost_url: str) -> None:
    """From the journal alone, twice: every file to the byte, the summary to the letter, the exit code too."""
    run = processes.run(run_command("locust", "hello-default-exchange", "--broker", vhost_url))
    written = contents(run.results_folder)
    for name in written:
        if name != "windows.jsonl":
            (run.results_folder / name).unlink()

    folder = str(run.results_folder.relative_to(run.folder))
    for _ in range(2):
        report = processes.run([*LOADTEST, "report", folder])

        assert (report.exit_code, report.stdout, report.stderr) == (run.exit_code, run.stdout, "")
        assert contents(run.results_folder) == written


def test_list_names_the_catalogue(processes: Processes) -> None:
    """Every scenario is listed with the question that it answers."""
    run = processes.run([*LOADTEST, "list"])

    assert run.exit_code == 0, run.printed
    assert [name for name in CATALOGUE if name not in run.stdout] == []
    assert run.stdout.count("?") >= len(CATALOGUE)


def test_show_prints_what_can_be_run(processes: Processes) -> None:
    """A scenario is printed with variables and overrides put in; what is printed is a valid scenario, and the same."""
    shown = processes.run([*LOADTEST, "show", "steady-1kb", "--set", "variables.rate=123/s"])
    (processes.folder / "shown.yaml").write_text(shown.stdout)

    assert shown.exit_code == 0, shown.printed
    assert "rate: 123/s" in shown.stdout
    assert "$" not in shown.stdout
    again = processes.run([*LOADTEST, "show", "shown.yaml"])
    assert (again.exit_code, again.stdout) == (0, shown.stdout)


def test_validate_tells_good_from_bad(processes: Processes) -> None:
    """All files are looked at; the valid are named on stdout, the faults of all others on stderr, and the code is 2."""
    (processes.folder / "good.yaml").write_text((ROOT / "scenarios" / "steady-1kb.yaml").read_text())
    (processes.folder / "bad.yaml").write_text("name: bad\npublishers:\n  in: {routing_key: q, mesages: 1}\n")
    (processes.folder / "worse.yaml").write_text("name: [\n")

    valid = processes.run([*LOADTEST, "validate", "good.yaml"])
    mixed = processes.run([*LOADTEST, "validate", "bad.yaml", "good.yaml", "worse.yaml"])

    assert (valid.exit_code, valid.stdout, valid.stderr) == (0, "good.yaml: valid\n", "")
    assert (mixed.exit_code, mixed.stdout) == (2, "good.yaml: valid\n")
    assert "bad.yaml:3: publishers.in.mesages" in mixed.stderr
    assert "worse.yaml:" in mixed.stderr


@pytest.mark.parametrize(
    "document, title", [("scenario", "loadtest scenario"), ("result", "RunResult"), ("compare", "CompareResult")]
)
def test_schema_is_a_json_schema(document: str, title: str, processes: Processes) -> None:
    """The schemas of scenarios, results and comparisons are printed as JSON."""
    run = processes.run([*LOADTEST, "schema", document])

    assert run.exit_code == 0, run.printed
    schema = json.loads(run.stdout)
    assert schema["title"] == title
    assert schema["$schema"].startswith("https://json-schema.org/")


def test_version_is_one_line(processes: Processes) -> None:
    """`--version` prints name and version, installed or not."""
    run = processes.run([*LOADTEST, "--version"])

    assert (run.exit_code, run.stderr) == (0, "")
    assert len(run.stdout.split()) == 2
    assert run.stdout.startswith("loadtest ")


# What is refused without a start of a node is tried in tests/unit/commands/test_bad_input.py, many a process.
@pytest.mark.parametrize(
    "arguments, texts",
    [
        pytest.param(["run", "steady-1kb", "--server", "nowhere"], ["nowhere", "rabbitmq-server"], id="run-server"),
        pytest.param(["broker", "start", "--name", "a b"], ["'a b'", "letters"], id="broker-start-name"),
    ],
)
def test_bad_arguments_are_told(arguments: list[str], texts: list[str], processes: Processes, tmp_path: Path) -> None:
    """An argument with which no node can be started is named on stderr, with the exit code of wrong usage."""
    run = processes.run([*LOADTEST, *arguments], LOADTEST_STATE_DIR=str(tmp_path / "state"))

    assert run.exit_code == 2, run.printed
    assert run.stdout == ""
    assert [] == [text for text in texts if text not in run.stderr], run.stderr


def test_broker_is_started_shown_and_stopped(processes: Processes, rabbitmq_server: Path, tmp_path: Path) -> None:
    """A node started by one command is there for others, can be run on, and is gone when it is stopped."""
    state = str(tmp_path / "state")

    def broker(*arguments: str, exit_code: int = 0) -> str:
        run = processes.run([*LOADTEST, "broker", *arguments], LOADTEST_STATE_DIR=state)
        assert run.exit_code == exit_code, run.printed
        return run.stdout if exit_code == 0 else run.stderr

    assert "no node is started" in broker("status")
    url = broker("start", "--name", "mine").strip()
    endpoint = Endpoint.parse(url)
    assert probe(endpoint).product == "RabbitMQ"
    assert "mine runs already" in broker("start", "--name", "mine", exit_code=3)
    (status,) = blocks(broker("status"))
    assert (status["name"], status["state"], status["url"]) == ("mine", "running", url)
    logs = broker("logs", "--name", "mine", "--lines", "5")
    assert len(logs.splitlines()) == 5
    assert broker("stop", "--name", "mine") == "stopped mine\n"
    assert "no node is started" in broker("status")
    with pytest.raises(pika.exceptions.AMQPConnectionError):
        pika.BlockingConnection(endpoint.pika_parameters())
    assert list((tmp_path / "state" / "nodes").glob("mine*")) == []
    assert processes.running() == []


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder by its name."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}

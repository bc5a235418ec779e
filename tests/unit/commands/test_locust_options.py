"""Each option of Locust's own: it does what it says, or is refused in a line that says what to do instead."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

# With a value that does not suit, and what is said of it.
REFUSED: Final[dict[str, list[tuple[str, str]]]] = {
    "--host": [("--host http://x", "--broker")],
    "--autostart": [("--autostart", "--headless")],
    "--autoquit": [("--autoquit 3", "--headless"), ("--autoquit 0", "--headless"), ("--autoquit -1", "")],
    "--tags": [("--tags a", "groups"), ("-T", "")],
    "--exclude-tags": [("--exclude-tags a", "groups"), ("-E", "")],
    "--class-picker": [("--class-picker", "scenario")],
    "--equal-weights": [("--equal-weights", "--users")],
    "--config-users": [('--config-users {{"user_class_name":"ScenarioUser"}}', "--set")],
    "--enable-rebalancing": [("--enable-rebalancing", "--on-worker-lost")],
    "--stop-timeout": [("--stop-timeout 3", "run.drain"), ("--stop-timeout 0", "")],
    "--show-task-ratio": [("--show-task-ratio", "groups")],
    "--show-task-ratio-json": [("--show-task-ratio-json", "groups")],
    "--exit-code-on-error": [
        ("--exit-code-on-error 7", "verdict"),
        ("--exit-code-on-error 0", "verdict"),
        ("--exit-code-on-error 1", ""),
    ],
    "--profile": [("--profile nightly", "--results")],
    "--otel": [("--otel", "--prometheus-port")],
    "user_classes": [("ScenarioUser", "--scenario"), ("Other", "--scenario")],
    "--web-port": [
        ("--web-port {taken}", "in use"),
        ("--web-port 70000", "65535"),
        ("--web-port -1", "65535"),
        ("--headless --web-port {taken}", ""),
        ("--worker --web-port {taken}", ""),
        ("--headless --headful --web-port {taken}", "in use"),
    ],
    "--web-host": [("--web-host 192.0.2.1", "--web-host 192.0.2.1"), ("--headless --web-host 192.0.2.1", "")],
    "--web-base-path": [("--web-base-path loadtest", "begins with /"), ("--web-base-path /loadtest", "")],
    "--tls-cert": [("--tls-cert {folder}/none.pem --tls-key {folder}/none.pem", "no such file")],
    "--tls-key": [("--tls-key {file}", "one needs the other"), ("--tls-key {file} --tls-cert {file}", "")],
    "--master": [
        ("--headless --master --master-bind-port {free}", ""),
        ("--headless --master --worker", "one or the other"),
        ("--headless --master --processes 2", "leave out --master"),
    ],
    "--master-bind-host": [
        ("--headless --processes 2 --master-bind-host 192.0.2.1", "--master-bind-host 192.0.2.1"),
        ("--headless --master --master-bind-host 192.0.2.1", "--master-bind-host 192.0.2.1"),
        ("--headless --processes 2 --master-bind-host 0.0.0.0 --master-bind-port {free}", ""),
        ("--headless --master-bind-host 192.0.2.1", ""),
    ],
    "--master-bind-port": [
        ("--headless --master --master-bind-port {taken}", "in use"),
        ("--headless --processes 2 --master-bind-port {taken}", "in use"),
        ("--headless --processes 2 --master-bind-port 99999999", "65535"),
        ("--headless --processes 2 --master-bind-port {free}", ""),
    ],
    "--master-port": [
        ("--headless --processes 2 --master-bind-port {free} --master-port 1", "--master-bind-port"),
        ("--headless --processes 2 --master-bind-port {free} --master-port {free}", ""),
        ("--worker --processes 2 --master-port 1", ""),
        ("--worker --master-port 0", "65535"),
    ],
    "--master-host": [
        ("--headless --processes 2 --master-bind-port {free} --master-host elsewhere", "--master-bind-host"),
        ("--worker --master-host elsewhere", ""),
    ],
    "--csv": [("--csv {file}/x", "--csv"), ("--headless --csv {folder}/new/x", "")],
    "--html": [("--html {folder}", "folder"), ("--headless --html {folder}/new/x_{{u}}.html", "")],
    "--json-file": [("--json-file {file}/x", "--json-file"), ("--headless --json-file {folder}/new/x", "")],
    "--logfile": [("--logfile {file}/x", "--logfile"), ("--headless --logfile /dev/null", "")],
    "--json": [("--headless --json --result-json -", "one document"), ("--headless --json", "")],
}
# The rest does what it says: as Locust has it, or (--users, --spawn-rate, --run-time, --processes) as this tool does.
SERVED: Final = {
    "--build-path", "--config", "--csv-full-history", "--expect-workers", "--expect-workers-max-wait", "--headful",
    "--headless", "--help", "--list", "--locustfile", "--loglevel", "--only-summary", "--print-stats", "--processes",
    "--reset-stats", "--run-time", "--skip-log-setup", "--spawn-rate", "--users", "--version",
    "--web-host-display-name", "--web-login", "--worker",
}  # fmt: skip
# Its parser refuses them: they have been renamed.
GONE: Final = {"--expect-slaves", "--legacy-ui", "--slave", "--web-auth"}
CASES: Final = [case for cases in REFUSED.values() for case in cases]


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What is said of all command lines, by one process."""
    folder = tmp_path_factory.mktemp("options")
    (file := folder / "file").touch()
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        places = {"taken": taken.getsockname()[1], "free": free.getsockname()[1], "folder": folder, "file": file}
        free.close()
        # Of an option that comes twice the last counts; the page's own port may be in use.
        lines = [[word.format(**places) for word in f"--web-port {{free}} {words}".split()] for words, _ in CASES]
        program = [sys.executable, "-m", "tests.unit.commands.refusing"]
        done = subprocess.run(
            program, input=json.dumps(lines), capture_output=True, text=True, check=False, cwd=Path(__file__).parents[3]
        )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("place, words, said", [(place, *case) for place, case in enumerate(CASES)])
def test_an_option_is_served_or_refused(answers: Any, place: int, words: str, said: str) -> None:
    """What cannot be had is refused before anything starts; nothing else is."""
    answer = answers["refused"][place]

    assert (answer is None) if not said else (answer is not None and said in answer), (words, answer)


def test_every_option_of_locust_is_looked_at(answers: Any) -> None:
    """An option that a version of Locust brings is put into one of the tables before anybody is misled by it."""
    assert set(answers["options"]) == set(REFUSED) | SERVED | GONE

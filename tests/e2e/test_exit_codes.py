"""Exit codes, alike from both commands, and the one line on stderr with which a run that cannot begin says why."""

from __future__ import annotations

import csv
import socket
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from loadtest.broker.endpoint import Endpoint
from tests.e2e.processes import DOORS, Door, Finished, Processes, results_folders, run_command

pytestmark = pytest.mark.e2e

# What the issue asks: a broker that cannot be used is reported within this.
BROKER_TIMEOUT_S = 30.0
PASSWORD = "pw-83e1c0"
FAULTY = """\
name: faulty
publishers:
  in:
    routing_key: somewhere
    mesages: 10
    rate: 5
"""
REFUSED = """\
name: refused
topology:
  queues:
    q: {}
publishers:
  in: {users: 4, routing_key: q, rate: 100/s, confirm_window: 10, properties: {user_id: somebody-else}}
consumers:
  out: {queue: q, users: 2}
run: {duration: 60s}
"""
IMPOSSIBLE = """\
name: impossible
topology:
  queues:
    q: {}
publishers:
  in: {routing_key: q, messages: 10}
consumers:
  out: {queue: q}
thresholds:
  - out.delivered == 10
  - in.published >= 11
"""


def assert_one_line(run: Finished, exit_code: int, *texts: str) -> None:
    """Fail unless the process ended with one line on stderr that holds *texts*, showed no password and ran nothing."""
    assert run.exit_code == exit_code, run.printed
    assert run.stdout == ""
    assert len(run.stderr.splitlines()) == 1, run.stderr
    assert run.stderr.startswith("loadtest: ")
    assert [] == [text for text in texts if text not in run.stderr], run.stderr
    assert PASSWORD not in run.stderr
    assert results_folders(run.folder) == []


def test_wrong_usage_is_2(door: Door, processes: Processes) -> None:
    """
    What is typed wrong is said in a line, before any broker is asked or started.

    The many ways to type something wrong are tried in tests/unit/commands/test_bad_input.py.
    """
    url = f"http://guest:{PASSWORD}@127.0.0.1/"

    assert_one_line(processes.run(run_command(door, "flood-1000-direct", "--broker", url)), 2, "amqp://")


def test_wrong_scenario_is_2(door: Door, processes: Processes) -> None:
    """All faults of a file are told at once, each with file, line and path."""
    (processes.folder / "faulty.yaml").write_text(FAULTY)

    run = processes.run(run_command(door, "faulty.yaml"))

    assert run.exit_code == 2, run.printed
    assert "faulty.yaml:5: publishers.in.mesages" in run.stderr
    assert "messages" in run.stderr
    assert "faulty.yaml:6: publishers.in.rate" in run.stderr
    assert run.stdout == ""


@pytest.mark.parametrize("case", ["unreachable", "password", "vhost", "other-protocol"])
def test_broker_that_cannot_be_used_is_3(
    door: Door, case: str, processes: Processes, broker_endpoint: Endpoint, web_server: str, refusing_port: int
) -> None:
    """Nothing listens, the password is wrong, the vhost is missing, something else answers: a line each, and soon."""
    refused = Endpoint(broker_endpoint.host, broker_endpoint.port, username="nobody", password=PASSWORD)
    url, texts = {
        "unreachable": (f"amqp://ann:{PASSWORD}@127.0.0.1:{refusing_port}/", ["127.0.0.1", "refused"]),
        "password": (refused.url, ["nobody", "ACCESS_REFUSED"]),
        "vhost": (broker_endpoint.with_vhost("nowhere").url, ["no vhost nowhere"]),
        "other-protocol": (f"amqp://ann:{PASSWORD}@{web_server}/", [web_server, "AMQP"]),
    }[case]

    run = processes.run(run_command(door, "flood-1000-direct", "--broker", url))

    assert_one_line(run, 3, *texts)
    assert run.elapsed_s < BROKER_TIMEOUT_S


def test_broker_that_does_not_answer_is_3(processes: Processes) -> None:
    """Something that takes the connection and says nothing is given up within ten seconds."""
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        silent.settimeout(BROKER_TIMEOUT_S)
        url = f"amqp://ann:{PASSWORD}@127.0.0.1:{silent.getsockname()[1]}/"
        started = [processes.start(run_command(door, "flood-1000-direct", "--broker", url)) for door in DOORS]
        connections = [silent.accept()[0] for _ in started]
        runs = [running.wait(BROKER_TIMEOUT_S) for running in started]
        for connection in connections:
            connection.close()

    for run in runs:
        assert_one_line(run, 3, "127.0.0.1", "says nothing")


def test_nothing_measured_is_4(door: Door, processes: Processes, vhost_url: str) -> None:
    """A consumer to which nothing came has measured nothing, and that is no success."""
    run = processes.run(run_command(door, "consume-autoack", "--broker", vhost_url, sets=["run.duration=1s"]))

    assert run.exit_code == 4, run.printed
    assert run.result["verdict"]["outcome"] == "nothing-measured"
    assert run.result["complete"] is True


@pytest.mark.parametrize("processes_of_run", ["1", "2"])
def test_a_refused_operation_is_3(processes: Processes, vhost_url: str, processes_of_run: str) -> None:
    """Over one process and over two the run ends by it, and says what was refused; the advice is not a lower rate."""
    (processes.folder / "refused.yaml").write_text(REFUSED)
    arguments = ["--broker", vhost_url, "--processes", processes_of_run]

    run = processes.run(run_command("loadtest", "refused.yaml", *arguments))

    assert run.exit_code == 3, run.printed
    reason = "publisher in: Basic.Publish to the default exchange: 406 PRECONDITION_FAILED - user_id property set to"
    assert reason in run.result["verdict"]["reason"]
    assert run.result["totals"]["confirmed"] == 0
    assert "ower the rate" not in run.stdout


def test_failed_threshold_is_1(door: Door, processes: Processes, vhost_url: str) -> None:
    """A threshold that does not hold fails the run; summary and result say which, and what came instead."""
    (processes.folder / "impossible.yaml").write_text(IMPOSSIBLE)

    run = processes.run(run_command(door, "impossible.yaml", "--broker", vhost_url))

    assert run.exit_code == 1, run.printed
    assert run.result["verdict"]["outcome"] == "fail"
    assert [True, False] == [check["ok"] for check in run.result["verdict"]["checks"]]
    assert "FAIL (exit code 1): 1 of 2 thresholds failed: in.published >= 11 came to 10" in run.stdout


def test_nothing_is_left_of_a_run_that_could_not_declare(
    door: Door, processes: Processes, vhost_endpoint: Endpoint
) -> None:
    """A queue that exists with other arguments is an error of one line, with the broker's own words."""
    (processes.folder / "first.yaml").write_text(IMPOSSIBLE.replace("q: {}", "q: {durable: true}"))
    (processes.folder / "second.yaml").write_text(IMPOSSIBLE.replace("q: {}", "q: {durable: false}"))
    kept = processes.in_folder("kept")
    first = kept.run(
        run_command("loadtest", "../first.yaml", "--broker", vhost_endpoint.url, sets=["topology.keep=true"])
    )
    assert first.exit_code == 1, first.printed

    run = processes.run(run_command(door, "second.yaml", "--broker", vhost_endpoint.url))

    assert_one_line(run, 3, "queue", "q", "PRECONDITION_FAILED")


@pytest.fixture
def web_server() -> Iterator[str]:
    """The address of something that answers every connection as a web server does that gets nonsense."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        thread = threading.Thread(target=answer_all, args=(server,), daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def answer_all(server: socket.socket) -> None:
    """Answer until the socket is shut down."""
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with closing(connection):
            connection.recv(8)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


UNSUPPORTED = (
    "--tags a", "--exclude-tags a b", "--class-picker", "--equal-weights", "--config-users {}", "--enable-rebalancing",
    "--stop-timeout 5", "--show-task-ratio", "--show-task-ratio-json", "--autostart", "SomeUser",
)  # fmt: skip


def test_options_of_locust_that_mean_nothing_are_2(processes: Processes) -> None:
    """Each is refused in a line, before anything is started, and with what to do instead."""
    for options in UNSUPPORTED:
        run = processes.run(run_command("locust", "flood-1000-direct", *options.split()))

        assert run.exit_code == 2, (options, run.printed)
        assert len(run.stderr.splitlines()) == 1, (options, run.stderr)
        assert options.split()[0] in run.stderr


def test_locusts_csv_holds_all_of_a_run(processes: Processes, vhost_url: str) -> None:
    """The last second, too, in one process and in several."""
    sets = ["publishers.in.rate=200/s", "run.warm_up=1s", "run.duration=3s", "thresholds=[]"]
    for name, more in (("one", []), ("two", ["--processes", "2"])):
        command = run_command("locust", "steady-1kb", "--csv", name, "--csv-full-history", *more, sets=sets)
        folder = processes.in_folder(name)
        run = folder.run(command, LOADTEST_BROKER=vhost_url)
        with (folder.folder / f"{name}_stats.csv").open() as file:
            rows = {row["Name"]: int(row["Request Count"]) for row in csv.DictReader(file)}
        with (folder.folder / f"{name}_stats_history.csv").open() as file:
            last = list(csv.DictReader(file))[-1]
        totals = run.result["totals"]

        assert run.exit_code == 0, run.printed
        assert rows == {
            "in": totals["confirmed"],
            "out": totals["delivered"],
            "Aggregated": totals["confirmed"] + totals["delivered"],
        }
        assert int(last["Total Request Count"]) == rows["Aggregated"]

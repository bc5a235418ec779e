"""The tool killed at any moment, and a disk that takes no more: what was measured is there, and marked."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.e2e.processes import LOADTEST, Processes, Running, journal, read_result, run_command, wait_until

pytestmark = pytest.mark.e2e

# Every phase takes a second or more: users connect four a second, consumers work on what is left after the publishing.
SLOW = """
name: slow
topology: {queues: {q: {}}}
publishers: {in: {routing_key: q, body: {size: 100B}, users: 4, rate: 400/s}}
consumers: {out: {queue: q, users: 2, ack: every 1, prefetch: 50, processing_time: 6ms}}
run: {warm_up: 1s, duration: 2s, connect_rate: 4/s, drain: 20s}
thresholds: [lost == 0]
"""
FILES = {"result.json", "report.html", "summary.md", "junit.xml", "windows.csv", "scenario.yaml", "windows.jsonl"}


def in_phase(running: Running, phase: str) -> bool:
    """Return whether a run's journal says that a phase has begun."""
    paths = list(running.folder.glob("results/*/windows.jsonl"))
    return any(record.get("phase") == phase for path in paths for record in journal(path) if record["type"] == "phase")


@pytest.mark.parametrize(
    "phase, processes_asked",
    [
        pytest.param(phase, count, marks=[pytest.mark.long] * ((phase, count) not in {("measured", 1), ("drain", 2)}))
        for phase in ("connecting", "warm_up", "measured", "drain")
        for count in (1, 2)
    ],
)
def test_a_run_killed_in_any_phase_has_its_report(
    phase: str, processes_asked: int, processes: Processes, vhost_url: str
) -> None:
    """After kill -9 `loadtest report` gives every file, marked incomplete, exit code 4; nothing is called lost."""
    (processes.folder / "slow.yaml").write_text(SLOW, encoding="utf-8")
    options = ["--processes", str(processes_asked)] if processes_asked > 1 else []
    running = processes.start(run_command("loadtest", "slow.yaml", "--broker", vhost_url, *options))
    wait_until(lambda: in_phase(running, phase), 30, f"the phase {phase}")

    running.send(signal.SIGKILL)
    killed = running.wait()
    wait_until(lambda: processes.running() == [], 10, "the end of the workers")
    report = processes.run([*LOADTEST, "report", str(killed.results_folder)])
    result = read_result(killed.results_folder)

    assert killed.exit_code == -signal.SIGKILL
    assert report.exit_code == 4, report.printed
    assert FILES <= {path.name for path in killed.results_folder.iterdir()}
    assert result["complete"] is False
    assert result["verdict"]["outcome"] == "inconclusive"
    assert "cut off" in result["verdict"]["reason"]
    assert "Incomplete." in (killed.results_folder / "report.html").read_text(encoding="utf-8")


def test_a_tool_killed_while_it_writes_leaves_no_half_file(processes: Processes, vhost_url: str) -> None:
    """Each file is there whole or not at all, and the report makes all of them; the run itself had ended."""
    sets = ["publishers.flood.messages=3000", "thresholds=[lost == 0]"]
    running = processes.start(run_command("loadtest", "flood-1000-direct", "--broker", vhost_url, sets=sets))

    def is_writing() -> bool:
        return any(running.folder.glob("results/*/result.json"))

    wait_until(is_writing, 30, "the first file")
    running.send(signal.SIGKILL)
    folder = running.wait().results_folder
    before = {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}
    report = processes.run([*LOADTEST, "report", str(folder)])

    assert report.exit_code == 0, report.printed
    assert {name: (folder / name).read_bytes() for name in before} == before
    assert FILES <= {path.name for path in folder.iterdir()}


def limited(command: list[str], most_bytes: int) -> list[str]:
    """Return a command whose files may not be larger than *most_bytes*: a write beyond fails, as on a full disk."""
    return ["prlimit", f"--fsize={most_bytes}", *command]


def test_a_journal_that_fills_the_disk_does_not_end_the_run(processes: Processes, vhost_url: str) -> None:
    """The run goes to its end and says once what is missing; its figures are whole, and the exit code is 4."""
    sets = ["run.duration=4s", "run.warm_up=1s", "thresholds=[lost == 0]"]
    command = run_command("loadtest", "steady-1kb", "--broker", vhost_url, sets=sets)
    run = processes.run(limited(command, 20_000))
    folder = run.results_folder
    rest = processes.run([*LOADTEST, "report", str(folder)])

    assert run.exit_code == 4, run.printed
    assert "published 5,000 = confirmed 5,000" in run.stdout
    assert "delivered 5,000" in run.stdout
    assert run.stderr.count("windows.jsonl: cannot be written: File too large") == 1
    assert "records are missing from it" in run.stderr
    assert "report.html: cannot be written: File too large" in run.stderr
    assert "INCONCLUSIVE (exit code 4): the results on disk are incomplete" in " ".join(run.stdout.split())
    assert [path.name for path in folder.iterdir() if path.name.endswith(".part")] == []
    # What fitted is a journal that was cut off.
    assert rest.exit_code == 4, rest.printed
    assert 0 < read_result(folder)["totals"]["published"] < 5_000
    assert read_result(folder)["complete"] is False


def test_files_that_do_not_fit_are_named_and_can_be_made_later(processes: Processes, vhost_url: str) -> None:
    """The journal fits and the page does not: exit code 4, and with room again `loadtest report` makes all."""
    sets = ["publishers.flood.messages=200", "thresholds=[lost == 0]"]
    run = processes.run(
        limited(run_command("loadtest", "flood-1000-direct", "--broker", vhost_url, sets=sets), 100_000)
    )
    folder = run.results_folder
    again = processes.run([*LOADTEST, "report", str(folder)])

    assert run.exit_code == 4, run.printed
    assert run.stderr.count("cannot be written") == 1
    assert "report.html: cannot be written" in run.stderr
    assert again.exit_code == 0, again.printed
    assert FILES <= {path.name for path in folder.iterdir()}


def test_a_folder_that_goes_away_is_said(processes: Processes, vhost_url: str) -> None:
    """Somebody removes the results while the run goes on: it ends in order, and names what could not be written."""
    sets = ["run.duration=3s", "run.warm_up=0s", "thresholds=[lost == 0]"]
    running = processes.start(run_command("loadtest", "steady-1kb", "--broker", vhost_url, sets=sets))
    running.wait_measured()
    (folder,) = (processes.folder / "results").iterdir()
    folder.rename(processes.folder / "elsewhere")
    run = running.wait()

    assert run.exit_code == 4, run.printed
    assert "result.json: cannot be written: No such file or directory" in run.stderr
    assert "published 3,000 = confirmed 3,000" in run.stdout


def test_results_that_cannot_begin_are_said_before_anything_runs(processes: Processes, vhost_url: str) -> None:
    """A results folder that is a file is one line, and nothing is published."""
    (processes.folder / "results").write_text("", encoding="utf-8")
    run = processes.run(run_command("loadtest", "flood-1000-direct", "--broker", vhost_url))

    assert run.exit_code == 4, run.printed
    assert (run.stdout, run.stderr.count("\n")) == ("", 1)
    assert "cannot make the results folder" in run.stderr
    assert Path(processes.folder / "results").is_file()

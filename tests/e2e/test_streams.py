"""Standard output that is full, closed, or whose reader has gone: no traceback, and the verdict's exit code."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.processes import LOADTEST, TIMEOUT_S, Processes, run_command

pytestmark = pytest.mark.e2e

SCENARIO: Final = """\
name: short
topology: {queues: {q: {}}}
publishers: {in: {routing_key: q, messages: 20}}
consumers: {out: {queue: q, messages: 20}}
"""
ENDS: Final = {"full": "> /dev/full", "closed": ">&-", "errors closed": "2>&-", "errors full": "2> /dev/full"}
# What a command says that has no verdict: it could not say it.
UNSAID: Final = 4
SAYING: Final = ("list", "show short.yaml", "schema", "validate short.yaml", "broker status", "--help", "--version")


def in_shell(processes: Processes, command: str, **settings: str) -> tuple[int, str]:
    """Run a line of bash, and return its exit code and what it printed as errors."""
    ended = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        cwd=processes.folder, env=processes.environ(**settings), stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    return ended.returncode, ended.stderr


@pytest.mark.parametrize("command", SAYING)
def test_what_could_not_be_said(command: str, processes: Processes) -> None:
    """A full disk is an error, which has its exit code; one who does not want to read is none."""
    (processes.folder / "short.yaml").write_text(SCENARIO)
    state = {"LOADTEST_STATE_DIR": str(processes.folder / "state")}
    line = shlex.join([*LOADTEST, *command.split()])
    full, said = in_shell(processes, f"{line} > /dev/full", **state)
    closed, said_closed = in_shell(processes, f"{line} >&-", **state)
    gone, said_gone = in_shell(processes, f"{line} | true", **state)

    assert (full, closed, gone) == (UNSAID, 0, 0)
    assert said.splitlines() == ["loadtest: standard output cannot be written: No space left on device"]
    assert "Traceback" not in said_closed + said_gone


def verdicts(processes: Processes, url: str, line: str, ends: list[str]) -> list[tuple[int, str]]:
    """Run a scenario with each of these ends of its outputs."""
    (processes.folder / "short.yaml").write_text(SCENARIO)
    return [in_shell(processes, f"{line} {end}", LOADTEST_BROKER=url) for end in ends]


@pytest.mark.first
def test_the_verdict_stands(processes: Processes, vhost_url: str) -> None:
    """A run that passed has passed, whoever could not be told; one that failed has failed."""
    failing = ["--threshold", "in.confirm.max < 1ns"]
    for door in ("locust", "loadtest"):
        passing = shlex.join(run_command(door, "short.yaml"))
        found = verdicts(processes, vhost_url, passing, [*ENDS.values(), "| true"])
        ((code, said),) = verdicts(processes, vhost_url, f"{passing} {shlex.join(failing)}", ["> /dev/full"])

        assert [exit_code for exit_code, _ in found] == [0] * len(found), found
        assert code == 1
        assert not any("Traceback" in text for _, text in [*found, (code, said)])
    results = [path for path in processes.folder.glob("results/*/result.json") if path.stat().st_size]
    assert len(results) == 2 * (len(ENDS) + 2)


def test_a_document_that_is_cut(processes: Processes, vhost_url: str) -> None:
    """Who asked for the document, and did not get it, is told by the exit code."""
    line = shlex.join(run_command("loadtest", "short.yaml", "--json", "-"))
    ((code, said),) = verdicts(processes, vhost_url, line, ["> /dev/full"])

    assert code == UNSAID
    assert "the document on standard output is cut: No space left on device" in said


@pytest.mark.parametrize("name", ["report.html", "junit.xml", "result.json"])
def test_a_file_that_cannot_be_written(name: str, processes: Processes, vhost_url: str) -> None:
    """No file of a run whose report is not whole says that it has passed."""
    (processes.folder / "short.yaml").write_text(SCENARIO)
    running = processes.start(
        run_command("loadtest", "short.yaml", sets=["consumers.out.processing_time=100ms"]), LOADTEST_BROKER=vhost_url
    )
    while not (folders := list(processes.folder.glob("results/*"))):
        assert running.process.poll() is None, running.stderr
    (folders[0] / name / "in the way").mkdir(parents=True)
    run = running.wait()
    written = {path.name: path.read_text() for path in Path(folders[0]).iterdir() if path.is_file()}

    assert run.exit_code == 4, run.printed
    assert f"{name}: cannot be written" in run.stderr
    assert len({"result.json", "junit.xml"} & written.keys()) >= 1
    if "result.json" in written:
        assert run.result["verdict"]["exit_code"] == 4
    if "junit.xml" in written:
        assert 'errors="0"' not in written["junit.xml"].split("<testcase")[0]

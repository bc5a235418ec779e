"""
`locust` and `loadtest` as processes: typed as a person types them, with what they print and write.

Every process is started in a folder of the test's own and with a marker in its environment, so that whatever it starts
can be found again and nothing of it outlives the test.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from loadtest.broker.processes.marked_process import find_marked, kill_marked

ROOT: Final = Path(__file__).parents[2]
LOCUSTFILE: Final = ROOT / "loadtest" / "main.py"
LOADTEST: Final = (sys.executable, "-m", "loadtest")
LOCUST: Final = str(Path(sys.executable).with_name("locust"))
MARKER: Final = "LOADTEST_TEST_PROCESSES"
# What would lead a process under test to the developer's own broker, settings or terminal.
NOT_HANDED_ON: Final = ("LOADTEST_BROKER", "AMQP_URL", "LOADTEST_MANAGEMENT_URL", "COLUMNS", "NO_COLOR", "FORCE_COLOR")
TIMEOUT_S: Final = 60.0
POLL_S: Final = 0.05
END_GRACE_S: Final = 5.0
BUSY: Final = 3
"""Times longer than on a quiet machine that things may take: time-outs are against hanging alone."""

Door: TypeAlias = Literal["locust", "loadtest"]
DOORS: Final[tuple[Door, ...]] = ("locust", "loadtest")
Json: TypeAlias = dict[str, Any]


def wait_until(condition: Callable[[], bool], timeout_s: float, what: str, poll_s: float = POLL_S) -> None:
    """Block until *condition* holds; fail with *what* was waited for if it does not in three times *timeout_s*."""
    deadline = time.monotonic() + BUSY * timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {BUSY * timeout_s:g} s"
        time.sleep(poll_s)


def run_command(door: Door, scenario: str | Path, *arguments: str, sets: Sequence[str] = ()) -> list[str]:
    """Return the command that runs *scenario* through *door*; the flags are the same for both."""
    start = [LOCUST, "-f", str(LOCUSTFILE), "--headless", "--scenario"] if door == "locust" else [*LOADTEST, "run"]
    return [*start, str(scenario), *arguments, *(part for text in sets for part in ("--set", text))]


@dataclass(frozen=True)
class Finished:
    """A process that has ended: its exit code, what it printed, how long it lived, and the folder it was typed in."""

    exit_code: int
    stdout: str
    stderr: str
    elapsed_s: float
    folder: Path

    @property
    def printed(self) -> str:
        """What a person saw."""
        return self.stdout + self.stderr

    @property
    def results_folder(self) -> Path:
        """The folder of the one run that was made in the process's folder."""
        (folder,) = results_folders(self.folder)
        return folder

    @property
    def result(self) -> Json:
        """The result.json of that run."""
        return read_result(self.results_folder)


def _default_signals() -> None:
    """Take signals as a terminal's child does, also where the tests run under nohup or behind a shell's `&`."""
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


class Running:
    """A process under way; what it prints goes to files, so that it never waits for a reader."""

    def __init__(self, command: Sequence[str], folder: Path, environ: Mapping[str, str], name: str) -> None:
        self.folder = folder
        self._out, self._err = folder / f".{name}.stdout", folder / f".{name}.stderr"
        self._began = time.monotonic()
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                preexec_fn=_default_signals,  # noqa: PLW1509  # it takes no lock
            )

    @property
    def stderr(self) -> str:
        """What it has printed to stderr so far."""
        return self._err.read_text(errors="replace")

    @property
    def stdout(self) -> str:
        """What it has printed to stdout so far."""
        return self._out.read_text(errors="replace")

    def wait(self, timeout_s: float = TIMEOUT_S) -> Finished:
        """Return it when it has ended; a process that has not in time is killed, and the test fails."""
        try:
            exit_code = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"still running after {timeout_s:g} s:\n{self.stdout}\n{self.stderr}") from None
        return Finished(exit_code, self.stdout, self.stderr, time.monotonic() - self._began, self.folder)

    def measured(self, moved: str | None = "published") -> int:
        """Return how many windows of the measured part its journal holds; with *moved*, those in which it grew."""
        records = [record for path in self.folder.glob("results/*/windows.jsonl") for record in journal(path)]
        return sum(is_window(record, moved) for record in records)

    def wait_measured(self, windows: int = 1, moved: str | None = "published", timeout_s: float = 30.0) -> None:
        """Block until its journal holds *windows* windows of the measured part; with *moved*, in which it grew."""

        def is_measured() -> bool:
            assert self.process.poll() is None, f"ended early:\n{self.stdout}\n{self.stderr}"
            return windows <= self.measured(moved)

        wait_until(is_measured, timeout_s, f"{windows} windows of the measured part with {moved}")

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process alone."""
        self.process.send_signal(number)


class Processes:
    """Starts processes in one folder and answers for all of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._value = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._started: list[Running] = []

    def environ(self, **settings: str) -> dict[str, str]:
        """Return the environment of a process: the caller's without its brokers, with the checkout to import from."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if name not in NOT_HANDED_ON and not name.startswith("LOCUST_")
        }
        # A calibration of the developer's is not for tests, nor is theirs for the developer.
        own = {"PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(self.folder.parent / "cache"), MARKER: self._value}
        return {**kept, **own, **settings}

    def start(self, command: Sequence[str], **settings: str) -> Running:
        """Start a command, with *settings* as environment variables, and return at once."""
        running = Running(command, self.folder, self.environ(**settings), f"process-{len(self._started)}")
        self._started.append(running)
        return running

    def run(self, command: Sequence[str], **settings: str) -> Finished:
        """Run a command to its end."""
        return self.start(command, **settings).wait()

    def in_folder(self, name: str) -> Processes:
        """Return the same, for another folder, so that the results of two runs of a test lie apart."""
        other = Processes(self.folder / name)
        other.folder.mkdir()
        other._value, other._started = self._value, self._started
        return other

    def running(self) -> list[int]:
        """Return the pids of all that was started, and of all that those started, and that still runs."""
        return find_marked(MARKER, self._value)

    def end(self) -> None:
        """Fail if anything still runs, or a person would have seen a traceback; end it in any case."""
        deadline = time.monotonic() + END_GRACE_S
        while (left := self.running()) and time.monotonic() < deadline:
            time.sleep(POLL_S)
        commands = [Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()[:120] for pid in left]
        kill_marked(MARKER, self._value)
        for running in self._started:
            running.process.wait()
        tracebacks = [each.stdout + each.stderr for each in self._started if "Traceback" in each.stdout + each.stderr]

        assert not commands, f"still running: {commands}"
        assert not tracebacks, "\n".join(tracebacks)


def blocks(status: str) -> list[dict[str, str]]:
    """Return what `loadtest broker status` prints: a block of `key: value` lines for each node."""
    return [dict(line.split(": ", 1) for line in block.splitlines()) for block in status.strip().split("\n\n")]


def results_folders(folder: Path) -> list[Path]:
    """Return the folders of the runs made in *folder*, oldest first."""
    return sorted(folder.glob("results/*"), key=lambda path: path.stat().st_mtime_ns)


def read_result(folder: Path) -> Json:
    """Return the result.json of a run's folder."""
    result: Json = json.loads((folder / "result.json").read_text())
    return result


def journal(path: Path) -> Iterator[Json]:
    """Yield the whole records of a journal that is still being written."""
    for line in path.read_bytes().splitlines(keepends=True):
        if line.endswith(b"\n"):
            yield json.loads(line)


def is_window(record: Json, moved: str | None) -> bool:
    """Return whether a record is a window of the measured part in which the count *moved* grew."""
    if record["type"] != "window" or record["phase"] != "measured":
        return False
    return moved is None or any(group.get("counters", {}).get(moved) for group in record["groups"].values())


def assert_closed(result: Json) -> None:
    """Fail unless the ledger is closed: every message of every publisher is accounted for, and none is lost."""
    ledger, totals = result["ledger"], result["totals"]

    assert ledger["imbalances"] == []
    assert ledger["balanced"] is True
    assert totals["lost"] == totals["corrupted"] == totals["unexpected"] == 0
    for books in ledger["publishers"]:
        if books["unconfirmed"] < books["published"]:  # else it asked for no confirms
            settled = books["confirmed"] + books["nacked"] + books["returned_only"] + books["in_doubt"]
            assert books["published"] == settled, books

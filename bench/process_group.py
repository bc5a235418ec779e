"""
A generator as processes: started in a session of its own, its CPU time and memory read from /proc, and ended.

Linux only, as is the bench. Processor time is user + system of all processes of the session, those that have ended
within it included.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Self

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_PROC: Final = Path("/proc")
# Fields of /proc/PID/stat behind the name in parentheses, counted from 0 (proc(5)).
_SESSION: Final = 3
_TIMES: Final = slice(11, 15)


def cpu_s(pid: int, *, with_children: bool = True) -> float:
    """Return the processor time of a process in s, with its ended children's; 0 if there is none."""
    fields = _stat(pid)
    times = [int(value) for value in fields[_TIMES]] if fields else []
    return sum(times if with_children else times[:2]) / _TICKS_PER_S


class ProcessGroup:
    """A program and all that it starts."""

    def __init__(self, command: Sequence[str], folder: Path, environment: Mapping[str, str], cwd: Path) -> None:
        """Start *command* in the directory *cwd*; what it prints goes to a file in *folder*."""
        self._output = folder / "output"
        with self._output.open("wb") as output:
            self.began = time.monotonic()
            self._process = subprocess.Popen(
                list(command),
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **environment},
                cwd=cwd,
                start_new_session=True,
            )
        self._ended_cpu_s = 0.0
        self.peak_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def is_alive(self) -> bool:
        """Whether the program itself still runs."""
        return self._process.poll() is None

    def output(self) -> str:
        """Return what it has printed so far."""
        return self._output.read_text(errors="replace")

    def cpu_s(self) -> float:
        """Return the processor time of all its processes so far, in s."""
        return sum(cpu_s(pid) for pid in self._pids())

    def memory_bytes(self) -> int:
        """Return the resident memory of all its processes, and note the largest ever seen (each at its own peak)."""
        pids = self._pids()
        self.peak_bytes = max(self.peak_bytes, sum(_status_bytes(pid, "VmHWM") for pid in pids))
        return sum(_status_bytes(pid, "VmRSS") for pid in pids)

    def wait(self, timeout_s: float) -> tuple[int | None, float]:
        """Wait for its end; return exit code (None: it had to be ended) and processor time of its whole life in s."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            pid, status, usage = os.wait4(self._process.pid, os.WNOHANG)
            if pid:
                self._process.returncode = os.waitstatus_to_exitcode(status)
                self.peak_bytes = max(self.peak_bytes, usage.ru_maxrss * 1024)
                return self._process.returncode, usage.ru_utime + usage.ru_stime
            time.sleep(0.005)
        used = self.cpu_s()
        self.end()
        return None, used

    def end(self) -> None:
        """End all its processes, at once after two seconds."""
        for number, patience_s in ((signal.SIGTERM, 2.0), (signal.SIGKILL, 1.0)):
            for pid in self._pids():
                _signal(pid, number)
            deadline = time.monotonic() + patience_s
            while self._pids() and time.monotonic() < deadline:
                time.sleep(0.02)
        self._process.poll()

    def _pids(self) -> list[int]:
        session = str(self._process.pid)
        found = [int(path.name) for path in _PROC.iterdir() if path.name.isdigit()]
        return [pid for pid in found if (fields := _stat(pid)) and fields[_SESSION] == session and fields[0] != "Z"]


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _stat(pid: int) -> list[str]:
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _status_bytes(pid: int, field: str) -> int:
    try:
        lines = (_PROC / str(pid) / "status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(field + ":")), 0)

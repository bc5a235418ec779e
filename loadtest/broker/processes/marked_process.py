"""
Processes found again by a marker: an environment variable that everything started under it inherits.

Knows no broker. It is how what a killed run left behind is found, without a pid that may since belong to somebody
else. Linux only: where there is no /proc, nothing is found.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
KILL_WAIT_S: Final = 5.0
_KILL_ROUNDS: Final = 10


def find_marked(name: str, value: str) -> list[int]:
    """Return the pids of living processes that were started with *name*=*value* in the environment; never our own."""
    entries = _PROC.iterdir() if _PROC.is_dir() else iter(())
    pids = (int(entry.name) for entry in entries if entry.name.isdigit())
    return sorted(pid for pid in pids if pid != os.getpid() and is_marked(pid, name, value))


def kill_marked(name: str, value: str) -> list[int]:
    """
    Kill every process that carries the marker, wait until they are gone and return their pids.

    A process is held by a pidfd while its environment is read again, so a pid that is used anew is never hit. Repeats
    until none is found: a process may start another while it is looked for. One that even SIGKILL does not end (it
    hangs in the kernel) is given up after a while.
    """
    killed: list[int] = []
    for _ in range(_KILL_ROUNDS):
        found = find_marked(name, value)
        if not found:
            break
        for pid in found:
            with _pidfd(pid) as descriptor:
                if descriptor is not None and is_marked(pid, name, value):
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                    _wait_ended(descriptor, KILL_WAIT_S)
                    killed.append(pid)
    return killed


def is_marked(pid: int, name: str, value: str) -> bool:
    """Return whether the process has the marker; a zombie, one that is gone and another user's show none."""
    try:
        return f"{name}={value}".encode() in (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except (PermissionError, FileNotFoundError, ProcessLookupError):
        return False


def _wait_ended(descriptor: int, timeout_s: float) -> bool:
    """Wait until the process of a pidfd has ended (a zombie has); return whether it did within *timeout_s*."""
    poller = select.poll()  # not select(): a run may hold more than 1,024 descriptors
    poller.register(descriptor, select.POLLIN)
    return bool(poller.poll(timeout_s * 1000))


@contextlib.contextmanager
def _pidfd(pid: int) -> Iterator[int | None]:
    """Yield a descriptor of the process, or None if there is none of that pid."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)

"""
A process that is held by a descriptor, so that what is sent to it never reaches another one that got its pid.

Knows no broker. Signals go through a pidfd (pidfd_open(2)); where there is none (not Linux) through the Popen of a
child, which is safe until it is reaped. Waiting sleeps in short steps, so that under gevent others run meanwhile.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from loadtest.broker.processes.marked_process import is_marked
from loadtest.broker.processes.waker import Waker

_POLL_S: Final = 0.02
_REAP_S: Final = 1.0
_ENDED: Final = "ZX"
_STOPPED: Final = "Tt"
_NO_SIGNAL: Final = 0


class HeldProcess:
    """One process, ours or not, from the moment that it is held; `close` lets go of it."""

    def __init__(self, pid: int, child: subprocess.Popen[bytes] | None = None) -> None:
        self.pid: Final = pid
        self._child = child
        self._waker: Waker | None = None
        self._descriptor = _open(pid)

    @classmethod
    def of_child(cls, child: subprocess.Popen[bytes]) -> HeldProcess:
        """Hold a child that has just been started."""
        return cls(child.pid, child)

    @classmethod
    def of_marked(cls, pid: int, name: str, value: str) -> HeldProcess | None:
        """Hold *pid*, if it was started with *name*=*value* in its environment; None if it is gone, or another's."""
        held = cls(pid)
        if held.is_running and is_marked(pid, name, value):
            return held
        held.close()
        return None

    @property
    def is_running(self) -> bool:
        """Whether it has not ended; one that is paused has not."""
        return self._state() is not None

    @property
    def is_paused(self) -> bool:
        """Whether it is stopped by SIGSTOP; False where that cannot be told."""
        return (self._state() or "-") in _STOPPED

    def pause(self, timeout_s: float, *, outlives_us: bool) -> None:
        """
        Have it stand still, and wait until it does.

        Args:
            timeout_s: The longest that is waited.
            outlives_us: Whether it stays when this process ends; then it is resumed, whatever ends it.
        """
        if outlives_us and self._waker is None and self._descriptor is not None:
            self._waker = Waker(self._descriptor)
        self.send(signal.SIGSTOP)
        self._wait(lambda: self.is_paused or not self.is_running, timeout_s)

    def resume(self) -> None:
        """Have it go on, if it stands still."""
        waker, self._waker = self._waker, None
        if waker is not None:
            waker.dismiss()
        self.send(signal.SIGCONT)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; nothing if it has ended."""
        with contextlib.suppress(ProcessLookupError):
            if self._descriptor is not None:
                signal.pidfd_send_signal(self._descriptor, number)
            elif self._child is not None:
                self._child.send_signal(number)

    def wait_ended(self, timeout_s: float) -> bool:
        """Wait until it has ended, and reap it if it is our child; return whether it did within *timeout_s*."""
        return self._wait(lambda: not self.is_running, timeout_s) and self._reap()

    def close(self) -> None:
        """Let go of it; what stands still by us goes on."""
        if self._waker is not None:
            self.resume()
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    @staticmethod
    def _wait(condition: Callable[[], bool], timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_S)
        return True

    def _reap(self) -> bool:
        if self._child is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(_REAP_S)
        return True

    def _state(self) -> str | None:
        """Return the state as proc(5) has it, one letter, `-` where it cannot be told; None if it has ended."""
        if self._child is not None and self._child.poll() is not None:
            return None
        if self._descriptor is None:
            return "-" if self._child is not None else None
        try:
            state = _read_state(self.pid)
            # Asked after the reading: as long as this answers, the pid was the held process's.
            signal.pidfd_send_signal(self._descriptor, _NO_SIGNAL)
        except (ProcessLookupError, FileNotFoundError):
            return None
        return None if state in _ENDED else state


def _read_state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def _open(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None

"""
Programs that end with the process that started them, even if that is ended by kill -9.

Linux kills such a child when the *thread* that started it ends (PR_SET_PDEATHSIG, prctl(2)), so children are started
by the main thread or by one that lives as long as the process. Elsewhere nothing kills them; they are swept by the
next start.
"""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from loadtest.errors import BrokerError

# Between fork and exec, as a program of its own and not as preexec_fn: no Python runs in a fork of a process with
# threads. A parent that was gone before prctl took effect is noticed by the changed parent id.
_BOUND: Final = """
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 9)
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)
try:
    os.execv(sys.argv[2], sys.argv[2:])
except OSError as error:
    sys.exit(f"{sys.argv[2]}: {error.strerror}")
"""

# What a child writes is its user's alone: logs and data hold what passed through the broker.
_UMASK: Final = 0o077
_FILE_MODE: Final = 0o600


def start_child(
    command: Sequence[str | Path],
    *,
    environ: Mapping[str, str],
    folder: Path,
    output: Path,
    bound: bool,
    keep: Sequence[int] = (),
    control: int | None = None,
) -> subprocess.Popen[bytes]:
    """
    Start *command* and return its process.

    In a session of its own, so that Ctrl-C at the terminal reaches the tool alone, which then decides when its broker
    goes.

    Args:
        command: An absolute path and its arguments.
        environ: Its whole environment.
        folder: Where it runs.
        output: The file that takes stdout and stderr.
        bound: Whether it ends with this process.
        keep: Descriptors that stay open in it.
        control: A descriptor that becomes its stdin and stdout, instead of nothing and *output*.

    Raises:
        BrokerError: If the system cannot start a process. That *command* is no program shows in its output.
    """
    words = [str(word) for word in command]
    if bound:
        words = bound_command(words)

    def start() -> subprocess.Popen[bytes]:
        with os.fdopen(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, _FILE_MODE), "ab") as stream:
            return subprocess.Popen(
                words,
                env=dict(environ),
                cwd=folder,
                stdin=subprocess.DEVNULL if control is None else control,
                stdout=stream if control is None else control,
                stderr=stream,
                start_new_session=True,
                pass_fds=keep,
                umask=_UMASK,
            )

    try:
        return start() if _is_main_thread() else _in_lasting_thread(start)
    except OSError as error:
        raise BrokerError(f"cannot start {command[0]}: {error.strerror}") from error


def bound_command(words: Sequence[str]) -> list[str]:
    """Return the command of a program, named by an absolute path, that ends with this process."""
    return [sys.executable or "python3", "-I", "-S", "-c", _BOUND, str(os.getpid()), *words]


def _is_main_thread() -> bool:
    """Return whether this is the process's first thread; by the kernel's id, as gevent's threads are greenlets."""
    return threading.get_native_id() == os.getpid() or sys.platform != "linux"


def _in_lasting_thread(start: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    """Call *start* in a thread that then sleeps until the process ends."""
    answers: queue.SimpleQueue[subprocess.Popen[bytes] | BaseException] = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put(start())
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            answers.put(error)
        threading.Event().wait()

    threading.Thread(target=run, name="loadtest children", daemon=True).start()
    answer = answers.get()
    if isinstance(answer, BaseException):
        raise answer
    return answer

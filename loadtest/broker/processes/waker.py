"""
A helper that resumes a paused process when whoever paused it is gone, even by kill -9.

A private node that dies with the tool needs none; one that outlives the tool would otherwise stand still for ever.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from typing import Final

_WAIT_S: Final = 5.0

# Its standard input ends when the last holder of the other end does; the process is the one held, whatever its pid.
_WATCH: Final = """
import os, signal, sys
os.read(0, 1)
try:
    signal.pidfd_send_signal(int(sys.argv[1]), signal.SIGCONT)
except ProcessLookupError:
    pass
"""


class Waker:
    """The helper for the process of a pidfd, from when it is made until `dismiss`, which resumes the process, too."""

    def __init__(self, descriptor: int) -> None:
        read, self._write = os.pipe()
        try:
            self._helper = subprocess.Popen(
                [sys.executable or "python3", "-I", "-S", "-c", _WATCH, str(descriptor)],
                stdin=read,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[descriptor],
                start_new_session=True,
            )
        finally:
            os.close(read)

    def dismiss(self) -> None:
        """Let it resume the process and end."""
        os.close(self._write)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._helper.wait(_WAIT_S)

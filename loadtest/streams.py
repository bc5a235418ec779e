"""
Standard output and error that are full or closed, and end nothing.

A run that has been measured, and whose results are written, has its verdict, whoever could not be told of it: a disk
that is full (`> /dev/full`), a reader that has gone (`| head -1`), a descriptor that was closed (`>&-`). Python itself
would raise in the middle of what is printed, or end with 120.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from typing import Any, Final, TextIO

_OUTPUT: Final = 1
_ERROR: Final = 2


class _Surviving(io.FileIO):
    """A descriptor; after the first write that fails, what is written goes nowhere."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self.failed: OSError | None = None

    def write(self, data: Any) -> int:
        """Write, and never raise."""
        try:
            return super().write(data) or 0
        except OSError as error:
            self.failed = self.failed or error
            # Not the end of it: what Python has buffered it writes once more at its exit.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            return memoryview(data).nbytes


def survive_streams() -> None:
    """Have this process survive that its standard output or error cannot be written; call it once, at the start."""
    for descriptor, name in ((_OUTPUT, "stdout"), (_ERROR, "stderr")):
        stream: TextIO | None = getattr(sys, name)
        if stream is None:
            _occupy(descriptor)
            # Closed from the start: nobody wants to know.
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123  # as long as the process
        elif _is_ours(stream, descriptor):
            raw = _Surviving(descriptor)
            is_buffered = hasattr(stream.buffer, "raw")  # not with PYTHONUNBUFFERED
            buffer: Any = io.BufferedWriter(raw) if is_buffered else raw
            text = io.TextIOWrapper(
                buffer,
                stream.encoding,
                stream.errors,
                line_buffering=descriptor == _ERROR or stream.isatty(),
                write_through=not is_buffered,
            )
            with contextlib.suppress(OSError):
                stream.flush()
            setattr(sys, name, text)


def output_fault() -> str | None:
    """
    Return why standard output could not be written; None if it could, or nobody wanted to read on.

    A reader that has closed a pipe has what it wanted.
    """
    failed = _failed()
    return None if failed is None or failed.errno == errno.EPIPE else failed.strerror


def output_is_cut() -> str | None:
    """Return why what was written to standard output is not whole; None if it is."""
    failed = _failed()
    return None if failed is None else failed.strerror


def _failed() -> OSError | None:
    with contextlib.suppress(ValueError):
        sys.stdout.flush()
    buffer = getattr(sys.stdout, "buffer", None)
    raw = getattr(buffer, "raw", buffer)
    return raw.failed if isinstance(raw, _Surviving) else None


def _is_ours(stream: TextIO, descriptor: int) -> bool:
    """Return whether *stream* is the process's own, and not one of a test, or wrapped already."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        raw = getattr(stream.buffer, "raw", stream.buffer)
        return stream.fileno() == descriptor and isinstance(raw, io.FileIO) and not isinstance(raw, _Surviving)
    return False


def _occupy(descriptor: int) -> None:
    """Have a descriptor that was closed lead nowhere, so that no file or socket gets its number."""
    try:
        os.fstat(descriptor)
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        if nowhere != descriptor:
            os.dup2(nowhere, descriptor)
            os.close(nowhere)


def log_progress(text: str) -> None:
    """Print a line on standard error, at once: standard output holds the result alone."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()

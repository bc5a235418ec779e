"""
Linux's timerfd: a file descriptor that becomes readable at an instant.

Python has it from 3.13 on (`os.timerfd_create`); below that this calls the C library. Constants from <sys/timerfd.h>
and <time.h>.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Final

from loadtest.clock import NS_PER_S

_CLOCK_MONOTONIC: Final = 1
_TFD_TIMER_ABSTIME: Final = 1
_TFD_FLAGS: Final = os.O_NONBLOCK | getattr(os, "O_CLOEXEC", 0)
_EXPIRATIONS_BYTES: Final = 8


class _Timespec(ctypes.Structure):
    # time_t and long are both C longs on every Linux that CPython 3.11 runs on with 64 bits; glibc's 32-bit time_t too.
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class TimerFd:
    """
    One timer on CLOCK_MONOTONIC.

    Attributes:
        fd: To watch for readability.
    """

    def __init__(self) -> None:
        """
        Create a timer that is not set.

        Raises:
            NotImplementedError: If the platform has no timerfd.
            OSError: If no descriptor is left.
        """
        create, self._set = _library_calls()
        self.fd: int = create(_CLOCK_MONOTONIC, _TFD_FLAGS)
        if self.fd < 0:
            raise _last_error("timerfd_create")
        self._spec = _Itimerspec()
        self._spec_pointer = ctypes.byref(self._spec)

    def set(self, instant_ns: int) -> None:
        """Become readable at *instant_ns*; at once if that is past. Replaces what was set."""
        # An instant of 0 would disarm the timer.
        seconds, nanoseconds = divmod(max(instant_ns, 1), NS_PER_S)
        self._spec.value.seconds = seconds
        self._spec.value.nanoseconds = nanoseconds
        if self._set(self.fd, _TFD_TIMER_ABSTIME, self._spec_pointer, None) != 0:
            raise _last_error("timerfd_settime")

    def clear(self) -> None:
        """Make the descriptor unreadable again, if it was."""
        try:
            os.read(self.fd, _EXPIRATIONS_BYTES)
        except BlockingIOError:
            # Set anew between becoming readable and now.
            return

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self.fd)
        # The number may be another file's from now on.
        self.fd = -1


def _library_calls() -> tuple[ctypes._FuncPointer, ctypes._FuncPointer]:
    if not sys.platform.startswith("linux"):
        raise NotImplementedError("this platform has no timerfd")
    library = ctypes.CDLL(None, use_errno=True)
    create, settime = library.timerfd_create, library.timerfd_settime
    create.argtypes = (ctypes.c_int, ctypes.c_int)
    create.restype = ctypes.c_int
    settime.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    settime.restype = ctypes.c_int
    return create, settime


def _last_error(call: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{call}: {os.strerror(number)}")

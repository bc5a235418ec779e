"""
The signals that end a run in order, and how often they have come.

Ctrl-C (SIGINT), SIGTERM, and SIGHUP, which a terminal that is closed sends. The first ends a run with its results, the
second does not wait for what is in flight, the third ends the process. Knows neither gevent nor runs.
"""

from __future__ import annotations

import atexit
import signal
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import FrameType

HURRY: Final = 2
"""The signal that says that nobody wants to wait."""

LAST: Final = 3
"""The signal after which the process ends, whatever it leaves behind."""


def ending_signals() -> tuple[signal.Signals, ...]:
    """
    Return the signals that are to end what this process does.

    SIGHUP only where it is not ignored: `nohup` ignores it so that a program outlives its terminal. That Ctrl-C is
    ignored means nothing: a shell without job control does so for all that it starts with `&`.
    """
    hangs_up = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
    return (signal.SIGINT, signal.SIGTERM, *((signal.SIGHUP,) if hangs_up else ()))


@cache
def hold_back_at_exit() -> None:
    """Have these signals do nothing any more once the interpreter exits: the exit code of the run stands."""
    atexit.register(_hold_back, ending_signals())


def _hold_back(numbers: tuple[signal.Signals, ...]) -> None:
    """
    Ignore and block *numbers* until the process has ended.

    Blocking holds for this thread alone: any other one (zmq, the resolver, numpy) would take the signal. So they are
    ignored, too; the interpreter, which restores the default action of what a Python function handles, leaves that.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)


def raise_interrupts() -> None:
    """
    Have the first of these signals raise KeyboardInterrupt, so that what is half made is unmade on the way out.

    The second does nothing, as that is under way; the third raises again, and breaks it off. After `defer_interrupts`
    none raises.
    """
    hold_back_at_exit()
    _deferred.is_on, _deferred.came = False, 0
    came = 0

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal came
        if _deferred.is_on:
            _deferred.came += 1
            return
        came += 1
        if came != HURRY:
            signal.default_int_handler(number, frame)

    for number in ending_signals():
        signal.signal(number, handle)


@dataclass
class _Deferred:
    """Signals that came between the end of a preparation and the begin of what can end in order."""

    is_on: bool = False
    came: int = 0


_deferred: Final = _Deferred()


def defer_interrupts() -> None:
    """Have the signals of `raise_interrupts` be counted instead: all is made, and an exception would lose it."""
    _deferred.is_on = True


def take_deferred() -> int:
    """Return how many signals have been deferred since this was last asked."""
    came, _deferred.came = _deferred.came, 0
    return came


def heed_interrupts() -> None:
    """Have these signals raise KeyboardInterrupt, in a process that a shell had ignore Ctrl-C, too."""
    hold_back_at_exit()
    for number in ending_signals():
        signal.signal(number, signal.default_int_handler)

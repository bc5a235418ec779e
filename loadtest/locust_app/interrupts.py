"""
Ctrl-C, SIGTERM and SIGHUP: where in the process they arrive.

What is done about them is decided by whoever leads the run (locust_run.py, headless_run.py). gevent prints what ends
its hub, a Ctrl-C too, unless it is told that this is no error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import gevent

from loadtest.signals import ending_signals, hold_back_at_exit, raise_interrupts, take_deferred

if TYPE_CHECKING:
    from collections.abc import Callable


def interrupt_preparation() -> None:
    """Have the signals raise KeyboardInterrupt (`raise_interrupts`): there is no run yet that could end in order."""
    _print_no_interrupt()
    raise_interrupts()


def on_signals(handle: Callable[[int], None]) -> None:
    """
    Have *handle* called, in a greenlet of its own, with how many of the signals have come, until the process ends.

    What it raises that ends a process (KeyboardInterrupt, SystemExit) is raised in the main greenlet. Where nothing
    lets the hub work any more, as on the way out, a signal does nothing. Those that a preparation has deferred count.
    """
    _print_no_interrupt()
    hold_back_at_exit()
    came = 0

    def take() -> None:
        nonlocal came
        came += 1
        handle(came)

    for number in ending_signals():
        gevent.signal_handler(number, take)
    for _ in range(take_deferred()):
        gevent.spawn(take)


def _print_no_interrupt() -> None:
    hub = gevent.get_hub()
    if KeyboardInterrupt not in hub.NOT_ERROR:
        hub.NOT_ERROR = (*hub.NOT_ERROR, KeyboardInterrupt)

"""
Ctrl-C and SIGTERM: where in the process they arrive.

What is done about them is decided by whoever leads the run (locust_run.py, commands/run.py). gevent prints what ends
its hub, a Ctrl-C too, unless it is told that this is no error.
"""

from __future__ import annotations

import signal

import gevent

from loadtest.errors import EXIT_INTERRUPTED


def interrupt_preparation() -> None:
    """
    Have both signals raise KeyboardInterrupt, so that what is half made is unmade on the way out.

    A shell without job control has what it starts with `&` ignore Ctrl-C; the run itself heeds it, so this does too.
    """
    _print_no_interrupt()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def interrupt_main_greenlet() -> None:
    """
    Have Ctrl-C raise KeyboardInterrupt in the main greenlet, which waits in Locust's `main` for the end.

    Python by itself raises it in whatever greenlet is at work: in the one that leads the run it would be the end of it,
    with nothing written. A second one, wherever Locust is on its way out, ends the process with the exit code of an
    interrupted run: out of Python a KeyboardInterrupt would be a death by SIGINT.
    """
    _print_no_interrupt()
    is_first = True

    def end() -> None:
        """Raise in a greenlet of gevent's, whose hub hands what ends the process to the main one."""
        nonlocal is_first
        if not is_first:
            raise SystemExit(EXIT_INTERRUPTED)
        is_first = False
        raise KeyboardInterrupt

    gevent.signal_handler(signal.SIGINT, end)


def _print_no_interrupt() -> None:
    hub = gevent.get_hub()
    if KeyboardInterrupt not in hub.NOT_ERROR:
        hub.NOT_ERROR = (*hub.NOT_ERROR, KeyboardInterrupt)

"""What long commands print of their progress, and how they end on Ctrl-C, SIGTERM and SIGHUP."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import typer

from loadtest.errors import EXIT_INTERRUPTED
from loadtest.signals import ending_signals, hold_back_at_exit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def say(text: str) -> None:
    """Print a line on standard error, at once: standard output holds the result alone."""
    typer.echo(text, err=True)


def heed_interrupts() -> None:
    """Have these signals raise KeyboardInterrupt, in a process that a shell had ignore Ctrl-C, too."""
    hold_back_at_exit()
    for number in ending_signals():
        signal.signal(number, signal.default_int_handler)


def interrupted(command: str, document: Path, write: Callable[[], Path], *, err: bool = False) -> int:
    """
    Say how to go on with what was interrupted, write its page, and return the exit code.

    Args:
        command: Of `loadtest`, that takes `--resume`.
        document: What it has written after each run; where there is none, there is nothing to go on with.
        write: Writes the files that are made of it, and returns the path of the page.
        err: Whether standard output is the document's.
    """
    for number in ending_signals():
        signal.signal(number, signal.SIG_IGN)  # all that is left takes a moment
    if not document.exists():
        say("interrupted")
        return EXIT_INTERRUPTED
    say(f"interrupted; to go on: loadtest {command} --resume {document.parent}")
    typer.echo(f"page      {write()}", err=err)
    return EXIT_INTERRUPTED

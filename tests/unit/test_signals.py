"""Signals at the very end of a process: its exit code is the run's, whenever one comes."""

from __future__ import annotations

import subprocess
import sys

import pytest

# What is registered first runs last: then the handlers of the loop are gone already.
LATE = """
import atexit, os, signal, sys
for name in ("SIGHUP", "SIGINT", "SIGTERM"):
    signal.signal(getattr(signal, name), signal.SIG_DFL)
def late():
    signal.signal(signal.{name}, signal.SIG_DFL)
    os.kill(os.getpid(), signal.{name})
atexit.register(late)
{prepare}
sys.exit(7)
"""
PREPARE = {
    "a run": "from loadtest.traffic.interrupts import on_signals; on_signals(print)",
    "its preparation": "from loadtest.signals import raise_interrupts; raise_interrupts()",
    "many runs": "from loadtest.commands.interrupting import heed_interrupts; heed_interrupts()",
}


@pytest.mark.parametrize("name", ["SIGHUP", "SIGINT", "SIGTERM"])
@pytest.mark.parametrize("prepare", PREPARE.values(), ids=PREPARE.keys())
def test_a_signal_on_the_way_out_changes_nothing(name: str, prepare: str) -> None:
    """The exit code stays, though nobody handles the signal any more."""
    done = subprocess.run([sys.executable, "-c", LATE.format(name=name, prepare=prepare)], check=False, timeout=30)

    assert done.returncode == 7

"""Signals at the very end of a process: its exit code is the run's, whenever one comes."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Another thread takes a signal that is blocked in the main one. What is registered first runs last, so the sender is
# there from the moment at which signals are held back until the process has ended.
LATE = """
import atexit, _thread, signal, subprocess, sys, time
for name in ("SIGHUP", "SIGINT", "SIGTERM"):
    signal.signal(getattr(signal, name), signal.SIG_DFL)
_thread.start_new_thread(time.sleep, (60,))
start = subprocess.Popen
def late():
    sender = start([sys.executable, "-S", "-c", {send!r}], stdout=subprocess.PIPE)
    sender.stdout.read(1)
    sender.returncode = 0
    sender.stdout.close()
atexit.register(late)
{prepare}
sys.exit(7)
"""
SEND = """
import os, signal
parent = os.getppid()
os.kill(parent, signal.{name})
os.write(1, b"!")
while os.getppid() == parent:
    os.kill(parent, signal.{name})
"""
PREPARE = {
    "a run": """
from loadtest.locust_app.interrupts import interrupt_preparation, on_signals
interrupt_preparation()
on_signals(print)
""",
    "its preparation": "from loadtest.signals import raise_interrupts; raise_interrupts()",
    "many runs": "from loadtest.signals import heed_interrupts; heed_interrupts()",
}


@pytest.mark.parametrize("name", ["SIGHUP", "SIGINT", "SIGTERM"])
@pytest.mark.parametrize("prepare", PREPARE.values(), ids=PREPARE.keys())
def test_signals_on_the_way_out_change_nothing(name: str, prepare: str) -> None:
    """The exit code stays, and no traceback is printed, though nobody handles the signals any more."""
    code = LATE.format(send=SEND.format(name=name), prepare=prepare)
    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=60, stderr=subprocess.PIPE, text=True)

    assert done.returncode == 7, done.stderr
    assert done.stderr == ""


DEFERRED = """
import os, signal
from loadtest.locust_app.interrupts import interrupt_preparation, on_signals
from loadtest.signals import defer_interrupts
import gevent
interrupt_preparation()
try:
    os.kill(os.getpid(), signal.{name})
except KeyboardInterrupt:
    print("raised")
interrupt_preparation()
defer_interrupts()
os.kill(os.getpid(), signal.{name})
os.kill(os.getpid(), signal.{name})
seen = []
on_signals(seen.append)
os.kill(os.getpid(), signal.{name})
with gevent.Timeout(20):
    while len(seen) < 3:
        gevent.sleep(0)
print(seen)
"""


@pytest.mark.parametrize("name", ["SIGHUP", "SIGINT", "SIGTERM"])
def test_a_signal_between_preparation_and_run_is_taken_by_the_run(name: str) -> None:
    """It breaks nothing off once all is made: whoever leads the run hears of it, in its place."""
    command = [sys.executable, "-c", DEFERRED.format(name=name)]
    done = subprocess.run(command, check=False, timeout=60, capture_output=True, text=True)

    assert done.stdout == "raised\n[1, 2, 3]\n", done.stderr

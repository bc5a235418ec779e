"""
`python -m bench.scale_master FILE ARGUMENTS…`: `locust ARGUMENTS…` as a master whose processor time is told by part.

Writes FILE (JSON) when the process ends: what it used in the measured part of the run. Parts are functions of the
product that nobody else runs within; their time is that of the thread (`time.thread_time_ns`), less that of parts
within them, so the machine's other work costs only caches. What is left of the main thread is Locust's and gevent's
own: the event loop, reading from sockets, heartbeats, the orders to cut. Other threads are ZeroMQ's.
"""

from __future__ import annotations

import locust.main  # first: it patches the standard library through gevent  # isort: skip

import atexit
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from locust.rpc.protocol import Message

import loadtest.locust_app.locust_run
from loadtest.locust_app.worker_messages import ANSWER, MasterMessages
from loadtest.measure.group_totals import GroupTotals
from loadtest.measure.journal import Journal
from loadtest.measure.ledger.ledger import Ledger
from loadtest.measure.timeline import Timeline
from loadtest.measure.window import Window
from loadtest.report.run.progress_line import Progress
from loadtest.result.run.live_checks import Watch
from loadtest.run.session import Session
from loadtest.run.window_cutter import WindowCutter
from loadtest.run.workers.workers import Workers

__all__ = ["locust", "main"]

# The first seconds are left out: what is loaded once, and the timeline's first rows, of which none is closed yet.
SKIPPED_S: Final = 11.0


class Parts:
    """Processor time of the main thread by part, in ns, each without the parts within it."""

    def __init__(self) -> None:
        self.ns: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self._within = [0]

    def time(self, owner: Any, name: str, part: str) -> None:
        """Count the calls of function *name* of *owner* to *part*; nobody else may run within it."""
        setattr(owner, name, self.timed(getattr(owner, name), part))

    def timed(self, called: Callable[..., Any], part: str) -> Callable[..., Any]:
        """Return *called*, counted to *part*."""

        def timing(*arguments: Any, **named: Any) -> Any:
            self._within.append(0)
            began_ns = time.thread_time_ns()
            try:
                return called(*arguments, **named)
            finally:
                took_ns = time.thread_time_ns() - began_ns
                self.ns[part] += took_ns - self._within.pop()
                self._within[-1] += took_ns
                self.calls[part] += 1

        return timing


class Meter:
    """What the master uses, sampled after each cut of the measured part, when all its windows are taken in."""

    def __init__(self) -> None:
        self.parts = Parts()
        self.samples: list[dict[str, Any]] = []
        self.answers = self.answer_bytes = self.received_bytes = 0
        self.windows = 0
        self.intake_ns: list[int] = []
        self.cut_ns: list[int] = []
        self._phase = ""
        self._from_ns = 0

    def install(self) -> None:
        """Have everything counted from now on."""
        time_part = self.parts.time
        Message.unserialize = self._unpacking(Message.unserialize)  # type: ignore[method-assign]
        for owner, name, part in (
            (MasterMessages, "_answered", "answers"),
            (MasterMessages, "_told", "answers"),
            (Workers, "take_status", "answers"),
            (Journal, "append", "journal"),
            (GroupTotals, "take", "groups"),
            (Ledger, "take", "ledger"),
            (Timeline, "take", "timeline"),
            (Progress, "take", "progress"),
            (Watch, "hopeless", "watch"),
            (loadtest.locust_app.locust_run, "feed", "Locust statistics"),
        ):
            time_part(owner, name, part)
        Window.from_record = self.parts.timed(Window.from_record, "validate")  # type: ignore[method-assign]
        self._follow(Session)
        self._sample_after(WindowCutter)

    def _unpacking(self, unserialize: Callable[[bytes], Message]) -> Any:
        timed = self.parts.timed(unserialize, "unpack")

        def unpack(packed: bytes) -> Message:
            message: Message = timed(packed)
            self.received_bytes += len(packed)
            if message.type == ANSWER and message.data["records"]:
                self.answers += 1
                self.answer_bytes += len(packed)
            return message

        return unpack

    def _follow(self, session: Any) -> None:
        take = self.parts.timed(session._take, "hand on")  # noqa: SLF001 -- what is measured

        def taking(of: Any, record: dict[str, Any]) -> None:
            take(of, record)
            if record["type"] == "phase":
                self._phase = record["phase"]
                self._from_ns = record["at_ns"] + int(SKIPPED_S * 1e9)
            elif record["type"] == "window":
                self.windows += 1
                if self._is_counted:
                    self.intake_ns.append(time.monotonic_ns() - record["end_ns"])
                    self.cut_ns.append(record["end_ns"] - record["start_ns"])

        session._take = taking  # noqa: SLF001 -- what is measured

    def _sample_after(self, cutter: Any) -> None:
        cut = cutter.cut

        def cutting(*arguments: Any) -> None:
            cut(*arguments)
            if self._is_counted:
                self._sample()

        cutter.cut = cutting

    @property
    def _is_counted(self) -> bool:
        return self._phase == "measured" and time.monotonic_ns() >= self._from_ns

    def _sample(self) -> None:
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        self.samples.append(
            {
                "at_ns": time.monotonic_ns(),
                "process_ns": time.process_time_ns(),
                "main_ns": time.thread_time_ns(),
                "resident_bytes": resident,
                "windows": self.windows,
                "answers": self.answers,
                "answer_bytes": self.answer_bytes,
                "received_bytes": self.received_bytes,
                "parts_ns": dict(self.parts.ns),
                "calls": dict(self.parts.calls),
            }
        )

    def to_json(self) -> str:
        """Return what was sampled, and how long each window took to be taken in and was."""
        return json.dumps({"samples": self.samples, "intake_ns": self.intake_ns, "window_ns": self.cut_ns})


def main() -> None:
    """Run Locust, and write what it used."""
    file = Path(sys.argv[1])
    sys.argv = ["locust", *sys.argv[2:]]
    meter = Meter()
    meter.install()
    atexit.register(lambda: file.write_text(meter.to_json()))
    locust.main.main()  # type: ignore[no-untyped-call]  # Locust's, untyped


if __name__ == "__main__":
    main()

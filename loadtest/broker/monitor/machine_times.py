"""
Processor time that this machine did not give to this process: by a quota of its cgroup, or because of the hypervisor.

Read from /proc and the cgroups' files; Linux only: elsewhere nothing is known. Both stop a process for tens of
milliseconds at a time, broker and generator alike, and the processor time of neither shows it.

Sources: proc(5), `stat`; Documentation/scheduler/sched-bwc.rst of Linux, `nr_throttled` and the time beside it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Final

PROC: Final = Path("/proc")
CGROUPS: Final = Path("/sys/fs/cgroup")

SHORTEST_S: Final = 0.5
"""Counters tick in steps of 10 ms: over less than this the error is more than 2 %."""

_STEAL: Final = 7  # user nice system idle iowait irq softirq steal
_PER_S: Final = {"throttled_usec": 1e6, "throttled_time": 1e9}  # of version 2, and of version 1


@dataclass(frozen=True, slots=True)
class MachineTimes:
    """
    What counters of the machine say at an instant.

    Attributes:
        at_s: The instant, on the monotonic clock.
        stolen_s: Processor time that the hypervisor gave to others, of all processors; None where it does not tell.
        throttled_s: How long each cgroup that this process is in was stopped by its quota, by its file.
    """

    at_s: float
    stolen_s: float | None
    throttled_s: Mapping[str, float]

    def stolen_since(self, before: MachineTimes) -> float | None:
        """Return the processor time that the hypervisor kept since *before*, in s; None where it does not tell."""
        if self.stolen_s is None or before.stolen_s is None:
            return None
        return self.stolen_s - before.stolen_s

    def throttled_since(self, before: MachineTimes) -> float:
        """Return how long the cgroup that was stopped most was stopped since *before*, in s."""
        both = before.throttled_s.keys() & self.throttled_s.keys()
        return max((self.throttled_s[name] - before.throttled_s[name] for name in both), default=0.0)


def read_times(proc: Path = PROC, cgroups: Path = CGROUPS) -> MachineTimes:
    """Return what the counters say now."""
    return MachineTimes(monotonic(), _stolen_s(proc), dict(_throttled(proc, cgroups)))


class TakenTime:
    """
    Reads what was taken since it last read: `machine.stolen` in cores, `machine.throttled` as a share of the time.

    Reading takes 0.1 ms. What cannot be told on this machine is left out.
    """

    def __init__(self, proc: Path = PROC, cgroups: Path = CGROUPS) -> None:
        self._folders = (proc, cgroups)
        self._last = read_times(proc, cgroups)

    def read(self) -> dict[str, float]:
        """Return the gauges that can be told."""
        now = read_times(*self._folders)
        passed_s = now.at_s - self._last.at_s
        if passed_s < SHORTEST_S:
            return {}
        before, self._last = self._last, now
        gauges = {}
        if (stolen_s := now.stolen_since(before)) is not None:
            gauges["machine.stolen"] = stolen_s / passed_s
        if now.throttled_s:
            gauges["machine.throttled"] = now.throttled_since(before) / passed_s
        return gauges


def _stolen_s(proc: Path) -> float | None:
    with contextlib.suppress(OSError, ValueError, IndexError):
        fields = (proc / "stat").read_text().partition("\n")[0].split()[1:]
        return int(fields[_STEAL]) / os.sysconf("SC_CLK_TCK")
    return None


def _throttled(proc: Path, cgroups: Path) -> Iterator[tuple[str, float]]:
    """Yield the files of the cgroups that hold this process, and how long each was stopped, in s."""
    with contextlib.suppress(OSError):
        for line in (proc / "self" / "cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and "cpu" not in controllers.split(","):
                continue
            # Version 1 has a folder for each set of controllers, version 2 is all of it, or beside them.
            for root in (cgroups / controllers,) if controllers else (cgroups, cgroups / "unified"):
                yield from _of_ancestors(root, path)


def _of_ancestors(root: Path, path: str) -> Iterator[tuple[str, float]]:
    """Yield those of a cgroup and of all above it: a quota of any of them holds."""
    own = root / path.strip("/")
    for folder in (own, *own.parents):
        if not folder.is_relative_to(root):
            return
        with contextlib.suppress(OSError, ValueError):
            file = folder / "cpu.stat"
            for line in file.read_text().splitlines():
                key, _, value = line.partition(" ")
                if key in _PER_S:
                    yield str(file), int(value) / _PER_S[key]

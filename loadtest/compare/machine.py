"""
What was taken from a lap by others: processor time that its cgroup was not given, and that the hypervisor kept.

Read from /proc and the cgroups' files before a lap and after it; Linux only: elsewhere nothing is known. Both stop a
process for tens of milliseconds at a time, broker and generator alike, and no gauge of either shows it. What other
programs on the machine use is in a lap's own result. Sources: proc(5), `stat`; Documentation/scheduler/sched-bwc.rst
of Linux, `nr_throttled` and the time beside it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Final

from loadtest.result.units import share_text, span_text

PROC: Final = Path("/proc")
CGROUPS: Final = Path("/sys/fs/cgroup")

THROTTLED_SHARE: Final = 0.01
"""Of a lap: a quota stops a process for the rest of its period, 100 ms; ten of those in 100 s are a p99."""

STOLEN_SHARE: Final = 0.02
"""Of all processors: hosts with a core for each of their guests stay well below."""

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


def read_times(proc: Path = PROC, cgroups: Path = CGROUPS) -> MachineTimes:
    """Return what the counters say now."""
    return MachineTimes(monotonic(), _stolen_s(proc), dict(_throttled(proc, cgroups)))


def disturbances(before: MachineTimes, after: MachineTimes, cores: int | None = None) -> tuple[str, ...]:
    """Return what was taken in between, where it is more than can be passed over; *cores* is that of the machine."""
    passed_s = after.at_s - before.at_s
    if passed_s <= 0:
        return ()
    found = []
    both = before.throttled_s.keys() & after.throttled_s.keys()
    throttled_s = max((after.throttled_s[name] - before.throttled_s[name] for name in both), default=0.0)
    if throttled_s > THROTTLED_SHARE * passed_s:
        found.append(f"stopped by a quota of processor time for {span_text(throttled_s)} of {span_text(passed_s)}")
    if before.stolen_s is not None and after.stolen_s is not None:
        share = (after.stolen_s - before.stolen_s) / (passed_s * (cores or os.cpu_count() or 1))
        if share > STOLEN_SHARE:
            found.append(f"{share_text(share)} of the processors' time went to other guests of the host")
    return tuple(found)


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

"""
Gauges of the generator itself: what it used, how far its loop lagged, what was in flight.

Read once a window. Knows this process only; the broker's own state comes from elsewhere.
"""

from __future__ import annotations

import resource
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import gevent

from loadtest.clock import NS_PER_MS, NS_PER_S, monotonic_ns
from loadtest.measure.pauses import LEAST_NS

if TYPE_CHECKING:
    from loadtest.clients.worker_run import WorkerRun

# Often enough to catch a pause of the loop that matters for latency, at about 0.1 % of a core.
LAG_PROBE_NS: Final = 20 * NS_PER_MS
# As long as what is taken for a pause of the broker's: of a shorter one nobody is accused.
STALL_NS: Final = LEAST_NS
PAGE_BYTES: Final = resource.getpagesize()
STATM: Final = Path("/proc/self/statm")


class Gauges:
    """Reads the gauges of this process between two cuts of a run."""

    def __init__(self, run: WorkerRun) -> None:
        self._run = run
        self._cpu_ns = time.process_time_ns()
        self._blocked_ns = 0
        self._full_ns = 0
        self._lag_max_ns = 0
        self._prober = gevent.spawn(self._probe_lag)

    def stop(self) -> None:
        """End the probing of the loop."""
        self._prober.kill()

    def read(self, start_ns: int, end_ns: int) -> dict[str, float]:
        """
        Return the gauges of the window from *start_ns* to *end_ns*.

        `cpu` is in cores (1.0 is one core fully used), memory in bytes, the others as their names say.
        """
        run = self._run
        cpu_ns, self._cpu_ns = time.process_time_ns() - self._cpu_ns, time.process_time_ns()
        full_ns = sum(task.window_full_ns() for task in run.tasks)
        blocked_ns = sum(task.blocked_ns() for task in run.tasks)
        gauges = {
            "cpu": cpu_ns / max(1, end_ns - start_ns),
            "loop_lag_max_ns": self._lag_max_ns,
            "memory_bytes": resident_bytes(),
            "outstanding": sum(task.outstanding() for task in run.tasks),
            "window_full_ns": full_ns - self._full_ns,
            "blocked_ns": blocked_ns - self._blocked_ns,
            "users": self._fewest_users(),
        }
        self._full_ns, self._blocked_ns, self._lag_max_ns = full_ns, blocked_ns, 0
        return {name: float(value) for name, value in gauges.items()}

    def _fewest_users(self) -> int:
        """
        Return how many users had a connection when the fewest had one since the last reading.

        A user is back within half a second where another node takes it: at the end of a window nothing is seen of that.
        """
        outages = self._run.outages
        connected = sum(not task.is_lost for task in self._run.tasks)
        returned = outages.take_most() - outages.count
        # Some may have ended since they were back.
        return max(0, connected - returned)

    def _probe_lag(self) -> None:
        while True:
            before_ns = monotonic_ns()
            gevent.sleep(LAG_PROBE_NS / NS_PER_S)
            now_ns = monotonic_ns()
            lag_ns = now_ns - before_ns - LAG_PROBE_NS
            self._lag_max_ns = max(self._lag_max_ns, lag_ns)
            if lag_ns > STALL_NS:
                self._run.recorder.stalled(before_ns, now_ns)


def resident_bytes() -> int:
    """Return the memory this process holds now, or its peak where the system does not tell (macOS)."""
    try:
        return int(STATM.read_text(encoding="ascii").split()[1]) * PAGE_BYTES
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

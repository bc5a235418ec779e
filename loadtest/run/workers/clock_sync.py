"""
How far whose clock is ahead: the clocks of a run's workers, measured against this one's before and during a run.

Instants of a run are those of the leading process's clock. Processes that share it (same boot of the same host, same
time namespace) need nothing; the others are told by how much theirs is ahead (`time_base` does the conversion). All
processes of one host get the same number, so that between them nothing is added to a latency. Knows no Locust: how a
clock is read is the worker's business.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

import gevent
from gevent.pool import Pool

from loadtest.clock import NS_PER_S, monotonic_ns
from loadtest.measure.clock_offset import ClockOffset
from loadtest.measure.records import worker_record
from loadtest.run.workers.worker import LostWorkerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from loadtest.measure.records import Record
    from loadtest.run.workers.worker import ClockReading, Worker

# Before a run: of so many round trips a few meet nobody else's work on their way, and the shortest says most.
FIRST_READINGS: Final = 16
# While it goes on: a clock that drifts by 30 ppm moves 30 µs in that time.
READINGS: Final = 4
READ_EACH_S: Final = 1.0
# Read at the same time, clocks would wait for each other.
_AT_ONCE: Final = 4
READ_TIMEOUT_S: Final = 5.0
# A worker of another version never answers; one of a thousand, all asked at once, takes its time.
MEET_TIMEOUT_S: Final = 20.0
# One record a second and host would be more than anybody reads.
TOLD_EACH_NS: Final = 5 * NS_PER_S


class ClockSync:
    """
    Measures the clocks of processes.

    Args:
        clock: What tells this process's clock from others.
    """

    def __init__(self, clock: str | None) -> None:
        self._own = clock
        self._facts: dict[str, Mapping[str, Any]] = {}
        self._clock_of: dict[str, str] = {}
        self._offsets: dict[str, ClockOffset] = {}
        self._told_ns: int | None = None

    def meet(self, worker: Worker) -> None:
        """
        Read the clock of a process for the first time, and find out whether it is another than ours.

        Raises:
            LostWorkerError: If it does not answer.
        """
        reading = worker.read_clock(MEET_TIMEOUT_S)
        if reading is None:
            return
        self._facts[worker.name] = reading.facts
        offset = ClockOffset.of(reading.asked_ns, reading.there_ns, reading.answered_ns)
        # A copy of a virtual machine has its boot in common with the first one, but not its clock.
        can_be_ours = offset.low_ns <= 0 <= offset.high_ns
        clock = reading.facts.get("clock")
        if clock is not None and clock == self._own and can_be_ours:
            return
        self._clock_of[worker.name] = clock = clock if clock is not None and clock != self._own else worker.name
        if clock not in self._offsets:
            self._offsets[clock] = offset
        else:
            self._take(clock, reading)

    def measure(self, workers: Mapping[str, Worker], readings: int) -> None:
        """
        Read every clock that is not ours so many times, each through one of its processes.

        Args:
            workers: The processes that are there.
            readings: How often; of one that does not answer what is known stays, and grows old.
        """
        through = {clock: name for name, clock in self._clock_of.items() if name in workers}

        def read(clock: str, name: str) -> None:
            with contextlib.suppress(LostWorkerError):
                for _ in range(readings):
                    reading = workers[name].read_clock(READ_TIMEOUT_S)
                    if reading is not None:
                        self._take(clock, reading)

        pool = Pool(_AT_ONCE)
        for clock, name in through.items():
            pool.spawn(read, clock, name)
        pool.join()

    def keep(self, workers: Callable[[], Mapping[str, Worker]]) -> None:
        """Measure again and again; for a greenlet of its own."""
        while True:
            gevent.sleep(READ_EACH_S)
            self.measure(workers(), READINGS)

    def clock_offset_ns(self, name: str) -> int:
        """Return by how much the clock of a process is ahead of ours."""
        clock = self._clock_of.get(name)
        return self._offsets[clock].offset_ns if clock is not None else 0

    @property
    def round_trip_ns(self) -> int:
        """The shortest round trip to the farthest host; 0 where there is but one."""
        return max((offset.round_trip_ns for offset in self._offsets.values()), default=0)

    def facts(self, name: str) -> Mapping[str, Any]:
        """Return what a process said of itself; nothing if it has not been met."""
        return self._facts.get(name, {})

    def records(self, *, is_last: bool = False) -> Iterator[Record]:
        """Yield what is known of each process, once, and of those with another clock every few seconds and at last."""
        now_ns = monotonic_ns()
        is_first = self._told_ns is None
        if self._told_ns is not None and now_ns - self._told_ns < TOLD_EACH_NS and not is_last:
            return
        self._told_ns = now_ns
        for name, facts in self._facts.items():
            clock = self._clock_of.get(name)
            if clock is None and not is_first:
                continue
            offset = self._offsets[clock] if clock is not None else None
            yield worker_record(
                name,
                now_ns,
                host=facts.get("host"),
                cores=facts.get("cores"),
                clock=clock,
                offset_ns=0 if offset is None else offset.offset_ns,
                bound_ns=0 if offset is None else offset.bound_ns(now_ns),
                jumps=0 if offset is None else offset.jumps,
            )

    def _take(self, clock: str, reading: ClockReading) -> None:
        self._offsets[clock].take(reading.asked_ns, reading.there_ns, reading.answered_ns)

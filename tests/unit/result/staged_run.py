"""
Runs put together record by record with the real Recorder, for tests of results and reports.

Times are exact and made up: nothing here sleeps, connects or reads a clock.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from loadtest.clock import NS_PER_MS, NS_PER_S
from loadtest.counters import GroupKind
from loadtest.measure import Collector, Journal, Recorder
from loadtest.measure.records import (
    Model,
    Phase,
    Record,
    broker_record,
    end_record,
    event_record,
    phase_record,
    publisher_entry,
    queue_record,
    run_record,
    worker_record,
)

START_NS: Final = 5_000 * NS_PER_S
STARTED_AT: Final = "2026-03-01T12:00:00+00:00"
BROKER: Final = {"product": "RabbitMQ", "version": "3.10.8", "endpoints": ["amqp://guest@127.0.0.1:5672/"]}
Int64s = NDArray[np.int64]


class StagedRun:
    """A run whose records are made one by one; instants are given in ns after its start."""

    def __init__(
        self,
        groups: Mapping[str, tuple[GroupKind, Model]],
        *,
        name: str = "staged",
        description: str = "",
        thresholds: Sequence[str] = (),
        routes: Sequence[Sequence[str]] | None = (("orders",),),
        confirms: bool = True,
        overrides: Sequence[str] = (),
        text: str = "name: staged\n",
        stages: Sequence[tuple[int, int]] = (),
    ) -> None:
        self._workers: dict[str, Recorder] = {}
        self._kinds = {group: kind for group, (kind, _) in groups.items()}
        self._closed = [group for group, (kind, model) in groups.items() if kind == "publisher" and model == "closed"]
        self._cut_ns: dict[str, int] = {}
        publishing = [group for group, kind in self._kinds.items() if kind == "publisher"]
        self._ids = {group: number for number, group in enumerate(publishing)}
        self.records: list[Record] = [
            run_record(
                start_ns=START_NS,
                started_at=STARTED_AT,
                scenario={
                    "name": name,
                    "description": description,
                    "hash": "0" * 64,
                    "text": text,
                    "overrides": list(overrides),
                    "thresholds": list(thresholds),
                },
                groups={
                    group: {"kind": kind, "model": model, "users": 1, "stages": [list(stage) for stage in stages]}
                    for group, (kind, model) in groups.items()
                },
                publishers=[
                    publisher_entry(number, group, confirms=confirms, routes=routes)
                    for number, group in enumerate(publishing)
                ],
                sinks=["orders"],
                broker=dict(BROKER),
                generator={"host": "lab", "cores": 2},
            )
        ]

    def recorder(self, worker: str = "worker-1") -> Recorder:
        """Return the recorder of a worker."""
        if worker not in self._workers:
            self._workers[worker] = Recorder(worker, self._kinds, closed_groups=self._closed)
        return self._workers[worker]

    def phase(self, phase: Phase, at_ns: int) -> None:
        """Begin a phase."""
        self.records.append(phase_record(phase, START_NS + at_ns))

    def cut(self, end_ns: int, phase: Phase, worker: str = "worker-1", **gauges: float) -> None:
        """End a window of a worker; it begins where the last one ended."""
        window = self.recorder(worker).cut(
            START_NS + self._cut_ns.get(worker, 0), START_NS + end_ns, phase, {"cpu": 0.25, **gauges}
        )
        self._cut_ns[worker] = end_ns
        self.records.append(json.loads(json.dumps(window.to_record())))

    def event(self, at_ns: int, code: str, text: str) -> None:
        """Put an event on the timeline."""
        self.records.append(event_record(START_NS + at_ns, code, text))

    def broker(self, at_ns: int, gauges: Mapping[str, float]) -> None:
        """Have the broker say something of itself."""
        self.records.append(broker_record(START_NS + at_ns, gauges))

    def worker(self, worker: str, at_ns: int, *, clock: str | None, offset_ns: int, bound_ns: int) -> None:
        """Say what is known of a process."""
        self.records.append(
            worker_record(
                worker, START_NS + at_ns, host="lab", cores=2, clock=clock, offset_ns=offset_ns, bound_ns=bound_ns
            )
        )

    def left(self, sink: str, count: int) -> None:
        """Say how many messages are in a queue after the drain."""
        self.records.append(queue_record(sink, count))

    def end(self, at_ns: int, *, complete: bool = True, reason: str | None = None) -> None:
        """Close the run."""
        at_s = at_ns // NS_PER_S
        self.records.append(
            end_record(START_NS + at_ns, f"2026-03-01T12:00:{at_s:02}+00:00", complete=complete, reason=reason)
        )

    def publish(
        self,
        group: str,
        seqs: range,
        at_ns: int,
        *,
        step_ns: int = NS_PER_MS,
        late_ns: int = 0,
        n_bytes: int = 1_000,
    ) -> Int64s:
        """Publish *seqs*, intended *step_ns* apart from *at_ns* on and sent *late_ns* later; return when intended."""
        intended = START_NS + at_ns + np.arange(len(seqs), dtype=np.int64) * step_ns
        publisher = self.recorder().publisher(group, self._ids[group])
        publisher.offered(len(seqs))
        for seq, intended_ns in zip(seqs, intended.tolist(), strict=True):
            publisher.published(seq, np.array([intended_ns]), intended_ns + late_ns, n_bytes)
        return intended

    def confirm(self, group: str, seqs: range, intended: Int64s, latency_ns: int, *, late_ns: int = 0) -> None:
        """Confirm *seqs*, each *latency_ns* after it was intended."""
        publisher = self.recorder().publisher(group, self._ids[group])
        for seq, intended_ns in zip(seqs, intended.tolist(), strict=True):
            one = np.array([intended_ns])
            publisher.confirmed(np.array([seq]), one, one + late_ns, intended_ns + latency_ns)

    def deliver(
        self,
        group: str,
        seqs: range,
        intended: Int64s,
        latency_ns: int,
        *,
        sink: str = "orders",
        worker: str = "worker-1",
    ) -> None:
        """Deliver *seqs* of publisher 0, each *latency_ns* after it was intended."""
        delivery = self.recorder(worker).delivery(group, sink)
        for seq, intended_ns in zip(seqs, intended.tolist(), strict=True):
            one = np.array([intended_ns])
            delivery.delivered(0, np.array([seq]), one, np.array([0]), intended_ns + latency_ns, 1_000)

    def collector(self) -> Collector:
        """Return a Collector that took all records."""
        collector = Collector()
        for record in self.records:
            collector.take(record)
        return collector

    def journal(self, folder: Path) -> None:
        """Write all records as `windows.jsonl` of *folder*."""
        with Journal(folder / "windows.jsonl") as journal:
            for record in self.records:
                journal.append(record)


def flood(messages: int = 1_000, *, lose: int = 0, **options: Any) -> StagedRun:
    """Return a closed-model run: *messages* published, confirmed and got one by one, but for the last *lose*."""
    run = StagedRun(
        {"flood": ("publisher", "closed"), "taker": ("getter", "closed")},
        **{"name": "flood", "routes": [["Queue111112"]], **options},
    )
    recorder = run.recorder()
    run.phase("measured", 0)
    recorder.active("flood", START_NS)
    seqs = range(messages)
    intended = run.publish("flood", seqs, 0, step_ns=100_000, n_bytes=21)
    run.confirm("flood", seqs, intended, 2 * NS_PER_MS)
    recorder.inactive("flood", START_NS + NS_PER_S // 2)
    recorder.active("taker", START_NS + NS_PER_S // 2)
    getter = recorder.delivery("taker", "Queue111112")
    for seq, intended_ns in zip(range(messages - lose), intended.tolist(), strict=False):
        read_ns = START_NS + NS_PER_S // 2 + seq * 250_000
        one = np.array([intended_ns])
        getter.got(
            0,
            np.array([seq]),
            one,
            np.array([0]),
            read_ns,
            21,
            message_counts=messages - 1 - seq,
            get_ns=200_000,
        )
    getter.get_empty(150_000, START_NS + NS_PER_S)
    recorder.inactive("taker", START_NS + NS_PER_S)
    run.cut(NS_PER_S, "measured")
    run.phase("drain", NS_PER_S)
    run.phase("done", NS_PER_S)
    run.end(NS_PER_S)
    return run


def orders(seconds: int = 4, **options: Any) -> StagedRun:
    """Return an open-model run at 1,000/s, 1 s of it warm-up, all confirmed after 3 ms and delivered after 5 ms."""
    run = StagedRun({"shop": ("publisher", "open"), "billing": ("consumer", "open")}, **{"name": "orders", **options})
    recorder = run.recorder()
    recorder.measure_from(START_NS + NS_PER_S)
    run.phase("warm_up", 0)
    for group in ("shop", "billing"):
        recorder.active(group, START_NS)
    for second in range(seconds):
        if second == 1:
            run.phase("measured", NS_PER_S)
        seqs = range(second * 1_000, second * 1_000 + 1_000)
        intended = run.publish("shop", seqs, second * NS_PER_S, late_ns=40_000)
        run.confirm("shop", seqs, intended, 3 * NS_PER_MS, late_ns=40_000)
        run.deliver("billing", seqs, intended, 5 * NS_PER_MS)
        run.cut((second + 1) * NS_PER_S, "measured" if second else "warm_up")
    run.phase("drain", seconds * NS_PER_S)
    run.phase("done", seconds * NS_PER_S)
    run.end(seconds * NS_PER_S)
    return run


def nothing() -> StagedRun:
    """Return a run that found an empty queue."""
    run = StagedRun({"taker": ("getter", "closed")})
    run.phase("measured", 0)
    run.recorder().delivery("taker", "orders").get_empty(150_000, START_NS)
    run.cut(NS_PER_S, "measured")
    run.end(NS_PER_S)
    return run


def cut_off() -> StagedRun:
    """Return a run as a kill -9 leaves it."""
    run = orders()
    del run.records[-3:]
    return run


def never_begun() -> StagedRun:
    """Return a run whose groups did nothing at all."""
    run = StagedRun({"shop": ("publisher", "open"), "billing": ("consumer", "open")})
    run.end(0)
    return run


def broker_lost() -> StagedRun:
    """Return a run whose broker went away: answers of all kinds, messages in doubt, duplicates."""
    run = StagedRun({"shop": ("publisher", "closed"), "billing": ("consumer", "closed")}, name="broker-killed")
    run.phase("measured", 0)
    for group in ("shop", "billing"):
        run.recorder().active(group, START_NS)
    publisher = run.recorder().publisher("shop", 0)
    intended = run.publish("shop", range(1_000), 0, step_ns=NS_PER_MS // 2)
    run.confirm("shop", range(900), intended[:900], NS_PER_MS)
    publisher.nacked(range(900, 950), intended[900:950], intended[900:950], START_NS + NS_PER_S)
    publisher.in_doubt(range(950, 1_000), int(intended[950]), START_NS + NS_PER_S)
    run.deliver("billing", range(900), intended[:900], 2 * NS_PER_MS)
    run.deliver("billing", range(3), intended[:3], 4 * NS_PER_MS)
    run.cut(NS_PER_S, "measured", blocked_ns=NS_PER_S / 4)
    run.event(NS_PER_S, "connection-lost", "publisher shop/1: the broker closed the connection: 320 CONNECTION_FORCED")
    run.end(NS_PER_S, complete=False, reason="publisher shop/1: 320 CONNECTION_FORCED")
    return run


def unrecovered() -> StagedRun:
    """Return a run whose publisher gets no answer any more after 0.1 s, and which ends at 6 s."""
    run = StagedRun({"shop": ("publisher", "open")}, routes=[[]])
    run.phase("measured", 0)
    run.recorder().active("shop", START_NS)
    run.confirm("shop", range(100), run.publish("shop", range(100), 0), NS_PER_MS)
    run.cut(NS_PER_S, "measured")
    run.publish("shop", range(100, 200), 2 * NS_PER_S)
    run.cut(3 * NS_PER_S, "measured")
    run.recorder().publisher("shop", 0).in_doubt(range(100, 200), START_NS + 2 * NS_PER_S, START_NS + 6 * NS_PER_S)
    run.cut(6 * NS_PER_S, "drain")
    run.end(6 * NS_PER_S)
    return run

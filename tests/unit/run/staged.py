"""A run without a broker: a scenario's plan, the real recorder and collector, and users that the test plays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pika
from gevent.event import Event

from loadtest.clients.failures.trouble import Trouble
from loadtest.clients.worker_run import WorkerRun
from loadtest.clock import monotonic_ns
from loadtest.measure.collector import Collector
from loadtest.measure.recorder.recorder import Recorder
from loadtest.measure.records import run_record
from loadtest.run.job import entry_of, sinks_of
from loadtest.run.run_controller import RunController
from loadtest.run.workers.clock_sync import ClockSync
from loadtest.run.workers.local_worker import LocalWorker
from loadtest.run.workers.reassignment import Reassignment
from loadtest.run.workers.workers import Workers
from loadtest.scenario import Plan, build_plan, load_scenario
from loadtest.stamp import run_words
from loadtest.wire.pacer import Pacer

RUN_TAG = 9
FLOW = """
topology: {queues: {q: {}}}
publishers: {in: {routing_key: q, body: {text: hello}, messages: 10, confirm_window: 5}}
consumers: {out: {queue: q, ack: auto}}
"""


class StagedTask:
    """A user that does what the test says; it is connected and has nothing outstanding unless told otherwise."""

    def __init__(self) -> None:
        self.group = ""
        self.ended = Event()
        self.troubled: Trouble | None = None
        self.is_lost = False
        self.publisher_id: int | None = None
        self.calls: list[str] = []
        self.in_flight = 0
        self.in_work = 0
        self.caught_up: list[int] = []

    def catch_up(self, now_ns: int) -> None:
        """Note the instant."""
        self.caught_up.append(now_ns)

    def trouble(self, now_ns: int) -> Trouble | None:
        """Return what the test says."""
        return self.troubled

    def outstanding(self) -> int:
        """Return what the test says."""
        return self.in_flight

    def unprocessed(self) -> int:
        """Return what the test says."""
        return self.in_work

    def window_full_ns(self) -> int:
        """Return nothing."""
        return 0

    def blocked_ns(self) -> int:
        """Return nothing."""
        return 0

    def finish(self) -> None:
        """Note the call."""
        self.calls.append("finish")

    def close(self) -> None:
        """Note the call."""
        self.calls.append("close")


class StagedGauges:
    """Gauges that show nothing."""

    def read(self, start_ns: int, end_ns: int) -> dict[str, float]:
        """Return no gauges."""
        return {}


def workers_here(plan: Plan, worker: LocalWorker, pacer: Pacer, collector: Collector) -> Workers:
    """Return what leads a run whose only worker is that of this process."""
    workers = Workers(plan.users, [worker], pacer, ClockSync(None), Reassignment(plan, collector))
    worker.report_to(lambda status: workers.take_status(worker.name, status))
    return workers


class StagedRun:
    """
    A run with its controller.

    Attributes:
        records: What the controller has handed on.
        depths: What the broker says that stands in the queues; an exception is raised.
    """

    def __init__(self, text: str = FLOW) -> None:
        plan = build_plan(load_scenario("test", text=f"name: test\n{text}").scenario)
        kinds = dict(plan.scenario.kinds)
        self.plan = plan
        self.recorder = Recorder("test", kinds, ours=run_words(RUN_TAG, len(self.plan.publishers)))
        self.pacer = Pacer()
        self.run = WorkerRun(
            plan, [pika.ConnectionParameters("a"), pika.ConnectionParameters("b")], self.recorder, self.pacer, 9
        )
        self.collector = Collector()
        self.records: list[dict[str, Any]] = []
        self.depths: Mapping[str, int] | Exception = {}
        gauges: Any = StagedGauges()
        self.gauges = gauges
        self.worker = LocalWorker(self.run, self.gauges)
        self.workers = workers_here(self.plan, self.worker, self.pacer, self.collector)
        self.controller = RunController(self.plan, self.workers, self.collector, self.take, self._depths)
        self.opening = run_record(
            start_ns=monotonic_ns(),
            started_at="",
            scenario={},
            groups={name: {"kind": kind, "model": "closed", "users": plan.users[name]} for name, kind in kinds.items()},
            publishers=[entry_of(spec) for spec in plan.publishers],
            **sinks_of(plan),
        )

    def take(self, record: dict[str, Any]) -> None:
        """Take one record, as a session does."""
        self.records.append(record)
        self.collector.take(record)

    def phases(self) -> list[str]:
        """Return the phases that were entered."""
        return [record["phase"] for record in self.records if record["type"] == "phase"]

    def events(self) -> list[str]:
        """Return the codes of the events, in order."""
        return [record["code"] for record in self.records if record["type"] == "event"]

    def _depths(self, queues: Sequence[str]) -> Mapping[str, int]:
        if isinstance(self.depths, Exception):
            raise self.depths
        return {queue: self.depths.get(queue, 0) for queue in queues}

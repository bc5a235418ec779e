"""A scenario run in the test's own process against a real broker: what Session does, less its files and its Locust."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

import gevent

from loadtest.broker.admin.run_topology import Topology, queue_depths
from loadtest.broker.endpoint import Endpoint
from loadtest.broker.monitor.management import ManagementApi
from loadtest.broker.private.private_cluster import PrivateCluster
from loadtest.clients.client import Client
from loadtest.clients.roles import client_for
from loadtest.clients.worker_run import WorkerRun, specs_of
from loadtest.clock import NS_PER_S, monotonic_ns
from loadtest.measure.collector import Collector
from loadtest.measure.recorder.recorder import Recorder
from loadtest.measure.records import end_record, run_record
from loadtest.result.run.build import build_result
from loadtest.result.run.document import RunResult
from loadtest.run.job import entry_of, sinks_of
from loadtest.run.run_controller import RunController
from loadtest.run.unreceived_messages import UnreceivedMessages
from loadtest.run.workers.gauges import Gauges
from loadtest.run.workers.local_worker import LocalWorker
from loadtest.scenario import build_plan, load_scenario
from loadtest.stamp import run_words
from loadtest.wire.pacer import Pacer
from tests.unit.run.staged import workers_here

RUN_TAG = 77


@dataclass
class LoadRun:
    """
    One run, from its declared topology to its result.

    Use it as a context: what was declared is removed, and no user's greenlet may outlive it.
    """

    endpoint: Endpoint
    text: str
    nodes: Sequence[Endpoint] = ()
    run_tag: int = RUN_TAG
    private: PrivateCluster | None = None
    management: ManagementApi | None = None
    records: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        scenario = load_scenario("test", text=f"name: test\n{self.text}").scenario
        self.plan = build_plan(scenario)
        self.topology = Topology(self.plan.topology, self.endpoint)
        open_groups = {spec.group for spec in specs_of(self.plan) if spec.arrivals is not None}
        self._groups = {
            name: {"kind": kind, "model": "open" if name in open_groups else "closed", "users": self.plan.users[name]}
            for name, kind in scenario.kinds.items()
        }
        closed = [name for name in self._groups if name not in open_groups]
        self._thresholds = [threshold.text for threshold in scenario.thresholds]
        self.pacer = Pacer()
        nodes = [each.pika_parameters() for each in self.nodes or [self.endpoint]]
        ours = run_words(self.run_tag, len(self.plan.publishers))
        recorder = Recorder("test", dict(scenario.kinds), closed_groups=closed, ours=ours)
        self.run = WorkerRun(self.plan, nodes, recorder, self.pacer, run_tag=self.run_tag)
        self.gauges = Gauges(self.run)
        self.collector = Collector()
        self.worker = LocalWorker(self.run, self.gauges)
        self.workers = workers_here(self.plan, self.worker, self.pacer, self.collector)
        self.controller = RunController(self.plan, self.workers, self.collector, self._take, self._depths)
        self.members: list[Client[Any]] = []

    def __enter__(self) -> Self:
        self.aftermath = UnreceivedMessages(
            self.plan, self.private, [self.endpoint], self.run_tag, self.topology, management=self.management
        )
        self.aftermath.begin(self.topology.declare())
        return self

    def __exit__(self, *_: object) -> None:
        self.gauges.stop()
        self.worker.stop_reports()
        self.pacer.close()
        self.topology.close()

    def perform(self, meanwhile: Callable[[LoadRun], object] | None = None, *, timeout_s: float = 90.0) -> RunResult:
        """
        Run the scenario and return its result; *meanwhile* runs beside it from when all users are up.

        Fails if it takes longer than *timeout_s*, or leaves a user behind.
        """
        self.members = [client_for(self.run, spec) for spec in specs_of(self.plan)]
        users = [gevent.spawn(member.live) for member in self.members]
        beside = None if meanwhile is None else gevent.spawn(self._beside, meanwhile)
        with gevent.Timeout(timeout_s):
            self.controller.run(self._run_record())
        left = len(users) - len(gevent.joinall(users, timeout=10))
        assert not left, f"{left} of {len(users)} users outlive the run"
        if beside is not None:
            beside.get(timeout=10)
        for record in self.aftermath.records(self.collector):
            self._take(record)
        failure = self.workers.failure
        self._take(end_record(monotonic_ns(), datetime.now(UTC).isoformat(), complete=failure is None, reason=failure))
        return build_result(self.collector)

    def wait_until(self, condition: Callable[[], object], timeout_s: float = 10.0) -> None:
        """Block the greenlet until *condition* is true; an AssertionError after *timeout_s*."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, "the condition did not come true in time"
            gevent.sleep(0.005)

    def events(self) -> dict[str, str]:
        """Return the text of the last event of each code."""
        return {event["code"]: event["text"] for event in self.collector.events}

    def _beside(self, meanwhile: Callable[[LoadRun], object]) -> None:
        self.run.begun.wait()
        meanwhile(self)

    def _run_record(self) -> dict[str, Any]:
        plan = self.plan
        return run_record(
            start_ns=monotonic_ns(),
            started_at=datetime.now(UTC).isoformat(),
            scenario={"name": "test", "hash": "", "text": self.text, "thresholds": self._thresholds},
            groups=self._groups,
            publishers=[entry_of(spec) for spec in plan.publishers],
            **sinks_of(plan),
            **self.aftermath.opening,
            broker={},
            generator={},
        )

    def _take(self, record: dict[str, Any]) -> None:
        self.records.append(record)
        self.collector.take(record)

    def _depths(self, queues: Sequence[str]) -> Mapping[str, int]:
        return queue_depths(self.endpoint, queues)


def perform(endpoint: Endpoint, text: str, **how: Any) -> tuple[RunResult, LoadRun]:
    """Run a scenario's *text* and return its result, and the run for a closer look."""
    with LoadRun(endpoint, text) as load_run:
        return load_run.perform(**how), load_run


def lasted_s(load_run: LoadRun, phase: str) -> float:
    """Return how long the run was in *phase*."""
    instants = {record["phase"]: record["at_ns"] for record in load_run.collector.phases}
    following = min(at_ns for name, at_ns in instants.items() if at_ns > instants[phase])
    return float((following - instants[phase]) / NS_PER_S)

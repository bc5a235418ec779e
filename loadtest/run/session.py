"""
One run from the command line to its results: scenario, broker, topology, traffic, journal, verdict.

What `locust -f loadtest/main.py` and `loadtest run` have in common. Knows all rooms and does the work of none; who
spawns the users (Locust, headless or by its web page, or `loadtest run`) is not its business.
"""

from __future__ import annotations

import os
import secrets
import socket
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import gevent

from loadtest.broker.admin.reach import probe
from loadtest.broker.admin.run_topology import Topology, queue_depths
from loadtest.broker.endpoint import resolve_endpoints
from loadtest.broker.faults.fault_runner import FaultDoer
from loadtest.broker.faults.network import Network
from loadtest.broker.monitor.fingerprint import broker_fingerprint, process_facts
from loadtest.broker.monitor.management import find_management, usual_address
from loadtest.broker.monitor.queue_depths import queues_of
from loadtest.broker.monitor.sampler import Sampler, state_sources
from loadtest.broker.private.detached import find_cluster
from loadtest.broker.private.node_config import DEFAULT_PLUGINS
from loadtest.broker.private.private_cluster import PrivateCluster
from loadtest.broker.processes.descriptors import allow_run
from loadtest.calibration.store import calibrated_generator
from loadtest.clock import NS_PER_S, monotonic_ns
from loadtest.measure.collector import BEGINS, Collector
from loadtest.measure.journal import Journal
from loadtest.measure.records import broker_record, end_record, event_record, run_record
from loadtest.measure.window import Window
from loadtest.redaction import redacted_value
from loadtest.report.folder import create_folder
from loadtest.report.run.read import JOURNAL_NAME
from loadtest.report.run.write import write_what_can_be
from loadtest.result.run.evidence import MEASURED
from loadtest.result.run.live_checks import Watch
from loadtest.run.job import entry_of, groups_of, job_for, local_worker, sinks_of
from loadtest.run.run_controller import RunController
from loadtest.run.unreceived_messages import UnreceivedMessages
from loadtest.run.workers.clock_sync import ClockSync
from loadtest.run.workers.reassignment import Reassignment
from loadtest.run.workers.workers import Workers
from loadtest.scenario.checks.arithmetic import warn
from loadtest.scenario.grammar.faults import harms_network
from loadtest.scenario.loading.secrets_in_yaml import redacted_override, redacted_scenario
from loadtest.scenario.policies import with_policies
from loadtest.signals import HURRY, defer_interrupts
from loadtest.stamp import RUN_TAG_BITS
from loadtest.wire.pacer import Pacer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from loadtest.broker.endpoint import Endpoint
    from loadtest.clients.worker_run import WorkerRun
    from loadtest.result.run.document import RunResult
    from loadtest.run.run_options import RunOptions
    from loadtest.run.workers.worker import Worker

    Say = Callable[[str], None]


class Session:
    """
    One run, from a prepared broker to written results.

    `prepare` → somebody spawns the users → `conduct` (blocks) → `close`, which returns the result. The users work in
    this process (`work_here`, after `prepare`), or in others that are given a `share` (`work_there`). A session that
    fails half-way cleans up what it has made (topology, node); the files keep what was measured.
    """

    def __init__(self, request: RunOptions, say: Say, processes: int | None) -> None:
        """Prepare nothing yet; use `prepare`."""
        self.request, self.processes = request, processes
        self._say = say
        self._opened = ExitStack()
        self.on_window: list[Callable[[Window], None]] = []
        self.on_record: list[Callable[[dict[str, Any]], None]] = []
        self.on_result: list[Callable[[RunResult], None]] = []
        self.result: RunResult | None = None
        self.private: PrivateCluster | None = None
        self._controller: RunController | None = None
        self._workers: Workers | None = None
        self._is_interrupted = self._is_hurried = False

    @classmethod
    def prepare(cls, request: RunOptions, say: Say, *, processes: int | None = 1) -> Session:
        """
        Return a session that is ready for its users: broker reached, topology declared, journal open.

        *processes* is how many the users are spread over on this machine; None where that is not known.

        Raises:
            LoadTestError: In one line, whatever stands in the way; nothing is left behind.
        """
        session = cls(request, say, processes)
        try:
            session._prepare()
        except BaseException:
            session._opened.close()
            raise
        return session

    def _prepare(self) -> None:
        self.loaded, self.plan = self.request.load()
        warn(self.plan, say=self._say)
        self._find_broker()
        self._declare()
        self.collector = Collector()
        self._sampler = self._make_sampler()
        self._run_tag = secrets.randbits(RUN_TAG_BITS)
        self._unreceived = UnreceivedMessages(
            self.plan, self.private, self.endpoints, self._run_tag, self._topology, self._sampler, self._management
        )
        self._unreceived.begin(self._declared)
        defer_interrupts()  # from here on a signal ends the run with its results
        self._open_results()  # last: a preparation that is broken off leaves no folder

    @cached_property
    def share(self) -> dict[str, Any]:
        """Return what another process has to know to work in this run; with credentials: for that process alone."""
        return job_for(
            self.request,
            self.loaded,
            [each.url for each in self.user_endpoints],
            self._run_tag,
            processes=self.processes,
            is_private=self.private is not None,
            is_proxied=self.user_endpoints is not self.endpoints,
        )

    def work_here(self) -> WorkerRun:
        """Have the users work in this process; returns the run that they take part in."""
        nodes = [endpoint.pika_parameters() for endpoint in self.user_endpoints]
        name = f"{socket.gethostname()}-{os.getpid()}"
        worker = local_worker(self.plan, nodes, self._run_tag, name, self._opened)
        workers = self.work_there([worker])
        worker.report_to(lambda status: workers.take_status(name, status))
        return worker.run

    def work_there(self, workers: Sequence[Worker]) -> Workers:
        """Have the users work in *workers*."""
        pacer = Pacer()
        self._opened.callback(pacer.close)
        led = self._workers = Workers(
            self.plan.users,
            workers,
            pacer,
            ClockSync(process_facts()["clock"]),
            Reassignment(self.plan, self.collector),
            goes_on=self.request.on_worker_lost == "continue",
        )
        for watch in (led.watch, led.keep_time):
            self._opened.callback(gevent.spawn(watch).kill)
        self._watch = Watch(self.plan.scenario.thresholds, self.collector)
        self._controller = RunController(self.plan, led, self.collector, self._take, self._depths)
        if self._is_interrupted:
            self._controller.interrupt()
        return led

    def conduct(self) -> None:
        """Lead the run from its first connection to its last window; somebody else spawns the users meanwhile."""
        if self._controller is None:
            self.work_here()  # a signal came before anybody did: the run ends at its begin
        assert self._controller is not None
        self._sampler.start()
        self._controller.run(self._run_record())

    def interrupt(self) -> None:
        """End the run early, or, before it began, at its begin; `conduct` then returns within seconds."""
        self._is_interrupted = True
        if self._controller is not None:
            self._controller.interrupt()

    def take_signal(self, came: int) -> None:
        """
        End the run because of the signal that has come as number *came*.

        From the second on it waits neither for what is in flight nor for what is left in queues.
        """
        self.interrupt()
        if came >= HURRY:
            self._is_hurried = True
            if self._controller is not None:
                self._controller.hurry()

    def discard(self) -> None:
        """Clean up what was made for the run, without results: something went wrong in this tool."""
        self._opened.close()

    def close(self) -> RunResult:
        """
        Close the books: end the journal, remove the topology, stop the private node, write every output.

        What cannot be written is said, and makes the run incomplete.
        """
        if self.result is None:
            with self._opened:
                self._faults.stop()
                self._sampler.stop()
                for record in self._unreceived.records(self.collector):
                    self._take(record)
                    if self._is_hurried:
                        break
                self._take(self._end_record())
                self.journal.close()
                if self.journal.failed is not None:
                    text = f"{self.journal.failed}; {self.journal.dropped:,} records are missing from it"
                    self._say(text)
                    self.collector.take(event_record(monotonic_ns(), "journal-failed", text))
                self._remove_topology()
            self.result = write_what_can_be(self.folder, self.collector, self._say)
            for listener in self.on_result:
                listener(self.result)
        return self.result

    @property
    def _planned_ns(self) -> int:
        """Until when faults come again: the planned end of the publishing, or a day where messages decide."""
        return int((86_400 if self.planned_s is None else self.planned_s) * NS_PER_S)

    @property
    def planned_s(self) -> float | None:
        """Return how long warm-up and measured part are to take, in s; None where messages decide."""
        settings = self.plan.scenario.run
        return None if settings.duration_ns is None else (settings.warm_up_ns + settings.duration_ns) / NS_PER_S

    # --- broker --------------------------------------------------------------------------------------------------

    def _find_broker(self) -> None:
        request = self.request
        endpoints = resolve_endpoints(request.brokers, request.environ)
        nodes = request.nodes or self.plan.scenario.run.nodes or 1
        allow_run(self.plan, self.processes, 0 if endpoints else nodes)
        if endpoints is None:
            private = self.private = PrivateCluster.start(
                nodes=nodes,
                config=request.config,
                plugins=request.plugins or DEFAULT_PLUGINS,
                server=request.server,
                tls=request.tls,
                environ=request.environ,
                progress=self._say,
            )
            self._opened.callback(private.stop)
            endpoints = private.endpoints
        else:
            request.refuse_private_options()
            self.private = find_cluster(endpoints, request.environ)
            if self.private is not None:
                self._opened.callback(self.private.stop)
        vhost = self.plan.topology.vhost
        self.endpoints = [each.with_vhost(vhost) if vhost is not None else each for each in endpoints]
        infos = [probe(endpoint) for endpoint in self.endpoints]
        management = self._management = find_management(self.endpoints[0], self.private, request.environ)
        self._faults = FaultDoer(self.private, management, self.endpoints, self._take_event)
        self._faults.check(self.plan.scenario.faults, self._planned_ns)
        self.user_endpoints = self._links_for_users()
        self._opened.callback(self._faults.stop)
        self._state_sources = state_sources(
            self.endpoints[0],
            management,
            self.private,
            queues_of(self.plan),
            infos[0].cluster_name,
            usual_address(self.endpoints[0], request.environ),
        )
        if management is not None:
            self.plan = with_policies(self.plan, self.endpoints[0].vhost, *management.policy_levels())
        self.fingerprint = broker_fingerprint(infos[0], management, self.private) | {
            "endpoints": [endpoint.redacted for endpoint in self.endpoints]
        }

    def _links_for_users(self) -> Sequence[Endpoint]:
        """Return where users connect to: the broker, or, where the scenario harms the network, links that can be."""
        if not harms_network(self.plan.scenario.faults):
            return self.endpoints
        network = self._faults.network = Network.start(self.endpoints, self.request.environ)
        self._opened.callback(network.close)
        self._say("the users' connections go through a proxy of this tool, for the faults of the network")
        return network.endpoints

    def _make_sampler(self) -> Sampler:
        sources, absent = self._state_sources
        sampler = Sampler(
            self.endpoints,
            sources,
            absent,
            queues_of(self.plan),
            exclusive=any(queue.exclusive for queue in self.plan.topology.queues),
            emit=lambda at_ns, gauges: self._take(broker_record(at_ns, gauges)),
            event=lambda at_ns, code, text: self._take(event_record(at_ns, code, text)),
        )
        self._opened.callback(sampler.stop)
        return sampler

    def _declare(self) -> None:
        self._topology = Topology(self.plan.topology, self.endpoints[0], self.endpoints[1:])
        self._opened.callback(self._topology.close)
        declared = self._declared = self._topology.declare()
        for queue, messages in declared.found_messages.items():
            self._say(f"queue {queue} already held {messages:,} messages; what is taken of them counts as foreign")

    def _remove_topology(self) -> None:
        if self._workers is None or self._workers.failure is None:
            for text in self._topology.remove():
                self._say(text)

    def _depths(self, queues: Sequence[str]) -> Mapping[str, int]:
        return queue_depths(self.endpoints[0], queues, self.endpoints[1:])

    # --- records -------------------------------------------------------------------------------------------------

    def _open_results(self) -> None:
        self.started_at = datetime.now(UTC)
        self.folder = create_folder(self.request.results, self.started_at, self.loaded.scenario.name)
        self.journal = Journal(self.folder / JOURNAL_NAME)
        self._opened.callback(self.journal.close)

    def _run_record(self) -> dict[str, Any]:
        scenario, loaded = self.loaded.scenario, self.loaded
        return run_record(
            start_ns=monotonic_ns(),
            started_at=self.started_at.isoformat(),
            scenario={
                "name": scenario.name,
                "description": redacted_value(scenario.description),
                "hash": loaded.hash,
                "text": redacted_scenario(loaded.text),
                "overrides": [redacted_override(override) for override in loaded.overrides],
                "thresholds": [threshold.text for threshold in scenario.thresholds],
            },
            groups=groups_of(self.plan),
            publishers=[entry_of(spec) for spec in self.plan.publishers],
            **sinks_of(self.plan),
            **self._unreceived.opening,
            broker=self.fingerprint,
            generator=calibrated_generator(self.request.environ),
        )

    def _end_record(self) -> dict[str, Any]:
        interrupted = self._controller is not None and self._controller.interrupted
        aborted = self._controller.aborted if self._controller is not None else None
        failure = self._workers.failure if self._workers is not None else "it did not begin"
        return end_record(
            monotonic_ns(),
            datetime.now(UTC).isoformat(),
            complete=failure is None and not interrupted and aborted is None,
            reason=failure or ("interrupted" if interrupted else aborted),
        )

    def _take_event(self, code: str, text: str) -> None:
        self._take(event_record(monotonic_ns(), code, text))

    def _take(self, record: dict[str, Any]) -> None:
        """Take one record of the run: into the journal, into the collector, and a window on to those who show it."""
        self.journal.append(record)
        window = self.collector.take(record)
        if record["type"] == "phase" and record["phase"] in BEGINS and record["at_ns"] == self.collector.begin_ns:
            self._faults.begin(self.plan.scenario.faults, record["at_ns"], self._planned_ns)
        for listener in self.on_record:
            listener(record)
        if window is None:
            return
        for show in self.on_window:
            show(window)
        hopeless = self._watch.hopeless(window.end_ns) if window.phase == MEASURED else None
        if hopeless is not None and self._controller is not None:
            # Not from here: this is called by who cuts the window that shows it.
            gevent.spawn(self._controller.abort, f"{hopeless.check} came to {hopeless.value}")

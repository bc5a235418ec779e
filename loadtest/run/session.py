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
from typing import TYPE_CHECKING, Any, Final

import gevent

from loadtest.broker.monitor.fingerprint import process_facts
from loadtest.calibration.store import calibrated_generator
from loadtest.clock import NS_PER_S, monotonic_ns
from loadtest.measure.collector import BEGINS, Collector
from loadtest.measure.journal import Journal
from loadtest.measure.records import end_record, event_record, run_record
from loadtest.measure.window import Window
from loadtest.redaction import redacted_value
from loadtest.report.folder import create_folder
from loadtest.report.run.read import JOURNAL_NAME
from loadtest.report.run.write import write_what_can_be
from loadtest.result.run.evidence import MEASURED
from loadtest.result.run.live_checks import Watch
from loadtest.run.job import entry_of, groups_of, job_for, local_worker, sinks_of
from loadtest.run.prepared_broker import PreparedBroker
from loadtest.run.run_controller import RunController
from loadtest.run.unreceived_messages import UnreceivedMessages
from loadtest.run.workers.clock_sync import ClockSync
from loadtest.run.workers.reassignment import Reassignment
from loadtest.run.workers.workers import Workers
from loadtest.scenario.checks.arithmetic import warn
from loadtest.scenario.loading.secrets_in_yaml import redacted_override, redacted_scenario
from loadtest.signals import HURRY, defer_interrupts
from loadtest.stamp import RUN_TAG_BITS
from loadtest.wire.pacer import Pacer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from loadtest.clients.worker_run import WorkerRun
    from loadtest.result.run.document import RunResult
    from loadtest.run.run_options import RunOptions
    from loadtest.run.workers.worker import Worker
    from loadtest.scenario import Plan

    Say = Callable[[str], None]


LONGEST_S: Final = 86_400.0
"""Faults come again until the planned end of the publishing, or for a day where messages decide."""


def planned_s(plan: Plan) -> float | None:
    """Return how long warm-up and measured part of *plan* are to take, in s; None where messages decide."""
    settings = plan.scenario.run
    return None if settings.duration_ns is None else (settings.warm_up_ns + settings.duration_ns) / NS_PER_S


class Session:
    """
    One run, from a prepared broker to written results.

    `prepare` → somebody spawns the users → `conduct` (blocks) → `close`, which returns the result. The users work in
    this process (`work_here`, after `prepare`), or in others that are given a `job` (`work_there`). A session that
    fails half-way cleans up what it has made (topology, node); the files keep what was measured.
    """

    def __init__(self, request: RunOptions, say: Say, processes: int | None) -> None:
        self.request, self.processes = request, processes
        self._say = say
        self.on_window: list[Callable[[Window], None]] = []
        self.on_record: list[Callable[[dict[str, Any]], None]] = []
        self.on_result: list[Callable[[RunResult], None]] = []
        self.result: RunResult | None = None
        self._controller: RunController | None = None
        self._workers: Workers | None = None
        self._is_interrupted = self._is_hurried = False
        with ExitStack() as opened:
            self.loaded, plan = request.load()
            warn(plan, say=say)
            until_ns = int((LONGEST_S if (planned := planned_s(plan)) is None else planned) * NS_PER_S)
            self._faults_until_ns = until_ns
            broker = self._broker = PreparedBroker(request, plan, processes, until_ns, say, self._take, opened)
            self.plan = broker.plan
            self.collector = Collector()
            self._watch = Watch(plan.scenario.thresholds, self.collector)
            self._run_tag = secrets.randbits(RUN_TAG_BITS)
            self._unreceived = UnreceivedMessages(
                self.plan,
                broker.private,
                broker.endpoints,
                self._run_tag,
                broker.topology,
                broker.sampler,
                broker.management,
            )
            self._unreceived.begin(broker.declared)
            defer_interrupts()  # from here on a signal ends the run with its results
            # Last: a preparation that is broken off leaves no folder.
            self.started_at = datetime.now(UTC)
            self.folder = create_folder(request.results, self.started_at, self.loaded.scenario.name)
            self.journal = Journal(self.folder / JOURNAL_NAME)
            opened.callback(self.journal.close)
            self._opened = opened.pop_all()

    @classmethod
    def prepare(cls, request: RunOptions, say: Say, *, processes: int | None = 1) -> Session:
        """
        Return a session that is ready for its users: broker reached, topology declared, journal open.

        *processes* is how many the users are spread over on this machine; None where that is not known.

        Raises:
            LoadTestError: In one line, whatever stands in the way; nothing is left behind.
        """
        return cls(request, say, processes)

    @cached_property
    def job(self) -> dict[str, Any]:
        """Return what another process has to know to work in this run; with credentials: for that process alone."""
        return job_for(
            self.request,
            self.loaded,
            [each.url for each in self._broker.user_endpoints],
            self._run_tag,
            processes=self.processes,
            is_private=self._broker.private is not None,
            is_proxied=self._broker.is_proxied,
        )

    def work_here(self) -> WorkerRun:
        """Have the users work in this process; returns the run that they take part in."""
        nodes = [endpoint.pika_parameters() for endpoint in self._broker.user_endpoints]
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
        self._controller = RunController(self.plan, led, self.collector, self._take, self._broker.depths)
        if self._is_interrupted:
            self._controller.interrupt()
        return led

    def conduct(self) -> None:
        """Lead the run from its first connection to its last window; somebody else spawns the users meanwhile."""
        if self._controller is None:
            self.work_here()  # a signal came before anybody did: the run ends at its begin
        assert self._controller is not None
        self._broker.sampler.start()
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
                self._broker.faults.stop()
                self._broker.sampler.stop()
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
                if self._workers is None or self._workers.failure is None:
                    self._broker.remove_topology()
            self.result = write_what_can_be(self.folder, self.collector, self._say)
            for listener in self.on_result:
                listener(self.result)
        return self.result

    @property
    def planned_s(self) -> float | None:
        """Return how long warm-up and measured part are to take, in s; None where messages decide."""
        return planned_s(self.plan)

    # --- records -------------------------------------------------------------------------------------------------

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
            broker=self._broker.fingerprint,
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

    def _take(self, record: dict[str, Any]) -> None:
        """Take one record of the run: into the journal, into the collector, and a window on to those who show it."""
        self.journal.append(record)
        window = self.collector.take(record)
        if record["type"] == "phase" and record["phase"] in BEGINS and record["at_ns"] == self.collector.begin_ns:
            self._broker.faults.begin(self.plan.scenario.faults, record["at_ns"], self._faults_until_ns)
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

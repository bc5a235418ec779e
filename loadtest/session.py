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
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from loadtest.broker.endpoint import resolve_endpoints
from loadtest.broker.fingerprint import broker_fingerprint, generator_fingerprint
from loadtest.broker.management import find_management
from loadtest.broker.node_config import DEFAULT_PLUGINS
from loadtest.broker.private_node import PrivateNode
from loadtest.broker.reach import probe
from loadtest.broker.topology import Topology, queue_depths
from loadtest.clock import NS_PER_S, monotonic_ns
from loadtest.errors import ResultsError, UsageError
from loadtest.measure.collector import Collector
from loadtest.measure.journal import Journal
from loadtest.measure.recorder import Recorder
from loadtest.measure.records import end_record, event_record, publisher_entry, run_record
from loadtest.measure.window import Window
from loadtest.report.folder import create_folder
from loadtest.report.write import JOURNAL_NAME, write_results
from loadtest.result.build import build_result
from loadtest.scenario import build_plan, load_scenario
from loadtest.stamp import RUN_TAG_BITS, run_words
from loadtest.traffic.conductor import Conductor
from loadtest.traffic.gauges import Gauges
from loadtest.traffic.run import Run, seats_of
from loadtest.wire.pacing import Pacer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from loadtest.result.document import RunResult
    from loadtest.scenario import LoadedScenario, Plan

    Say = Callable[[str], None]

RESULTS: Final = Path("results")


@dataclass(frozen=True, slots=True)
class Request:
    """
    What the command line, or the start form, asks for.

    `users`, `connect_rate_per_s` and `run_time_s` are Locust's `-u`, `-r` and `-t`; None leaves it to the scenario.
    """

    scenario: str
    overrides: tuple[str, ...] = ()
    brokers: tuple[str, ...] = ()
    users: int | None = None
    connect_rate_per_s: float | None = None
    run_time_s: float | None = None
    results: Path = RESULTS
    server: Path | None = None
    config: Path | None = None
    plugins: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    def load(self) -> tuple[LoadedScenario, Plan]:
        """
        Return the scenario as this request changes it, and its plan.

        Raises:
            ScenarioError: If the scenario, an override or the number of users cannot be used.
        """
        overrides = list(self.overrides)
        if self.connect_rate_per_s is not None:
            overrides.append(f"run.connect_rate={self.connect_rate_per_s:g}/s")
        loaded = load_scenario(self.scenario, overrides=overrides)
        if self.run_time_s is not None:
            longest_s = self.run_time_s
            duration_ns = loaded.scenario.run.duration_ns
            if duration_ns is None or duration_ns > longest_s * 1e9:
                overrides.append(f"run.duration={longest_s:g}s")
                loaded = load_scenario(self.scenario, overrides=overrides)
        return loaded, build_plan(loaded.scenario, users=self.users)


class Session:
    """
    One run, from a prepared broker to written results.

    `prepare` → somebody spawns the users of `run` → `conduct` (blocks) → `close`, which returns the result. A session
    that fails half-way cleans up what it has made (topology, node); the files keep what was measured.
    """

    def __init__(self, request: Request, say: Say) -> None:
        """Prepare nothing yet; use `prepare`."""
        self.request = request
        self._say = say
        self._opened = ExitStack()
        self.on_window: list[Callable[[Window], None]] = []
        self.result: RunResult | None = None

    @classmethod
    def prepare(cls, request: Request, say: Say) -> Session:
        """
        Return a session that is ready for its users: broker reached, topology declared, journal open.

        Raises:
            LoadTestError: In one line, whatever stands in the way; nothing is left behind.
        """
        session = cls(request, say)
        try:
            session._prepare()
        except BaseException:
            session._opened.close()
            raise
        return session

    def _prepare(self) -> None:
        self.loaded, self.plan = self.request.load()
        self._find_broker()
        self._declare()
        self._open_results()
        kinds = {name: group["kind"] for name, group in self.groups.items()}
        closed = [name for name, group in self.groups.items() if group["model"] == "closed"]
        run_tag = secrets.randbits(RUN_TAG_BITS)
        ours = run_words(run_tag, len(self.plan.publishers))
        recorder = Recorder(f"{socket.gethostname()}-{os.getpid()}", kinds, closed_groups=closed, ours=ours)
        pacer = Pacer()
        self._opened.callback(pacer.close)
        nodes = [endpoint.pika_parameters() for endpoint in self.endpoints]
        self.run = Run(self.plan, nodes, recorder, pacer, run_tag=run_tag)
        gauges = Gauges(self.run)
        self._opened.callback(gauges.stop)
        self.collector = Collector()
        self.conductor = Conductor(self.run, self.collector, gauges, self._take, self._depths)

    def conduct(self) -> None:
        """Lead the run from its first connection to its last window; somebody else spawns the users meanwhile."""
        self.conductor.conduct(self._run_record())

    def interrupt(self) -> None:
        """End the run early; `conduct` then returns within seconds."""
        self.conductor.interrupt()

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
                self._take(self._end_record())
                self.journal.close()
                if self.journal.failed is not None:
                    text = f"{self.journal.failed}; {self.journal.dropped:,} records are missing from it"
                    self._say(text)
                    self.collector.take(event_record(monotonic_ns(), "journal-failed", text))
                self._remove_topology()
            self.result = self._write()
        return self.result

    def _write(self) -> RunResult:
        """Write every output; a disk that is full takes the files, not the verdict."""
        try:
            return write_results(self.folder, self.collector)
        except ResultsError as error:
            self._say(str(error))
            self.collector.take(event_record(monotonic_ns(), "journal-failed", str(error)))
            return build_result(self.collector)

    @property
    def planned_s(self) -> float | None:
        """Return how long warm-up and measured part are to take, in s; None where messages decide."""
        settings = self.plan.scenario.run
        return None if settings.duration_ns is None else (settings.warm_up_ns + settings.duration_ns) / NS_PER_S

    # --- broker --------------------------------------------------------------------------------------------------

    def _find_broker(self) -> None:
        request = self.request
        endpoints = resolve_endpoints(request.brokers, request.environ)
        node = None
        if endpoints is None:
            node = PrivateNode.start(
                config=request.config,
                plugins=request.plugins or DEFAULT_PLUGINS,
                server=request.server,
                environ=request.environ,
                progress=self._say,
            )
            self._opened.callback(node.stop)
            endpoints = [node.endpoint]
        elif request.config is not None or request.plugins or request.server is not None:
            raise UsageError(
                "--server, --config and --plugin are for a private node, "
                "but a broker is named by --broker, LOADTEST_BROKER or AMQP_URL"
            )
        vhost = self.plan.topology.vhost
        self.endpoints = [each.with_vhost(vhost) if vhost is not None else each for each in endpoints]
        infos = [probe(endpoint) for endpoint in self.endpoints]
        management = find_management(self.endpoints[0], node, request.environ)
        self.fingerprint = broker_fingerprint(infos[0], management, node) | {
            "endpoints": [endpoint.redacted for endpoint in self.endpoints]
        }

    def _declare(self) -> None:
        self._topology = Topology(self.plan.topology, self.endpoints[0])
        self._opened.callback(self._topology.close)
        declared = self._topology.declare()
        for queue, messages in declared.found_messages.items():
            self._say(f"queue {queue} already held {messages:,} messages; what is taken of them counts as foreign")

    def _remove_topology(self) -> None:
        if self.run.failure is None:
            for text in self._topology.remove():
                self._say(text)

    def _depths(self, queues: Sequence[str]) -> Mapping[str, int]:
        return queue_depths(self.endpoints[0], queues)

    # --- records -------------------------------------------------------------------------------------------------

    @property
    def groups(self) -> dict[str, dict[str, Any]]:
        """Return kind, model and number of users of each group, as the run record has them."""
        plan = self.plan
        open_groups = {seat.group for seat in seats_of(plan) if getattr(seat, "arrivals", None) is not None}
        published = {publisher.group for publisher in plan.publishers}
        # A consumer's latencies count from what the publishers intended, so they are as open as those are.
        if published and published <= open_groups:
            open_groups |= set(plan.users)
        return {
            name: {"kind": kind, "model": "open" if name in open_groups else "closed", "users": plan.users[name]}
            for name, kind in plan.scenario.kinds.items()
        }

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
                "description": scenario.description,
                "hash": loaded.hash,
                "text": loaded.text,
                "overrides": list(loaded.overrides),
                "thresholds": [threshold.text for threshold in scenario.thresholds],
            },
            groups=self.groups,
            publishers=[
                publisher_entry(seat.publisher_id, seat.group, confirms=bool(seat.confirm_window), routes=seat.routes)
                for seat in self.plan.publishers
            ],
            sinks=self.plan.consumed_sinks,
            broker=self.fingerprint,
            generator=generator_fingerprint(),
        )

    def _end_record(self) -> dict[str, Any]:
        interrupted = self.conductor.interrupted
        return end_record(
            monotonic_ns(),
            datetime.now(UTC).isoformat(),
            complete=self.run.failure is None and not interrupted,
            reason=self.run.failure or ("interrupted" if interrupted else None),
        )

    def _take(self, record: dict[str, Any]) -> None:
        """Take one record of the run: into the journal, into the collector, and a window on to those who show it."""
        self.journal.append(record)
        self.collector.take(record)
        if record["type"] == "window" and self.on_window:
            window = Window.from_record(record)
            for listener in self.on_window:
                listener(window)

"""
A run driven by Locust: its arguments, its users, its end.

Listeners for `main.py`. Headless the run is prepared before Locust starts users, ends by itself and sets the exit code;
with the web page it is prepared when somebody presses start.
"""

from __future__ import annotations

import logging
import sys
import time
import traceback
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final, NoReturn

import gevent
from gevent.event import Event
from locust.runners import MasterRunner, WorkerRunner

from loadtest.broker.endpoint import resolve_endpoints
from loadtest.errors import EXIT_INCOMPLETE, EXIT_INTERRUPTED, LoadTestError, UsageError
from loadtest.locust_app.command_line import end_with, stop_waiting
from loadtest.locust_app.group_users import user_classes
from loadtest.locust_app.interrupts import interrupt_preparation, on_signals
from loadtest.locust_app.locust_stats import complete_csv, feed, show_fractions
from loadtest.locust_app.worker_messages import MasterMessages, WorkerMessages
from loadtest.report.run.progress_line import Progress
from loadtest.run.job import worker_for_job
from loadtest.run.metrics_export import MetricsExport, metrics_export
from loadtest.run.option_table import run_options_of
from loadtest.run.run_options import RunOptions
from loadtest.signals import HURRY, LAST

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from locust.env import Environment
    from locust.web import WebUI

    from loadtest.dashboard.web import Dashboard
    from loadtest.locust_app.worker_messages import RemoteWorker
    from loadtest.run.session import Session

# An interrupted run closes its ledger and writes its results within this; past it something is stuck.
INTERRUPT_TIMEOUT_S: Final = 30.0
# A process of `--processes` is there within this, or does not come.
WORKERS_TIMEOUT_S: Final = 10.0
WORKERS_POLL_S: Final = 0.02
# The same headless, where a machine that is busy may take its time.
OWN_WORKERS_TIMEOUT_S: Final = 60.0


def _take_run_time(options: Any) -> None:
    """Leave Locust no `--run-time`: ours bounds the publishing; Locust's would cut off the drain that follows."""
    if options.html_file and options.run_time is not None:
        options.html_file = options.html_file.replace("{t}", str(options.run_time))
    options.run_time = None


def broker_text(request: RunOptions) -> str:
    """Return what the web page shows as the host."""
    endpoints = resolve_endpoints(request.brokers, request.environ)
    return ", ".join(endpoint.redacted for endpoint in endpoints) if endpoints else "a private RabbitMQ node"


class LocustRun:
    """
    What this process runs under Locust: at most one session at a time.

    Headless there is one session, and the process ends with its verdict. With the web page each start is a session. Its
    `on_…` methods are listeners for Locust's events.
    """

    def __init__(self) -> None:
        self._session: Session | None = None
        self._progress = Progress(sys.stderr)
        self._conducting: gevent.Greenlet | None = None
        self._is_stopping = False  # Locust is ending the users already, and waits for us
        self._is_quitting = False  # and then the process
        self._master: MasterMessages | None = None
        self._worker: WorkerMessages | None = None
        self._brokers: tuple[str, ...] = ()
        self._opened = ExitStack()  # what lives as long as the process
        self._export = MetricsExport(None, 0, self._progress.say)
        self._dashboard: Dashboard | None = None
        self._shift = ExitStack()  # what a worker closes when its part of a run is over

    def on_init(self, environment: Environment, web_ui: WebUI | None = None, **_: Any) -> None:
        """Prepare the run: headless at once, with the web page when somebody presses start."""
        show_fractions()
        complete_csv()
        if web_ui is not None or isinstance(environment.runner, WorkerRunner):
            on_signals(lambda came: self._take_signal(environment, came))
        # Now, not in the locustfile: Locust calls the last listener first, and a master's own sends the workers away.
        environment.events.quitting.add_listener(self.on_quitting)  # type: ignore[no-untyped-call]
        # Locust's own closing tables repeat, coarsely, what our summary says.
        logging.getLogger("locust.stats_logger").disabled = True
        # It warns of a spawn rate above 100/s; users come up at our own pace.
        logging.getLogger("locust.runners").setLevel(logging.ERROR)
        options: Any = environment.parsed_options
        if isinstance(environment.runner, WorkerRunner):
            self._await_orders(environment, environment.runner)
            return
        if isinstance(environment.runner, MasterRunner):
            self._master = MasterMessages(environment.runner)
        self._serve(run_options_of(options))
        if web_ui is not None:
            self._open_page(environment, web_ui, options)
            return
        interrupt_preparation()
        try:
            options.num_users = options.spawn_rate = self._arm(environment, run_options_of(options))
            # Not before: a preparation is unmade where it stands. From there to here signals are deferred.
            on_signals(lambda came: self._take_signal(environment, came))
            self._await_workers(options)
        except LoadTestError as error:
            if self._session is not None:
                self._session.discard()
            end_with(error)
        except KeyboardInterrupt:
            self._end_unbegun(environment)
        _take_run_time(options)

    def _await_orders(self, environment: Environment, runner: WorkerRunner) -> None:
        options: Any = environment.parsed_options
        self._worker = WorkerMessages(runner)
        stop_waiting()
        options.csv_prefix = None  # one of `--processes` would write, of nothing, into the master's files
        # Typed here, they say how this host reaches the broker. Those of `--processes` have the master's.
        self._brokers = () if options.processes else tuple(options.broker)
        environment.user_classes = []  # Locust looks at them before the run that says which they are

    def _open_page(self, environment: Environment, web_ui: WebUI, options: argparse.Namespace) -> None:
        """Make Locust's page ours, from which runs are started."""
        from loadtest.dashboard.web import Dashboard

        environment.host = broker_text(run_options_of(options))
        self._dashboard = Dashboard()
        self._dashboard.install(web_ui, lambda form: self._arm(environment, run_options_of(form)), self._progress.say)
        # Locust says it at INFO, among much else.
        scheme = "https" if options.tls_cert and options.tls_key else "http"
        self._progress.say(f"the web page is at {scheme}://{web_ui.host or 'localhost'}:{web_ui.port}; Ctrl-C ends it")

    def _serve(self, request: RunOptions) -> None:
        """Serve what Prometheus scrapes, as long as the process lives; end it where that cannot be."""
        try:
            self._export = self._opened.enter_context(metrics_export(request, self._progress.say))
        except LoadTestError as error:
            end_with(error)

    def on_test_start(self, environment: Environment, **_: Any) -> None:
        """Lead the run while Locust spawns its users; on a worker, get ready to take part in it."""
        if self._worker is not None:
            self._join(self._worker, environment)
            return
        if self._conducting is not None:
            return  # a signal has ended it already
        self._is_stopping = False
        if self._master is not None:
            self._lead(self._master.workers())
        self._conducting = gevent.spawn(self._conduct, environment)

    def _lead(self, workers: Sequence[RemoteWorker]) -> None:
        """Have the users of the session work in *workers*."""
        assert self._master is not None
        assert self._session is not None, "armed before started"
        self._master.lead(self._session.work_there(workers), self._session.job["run"])

    def on_test_stopping(self, environment: Environment, **_: Any) -> None:
        """Take the page's stop button, before Locust ends the users: the run drains, and its results are written."""
        if environment.web_ui is not None:
            self._is_stopping = True
            self._interrupt(environment)

    def on_quitting(self, environment: Environment, **_: Any) -> None:
        """End a run under way in order, before Locust ends the process."""
        if self._worker is not None:
            self._shift.close()
            return
        if self._is_quitting:
            Event().wait()  # Locust is on its way out already, and ends this one
        self._is_stopping = self._is_quitting = True
        self._interrupt(environment)

    def _take_signal(self, environment: Environment, came: int) -> None:
        """
        Take Ctrl-C, SIGTERM or SIGHUP, the *came*-th.

        Locust's own way, which ends the process, is taken where nothing is under way, and with the web page. It takes
        SIGTERM besides, and then waits in `on_quitting`.
        """
        session = self._session
        is_under_way = session is not None and session.result is None
        if came >= LAST or (came >= HURRY and not is_under_way):
            raise SystemExit(EXIT_INTERRUPTED)
        if session is None or not is_under_way or (came < HURRY and environment.web_ui is not None):
            raise KeyboardInterrupt
        if self._conducting is None:
            self._end_unbegun(environment)
        session.take_signal(came)

    def _end_unbegun(self, environment: Environment) -> NoReturn:
        """End a run that is prepared, if there is one, with its results, and the process."""
        self._is_stopping = True  # here, and not by the runner, from which Locust would exit meanwhile
        self._interrupt(environment)
        sys.exit(EXIT_INTERRUPTED)

    def _arm(self, environment: Environment, request: RunOptions) -> int:
        """
        Prepare a session and give Locust its users; returns how many to spawn.

        Raises:
            LoadTestError: If the scenario or the broker cannot be used.
        """
        from loadtest.run.session import Session

        if self._master is not None and environment.web_ui is not None and not self._has_workers(environment):
            raise UsageError("no worker is connected; start some: locust -f loadtest/main.py --worker")
        asked: int | None = getattr(environment.parsed_options, "processes", None)
        processes = asked if self._master is not None else 1
        session = self._session = Session.prepare(request, self._progress.say, processes=processes)
        self._conducting = None
        self._export.follow(session)
        if self._dashboard is not None:
            environment.host = broker_text(request)
            self._dashboard.follow(session)
        # Whatever ends the process before there is a verdict: it has not passed.
        environment.process_exit_code = EXIT_INCOMPLETE
        self._progress = Progress(sys.stderr, planned_s=session.planned_s)
        unconfirmed = {each.group for each in session.plan.publishers if not each.confirm_window}
        session.on_window.append(self._progress.take)
        session.on_window.append(lambda window: feed(environment.stats, window, unconfirmed))
        if self._master is not None:
            options: Any = environment.parsed_options
            options.loadtest_job = session.job
            environment.user_classes = user_classes(session.plan.users, None)
        else:
            environment.user_classes = user_classes(session.plan.users, session.work_here())
        return sum(session.plan.users.values())

    def _has_workers(self, environment: Environment) -> bool:
        """
        Return whether a worker is connected; waits for all of `--processes`.

        Of one that comes later Locust makes a reason to spread the users anew, which ends some in mid-run.
        """
        assert self._master is not None
        expected: int = getattr(environment.parsed_options, "processes", None) or 0
        with gevent.Timeout(WORKERS_TIMEOUT_S, exception=False):
            while len(self._master.workers()) < expected:
                gevent.sleep(WORKERS_POLL_S)
        return bool(self._master.workers())

    def _await_workers(self, options: Any) -> None:
        """
        Wait for the workers of a headless master, as Locust would, in whose wait a signal ends in a traceback.

        Raises:
            UsageError: If they do not come within `--expect-workers-max-wait`; those of `--processes`, in a minute.
        """
        if self._master is None:
            return
        longest_s: float = options.expect_workers_max_wait or (OWN_WORKERS_TIMEOUT_S if options.processes else 0)
        deadline = time.monotonic() + longest_s
        while (there := len(self._master.workers())) < options.expect_workers:
            if longest_s and time.monotonic() > deadline:
                raise UsageError(f"only {there} of {options.expect_workers} workers are there after {longest_s} s")
            gevent.sleep(WORKERS_POLL_S)

    def _join(self, worker: WorkerMessages, environment: Environment) -> None:
        """Take part, as a worker, in the run that the master has prepared."""
        self._shift.close()
        options: Any = environment.parsed_options
        runner: Any = environment.runner
        try:
            taking_part = worker_for_job(options.loadtest_job, runner.client_id, self._brokers, self._shift)
        except LoadTestError as error:
            # Locust spawns them all the same; they go at once.
            environment.user_classes = user_classes(dict.fromkeys(options.loadtest_job.get("groups", ()), 1), None)
            worker.refuse(str(error), options.loadtest_job["run"])
            return
        environment.user_classes = user_classes(taking_part.run.users, taking_part.run)
        worker.work(taking_part, options.loadtest_job["run"])

    def _interrupt(self, environment: Environment) -> None:
        """End the session that is prepared or under way, if there is one, and wait until its results are written."""
        if self._session is None or self._session.result is not None:
            return
        if self._conducting is None:
            if self._master is not None:
                self._lead([])
            self._conducting = gevent.spawn(self._conduct, environment)
        self._session.interrupt()
        self._conducting.join(INTERRUPT_TIMEOUT_S)

    def _conduct(self, environment: Environment) -> None:
        from loadtest.report.run.announce import announce

        session = self._session
        assert session is not None, "armed before started"
        try:
            with self._progress:
                session.conduct()
            result = session.close()
            request = session.request
            options: Any = environment.parsed_options
            environment.process_exit_code = announce(
                result,
                session.folder,
                json_file=request.json_file,
                environ=request.environ,
                is_output_taken=options.json,
            )
        except Exception:  # noqa: BLE001  # whatever it is
            # A fault of ours: the process must end, and must not look as if the broker had passed.
            environment.process_exit_code = EXIT_INCOMPLETE
            self._progress.say(traceback.format_exc())
            self._session = None
            session.discard()
        runner = environment.runner
        assert runner is not None, "a test was started by it"
        if self._is_stopping:
            return
        if environment.web_ui is not None:
            runner.stop()
            return
        self._export.linger(environment.process_exit_code or 0)
        quit_once = runner.quit
        # Locust calls it again on its way out, and on a master each call sleeps for half a second or more.
        runner.quit = lambda: None  # type: ignore[method-assign]
        quit_once()

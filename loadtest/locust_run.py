"""
A run driven by Locust: its arguments, its users, its end.

Listeners for `main.py`. Headless the run is prepared before Locust starts users, ends by itself and sets the exit code;
with the web page it is prepared when somebody presses start.
"""

from __future__ import annotations

import argparse
import logging
import os
import socket
import sys
import traceback
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import gevent
from locust.runners import MasterRunner, WorkerRunner
from locust.util.timespan import parse_timespan

from loadtest.broker.endpoint import resolve_endpoints
from loadtest.errors import EXIT_INCOMPLETE, EXIT_INTERRUPTED, LoadTestError, UsageError
from loadtest.exporting import Export, exporting
from loadtest.report.progress import Progress
from loadtest.request import RESULTS, Request
from loadtest.share import crew_there
from loadtest.traffic.interrupts import interrupt_main_greenlet, interrupt_preparation
from loadtest.traffic.locust_links import MasterEnd, WorkerEnd, bind_workers
from loadtest.traffic.locust_stats import feed, show_fractions
from loadtest.traffic.succession import CHOICES
from loadtest.traffic.users import user_classes

if TYPE_CHECKING:
    from locust.argument_parser import LocustArgumentParser
    from locust.env import Environment
    from locust.web import WebUI

    from loadtest.dashboard.web import Dashboard
    from loadtest.session import Session

DEFAULT_SCENARIO: Final = "flood-1000-direct"
# An interrupted run closes its ledger and writes its results within this; past it something is stuck.
INTERRUPT_TIMEOUT_S: Final = 30.0
# A process of `--processes` is there within this, or does not come.
WORKERS_TIMEOUT_S: Final = 10.0
WORKERS_POLL_S: Final = 0.02


def add_arguments(parser: LocustArgumentParser) -> None:
    """Add the arguments of a run to Locust's, and the defaults under which its own output does not drown ours."""
    parser.set_defaults(web_host="127.0.0.1", master_bind_host="127.0.0.1", only_summary=True, loglevel="WARNING")
    if any(argument.partition("=")[0] == "--processes" for argument in sys.argv) or "LOCUST_PROCESSES" in os.environ:
        # Its own: two runs at a time must not get each other's workers.
        parser.set_defaults(master_bind_port=_free_port(), master_port=_free_port())
    # Not by Locust's web page: the form that is ours posts them.
    text = "Name of a scenario of the catalogue, or a file."
    parser.add_argument(
        "--scenario", env_var="LOADTEST_SCENARIO", default=DEFAULT_SCENARIO, include_in_web_ui=False, help=text
    )
    text = "Overrides in one text: PATH=VALUE; PATH=VALUE."
    parser.add_argument("--overrides", env_var="LOADTEST_OVERRIDES", default="", include_in_web_ui=False, help=text)
    for flag, metavar, text in (
        ("--set", "PATH=VALUE", "Override a value of the scenario; repeatable."),
        ("--threshold", "CHECK", "What must hold besides the scenario's thresholds; repeatable."),
        (
            "--broker",
            "URL",
            "AMQP URL of a node; repeatable. Default: LOADTEST_BROKER, AMQP_URL, a private node.",
        ),
        ("--plugin", "NAME", "Plugin for the private node; repeatable."),
    ):
        parser.add_argument(flag, action="append", default=[], metavar=metavar, include_in_web_ui=False, help=text)
    parser.add_argument(
        "--prometheus-port",
        type=int,
        env_var="LOADTEST_PROMETHEUS_PORT",
        default=None,
        metavar="PORT",
        include_in_web_ui=False,
        help="Port at which Prometheus can scrape the run; 0: any free one.",
    )
    for flag, default, text in (
        ("--prometheus-host", "127.0.0.1", "Address that --prometheus-port is of."),
        ("--prometheus-linger", None, "Longest time to wait at the end for a last scrape: 30, 30s, 1m."),
        ("--results", str(RESULTS), "Folder that the results go to."),
        ("--server", None, "RabbitMQ installation for the private node."),
        ("--node-config", None, "rabbitmq.conf for the private node; --config is Locust's own."),
        (
            "--result-json",
            None,
            "Write the result as JSON, - prints it instead of the summary; --json is Locust's own.",
        ),
    ):
        parser.add_argument(flag, default=default, include_in_web_ui=False, help=text)
    text = "When a worker is gone: fail, the default, ends the run; continue has others take its users' place."
    parser.add_argument("--on-worker-lost", choices=CHOICES, default="fail", include_in_web_ui=False, help=text)
    _add_private_broker(parser)


def _add_private_broker(parser: LocustArgumentParser) -> None:
    text = "Nodes of the private broker, which form a cluster: 1, 3 or 5."
    parser.add_argument("--nodes", type=int, default=None, metavar="N", include_in_web_ui=False, help=text)
    text = "Reach the private broker over TLS, with certificates made for it."
    parser.add_argument("--tls", action="store_true", include_in_web_ui=False, help=text)


def check_command_line(options: argparse.Namespace) -> None:
    """
    End the process with a clear line where the command line cannot be served.

    Called at the end of the locustfile, before Locust forks workers or waits for them: an error in a listener would
    leave them behind.
    """
    try:
        if options.worker:
            resolve_endpoints(options.broker, {})  # all else it gets from the master
            return
        if options.autostart:
            raise UsageError("--autostart is not supported; press start on the page, or leave the page out: --headless")
        if options.headless:
            request_of(options).load()
        from loadtest.report.announce import check_json_file

        check_json_file(request_of(options).json_file)
        if options.processes:
            bind_workers(options.processes if options.processes > 0 else os.cpu_count() or 1)
    except LoadTestError as error:
        _end_with(error)


def _end_with(error: LoadTestError) -> NoReturn:
    """End the process with what the error says, and its exit code."""
    from loadtest.report.announce import complain

    complain(error, os.environ)
    sys.exit(error.exit_code)


@cache
def _free_port() -> int:
    """Return a port of the loopback interface that is free now, always the same: the parser is made several times."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def request_of(options: argparse.Namespace) -> Request:
    """Return what Locust's options ask for; `-u`, `-r` and `-t` left out are the scenario's business."""
    written = (text.strip() for text in options.overrides.split(";"))
    return Request(
        scenario=options.scenario,
        overrides=(*options.set, *filter(None, written)),
        thresholds=tuple(options.threshold),
        brokers=tuple(options.broker),
        users=options.num_users,
        connect_rate_per_s=options.spawn_rate,
        run_time_s=seconds_of(options.run_time),
        results=Path(options.results),
        server=Path(options.server) if options.server else None,
        config=Path(options.node_config) if options.node_config else None,
        plugins=tuple(options.plugin),
        nodes=options.nodes,
        tls=options.tls,
        json_file=Path(options.result_json) if options.result_json else None,
        on_worker_lost=options.on_worker_lost,
        prometheus_host=options.prometheus_host,
        prometheus_port=options.prometheus_port,
        prometheus_linger_s=seconds_of(options.prometheus_linger) or 0,
    )


def broker_text(request: Request) -> str:
    """Return what the web page shows as the host."""
    endpoints = resolve_endpoints(request.brokers, request.environ)
    return ", ".join(endpoint.redacted for endpoint in endpoints) if endpoints else "a private RabbitMQ node"


def seconds_of(run_time: str | int | None) -> float | None:
    """Return Locust's `-t` in seconds; its parser has made a number of it, the start form has not."""
    if run_time is None:
        return None
    try:
        return float(parse_timespan(str(run_time)))
    except ValueError:
        raise UsageError(f"run time {run_time!r}: write 20, 20s, 3m, 2h or 1h20m") from None


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
        self._master: MasterEnd | None = None
        self._worker: WorkerEnd | None = None
        self._brokers: tuple[str, ...] = ()
        self._opened = ExitStack()  # what lives as long as the process
        self._export = Export(None, 0, self._progress.say)
        self._dashboard: Dashboard | None = None
        self._shift = ExitStack()  # what a worker closes when its part of a run is over

    def on_init(self, environment: Environment, web_ui: WebUI | None = None, **_: Any) -> None:
        """Prepare the run: headless at once, with the web page when somebody presses start."""
        show_fractions()
        if web_ui is not None or isinstance(environment.runner, WorkerRunner):
            interrupt_main_greenlet()
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
            self._master = MasterEnd(environment.runner)
        self._serve(request_of(options))
        if web_ui is not None:
            self._open_page(environment, web_ui, options)
            return
        interrupt_preparation()
        try:
            options.num_users = options.spawn_rate = self._arm(environment, request_of(options))
        except LoadTestError as error:
            _end_with(error)
        except KeyboardInterrupt:
            sys.exit(EXIT_INTERRUPTED)
        interrupt_main_greenlet()  # not before: what a preparation needs would take its place, and keep it
        # Ours: it bounds the publishing, and the drain comes after it. Locust's would cut the run off.
        options.run_time = None

    def _await_orders(self, environment: Environment, runner: WorkerRunner) -> None:
        options: Any = environment.parsed_options
        self._worker = WorkerEnd(runner)
        # Typed here, they say how this host reaches the broker. Those of `--processes` have the master's.
        self._brokers = () if options.processes else tuple(options.broker)
        environment.user_classes = []  # Locust looks at them before the run that says which they are

    def _open_page(self, environment: Environment, web_ui: WebUI, options: argparse.Namespace) -> None:
        """Make Locust's page ours, from which runs are started."""
        from loadtest.dashboard.web import Dashboard

        environment.host = broker_text(request_of(options))
        self._dashboard = Dashboard()
        self._dashboard.install(web_ui, lambda form: self._arm(environment, request_of(form)), self._progress.say)
        # Locust says it at INFO, among much else.
        scheme = "https" if options.tls_cert and options.tls_key else "http"
        self._progress.say(f"the web page is at {scheme}://{web_ui.host or 'localhost'}:{web_ui.port}; Ctrl-C ends it")

    def _serve(self, request: Request) -> None:
        """Serve what Prometheus scrapes, as long as the process lives; end it where that cannot be."""
        try:
            self._export = self._opened.enter_context(exporting(request, self._progress.say))
        except LoadTestError as error:
            _end_with(error)

    def on_test_start(self, environment: Environment, **_: Any) -> None:
        """Lead the run while Locust spawns its users; on a worker, get ready to take part in it."""
        if self._worker is not None:
            self._join(self._worker, environment)
            return
        self._is_stopping = False
        if self._master is not None and self._session is not None:
            self._master.lead(self._session.work_there(self._master.links()), self._session.share["run"])
        self._conducting = gevent.spawn(self._conduct, environment)

    def on_test_stopping(self, environment: Environment, **_: Any) -> None:
        """Take the page's stop button, before Locust ends the users: the run drains, and its results are written."""
        if environment.web_ui is not None:
            self._is_stopping = True
            self._interrupt()

    def on_quitting(self, environment: Environment, **_: Any) -> None:
        """Take Ctrl-C or SIGTERM in the middle of a run: end it in order; a second one ends the process."""
        if self._worker is not None:
            self._shift.close()
            return
        if self._is_quitting and self._session is not None and self._session.result is None:
            sys.exit(EXIT_INTERRUPTED)
        self._is_stopping = self._is_quitting = True
        if self._session is not None and self._conducting is None:
            self._conducting = gevent.spawn(self._conduct, environment)
        try:
            self._interrupt()
        except KeyboardInterrupt:
            sys.exit(EXIT_INTERRUPTED)

    def _arm(self, environment: Environment, request: Request) -> int:
        """
        Prepare a session and give Locust its users; returns how many to spawn.

        Raises:
            LoadTestError: If the scenario or the broker cannot be used.
        """
        from loadtest.session import Session

        if self._master is not None and environment.web_ui is not None and not self._has_workers(environment):
            raise UsageError("no worker is connected; start some: locust -f loadtest/main.py --worker")
        session = self._session = Session.prepare(request, self._progress.say)
        self._export.follow(session)
        if self._dashboard is not None:
            environment.host = broker_text(request)
            self._dashboard.follow(session)
        # Whatever ends the process before there is a verdict: it has not passed.
        environment.process_exit_code = EXIT_INCOMPLETE
        self._progress = Progress(sys.stderr, planned_s=session.planned_s)
        unconfirmed = {each.group for each in session.plan.publishers if not each.confirm_window}
        session.on_window += [self._progress.take, lambda window: feed(environment.stats, window, unconfirmed)]
        if self._master is not None:
            options: Any = environment.parsed_options
            options.loadtest_share = session.share
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
            while len(self._master.links()) < expected:
                gevent.sleep(WORKERS_POLL_S)
        return bool(self._master.links())

    def _join(self, worker: WorkerEnd, environment: Environment) -> None:
        """Take part, as a worker, in the run that the master has prepared."""
        self._shift.close()
        options: Any = environment.parsed_options
        runner: Any = environment.runner
        try:
            crew = crew_there(options.loadtest_share, runner.client_id, self._brokers, self._shift)
        except LoadTestError as error:
            # Locust spawns them all the same; they go at once.
            environment.user_classes = user_classes(dict.fromkeys(options.loadtest_share.get("groups", ()), 1), None)
            worker.refuse(str(error), options.loadtest_share["run"])
            return
        environment.user_classes = user_classes(crew.users, crew.run)
        worker.work(crew, options.loadtest_share["run"])

    def _interrupt(self) -> None:
        """End the session under way, if there is one, and wait until its results are written."""
        if self._session is not None and self._session.result is None and self._conducting is not None:
            self._session.interrupt()
            self._conducting.join(INTERRUPT_TIMEOUT_S)

    def _conduct(self, environment: Environment) -> None:
        from loadtest.report.announce import announce

        session = self._session
        assert session is not None, "armed before started"
        try:
            with self._progress:
                session.conduct()
            result = session.close()
            request = session.request
            environment.process_exit_code = announce(
                result, session.folder, json_file=request.json_file, environ=request.environ
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

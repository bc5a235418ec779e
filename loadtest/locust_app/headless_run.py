"""
`loadtest run`: the same run as `locust -f loadtest/main.py --headless`, with Locust as a library.

Locust spawns the users and keeps its statistics; nothing of its command line or web page is there, but for a run over
several processes, which is Locust's own.
"""

from __future__ import annotations

import locust  # first: it patches the standard library through gevent  # isort: skip

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from locust.env import Environment

from loadtest.errors import EXIT_INTERRUPTED
from loadtest.locust_app.group_users import user_classes
from loadtest.locust_app.interrupts import interrupt_preparation, on_signals
from loadtest.report.run.announce import announce
from loadtest.report.run.progress_line import Progress
from loadtest.run.metrics_export import MetricsExport, metrics_export
from loadtest.run.option_table import arguments_of
from loadtest.run.run_options import RunOptions, check_processes
from loadtest.run.session import Session
from loadtest.signals import LAST

if TYPE_CHECKING:
    from loadtest.result.run.document import RunResult

LOCUSTFILE: Final = Path(__file__).parents[1] / "main.py"
# Not imported: it is a program, and what it needs a run in one process does without.
PROGRAM: Final = "loadtest.locust_app.locust_process"
_OPTIONS_OF_LOCUSTFILE: Final = ("LOADTEST_SCENARIO", "LOADTEST_OVERRIDES", "LOADTEST_PROMETHEUS_PORT")
"""Variables that stand for options of `locust -f loadtest/main.py`; what of them counts is in the request already."""

__all__ = ["locust", "run_scenario", "run_scenario_in_processes"]


def run_scenario(request: RunOptions) -> int:
    """
    Run a scenario to its end, print its summary and return the exit code.

    The first Ctrl-C, SIGTERM or SIGHUP ends the run in order, with results; a second one does not wait for what is in
    flight; a third one ends the process.

    Raises:
        LoadTestError: If the scenario or the broker cannot be used.
    """
    logging.getLogger("locust.runners").setLevel(logging.ERROR)
    interrupt_preparation()
    progress = Progress(sys.stderr)
    with metrics_export(request, progress.say) as export:
        session = Session.prepare(request, progress.say)
        signals = _Signals(session)
        try:
            on_signals(signals.take)
            with progress:
                result = _run(session, progress, export)
        except BaseException:
            session.discard()
            raise
        exit_code = announce(result, session.folder, json_file=request.json_file, environ=request.environ)
        signals.ends_waiting = True
        export.linger(exit_code)
    return exit_code


class _Signals:
    """What signals do from the end of the preparation on."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.ends_waiting = False

    def take(self, came: int) -> None:
        """Take one, the *came*-th."""
        if came >= LAST:
            raise SystemExit(EXIT_INTERRUPTED)
        if self.ends_waiting:
            raise KeyboardInterrupt
        self._session.take_signal(came)


def _run(session: Session, progress: Progress, export: MetricsExport) -> RunResult:
    """Run a scenario that is prepared to its end and return its result."""
    export.follow(session)
    progress.planned_s = session.planned_s
    session.on_window.append(progress.take)
    run = session.work_here()
    users = sum(run.users.values())
    runner = Environment(user_classes=user_classes(run.users, run)).create_local_runner()
    runner.start(users, spawn_rate=users)
    try:
        session.conduct()
        return session.close()
    finally:
        runner.quit()


def run_scenario_in_processes(request: RunOptions, processes: int) -> NoReturn:
    """
    Run a scenario with its users spread over *processes*; does not return.

    That is what Locust's master and workers are for, so this process becomes one: the same pid, the same signals, the
    same summary and exit code. What it is to do stands on its command line, and nowhere else (`locust_process`).

    Raises:
        LoadTestError: If the request, or the number of processes, cannot be served.
    """
    request.check()
    words = [*arguments_of(request), f"--processes={check_processes(processes)}"]
    command = [sys.executable, "-m", PROGRAM, "-f", str(LOCUSTFILE), "--headless", *words]
    environ = {name: value for name, value in request.environ.items() if not is_of_locust(name)}
    os.execve(command[0], command, environ)  # noqa: S606 (no shell, and the program is Python itself)


def is_of_locust(name: str) -> bool:
    """Return whether a variable of the environment stands for an option of `locust`, and is not for `loadtest run`."""
    return name.startswith("LOCUST_") or name in _OPTIONS_OF_LOCUSTFILE

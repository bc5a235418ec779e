"""
`loadtest run`: the same run as `locust -f loadtest/main.py --headless`, with Locust as a library.

Locust spawns the users and keeps its statistics; nothing of its command line or web page is there, but for a run over
several processes, which is Locust's own.
"""

from __future__ import annotations

import locust  # first: it patches the standard library through gevent  # isort: skip

import logging
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import gevent
from locust.env import Environment

from loadtest.errors import EXIT_INTERRUPTED
from loadtest.exporting import Export, exporting
from loadtest.report.announce import announce
from loadtest.report.progress import Progress
from loadtest.request import Request, check_processes
from loadtest.run_options import arguments_of
from loadtest.session import Session
from loadtest.traffic.interrupts import interrupt_preparation
from loadtest.traffic.users import user_classes

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadtest.result.document import RunResult

LOCUSTFILE: Final = Path(__file__).parents[1] / "main.py"
# Not imported: it is a program, and what it needs a run in one process does without.
PROGRAM: Final = "loadtest.commands.locust_process"
_OPTIONS_OF_LOCUSTFILE: Final = ("LOADTEST_SCENARIO", "LOADTEST_OVERRIDES", "LOADTEST_PROMETHEUS_PORT")
"""Variables that stand for options of `locust -f loadtest/main.py`; what of them counts is in the request already."""
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)

__all__ = ["locust", "run_scenario", "run_scenario_in_processes"]


def run_scenario(request: Request) -> int:
    """
    Run a scenario to its end, print its summary and return the exit code.

    The first Ctrl-C or SIGTERM ends the run in order, with results; a second one ends the process.

    Raises:
        LoadTestError: If the scenario or the broker cannot be used.
    """
    logging.getLogger("locust.runners").setLevel(logging.ERROR)
    interrupt_preparation()
    progress = Progress(sys.stderr)
    with exporting(request, progress.say) as export:
        with progress:
            session, result = _run(request, progress, export)
        exit_code = announce(result, session.folder, json_file=request.json_file, environ=request.environ)
        interrupt_preparation()  # those that ended the run in order have been cancelled
        export.linger(exit_code)
    return exit_code


def _run(request: Request, progress: Progress, export: Export) -> tuple[Session, RunResult]:
    """Run the scenario to its end and return its result."""
    session = Session.prepare(request, progress.say)
    export.follow(session)
    progress.planned_s = session.planned_s
    session.on_window.append(progress.take)
    handlers = [gevent.signal_handler(number, _once(session.interrupt)) for number in SIGNALS]
    run = session.work_here()
    users = sum(run.users.values())
    runner = Environment(user_classes=user_classes(run.users, run)).create_local_runner()
    runner.start(users, spawn_rate=users)
    try:
        session.conduct()
        result = session.close()
    except BaseException:
        session.discard()
        raise
    finally:
        runner.quit()
        for handler in handlers:
            handler.cancel()
    return session, result


def run_scenario_in_processes(request: Request, processes: int) -> NoReturn:
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


def _once(interrupt: Callable[[], None]) -> Callable[[], None]:
    """Return a handler that interrupts the run the first time, and ends the process the second."""
    asked = False

    def handle() -> None:
        nonlocal asked
        if asked:
            sys.exit(EXIT_INTERRUPTED)
        asked = True
        interrupt()

    return handle

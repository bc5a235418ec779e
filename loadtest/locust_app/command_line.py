"""
The command line of `locust -f loadtest/main.py`: the arguments that Locust gets, and what is refused before it acts.

The end of the locustfile is the only place where an error ends the process without leaving workers behind.
"""

from __future__ import annotations

import argparse
import os
import sys
from functools import cache
from typing import TYPE_CHECKING, Final, NoReturn

import gevent

from loadtest.broker.endpoint import resolve_endpoints
from loadtest.broker.private.ports import PortBlock
from loadtest.errors import LoadTestError, UsageError
from loadtest.locust_app.locust_options import check_options, own_master, starts_workers
from loadtest.locust_app.worker_messages import bind_workers
from loadtest.run.option_table import add_options, run_options_of, seconds_argument
from loadtest.run.run_options import check_processes

if TYPE_CHECKING:
    from locust.argument_parser import LocustArgumentParser

# A worker that waits for its master this long says so; Locust, which gives up after five minutes, does not.
WAIT_TOLD_S: Final = 5.0
_most_workers: int | None = None
_own_master: tuple[str, int] | None = None  # where the workers of `--processes` reach it
_waiting: gevent.Greenlet | None = None


def add_arguments(parser: LocustArgumentParser) -> None:
    """Add the arguments of a run to Locust's, and the defaults under which its own output does not drown ours."""
    parser.set_defaults(web_host="127.0.0.1", master_bind_host="127.0.0.1", only_summary=True, loglevel="WARNING")
    if any(argument.partition("=")[0] == "--processes" for argument in sys.argv) or "LOCUST_PROCESSES" in os.environ:
        # Its own: two runs at a time must not get each other's workers.
        port = _own_ports().free[0]
        parser.set_defaults(master_bind_port=port, master_port=port)
    if _own_master is not None:
        parser.set_defaults(master_host=_own_master[0], master_port=_own_master[1])
    add_options(parser)
    # Locust's own, as we have them: its reading ends in a traceback, or in as many processes as are asked for.
    readers = {"run_time": seconds_argument, "processes": _processes_argument}
    for action in parser._actions:  # noqa: SLF001  # there is no other way to one
        action.type = readers.get(action.dest, action.type)


def _processes_argument(text: str) -> int:
    """Return the number of `--processes`, at most as many as the run has users, once that is known."""
    try:
        number = check_processes(int(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"found {text[:40]!r}; allowed a whole number, or -1: one a core") from None
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return number if _most_workers is None else min(os.cpu_count() or 1 if number < 0 else number, _most_workers)


def check_command_line(options: argparse.Namespace) -> None:
    """
    End the process with a clear line where the command line cannot be served.

    Called at the end of the locustfile, before Locust forks workers or waits for them: an error in a listener would
    leave them behind.
    """
    try:
        check_options(options)
        if options.worker:
            resolve_endpoints(options.broker, {})  # all else it gets from the master
            _tell_waiting(options)
            return
        request = run_options_of(options)
        request.check()
        from loadtest.report.run.announce import check_json_file

        check_json_file(request.json_file)
        resolve_endpoints(request.brokers, request.environ)
        asked = os.cpu_count() or 1 if options.processes == -1 else options.processes
        if options.headless:
            _, plan = request.load()
            asked = _no_more_than_users(asked, sum(plan.users.values()))
        if asked:
            bind_workers(asked)
        if starts_workers(options):
            _lead_own_workers(options)
    except LoadTestError as error:
        end_with(error)


def _lead_own_workers(options: argparse.Namespace) -> None:
    """Have the workers that Locust forks connect to where their master listens: it reads its options after this."""
    global _own_master  # noqa: PLW0603  # Locust makes its parser anew, by `add_arguments`
    _own_master = own_master(options, _own_ports().free[0])


def _tell_waiting(options: argparse.Namespace) -> None:
    """Say, once a worker has waited for a while, which master it waits for; not before a fork, which would copy it."""
    global _waiting  # noqa: PLW0603  # `LocustRun` hears of the master first
    if not options.processes:
        text = f"waiting for a master at {options.master_host}:{options.master_port}\n"
        _waiting = gevent.spawn_later(WAIT_TOLD_S, lambda: sys.stderr.write(text))


def stop_waiting() -> None:
    """Do not say any more that the worker waits: its master is there."""
    if _waiting is not None:
        _waiting.kill(block=False)


def end_with(error: LoadTestError) -> NoReturn:
    """End the process with what the error says, and its exit code."""
    from loadtest.report.run.announce import complain

    complain(error, os.environ)
    sys.exit(error.exit_code)


def _no_more_than_users(asked: int | None, users: int) -> int | None:
    """Return how many processes are of use, and have Locust start no more: it reads its options after this."""
    global _most_workers  # noqa: PLW0603  # Locust makes its parser anew, by `add_arguments`
    if not asked or asked <= users:
        return asked
    _most_workers = users
    sys.stderr.write(f"--processes {asked}: the run has {users:,} users, and is spread over as many\n")
    return users


@cache
def _own_ports() -> PortBlock:
    """Return the ports of this process, always the same: the parser is made several times. They are kept to its end."""
    return PortBlock.reserve()

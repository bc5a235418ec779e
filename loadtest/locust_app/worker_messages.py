"""
Commands and answers between the processes of a run, as messages of Locust's master and workers.

One command is one message and has one answer; what happens to users in between is reported unasked. Locust gives no
message back that was sent to a worker that is gone, so an answer is waited for with a look at whether the worker is
still there.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import signal
import sys
import time
from collections import Counter, deque
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import gevent
from gevent.event import AsyncResult, Event
from locust.exception import RPCError
from locust.runners import STATE_MISSING

from loadtest.broker.monitor.fingerprint import process_facts
from loadtest.clock import NS_PER_MS, monotonic_ns
from loadtest.run.workers.remote_command import execute
from loadtest.run.workers.worker import Answer, ClockReading, LostWorkerError
from loadtest.run.workers.worker_status import WorkerStatus

if TYPE_CHECKING:
    from locust.runners import MasterRunner, WorkerRunner

    from loadtest.clients.worker_run import ClientSpec
    from loadtest.run.workers.local_worker import LocalWorker
    from loadtest.run.workers.workers import Workers

COMMAND: Final = "loadtest-command"
ANSWER: Final = "loadtest-answer"
STATUS: Final = "loadtest-status"
ASSIGNMENT: Final = "loadtest-assignment"
CLOCK: Final = "loadtest-clock"
# How often it is looked whether a worker that is to answer is still there.
LOOK_S: Final = 0.2
# A command reaches the other processes in a millisecond or two, unless they are busy.
COMMAND_LEAD_NS: Final = 50 * NS_PER_MS
# A process that does not answer for so long is gone, or as good as gone. Ending all users may take 15 s.
ANSWER_TIMEOUT_S: Final = 30.0
# Users that come within this get their specs by one message: a thousand come up in a second.
GATHER_S: Final = 0.005
# From prctl(2).
_PR_SET_PDEATHSIG: Final = 1
_SIGKILL: Final = 9


class MasterMessages:
    """
    The master's end: sends commands, takes answers and reports, assigns specs.

    One for a process; the runs that it leads come one after the other.
    """

    def __init__(self, runner: MasterRunner) -> None:
        self._runner = runner
        self._numbers = itertools.count()
        self._waiting: dict[int, AsyncResult] = {}
        self._workers: Workers | None = None
        self._run = ""
        for name, listener in (
            (ANSWER, self._answered),
            (CLOCK, self._clock_told),
            (STATUS, self._told),
            (ASSIGNMENT, self._assign),
        ):
            runner.register_message(name, listener)
        runner.environment.events.spawning_complete.add_listener(self._keep_users)  # type: ignore[no-untyped-call]

    def _keep_users(self, **_: object) -> None:
        """
        Have Locust leave all users where they are, once they are spawned.

        Of a worker that joins during a run, or comes back, it makes a reason to spread the users anew, which ends some
        in the middle of what is measured. Without its dispatcher, which it makes anew for the next run, it does not.
        """
        self._runner._users_dispatcher = None  # noqa: SLF001  # it has no other way to say so

    def workers(self) -> list[RemoteWorker]:
        """Return each worker that is ready."""
        return [RemoteWorker(self, client.id) for client in self._runner.clients.ready]

    def lead(self, workers: Workers, run: str) -> None:
        """Take what workers say from now on for *workers*, which are those of *run*, and assign their specs."""
        self._workers = workers
        self._run = run

    def is_gone(self, worker: str) -> bool:
        """Return whether Locust has missed the worker's heartbeats, or knows it no longer."""
        client = self._runner.clients.get(worker)
        return client is None or client.state == STATE_MISSING

    def command(self, worker: str, command: str, arguments: dict[str, Any], clock_offset_ns: int | None) -> Answer:
        """Send a command and wait for its answer; see `Worker.execute`."""
        message = {"run": self._run, "command": command, "arguments": arguments, "clock_offset_ns": clock_offset_ns}
        answer = self._exchange(worker, COMMAND, message, command, ANSWER_TIMEOUT_S)
        return Answer(answer["records"], WorkerStatus(**answer["status"]))

    def read_clock(self, worker: str, timeout_s: float) -> ClockReading:
        """Have a worker say what its clock says; see `Worker.read_clock`."""
        asked_ns = monotonic_ns()
        told = self._exchange(worker, CLOCK, {}, "what its clock says (is it of this version?)", timeout_s)
        return ClockReading(asked_ns, told["there_ns"], told["answered_ns"], told["facts"])

    def _exchange(self, worker: str, name: str, message: dict[str, Any], what: str, timeout_s: float) -> dict[str, Any]:
        number, answer = next(self._numbers), AsyncResult()
        self._waiting[number] = answer
        deadline = time.monotonic() + timeout_s
        try:
            self._runner.send_message(name, {**message, "number": number}, worker)
            while not answer.wait(LOOK_S) and not answer.ready():
                if self.is_gone(worker):
                    raise LostWorkerError("it is gone")
                if time.monotonic() > deadline:
                    raise LostWorkerError(f"no answer to {what} within {timeout_s:g} s")
        finally:
            del self._waiting[number]
        found: dict[str, Any] = answer.get()
        return found

    def forget(self, worker: str) -> None:
        """
        Have a worker end if it still lives, and Locust know it no more.

        A minute after it missed a worker Locust would spread all users anew, and end some in the middle of the run.
        """
        with contextlib.suppress(RPCError):
            self._runner.send_message("quit", client_id=worker)
        if worker in self._runner.clients:
            del self._runner.clients[worker]

    def _answered(self, environment: object, msg: Any, **_: object) -> None:  # noqa: ARG002  # Locust calls by name
        waiting = self._waiting.get(msg.data["number"])
        if waiting is not None:
            waiting.set(msg.data)

    def _clock_told(self, environment: object, msg: Any, **_: object) -> None:
        msg.data["answered_ns"] = monotonic_ns()  # now: who waits for it gets to run a while later
        self._answered(environment, msg)

    def _told(self, environment: object, msg: Any, **_: object) -> None:  # noqa: ARG002
        if self._workers is not None:
            self._workers.take_status(msg.node_id, WorkerStatus(**msg.data))

    def _assign(self, environment: object, msg: Any, **_: object) -> None:  # noqa: ARG002
        if self._workers is not None:
            self._runner.send_message(ASSIGNMENT, self._workers.assign_specs(msg.node_id, msg.data), msg.node_id)


class RemoteWorker:
    """A worker in another process: a `Worker` whose calls are messages."""

    lead_ns = COMMAND_LEAD_NS

    def __init__(self, master: MasterMessages, name: str) -> None:
        self.name = name
        self._master = master

    @property
    def is_gone(self) -> bool:
        """Whether the worker is known to be gone."""
        return self._master.is_gone(self.name)

    def execute(self, command: str, arguments: dict[str, Any], clock_offset_ns: int | None) -> Answer:
        """Have the worker execute *command*."""
        return self._master.command(self.name, command, arguments, clock_offset_ns)

    def read_clock(self, timeout_s: float) -> ClockReading:
        """Have the worker say what its clock says."""
        return self._master.read_clock(self.name, timeout_s)

    def give_up(self) -> None:
        """Have Locust forget the worker."""
        self._master.forget(self.name)


class WorkerMessages:
    """
    A worker's end: executes commands, reports what changes, and asks for specs.

    Locust decides how many users of a group each worker gets; which spec each gets the master decides, so that each is
    assigned once.
    """

    def __init__(self, runner: WorkerRunner) -> None:
        self._runner = runner
        self._worker: LocalWorker | None = None
        self._run = ""
        self._joined = Event()
        self._refusal: dict[str, Any] = {}
        self._facts = process_facts()
        self._wanted: Counter[str] = Counter()
        self._waiting: dict[str, deque[AsyncResult]] = {}
        runner.register_message(COMMAND, self._execute, concurrent=True)
        runner.register_message(ASSIGNMENT, self._assigned)
        runner.register_message(CLOCK, self._tell_clock)

    def work(self, worker: LocalWorker, run: str) -> None:
        """Execute commands with *worker* from now on: the clients of this process in *run*, which begins."""
        self._worker = worker
        self._run = run
        self._wanted.clear()
        self._waiting.clear()
        worker.run.assign_by(self._assign)
        worker.report_to(lambda status: self._report(worker, status))
        self._joined.set()

    def refuse(self, reason: str, run: str) -> None:
        """Tell the master that this process cannot take part in *run*, now and whenever it commands something."""
        self._worker = None
        self._run = run
        failure = f"worker {self._runner.client_id}: {reason}"
        self._refusal = asdict(WorkerStatus(told_ns=monotonic_ns(), failure=failure))
        self._send(STATUS, self._refusal)
        self._joined.set()

    def _execute(self, environment: object, msg: Any, **_: object) -> None:  # noqa: ARG002  # Locust calls by name
        asked = msg.data
        with gevent.Timeout(ANSWER_TIMEOUT_S, False):  # noqa: FBT003  # gevent's way to say: do not raise
            # The first command may come before the message by which Locust has this process begin.
            while self._run != asked["run"]:
                self._joined.clear()
                self._joined.wait()
        if self._run != asked["run"]:
            return
        answer: dict[str, Any] = {"records": [], "status": self._refusal}
        if self._worker is not None:
            answer = execute(self._worker, asked["command"], asked["arguments"], asked["clock_offset_ns"])
        self._send(ANSWER, {"number": asked["number"], **answer})

    def _tell_clock(self, environment: object, msg: Any, **_: object) -> None:  # noqa: ARG002
        there_ns = monotonic_ns()
        self._send(CLOCK, {"number": msg.data["number"], "there_ns": there_ns, "facts": self._facts})

    def _report(self, worker: LocalWorker, status: WorkerStatus) -> None:
        self._send(STATUS, asdict(status.to_run_time(worker.run.recorder.clock_offset_ns)))

    def _assign(self, group: str) -> ClientSpec | None:
        """Return a spec of *group*, asked for together with those of all users that come at the same time."""
        worker, spec = self._worker, AsyncResult()
        if worker is None:
            return None
        if not self._wanted:
            gevent.spawn_later(GATHER_S, self._ask_for_specs)
        self._wanted[group] += 1
        self._waiting.setdefault(group, deque()).append(spec)
        number = spec.get()
        return None if number is None else worker.run.spec(group, number)

    def _ask_for_specs(self) -> None:
        wanted, self._wanted = self._wanted, Counter()
        self._send(ASSIGNMENT, dict(wanted))

    def _assigned(self, environment: object, msg: Any, **_: object) -> None:  # noqa: ARG002  # Locust calls by name
        for group, numbers in msg.data.items():
            for number in numbers:
                self._waiting[group].popleft().set(number)

    def _send(self, name: str, data: dict[str, Any]) -> None:
        self._runner.send_message(name, data)


def bind_workers(number: int) -> None:
    """
    Have the next *number* forks of this process killed when it ends, and out of reach of the terminal's Ctrl-C.

    For `--processes`: Locust forks its workers right after the locustfile is loaded. They take a minute to miss a
    master that was killed. Ctrl-C is the master's business: it ends the run in order, for which it needs its workers.
    """
    parent = os.getpid()
    left = number

    def in_parent() -> None:
        nonlocal left
        left -= 1

    def in_child() -> None:
        if left <= 0:  # a fork for something else
            return
        os.setpgrp()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, _SIGKILL)
            if os.getppid() != parent:  # it was gone before that took effect
                os._exit(1)

    os.register_at_fork(after_in_parent=in_parent, after_in_child=in_child)

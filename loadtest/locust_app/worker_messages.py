"""
Orders and answers between the processes of a run, as messages of Locust's master and workers.

One order is one message and has one answer; what happens to users in between is told unasked. Knows how messages
travel; what orders mean is the workers' business. Locust gives no message back that was sent to a worker that is gone,
so an answer is waited for with a look at whether the worker is still there.
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
from loadtest.clock import monotonic_ns
from loadtest.run.workers.worker import LostWorkerError, Reading
from loadtest.run.workers.workers import ANSWER_TIMEOUT_S, Status, execute

if TYPE_CHECKING:
    from locust.runners import MasterRunner, WorkerRunner

    from loadtest.clients.worker_run import ClientSpec
    from loadtest.run.workers.local_worker import LocalWorker
    from loadtest.run.workers.workers import Workers

ORDER: Final = "loadtest-order"
ANSWER: Final = "loadtest-answer"
STATUS: Final = "loadtest-status"
SEATS: Final = "loadtest-seats"
CLOCK: Final = "loadtest-clock"
# How often it is looked whether a worker that is to answer is still there.
LOOK_S: Final = 0.2
# What changes within this is told in one message: a thousand users come up in a second.
TOLD_S: Final = 0.005
# From prctl(2).
_PR_SET_PDEATHSIG: Final = 1
_SIGKILL: Final = 9


class MasterMessages:
    """
    The master's end: sends orders, takes answers, hands out seats.

    One for a process; the runs that it leads come one after the other.
    """

    def __init__(self, runner: MasterRunner) -> None:
        self._runner = runner
        self._numbers = itertools.count()
        self._waiting: dict[int, AsyncResult] = {}
        self._fleet: Workers | None = None
        self._run = ""
        for name, listener in (
            (ANSWER, self._answered),
            (CLOCK, self._clock_told),
            (STATUS, self._told),
            (SEATS, self._seated),
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

    def links(self) -> list[LocustWorker]:
        """Return the way to each worker that is ready."""
        return [LocustWorker(self, client.id) for client in self._runner.clients.ready]

    def lead(self, fleet: Workers, run: str) -> None:
        """Take what workers say from now on for *fleet*, which is that of *run*, and hand out its seats."""
        self._fleet = fleet
        self._run = run

    def is_gone(self, worker: str) -> bool:
        """Return whether Locust has missed the worker's heartbeats, or knows it no longer."""
        client = self._runner.clients.get(worker)
        return client is None or client.state == STATE_MISSING

    def ask(self, worker: str, order: str, arguments: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        """Send an order and wait for its answer; see `Link.ask`."""
        message = {"run": self._run, "order": order, "arguments": arguments}
        return self._exchange(worker, ORDER, message, order, timeout_s)

    def read_clock(self, worker: str, timeout_s: float) -> Reading:
        """Have a worker say what its clock says; see `Link.read_clock`."""
        asked_ns = monotonic_ns()
        told = self._exchange(worker, CLOCK, {}, "what its clock says (is it of this version?)", timeout_s)
        return Reading(asked_ns, told["there_ns"], told["answered_ns"], told["facts"])

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
        if self._fleet is not None:
            self._fleet.take_status(msg.node_id, msg.data)

    def _seated(self, environment: object, msg: Any, **_: object) -> None:  # noqa: ARG002
        if self._fleet is not None:
            self._runner.send_message(SEATS, self._fleet.assign_specs(msg.node_id, msg.data), msg.node_id)


class LocustWorker:
    """The way to one worker."""

    def __init__(self, master: MasterMessages, name: str) -> None:
        self.name = name
        self._master = master

    @property
    def is_gone(self) -> bool:
        """Whether the worker is known to be gone."""
        return self._master.is_gone(self.name)

    def ask(self, order: str, arguments: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        """Have the worker carry *order* out; see `Link.ask`."""
        return self._master.ask(self.name, order, arguments, timeout_s)

    def read_clock(self, timeout_s: float) -> Reading:
        """Have the worker say what its clock says; see `Link.read_clock`."""
        return self._master.read_clock(self.name, timeout_s)

    def give_up(self) -> None:
        """Have Locust forget the worker; see `Link.give_up`."""
        self._master.forget(self.name)


class WorkerMessages:
    """
    A worker's end: carries orders out, tells what changes, and asks for seats.

    Locust decides how many users of a group each worker gets; who sits on which seat the master says, so that each is
    taken once.
    """

    def __init__(self, runner: WorkerRunner) -> None:
        self._runner = runner
        self._workers: LocalWorker | None = None
        self._run = ""
        self._joined = Event()
        self._has_news = Event()
        self._refusal: dict[str, Any] = {}
        self._facts = process_facts()
        self._wanted: Counter[str] = Counter()
        self._waiting: dict[str, deque[AsyncResult]] = {}
        runner.register_message(ORDER, self._execute, concurrent=True)
        runner.register_message(SEATS, self._seated)
        runner.register_message(CLOCK, self._tell_clock)
        gevent.spawn(self._tell)

    def work(self, crew: LocalWorker, run: str) -> None:
        """Work with *crew* from now on: the users of this process in *run*, which begins."""
        self._workers = crew
        self._run = run
        self._wanted.clear()
        self._waiting.clear()
        crew.run.spec_for = self._seat_of
        crew.run.on_change = self._has_news.set
        self._joined.set()

    def refuse(self, reason: str, run: str) -> None:
        """Tell the master that this process cannot take part in *run*, now and whenever it orders something."""
        self._workers = None
        self._run = run
        failure = f"worker {self._runner.client_id}: {reason}"
        self._refusal = asdict(Status(told_ns=monotonic_ns(), failure=failure))
        self._send(STATUS, self._refusal)
        self._joined.set()

    def _execute(self, environment: object, msg: Any, **_: object) -> None:  # noqa: ARG002  # Locust calls by name
        order = msg.data
        with gevent.Timeout(ANSWER_TIMEOUT_S, False):  # noqa: FBT003  # gevent's way to say: do not raise
            # The first order may come before the message by which Locust has this process begin.
            while self._run != order["run"]:
                self._joined.clear()
                self._joined.wait()
        if self._run != order["run"]:
            return
        answer: dict[str, Any] = {"records": [], "status": self._refusal}
        if self._workers is not None:
            answer = execute(self._workers, order["order"], order["arguments"])
        self._send(ANSWER, {"number": order["number"], **answer})

    def _tell_clock(self, environment: object, msg: Any, **_: object) -> None:  # noqa: ARG002
        there_ns = monotonic_ns()
        self._send(CLOCK, {"number": msg.data["number"], "there_ns": there_ns, "facts": self._facts})

    def _tell(self) -> None:
        while True:
            self._has_news.wait()
            gevent.sleep(TOLD_S)
            self._has_news.clear()
            if self._workers is not None:
                self._send(STATUS, asdict(Status.of(self._workers)))

    def _seat_of(self, group: str) -> ClientSpec | None:
        """Return a seat of *group*, asked for together with those of all users that come at the same time."""
        crew, spec = self._workers, AsyncResult()
        if crew is None:
            return None
        if not self._wanted:
            gevent.spawn_later(TOLD_S, self._ask_for_seats)
        self._wanted[group] += 1
        self._waiting.setdefault(group, deque()).append(spec)
        number = spec.get()
        return None if number is None else crew.run.spec(group, number)

    def _ask_for_seats(self) -> None:
        wanted, self._wanted = self._wanted, Counter()
        self._send(SEATS, dict(wanted))

    def _seated(self, environment: object, msg: Any, **_: object) -> None:  # noqa: ARG002  # Locust calls by name
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

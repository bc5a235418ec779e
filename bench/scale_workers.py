"""
`python -m bench.scale_workers`: simulated workers of a run, many in a process, for a real master to lead.

Towards the master each one is a Locust worker with its own ZeroMQ socket and Locust's own messages: ready, heartbeats,
reports of statistics. Orders and answers go through the product's own `WorkerMessages`; what is simulated are the users
and what they measure (`bench.scale_traffic`).
"""

from __future__ import annotations

import locust  # first: it patches the standard library through gevent  # isort: skip

import argparse
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any, Final, cast

import gevent
import zmq.green as zmq
from gevent.event import Event
from locust.rpc.protocol import Message
from locust.rpc.zmqrpc import BaseSocket
from locust.stats import RequestStats

from bench.scale_traffic import CONSUMERS, PROFILES, PUBLISHERS, Traffic, read_recorded, recording_of
from loadtest.clock import monotonic_ns
from loadtest.locust_app.worker_messages import WorkerMessages
from loadtest.measure.records import users_record
from loadtest.run.workers.worker import Answer
from loadtest.run.workers.worker_status import WorkerStatus

__all__ = ["locust", "main"]

# As Locust has it: runners.py, HEARTBEAT_INTERVAL and WORKER_REPORT_INTERVAL.
HEARTBEAT_S: Final = 1.0
REPORT_S: Final = 3.0
_MOST_SOCKETS: Final = 4_096


class WorkerSocket(BaseSocket):
    """Locust's `rpc.Client`, but on a context that all share: its own would be two threads for each worker."""

    def __init__(self, context: zmq.Context[Any], port: int, identity: str) -> None:
        self.socket = context.socket(zmq.DEALER)
        self.socket.setsockopt(zmq.IDENTITY, identity.encode())
        self.socket.connect(f"tcp://127.0.0.1:{port}")


class SimulatedRun:
    """What `WorkerMessages` and the answers know of a `WorkerRun`."""

    def __init__(self) -> None:
        self.users_up = 0
        self.started: set[str] = set()
        self.ended: Counter[str] = Counter()
        self.last_ended_ns: dict[str, int] = {}
        self.last_taken_ns: dict[str, int] = {}
        self.failure: str | None = None
        self.assign: Callable[[str], int | None] = lambda _: None
        self.recorder = SimpleNamespace(clock_offset_ns=0)  # all clocks here are one

    def assign_by(self, assign: Callable[[str], int | None]) -> None:
        """Have *assign* return the numbers of specs."""
        self.assign = assign

    def spec(self, _: str, number: int) -> int:
        """Return a seat by its number within its group."""
        return number


class SimulatedWorker:
    """A worker whose users do nothing, and whose windows are those of *traffic*."""

    def __init__(self, name: str, traffic: Traffic) -> None:
        self.run = SimulatedRun()
        self._name = name
        self._traffic = traffic
        self._worker = 0
        self._index = self._turn = 0
        self._cut_ns = 0
        self._is_at_work = self._is_over = False
        self._report: Callable[[WorkerStatus], None] = lambda _: None

    def sit_down(self) -> None:
        """Take a seat for the publisher and one for the consumer, as users do when they come up."""
        taken = [gevent.spawn(self.run.assign, group) for group in (PUBLISHERS, CONSUMERS)]
        gevent.joinall(taken)
        self._worker = taken[0].value
        self.run.users_up = len(taken)
        self._report(self.status())

    def report_to(self, listener: Callable[[WorkerStatus], None]) -> None:
        """Have *listener* called when the users are up."""
        self._report = listener

    def execute(self, command: str, arguments: dict[str, Any], clock_offset_ns: int | None) -> Answer:
        """Call the method of that name."""
        del clock_offset_ns  # all clocks here are one
        return Answer(list(getattr(self, command)(**arguments) or ()), self.status())

    def status(self) -> WorkerStatus:
        """Return how the users are."""
        run = self.run
        return WorkerStatus(
            told_ns=monotonic_ns(),
            users_up=run.users_up,
            started=sorted(run.started),
            ended=dict(run.ended),
            last_taken_ns=dict(run.last_taken_ns),
            in_flight=self.in_flight(),
            is_lost=False,
        )

    def report(self) -> None:
        """Do nothing: the status comes with the answer."""

    def mark_done(self, group: str, done_ns: int) -> None:
        """Do nothing."""

    def in_flight(self) -> int:
        """Return the messages not confirmed yet."""
        if self._is_over or not self._turn:
            return 0
        traffic = self._traffic
        return traffic.published_before(self._worker, self._turn) - traffic.answered_before(self._worker, self._turn)

    def open(self, start_ns: int) -> None:
        """Begin the first window."""
        self._cut_ns = start_ns

    def begin(self, begin_ns: int, measured_ns: int, stop_ns: int | None) -> None:
        """Begin to have traffic in the windows."""
        del begin_ns, measured_ns, stop_ns
        self._is_at_work = True
        self.run.started |= {PUBLISHERS, CONSUMERS}

    def cut(self, now_ns: int, phase: str, pause: int | None = None) -> Iterator[dict[str, Any]]:
        """Yield the window since the last cut; when all is over, what each user took."""
        del pause
        if now_ns > self._cut_ns:
            has_traffic = self._is_at_work and phase == "measured"
            # The first window after that has what was still on its way.
            is_over = self._turn > 0 and not has_traffic and not self._is_over
            yield self._traffic.window(
                self._name,
                self._worker,
                self._turn if has_traffic or is_over else None,
                is_over=is_over,
                index=self._index,
                start_ns=self._cut_ns,
                end_ns=now_ns,
                phase=phase,
            )
            self.run.last_taken_ns[CONSUMERS] = now_ns if has_traffic or is_over else self._cut_ns
            self._index += 1
            self._turn += has_traffic
            self._is_over |= is_over
            self._cut_ns = now_ns
        if now_ns == 0:
            yield users_record(self._name, {})

    def end_publishing(self, stop_ns: int) -> None:
        """Do nothing: the phase says when there is traffic."""

    def rest(self) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """End publishing."""
        self._is_at_work = False

    def finish(self) -> None:
        """Do nothing: nothing is open."""

    def close(self) -> None:
        """Do nothing: nothing is open."""


class SimulatedRunner:
    """What `WorkerMessages` knows of Locust's `WorkerRunner`, with its messages to the master."""

    def __init__(self, name: str, socket: WorkerSocket, traffic: Traffic) -> None:
        self.client_id = name
        self.ended = Event()
        self._socket = socket
        self._traffic = traffic
        self._state = "ready"
        self._classes: dict[str, int] = {}
        self._run = ""
        self._stats = RequestStats()
        self._listeners: dict[str, tuple[Callable[..., None], bool]] = {}
        self._end = WorkerMessages(cast("Any", self))

    def start(self) -> None:
        """Tell the master that this worker is there, and take part in what it leads."""
        gevent.spawn(self._listen)
        gevent.spawn(self._beat)
        gevent.spawn(self._report)
        self.send_message("client_ready", locust.__version__)

    def register_message(self, name: str, listener: Callable[..., None], concurrent: bool = False) -> None:  # noqa: FBT001, FBT002 -- Locust's signature
        """Have *listener* called with each message of that *name*."""
        self._listeners[name] = (listener, concurrent)

    def send_message(self, name: str, data: Any = None) -> None:
        """Send a message to the master."""
        self._socket.send(Message(name, data, self.client_id))  # type: ignore[no-untyped-call]  # Locust's, untyped

    def _listen(self) -> None:
        while not self.ended.is_set():
            message = self._socket.recv()  # type: ignore[no-untyped-call]  # Locust's, untyped
            if message.type in self._listeners:
                listener, is_concurrent = self._listeners[message.type]
                call = gevent.spawn if is_concurrent else lambda called, **arguments: called(**arguments)
                call(listener, environment=None, msg=message)
            elif message.type == "spawn":
                self._spawn(message.data)
            elif message.type == "quit":
                self.ended.set()

    def _spawn(self, job: dict[str, Any]) -> None:
        self._classes = job["user_classes_count"]
        part = job["parsed_options"]["loadtest_job"]
        if part["run"] != self._run:
            self._run = part["run"]
            worker = SimulatedWorker(self.client_id, self._traffic)
            self._end.work(cast("Any", worker), self._run)
            gevent.spawn(worker.sit_down)
        self._state = "running"
        self.send_message("spawning")
        self.send_message("spawning_complete", {"user_classes_count": self._classes, "user_count": self._count})

    @property
    def _count(self) -> int:
        return sum(self._classes.values())

    def _beat(self) -> None:
        gevent.sleep(random.random() * HEARTBEAT_S)  # noqa: S311 -- no secret
        while not self.ended.is_set():
            usage = {"current_cpu_usage": 20.0, "current_memory_usage": 1e8}
            self.send_message("heartbeat", {"state": self._state, **usage})
            gevent.sleep(HEARTBEAT_S)

    def _report(self) -> None:
        gevent.sleep(random.random() * REPORT_S)  # noqa: S311 -- no secret
        while not self.ended.is_set():
            if self._state == "running":
                report = {
                    "stats": self._stats.serialize_stats(),
                    "stats_total": self._stats.total.get_stripped_report(),
                    "errors": self._stats.serialize_errors(),
                    "user_classes_count": self._classes,
                    "user_count": self._count,
                }
                self.send_message("stats", report)
            gevent.sleep(REPORT_S)


def main(arguments: Sequence[str] | None = None) -> int:
    """Simulate workers until the master sends them away."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale_workers", description="Simulate workers.")
    parser.add_argument("--port", type=int, required=True, help="of the master, on 127.0.0.1")
    parser.add_argument("--profile", choices=list(PROFILES), required=True)
    parser.add_argument("--workers", type=int, required=True, help="of all processes that simulate some")
    parser.add_argument("--first", type=int, required=True, help="number of the first one here, from 0")
    parser.add_argument("--count", type=int, required=True, help="how many are here")
    options = parser.parse_args(arguments)
    profile = PROFILES[options.profile]
    traffic = Traffic(read_recorded()[recording_of(profile)], options.workers, profile.workers_a_queue)
    context: zmq.Context[Any] = zmq.Context()
    context.set(zmq.MAX_SOCKETS, _MOST_SOCKETS)
    runners = []
    for number in range(options.first, options.first + options.count):
        name = f"simulated-{number}"
        runners.append(SimulatedRunner(name, WorkerSocket(context, options.port, name), traffic))
        runners[-1].start()
        gevent.sleep(0)
    for runner in runners:
        runner.ended.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())

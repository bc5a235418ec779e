"""
Getters: `basic.get`, one message a call.

Every Get-Ok's message_count is recorded as a series, every Get-Empty is counted. The loop is the same for every client;
what differs is how a Get is asked and an ack is sent.
"""

from __future__ import annotations

from abc import abstractmethod
from itertools import cycle
from typing import TYPE_CHECKING

from gevent.event import Event

from loadtest.clients.client import END_TIMEOUT_S, BulkClient, Client
from loadtest.clients.deliveries.delivery_verifier import DeliveryVerifier
from loadtest.clock import monotonic_ns

if TYPE_CHECKING:
    from loadtest.clients.worker_run import WorkerRun
    from loadtest.scenario import GetterSpec
    from loadtest.wire.connection.channel import Channel
    from loadtest.wire.connection.connection import Connection
    from loadtest.wire.frames.gets import GetOk


class GetLoop(Client["GetterSpec"]):
    """A getter of any client: asks its queues in turn, waits for each answer, acknowledges as the scenario says."""

    role = "getter"
    method = "Basic.Get"

    def __init__(self, run: WorkerRun, spec: GetterSpec) -> None:
        super().__init__(run, spec)
        self._calls = self._got = 0
        self._turns = cycle(spec.queues)
        self._verifiers: dict[str, DeliveryVerifier] | None = None
        self._unacked_tag: int | None = None
        self._since_ack = 0
        self._answered = Event()  # clear while a Get is under way
        self._answered.set()
        self._queue = spec.queues[0]  # that it asks, or did last
        self._keys = {queue: f"{spec.group}: {self.method} of queue {queue}" for queue in spec.queues}

    @abstractmethod
    def ask(self, queue: str) -> GetOk | None:
        """Send Basic.Get and return the answer, None for Get-Empty."""

    @abstractmethod
    def acknowledge(self, delivery_tag: int, *, multiple: bool) -> None:
        """Send Basic.Ack."""

    def work(self, start_ns: int) -> None:
        """Get until the queues are empty (`until: empty`), enough was got, or the run is over."""
        spec, run = self._spec, self._run
        if self._verifiers is None:
            self._verifiers = {
                queue: DeliveryVerifier(run, spec, sink) for queue, sink in zip(spec.queues, spec.sinks, strict=True)
            }
        for queue in self._turns:
            if not self._verifiers or self._got == spec.messages:
                break
            if queue not in self._verifiers:
                continue
            if not self._wait_turn(self._calls, start_ns):
                break
            self._calls += 1
            if self._get(queue, self._verifiers[queue]):
                self._got += 1
            elif spec.until_empty:
                del self._verifiers[queue]
        self._ack_rest()

    def operation(self) -> str:
        """Return what a Get asks for."""
        return f"{self.method} of queue {self._queue}"

    def is_waiting(self) -> bool:
        """Return whether a Get is under way."""
        return not self._answered.is_set()

    def finish(self) -> None:
        """Wait for the answer to a Get under way, and acknowledge: what it takes from the queue must not go unseen."""
        if self._answered.wait(END_TIMEOUT_S) and not self.is_lost:
            self._ack_rest()

    def _wait_turn(self, calls: int, start_ns: int) -> bool:
        """Sleep until the next call is due; returns whether there is one."""
        arrivals = self._spec.arrivals
        if arrivals is not None:
            if arrivals.total is not None and calls >= arrivals.total:
                return False
            self._run.pacer.sleep_until_ns(start_ns + arrivals.intended_ns(calls))
        return not self._run.over.is_set()

    def _get(self, queue: str, verifier: DeliveryVerifier) -> bool:
        self._queue = queue
        asked_ns = monotonic_ns()
        self._answered.clear()
        try:
            answer = self.ask(queue)
        finally:
            self._answered.set()
        read_ns = self._useful_ns = monotonic_ns()
        self._run.operations.accept(self._keys[queue])
        if answer is None:
            verifier.recorder.get_empty(read_ns - asked_ns, read_ns)
            return False
        verifier.take_got(answer, read_ns, read_ns - asked_ns)
        self._run.last_taken_ns[self._spec.group] = read_ns
        if self._spec.ack.mode == "every":
            self._unacked_tag = answer.delivery_tag
            self._since_ack += 1
            if self._since_ack == self._spec.ack.every:
                self._ack_rest()
        return True

    def _ack_rest(self) -> None:
        tag, self._unacked_tag = self._unacked_tag, None
        since_ack, self._since_ack = self._since_ack, 0
        if tag is not None:
            self.acknowledge(tag, multiple=since_ack > 1)


class Getter(GetLoop, BulkClient["GetterSpec"]):
    """A getter on a connection of our own wire."""

    def __init__(self, run: WorkerRun, spec: GetterSpec) -> None:
        super().__init__(run, spec)
        self._channel: Channel | None = None

    def prepare(self, connection: Connection, channel: Channel) -> None:  # noqa: ARG002  # the same for every role
        """Keep the channel; what was got on the one before and not acknowledged will come again."""
        self._channel = channel
        self._unacked_tag, self._since_ack = None, 0

    def ask(self, queue: str) -> GetOk | None:
        """Send Basic.Get and return the answer, None for Get-Empty."""
        return self._opened().basic_get(queue, auto_ack=self._spec.ack.mode == "auto")

    def acknowledge(self, delivery_tag: int, *, multiple: bool) -> None:
        """Send Basic.Ack."""
        self._opened().basic_ack(delivery_tag, multiple=multiple)

    def _opened(self) -> Channel:
        assert self._channel is not None, "work follows prepare"
        return self._channel

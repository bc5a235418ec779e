"""What consumers of every client have in common: what they ask the broker for, and how they treat what they take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadtest.clients.client import Client
from loadtest.clients.deliveries.refusal_policy import RefusalPolicy
from loadtest.clients.deliveries.service_times import ServiceTimes

if TYPE_CHECKING:
    from loadtest.clients.worker_run import WorkerRun
    from loadtest.scenario import ConsumerSpec


class ConsumerRole(Client["ConsumerSpec"]):
    """A consumer of any client."""

    role = "consumer"
    method = "Basic.Consume"

    def __init__(self, run: WorkerRun, spec: ConsumerSpec) -> None:
        super().__init__(run, spec)
        self._refusal_policy = RefusalPolicy(spec.refusals) if spec.refusals else None
        self._service_times = ServiceTimes(spec.service_time, run.plan.scenario.run.seed, self.name)
        self._queue = spec.queues[0]  # that it subscribes to, or did last
        self._is_subscribed = False

    def operation(self) -> str:
        """Return what a subscription asks for."""
        return f"{self.method} of queue {self._queue}"

    def is_waiting(self) -> bool:
        """Return whether the broker has not answered all subscriptions."""
        return not self._is_subscribed

    def useful_ns(self, now_ns: int) -> int:  # noqa: ARG002
        """Return when the last message was taken, on a channel with all its subscriptions."""
        return self._useful_ns if self._is_subscribed else 0

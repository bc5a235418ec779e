"""Which member does what a seat says. Knows nothing of Locust, so that a run can do without it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from loadtest.clients.blocking_client import BlockingConsumer, BlockingGetter, BlockingPublisher
from loadtest.clients.consumer import Consumer
from loadtest.clients.getter import Getter
from loadtest.clients.publisher import Publisher
from loadtest.scenario import ConsumerSpec, GetterSpec, PublisherSpec

if TYPE_CHECKING:
    from loadtest.clients.client import Client
    from loadtest.clients.worker_run import ClientSpec, WorkerRun

CLIENTS: Final[dict[tuple[type, str], type[Client[Any]]]] = {
    (PublisherSpec, "bulk"): Publisher,
    (ConsumerSpec, "bulk"): Consumer,
    (GetterSpec, "bulk"): Getter,
    (PublisherSpec, "blocking"): BlockingPublisher,
    (ConsumerSpec, "blocking"): BlockingConsumer,
    (GetterSpec, "blocking"): BlockingGetter,
}


def client_for(run: WorkerRun, spec: ClientSpec) -> Client[Any]:
    """Return the member that does what *spec* says."""
    return CLIENTS[type(spec), spec.client](run, spec)

"""Which member does what a seat says. Knows nothing of Locust, so that a run can do without it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from loadtest.clients.blocking_client import BlockingConsumer, BlockingGetter, BlockingPublisher
from loadtest.clients.consumer import Consumer
from loadtest.clients.getter import Getter
from loadtest.clients.publisher import Publisher
from loadtest.scenario import ConsumerPlan, GetterPlan, PublisherPlan

if TYPE_CHECKING:
    from loadtest.clients.client import Member
    from loadtest.clients.worker_run import Run, Seat

MEMBERS: Final[dict[tuple[type, str], type[Member[Any]]]] = {
    (PublisherPlan, "bulk"): Publisher,
    (ConsumerPlan, "bulk"): Consumer,
    (GetterPlan, "bulk"): Getter,
    (PublisherPlan, "blocking"): BlockingPublisher,
    (ConsumerPlan, "blocking"): BlockingConsumer,
    (GetterPlan, "blocking"): BlockingGetter,
}


def member_for(run: Run, seat: Seat) -> Member[Any]:
    """Return the member that does what *seat* says."""
    return MEMBERS[type(seat), seat.client](run, seat)

"""
The Locust users: one User class for each group of the scenario, with exactly as many users as it asks for.

Locust spawns them and shows them; what they do is in publisher.py, consumer.py, getter.py and blocking.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from locust import User, task
from locust.exception import StopUser

from loadtest.scenario import ConsumerPlan, GetterPlan, PublisherPlan
from loadtest.traffic.blocking import BlockingConsumer, BlockingGetter, BlockingPublisher
from loadtest.traffic.consumer import Consumer
from loadtest.traffic.getter import Getter
from loadtest.traffic.publisher import Publisher

if TYPE_CHECKING:
    from loadtest.traffic.member import Member
    from loadtest.traffic.run import Run, Seat

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


class GroupUser(User):
    """A user of one group of the scenario; it takes the next free seat and lives until its work is done."""

    abstract = True
    loadtest_run: ClassVar[Run]
    loadtest_group: ClassVar[str]

    @task
    def live(self) -> None:
        """Do all that the seat says, once."""
        member_for(self.loadtest_run, self.loadtest_run.take_seat(self.loadtest_group)).live()
        raise StopUser


def user_classes(run: Run) -> list[type[User]]:
    """Return a User class per group of *run*, with the number of its users fixed (locust.md, section 1)."""
    return [
        type(
            group,
            (GroupUser,),
            {"abstract": False, "fixed_count": users, "loadtest_run": run, "loadtest_group": group},
        )
        for group, users in run.users.items()
    ]

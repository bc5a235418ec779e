"""
The Locust users: one User class for each group of the scenario, with exactly as many users as it asks for.

Locust spawns them and shows them; what they do is in the members that roles.py names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from locust import User, task
from locust.exception import StopUser

from loadtest.clients.roles import client_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadtest.clients.worker_run import WorkerRun


class GroupUser(User):
    """A user of one group of the scenario; it takes the next free seat and lives until its work is done."""

    abstract = True
    loadtest_run: ClassVar[WorkerRun | None]
    loadtest_group: ClassVar[str]

    @task
    def live(self) -> None:
        """Do all that the seat says, once; a user for whom there is none (Locust was asked for more) goes at once."""
        run = self.loadtest_run
        spec = run.assign(self.loadtest_group) if run is not None else None
        if run is not None and spec is not None:
            client_for(run, spec).live()
        raise StopUser


def user_classes(users: Mapping[str, int], run: WorkerRun | None) -> list[type[User]]:
    """
    Return a User class per group, with the number of its users fixed.

    Args:
        users: By group.
        run: What they take part in; None on a master, which spawns none of them itself, and on a worker that cannot
            take part.
    """
    return [
        type(
            group,
            (GroupUser,),
            {"abstract": False, "fixed_count": number, "loadtest_run": run, "loadtest_group": group},
        )
        for group, number in users.items()
    ]

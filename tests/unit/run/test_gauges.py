"""Gauges of the generator: how many users had a connection."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from loadtest.clock import NS_PER_S
from loadtest.run.workers.gauges import Gauges
from tests.unit.run.staged import StagedRun

SCENARIO = """
topology: {queues: {q: {}}}
publishers: {in: {routing_key: q, body: {text: hello}, messages: 10, users: 4}}
"""


@dataclass
class User:
    """What the gauges ask of a user."""

    name: str
    is_lost: bool = False

    def outstanding(self) -> int:
        """Have sent nothing."""
        return 0

    window_full_ns = blocked_ns = outstanding


class Staged:
    """Four users and their gauges."""

    def __init__(self) -> None:
        self.run: Any = StagedRun(SCENARIO).run
        self.users = [User(f"in/{number}") for number in range(1, 5)]
        tasks: list[Any] = [*self.users]
        self.run.tasks.extend(tasks)
        self.gauges = Gauges(self.run)

    def lose(self, user: User) -> None:
        """Take the connection of a user."""
        user.is_lost = True
        self.run.outages.lost(user.name, "closed")

    def find(self, user: User) -> None:
        """Give it another."""
        user.is_lost = False
        self.run.outages.back(user.name)

    def connected(self) -> float:
        """Return how many users the gauges see."""
        return self.gauges.read(0, NS_PER_S)["users"]


@pytest.fixture
def staged() -> Iterator[Staged]:
    """Four users that are connected."""
    staged = Staged()
    yield staged
    staged.gauges.stop()


def test_users_that_were_away_between_two_readings_are_missed(staged: Staged) -> None:
    """Two of four that are back at the end of a second had no connection in it; in the next they had."""
    first, second, *_ = staged.users
    assert staged.connected() == 4

    staged.lose(first)
    staged.lose(second)
    staged.find(first)
    staged.lose(first)  # twice, but never more than two of them at once
    staged.find(first)
    staged.find(second)

    assert staged.connected() == 2
    assert staged.connected() == 4


def test_users_that_stay_away_are_missed_as_long(staged: Staged) -> None:
    """One that is back makes them one more from the next second on."""
    for user in staged.users[:3]:
        staged.lose(user)
    assert [staged.connected(), staged.connected()] == [1, 1]

    staged.find(staged.users[0])

    assert [staged.connected(), staged.connected()] == [1, 2]


def test_users_that_end_once_they_are_back_are_none(staged: Staged) -> None:
    """All lost, back and ended within a second: there are no fewer than none."""
    for user in staged.users:
        staged.lose(user)
    for user in staged.users:
        staged.find(user)
        user.is_lost = True

    assert staged.connected() == 0

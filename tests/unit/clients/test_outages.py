"""Outages: users without a connection, and what is said of them."""

from __future__ import annotations

import re

from loadtest.clients.failures.outages import DROPPED, RECONNECTED, Outages
from loadtest.scenario import build_plan, load_scenario

SCENARIO = """
name: outages
topology: {queues: {q: {}}}
publishers: {in: {users: 4, routing_key: q, body: {size: 9B}, rate: 4/s}}
run: {duration: 1s}
"""


def outages_of(events: list[tuple[str, str]]) -> Outages:
    """Return the outages of a run of four users, which put their events into a list."""
    plan = build_plan(load_scenario("outages", text=SCENARIO).scenario)
    return Outages(plan, lambda code, text: events.append((code, text)))


def test_users_are_counted_and_not_their_losses() -> None:
    """Four users whose channels are closed again and again are four users, however often that was."""
    events: list[tuple[str, str]] = []
    outages = outages_of(events)
    users = [f"in/{number}" for number in range(1, 5)]
    for user in users:
        outages.lost(user, "channel closed")
    for _ in range(3):
        for user in users[1:]:
            outages.back(user)
            outages.lost(user, "channel closed again")
    for user in users:
        outages.back(user)

    assert [code for code, _ in events] == [DROPPED, RECONNECTED]
    assert re.fullmatch(r"all of 4 users are back after \d+\.\d\d s", events[-1][1])
    assert outages.count == 0


def test_a_user_that_was_back_and_is_lost_again_is_not_back() -> None:
    """One that ends without a connection is not among those that are back."""
    events: list[tuple[str, str]] = []
    outages = outages_of(events)
    outages.lost("in/1", "closed")
    outages.lost("in/2", "closed")
    outages.back("in/1")
    outages.lost("in/1", "closed again")
    outages.gone("in/1")
    outages.back("in/2")

    assert events[-1][1].startswith("1 of 2 users are back, the others were done by then,")

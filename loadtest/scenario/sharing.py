"""Shares: users over groups (`-u`), and messages over users."""

from __future__ import annotations

from collections.abc import Mapping

from loadtest.errors import ScenarioError


def share_users(wanted: Mapping[str, int], users: int | None) -> dict[str, int]:
    """
    Return the users of each group when there are *users* in all: in the scenario's proportions, at least one each.

    What the proportions leave over goes to the groups with the largest remainders, the first of them where they are
    alike.

    Args:
        wanted: The scenario's users by group, each at least 1.
        users: In all; None takes the scenario's own.

    Raises:
        ScenarioError: If there are fewer users than groups.
    """
    if users is None:
        return dict(wanted)
    if users < len(wanted):
        raise ScenarioError(
            f"-u: found {users}; allowed {len(wanted)} or more: each of {', '.join(wanted)} has one at least"
        )
    total = sum(wanted.values())
    exact = {group: divmod(count * users, total) for group, count in wanted.items()}
    shares = {group: max(1, whole) for group, (whole, _) in exact.items()}
    # Groups lifted to 1 may have taken too many: the largest give them back.
    while sum(shares.values()) > users:
        largest = max(shares, key=lambda group: shares[group])
        shares[largest] -= 1
    by_rest = sorted((group for group in wanted if exact[group][0]), key=lambda group: -exact[group][1])
    for group in by_rest[: users - sum(shares.values())]:
        shares[group] += 1
    return shares


def share_messages(messages: int | None, user: int, users: int) -> int | None:
    """Return a user's share of the group's messages; the first users take the remainder. None stays None."""
    if messages is None:
        return None
    whole, rest = divmod(messages, users)
    return whole + (user < rest)

"""When nothing is done for a client, or for all clients of a group."""

from __future__ import annotations

from typing import NamedTuple


class Trouble(NamedTuple):
    """
    Nothing was done for a user, or for all users of a group.

    Attributes:
        since_ns: Since when.
        is_waiting: Whether somebody has no connection, or has asked for something and got no answer. A user that is
            back and has nothing to ask for is not waiting.
        reason: Of the last loss.
    """

    since_ns: int
    is_waiting: bool
    reason: str

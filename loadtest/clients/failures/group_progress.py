"""
Whether groups get anything done: what the broker has accepted from them, what it refused, and who is in trouble.

A user is in trouble from the loss of its connection or channel until the broker has done something for it again. A
group is in trouble if all its users are. Users that have nothing to do, or wait for their start, are not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from loadtest.clients.failures.refusal import Refusal
    from loadtest.clients.failures.trouble import Trouble
    from loadtest.clients.running_client import RunningClient


@dataclass(slots=True)
class GroupProgress:
    """
    How groups do.

    Attributes:
        well: Groups of which a user at work is not in trouble.
        troubles: Groups of which all users at work are.
    """

    well: set[str] = field(default_factory=set)
    troubles: dict[str, Trouble] = field(default_factory=dict)

    def add(self, group: str, trouble: Trouble | None) -> None:
        """Add a user, or the users of a process: the trouble that began last counts, if they have any."""
        if trouble is None:
            self.well.add(group)
            self.troubles.pop(group, None)
        elif group not in self.well:
            known = self.troubles.get(group)
            if known is not None:
                latest = max(known, trouble)
                trouble = latest._replace(is_waiting=known.is_waiting or trouble.is_waiting)
            self.troubles[group] = trouble


def progress_of(tasks: Iterable[RunningClient], now_ns: int) -> GroupProgress:
    """Return how the groups of *tasks* do; those of which all users have ended are left out."""
    standing = GroupProgress()
    for task in tasks:
        if not task.ended.is_set():
            standing.add(task.group, task.trouble(now_ns))
    return standing


class Operations:
    """What the users of one process asked the broker for, and whether it was ever done."""

    def __init__(self) -> None:
        self.accepted: set[str] = set()
        self._refused: dict[str, Refusal] = {}

    @property
    def refused(self) -> list[Refusal]:
        """The first refusal of each operation that has not been accepted, here, before or since."""
        return [refusal for refusal in self._refused.values() if refusal.operation not in self.accepted]

    def accept(self, operation: str) -> None:
        """Take note that the broker has done what was asked."""
        self.accepted.add(operation)

    def refuse(self, refusal: Refusal) -> bool:
        """Take note that it refused, and return whether that is the first time for the operation."""
        is_first = refusal.operation not in self._refused
        self._refused.setdefault(refusal.operation, refusal)
        return is_first

"""The way from the leading process of a run to another: what can be asked of it. Knows no Locust, nor what is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


class LostWorkerError(Exception):
    """A process of the run is gone, or does not answer."""


@dataclass(frozen=True, slots=True)
class Reading:
    """
    One look at the clock of another process, and what that says of itself.

    Attributes:
        asked_ns, answered_ns: By our clock.
        there_ns: The other clock, at some instant between the two.
        facts: As `loadtest.broker.monitor.fingerprint.process_facts` has them.
    """

    asked_ns: int
    there_ns: int
    answered_ns: int
    facts: Mapping[str, Any]


class Link(Protocol):
    """The way to one process."""

    name: str

    @property
    def is_gone(self) -> bool:
        """Whether the process is known to be gone."""

    def ask(self, order: str, arguments: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        """
        Have the process carry *order* out, and return its answer; blocks.

        Raises:
            LostWorkerError: If it is gone, or does not answer in time.
        """

    def read_clock(self, timeout_s: float) -> Reading:
        """
        Ask the process what its clock says; blocks.

        Raises:
            LostWorkerError: If it is gone, or does not answer in time.
        """

    def give_up(self) -> None:
        """Have nothing more to do with the process, and tell it so if it can hear; does not block."""

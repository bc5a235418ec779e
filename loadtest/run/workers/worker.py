"""
A worker, as the process that leads a run sees it: what can be asked of it, wherever it is.

`LocalWorker` is the worker of the leading process: a command is a call. Of another process the same call is a message
(`loadtest.locust_app.worker_messages.RemoteWorker`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadtest.measure.records import Record
    from loadtest.run.workers.worker_status import WorkerStatus


class LostWorkerError(Exception):
    """A worker is gone, or does not answer."""


@dataclass(frozen=True, slots=True)
class ClockReading:
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


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a command: records for the journal, and how the clients are; instants are in the time of the run."""

    records: list[Record]
    status: WorkerStatus


class Worker(Protocol):
    """
    A process that has clients of the run.

    Attributes:
        name: Unique in the run.
    """

    name: str

    @property
    def is_gone(self) -> bool:
        """Whether the process is known to be gone."""

    @property
    def lead_ns(self) -> int:
        """How long before an instant a command that names it has to be given."""

    def execute(self, command: str, arguments: dict[str, Any], clock_offset_ns: int | None) -> Answer:
        """
        Execute *command*, one of `local_worker.COMMANDS`, and return its answer; may block.

        Args:
            command: What to do.
            arguments: Of the method of that name; instants in the time of the run.
            clock_offset_ns: By how much the worker's clock is ahead of the run's, with commands that begin and end
                windows: in between it stays.

        Raises:
            LostWorkerError: If it is gone, or does not answer in time.
        """

    def read_clock(self, timeout_s: float) -> ClockReading | None:
        """
        Return what the worker's clock says; None if its clock is that of the run. Blocks.

        Raises:
            LostWorkerError: If it is gone, or does not answer in time.
        """

    def give_up(self) -> None:
        """Have nothing more to do with the worker, and have it end if it still lives; does not block."""

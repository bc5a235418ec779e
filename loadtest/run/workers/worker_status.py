"""How the clients of a worker are, as it reports it with each answer and whenever it changes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from loadtest.clients.failures.group_progress import progress_of
from loadtest.clock import monotonic_ns

if TYPE_CHECKING:
    from loadtest.clients.worker_run import WorkerRun


@dataclass(slots=True)
class WorkerStatus:
    """
    How the clients of one worker are.

    `told_ns` is when it was so, by the clock of that process; 0 if it has not reported yet. The other instants are in
    the time of the run.
    """

    told_ns: int = 0
    users_up: int = 0
    users_away: int = 0
    started: list[str] = field(default_factory=list)
    ended: dict[str, int] = field(default_factory=dict)
    last_ended_ns: dict[str, int] = field(default_factory=dict)
    last_taken_ns: dict[str, int] = field(default_factory=dict)
    in_flight: int = 0
    is_lost: bool = True
    failure: str | None = None
    accepted: list[str] = field(default_factory=list)
    refused: list[tuple[int, str, str]] = field(default_factory=list)
    well: list[str] = field(default_factory=list)
    troubles: dict[str, tuple[int, bool, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, run: WorkerRun) -> WorkerStatus:
        """Return how the clients of *run* are now, by this process's clock."""
        now_ns = monotonic_ns()
        progress = progress_of(run.tasks, now_ns)
        return cls(
            told_ns=now_ns,
            users_up=run.users_up,
            users_away=run.outages.count,
            started=sorted(run.started),
            ended=dict(run.ended),
            last_ended_ns=dict(run.last_ended_ns),
            last_taken_ns=dict(run.last_taken_ns),
            in_flight=sum(task.outstanding() + task.unprocessed() for task in run.tasks),
            is_lost=all(task.is_lost for task in run.tasks),
            failure=run.failure,
            accepted=sorted(run.operations.accepted),
            refused=[(each.at_ns, each.operation, each.text) for each in run.operations.refused],
            well=sorted(progress.well),
            troubles={
                group: (trouble.since_ns, trouble.is_waiting, trouble.reason)
                for group, trouble in progress.troubles.items()
            },
        )

    def to_run_time(self, clock_offset_ns: int) -> WorkerStatus:
        """Return the same in the time of the run, of which this process's clock is so far ahead."""
        if not clock_offset_ns:
            return self
        return replace(
            self,
            last_ended_ns={group: ended_ns - clock_offset_ns for group, ended_ns in self.last_ended_ns.items()},
            last_taken_ns={group: taken_ns - clock_offset_ns for group, taken_ns in self.last_taken_ns.items()},
            refused=[(at_ns - clock_offset_ns, operation, text) for at_ns, operation, text in self.refused],
            troubles={
                group: (since_ns - clock_offset_ns, is_waiting, reason)
                for group, (since_ns, is_waiting, reason) in self.troubles.items()
            },
        )

    def mark_lost(self) -> None:
        """Take the worker as gone: nothing more comes from it."""
        self.is_lost = True
        self.in_flight = self.users_away = self.users_up = 0
        self.refused, self.well, self.troubles = [], [], {}

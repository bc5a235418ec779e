"""
What the users of one load run share in one process: seats, the common start, the common stop, failures.

Knows nothing of Locust nor of what a user does. Users come up one by one, wait at the barrier until all are up, and
then count time from one instant, `begin_ns`. The conductor (conductor.py) moves the run from phase to phase.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Protocol

import gevent
from gevent.event import Event

from loadtest.clock import NS_PER_S, monotonic_ns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pika

    from loadtest.measure.recorder import Recorder
    from loadtest.scenario import ConsumerPlan, GetterPlan, Plan, PublisherPlan
    from loadtest.wire.pacing import Pacer

    Seat = PublisherPlan | ConsumerPlan | GetterPlan


def seats_of(plan: Plan) -> tuple[Seat, ...]:
    """Return every user of *plan*: publishers, consumers, getters."""
    return (*plan.publishers, *plan.consumers, *plan.getters)


class RunningTask(Protocol):
    """What the conductor needs of a publisher, consumer or getter at work."""

    def outstanding(self) -> int:
        """Return the messages published and not yet confirmed."""

    def window_full_ns(self) -> int:
        """Return how long a full confirm window has held back what was due, so far."""

    def blocked_ns(self) -> int:
        """Return how long the broker has had the connection blocked, so far."""

    def finish(self) -> None:
        """End what is open after the drain: acknowledge what was taken, give up what is unconfirmed."""

    def close(self) -> None:
        """Close the connection; may block the greenlet, bounded in time."""


class StoppedError(Exception):
    """The run stopped before this user could begin."""


class Run:
    """
    One load run in this process.

    Invariants: `begin_ns` is set once, when every user is up; a group is done when all its users are.
    Safe across greenlets of one hub; not across threads.
    """

    def __init__(
        self, plan: Plan, nodes: Sequence[pika.ConnectionParameters], recorder: Recorder, pacer: Pacer, run_tag: int
    ) -> None:
        self.plan = plan
        self.nodes = nodes
        self.recorder = recorder
        self.pacer = pacer
        self.run_tag = run_tag
        self.begin_ns: int | None = None
        self.stop_ns: int | None = None  # instant from which no arrival is sent any more
        self.stopping = Event()  # nothing new is published
        self.over = Event()  # drained: nothing more is taken either
        self.all_up = Event()
        self.begun = Event()
        self.failure: str | None = None
        self.tasks: list[RunningTask] = []
        self.events: list[tuple[int, str, str]] = []  # instant (ns), code, text; taken by the conductor
        self.last_taken_ns: dict[str, int] = {}  # by group of consumers or getters
        self.publishers = {publisher.publisher_id: publisher for publisher in plan.publishers}
        self._seats: dict[str, list[Seat]] = {}
        for seat in seats_of(plan):
            self._seats.setdefault(seat.group, []).append(seat)
        self._taken: Counter[str] = Counter()
        self._up = 0
        self._working: dict[str, int] = {group: len(seats) for group, seats in self._seats.items()}
        self._done: dict[str, Event] = {group: Event() for group in self._seats}
        self._done_ns: dict[str, int] = {}
        self._started: set[str] = set()
        self._next_connect_ns = monotonic_ns()

    # --- coming up -----------------------------------------------------------------------------------------------

    @property
    def users(self) -> Mapping[str, int]:
        """Return the number of users of each group."""
        return {group: len(seats) for group, seats in self._seats.items()}

    @property
    def users_up(self) -> int:
        """Return how many users are connected and wait for the start, or have begun."""
        return self._up

    def take_seat(self, group: str) -> Seat:
        """Return the plan of the next user of *group*; each is given out once."""
        seat = self._seats[group][self._taken[group]]
        self._taken[group] += 1
        return seat

    def wait_connect_turn(self) -> None:
        """Block until this user may connect, so that all together connect at the scenario's pace."""
        interval_ns = int(NS_PER_S / self.plan.scenario.run.connect_rate_per_s)
        turn_ns = max(self._next_connect_ns, monotonic_ns())
        self._next_connect_ns = turn_ns + interval_ns
        delay_ns = turn_ns - monotonic_ns()
        if delay_ns > 0:
            gevent.sleep(delay_ns / NS_PER_S)

    def node_for(self, seat: Seat) -> pika.ConnectionParameters:
        """Return the node that *seat* connects to: users of a group go round the nodes."""
        return self.nodes[seat.user % len(self.nodes)]

    def join(self, task: RunningTask) -> None:
        """Report a user as up, and block until the run begins."""
        self.tasks.append(task)
        self._up += 1
        if self._up == sum(self.users.values()):
            self.all_up.set()
        self.begun.wait()

    # --- at work -------------------------------------------------------------------------------------------------

    def wait_start(self, seat: Seat) -> int:
        """
        Block until the group of *seat* starts, and return that instant in ns.

        Raises:
            StoppedError: If the run stops first.
        """
        start = seat.start
        if start.after is not None:
            self._wait_either(self._done[start.after])
            base_ns = self._done_ns[start.after]  # one instant for all users, so that their arrivals stay even
        else:
            assert self.begin_ns is not None, "begun is set after begin_ns"
            base_ns = self.begin_ns
        start_ns = base_ns + start.at_ns
        delay_s = (start_ns - monotonic_ns()) / NS_PER_S
        if delay_s > 0 and self.stopping.wait(delay_s):
            raise StoppedError
        if seat.group not in self._started:
            self._started.add(seat.group)
            # A schedule counts from its start, whenever its first user gets to it.
            is_paced = getattr(seat, "arrivals", None) is not None
            self.recorder.active(seat.group, start_ns if is_paced else monotonic_ns())
        return start_ns

    def _wait_either(self, event: Event) -> None:
        gevent.wait([event, self.stopping], count=1)
        if self.stopping.is_set():
            raise StoppedError

    def work_ended(self, seat: Seat) -> None:
        """Report that a user has nothing more to do; the group is done when its last user is."""
        self._working[seat.group] -= 1
        if self._working[seat.group] == 0:
            self._done_ns[seat.group] = monotonic_ns()
            self.recorder.inactive(seat.group, self._done_ns[seat.group])
            self._done[seat.group].set()

    def is_done(self, group: str) -> bool:
        """Return whether all users of *group* have nothing more to do."""
        return bool(self._done[group].is_set())

    def wait_done(self, groups: Sequence[str], timeout_s: float | None) -> None:
        """Block until all *groups* are done, the run stops, or *timeout_s* is over."""
        waiting = gevent.spawn(gevent.wait, [self._done[group] for group in groups])
        try:
            gevent.wait([waiting, self.stopping], timeout=timeout_s, count=1)
        finally:
            waiting.kill()

    # --- trouble -------------------------------------------------------------------------------------------------

    def record(self, code: str, text: str) -> None:
        """Put an event on the timeline."""
        self.events.append((monotonic_ns(), code, text))

    def fail(self, text: str, *, code: str = "run-failed") -> None:
        """End the run because it cannot go on; the first reason is kept and put on the timeline."""
        if self.failure is None:
            self.failure = text
            self.record(code, text)
        self.stop()
        self.over.set()

    def stop(self) -> None:
        """End publishing now; what is in flight is still waited for by the conductor."""
        if self.stop_ns is None or self.stop_ns > monotonic_ns():
            self.stop_ns = monotonic_ns()
        self.stopping.set()
        self.all_up.set()
        self.begun.set()

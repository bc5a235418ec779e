"""
What the users of one load run share in one process: seats, the common start, the common stop, failures.

Knows nothing of Locust nor of what a user does. Users come up one by one, wait at the barrier until all are up, and
then count time from one instant, `begin_ns`. The controller moves the run from phase to phase.
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

import gevent
from gevent.event import Event

from loadtest.clients.completion import Completion
from loadtest.clients.failures.group_progress import Operations
from loadtest.clients.failures.outages import Outages
from loadtest.clients.failures.topology_restorer import TopologyRestorer
from loadtest.clock import NS_PER_MS, NS_PER_S, monotonic_ns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import pika

    from loadtest.clients.failures.refusal import Refusal
    from loadtest.clients.running_client import RunningClient
    from loadtest.measure.recorder.recorder import Recorder
    from loadtest.scenario import ConsumerSpec, GetterSpec, Plan, PublisherSpec
    from loadtest.wire.pacer import Pacer

    ClientSpec = PublisherSpec | ConsumerSpec | GetterSpec


# So long before its start a user stops to wait for an event and waits for the instant.
PACED_NS: Final = 2 * NS_PER_MS
# Who waits for confirms when publishing ends hears of it at that instant, or this much later.
STOP_LOOK_S: Final = 0.05


def specs_of(plan: Plan) -> tuple[ClientSpec, ...]:
    """Return every user of *plan*: publishers, consumers, getters."""
    return (*plan.publishers, *plan.consumers, *plan.getters)


def specs_by_group(plan: Plan) -> dict[str, list[ClientSpec]]:
    """Return the users of *plan* by group, in the order of their numbers."""
    specs: dict[str, list[ClientSpec]] = {}
    for spec in specs_of(plan):
        specs.setdefault(spec.group, []).append(spec)
    return specs


def _unstamped_bodies(plan: Plan) -> frozenset[bytes]:
    # By identity first: the users of a group have the same bodies, which may be megabytes.
    cycles = {id(each.bodies): each.bodies for each in plan.publishers if each.stamp == "none"}
    return frozenset(body for bodies in cycles.values() for body in bodies)


class CountsTaken(Protocol):
    """What counts the messages that a consumer or getter takes from one sink."""

    spec: ConsumerSpec | GetterSpec
    taken: int


class StoppedError(BaseException):
    """
    The run stopped before this user could begin, or while it waits for something that no longer matters.

    Not an Exception: it is thrown into a user wherever it is, and no library there may take it for a failure of its
    own.
    """


class WorkerRun:
    """
    One load run in this process, which has all its users or, as one of several, some of them.

    Invariants: `begin_ns` is set once, when every user is up, and never if the run stops before; a group is done when
    all its users are, of which a process that has only some hears from outside (`mark_done`). Safe across greenlets of
    one hub; not across threads.

    Attributes:
        stopping: Nothing new is published.
        stop_ns: The instant from which no arrival counts any more; known before it comes if the run has a duration.
        over: Drained: nothing more is taken either.
        tasks: Every user that has sat down, connected or not.
        events: Instant (ns), code and text; taken by `LocalWorker.cut`.
        last_taken_ns: By group of consumers or getters.
        unstamped_bodies: What this run publishes without a stamp.
        ended: Users that have nothing more to do, by group.
        last_ended_ns: By group, since when the last of them.
        completion: Which groups are done.
        outages: Which users have no connection at the moment.
        operations: What the broker has accepted and refused.
        restorer: Declares what a broker forgot.
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
        self.stop_ns: int | None = None
        self.stopping = Event()
        self.over, self.all_up, self.begun = Event(), Event(), Event()
        self.failure: str | None = None
        self.tasks: list[RunningClient] = []
        self.events: list[tuple[int, str, str]] = []
        self.last_taken_ns: dict[str, int] = {}
        self._takers: list[CountsTaken] = []
        self.ended: Counter[str] = Counter()
        self.last_ended_ns: dict[str, int] = {}
        self._listener: Callable[[], None] = lambda: None
        self._assign: Callable[[str], ClientSpec | None] = self._next_spec
        self.publishers = {publisher.publisher_id: publisher for publisher in plan.publishers}
        self.unstamped_bodies = _unstamped_bodies(plan)
        self._specs = specs_by_group(plan)
        self._publishing = {publisher.group for publisher in plan.publishers}
        self._taken: Counter[str] = Counter()
        self._up = 0
        self._all = len(specs_of(plan))
        self.completion = Completion(self._specs, self.stopping)
        self._started: set[str] = set()
        self.outages, self.operations = Outages(plan, self.record), Operations()
        self.restorer = TopologyRestorer(plan.topology)
        self._next_connect_ns = monotonic_ns()

    def call_on_change(self, listener: Callable[[], None]) -> None:
        """Have *listener* called when a user is up, begins or ends, or the run fails or is refused something."""
        self._listener = listener

    # --- coming up -----------------------------------------------------------------------------------------------

    @property
    def users(self) -> Mapping[str, int]:
        """Return the number of users of each group."""
        return {group: len(specs) for group, specs in self._specs.items()}

    @property
    def users_up(self) -> int:
        """Return how many users are connected and wait for the start, or have begun."""
        return self._up

    @property
    def started(self) -> frozenset[str]:
        """Return the groups of which a user here has begun its work."""
        return frozenset(self._started)

    def add_client(self, client: RunningClient) -> None:
        """Have a client take part, connected or not."""
        self.tasks.append(client)

    def spec(self, group: str, number: int) -> ClientSpec:
        """Return a seat by its number within its group."""
        return self._specs[group][number]

    def expect(self, publisher: PublisherSpec) -> None:
        """Take the messages of a publisher that was not in the plan as those of this run."""
        self.publishers[publisher.publisher_id] = publisher
        self.recorder.expect(publisher.publisher_id)

    def start_ns(self, spec: ClientSpec) -> int | None:
        """Return when the group of *spec* starts, or started; None if that is not known yet."""
        start = spec.start
        if start.after is None:
            return None if self.begin_ns is None else self.begin_ns + start.at_ns
        return self.completion.done_ns(start.after) + start.at_ns if self.completion.is_done(start.after) else None

    def assign(self, group: str) -> ClientSpec | None:
        """Return the plan of the next user of *group*; each is given out once, and then there is none."""
        return self._assign(group)

    def assign_by(self, assign: Callable[[str], ClientSpec | None]) -> None:
        """Have *assign* return the specs of this worker's users, where they are not all of the plan's."""
        self._assign = assign

    def _next_spec(self, group: str) -> ClientSpec | None:
        taken, specs = self._taken[group], self._specs[group]
        self._taken[group] += 1
        return specs[taken] if taken < len(specs) else None

    def wait_connect_turn(self) -> None:
        """
        Block until this user may connect, so that all together connect at the scenario's pace.

        Raises:
            StoppedError: If the run stops first.
        """
        interval_ns = int(NS_PER_S / self.plan.scenario.run.connect_rate_per_s)
        turn_ns = max(self._next_connect_ns, monotonic_ns())
        self._next_connect_ns = turn_ns + interval_ns
        delay_s = max(0, turn_ns - monotonic_ns()) / NS_PER_S
        if self.stopping.wait(delay_s):
            raise StoppedError

    def node_for(self, spec: ClientSpec, attempts: int = 0) -> pika.ConnectionParameters:
        """Return the node that *spec* connects to after so many failed attempts: a group's users go round the nodes."""
        return self.nodes[(spec.user + attempts) % len(self.nodes)]

    def wait_begin(self) -> None:
        """
        Report a user as up, and block until the run begins.

        Raises:
            StoppedError: If the run stops first.
        """
        self._up += 1
        if self._up == self._all:
            self.all_up.set()
        self._listener()
        self.begun.wait()
        if self.begin_ns is None:
            raise StoppedError

    def begin(self, begin_ns: int, measured_ns: int, stop_ns: int | None) -> None:
        """Have all users begin at *begin_ns*; messages intended from *measured_ns* on are measured."""
        self.stop_ns = stop_ns
        self.recorder.measure_from(measured_ns)
        self.begin_ns = begin_ns
        self.begun.set()

    # --- at work -------------------------------------------------------------------------------------------------

    def wait_start(self, spec: ClientSpec) -> int:
        """
        Block until the group of *spec* starts, and return that instant in ns.

        Raises:
            StoppedError: If the run stops first.
        """
        start = spec.start
        if start.after is not None:
            self._wait_either(self.completion.event(start.after))
            # One instant for all users, so that their arrivals stay even.
            base_ns = self.completion.done_ns(start.after)
        else:
            assert self.begin_ns is not None, "wait_begin returns when it is set"
            base_ns = self.begin_ns
        start_ns = base_ns + start.at_ns
        if self.stopping.wait(max(0, start_ns - monotonic_ns() - PACED_NS) / NS_PER_S):
            raise StoppedError
        # To the instant, as what is sent before it counts as warm-up; an event's time-out is one of whole milliseconds.
        self.pacer.sleep_until_ns(start_ns)
        if spec.group not in self._started:
            self._started.add(spec.group)
            # A schedule counts from its start, whenever its first user gets to it.
            is_paced = spec.arrivals is not None
            self.recorder.active(spec.group, start_ns if is_paced else monotonic_ns())
            self._listener()
        return start_ns

    @contextmanager
    def told_of_stop(self, tell: Callable[[], None]) -> Iterator[None]:
        """
        Call *tell* within when publishing is to end: at `stop_ns` if that is known, and when the run stops.

        Two calls for as long as it lasts are cheaper than a time-out with each wait.
        """
        timer = None
        if self.stop_ns is not None:
            # Again and again, as a timer of the loop may fire a little too soon.
            timer = gevent.get_hub().loop.timer(max(0, self.stop_ns - monotonic_ns()) / NS_PER_S, STOP_LOOK_S)
            timer.start(tell, update=True)

        def stopped(_: Event) -> None:
            tell()

        self.stopping.rawlink(stopped)
        try:
            yield
        finally:
            self.stopping.unlink(stopped)
            if timer is not None:
                timer.stop()
                timer.close()

    def _wait_either(self, event: Event) -> None:
        gevent.wait([event, self.stopping], count=1)
        if self.stopping.is_set():
            raise StoppedError

    def work_ended(self, spec: ClientSpec) -> None:
        """Report that a user has nothing more to do; the group is done when its last user is."""
        group = spec.group
        self.ended[group] += 1
        self.last_ended_ns[group] = monotonic_ns()
        if self.ended[group] == len(self._specs[group]):
            self.mark_done(group, self.last_ended_ns[group])
        self._listener()

    def mark_done(self, group: str, done_ns: int) -> None:
        """Take *group* as done since *done_ns*: all its users are, here or elsewhere."""
        if not self.completion.mark(group, done_ns):
            return
        ended_ns = done_ns
        if self.stop_ns is not None and group in self._publishing:
            # Rates count the time until publishing stopped, not until that was noticed and all was confirmed.
            ended_ns = min(ended_ns, self.stop_ns)
        self.recorder.inactive(group, ended_ns)

    def is_started(self, group: str) -> bool:
        """Return whether *group* has begun its work; one that was done before it could begin has not."""
        return group in self._started

    def add_taker(self, taker: CountsTaken) -> None:
        """Have *taker* among what `taken_by_user` adds up."""
        self._takers.append(taker)

    def taken_by_user(self) -> dict[str, Counter[int]]:
        """Return how many messages each user has taken, by group."""
        taken: dict[str, Counter[int]] = {}
        for taker in self._takers:
            taken.setdefault(taker.spec.group, Counter())[taker.spec.user] += taker.taken
        return taken

    # --- trouble -------------------------------------------------------------------------------------------------

    def record(self, code: str, text: str) -> None:
        """Put an event on the timeline."""
        self.events.append((monotonic_ns(), code, text))

    def refused(self, refusal: Refusal) -> None:
        """Take note that the broker refused an operation; its first refusal is put on the timeline."""
        if self.operations.refuse(refusal):
            self.record("refused", refusal.text)
            self._listener()

    def take_events(self) -> list[tuple[int, str, str]]:
        """Return the events since the last call: instant (ns), code and text."""
        events, self.events = self.events, []
        return events

    def fail(self, text: str, *, code: str = "run-failed") -> None:
        """
        End the run because it cannot go on; the first reason is kept and put on the timeline.

        Those who still can take what is on its way to them until the drain ends.
        """
        if self.failure is None:
            self.failure = text
            self.record(code, text)
        self.stop()
        self._listener()

    def stop(self) -> None:
        """End publishing now; what is in flight is still waited for."""
        if self.stop_ns is None or self.stop_ns > monotonic_ns():
            self.stop_ns = monotonic_ns()
        self.stopping.set()
        self.all_up.set()
        self.begun.set()

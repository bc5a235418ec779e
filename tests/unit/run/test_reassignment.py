"""`Reassignment`: who takes which seat, with what left to do, and as whom."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from loadtest.clock import NS_PER_S, monotonic_ns
from loadtest.measure.window import GroupWindow, Window
from loadtest.run.workers.reassignment import Reassignment
from loadtest.run.workers.remote_command import execute
from loadtest.scenario.schedule.later_arrivals import LaterArrivals
from tests.unit.run.staged import RUN_TAG, StagedRun

BOUNDED = """
topology: {queues: {"q-%d": {count: 2}}}
publishers: {in: {users: 4, routing_key: "q-%d", body: {text: hello}, messages: 40, confirm_window: 5}}
consumers: {out: {users: 2, queue: "q-%d", ack: auto, messages: 20}}
"""
PACED = """
topology: {queues: {q: {}}}
publishers: {in: {users: 2, routing_key: q, body: {text: hello}, rate: 20/s, start_at: 1s}}
consumers: {out: {queue: q, ack: auto}}
run: {duration: 60s}
"""


def staged_loss(ended: dict[str, int], successors: list[str], *, published: int = 0, taken: int = 0) -> Any:
    """Return what follows from the loss of a process with publishers 0 and 1 and both consumers, after a window."""
    staged = StagedRun(BOUNDED)
    collector = staged.collector
    collector.take(staged.opening)
    if published:
        staged.recorder.publisher("in", 1).published_unpaced(0, published, 5 * published)
    window = staged.recorder.cut(0, NS_PER_S, "measured", {}).to_record()
    window["worker"] = "one"
    if taken:
        window["groups"]["out"] = GroupWindow(counters={"delivered": taken}).to_record()
    collector.take(Window.from_record(window).to_record())
    reassignment = Reassignment(staged.plan, collector)
    reassignment.assign_specs("one", {"in": 2, "out": 2})
    return reassignment.lose("one", 5, ended, successors), reassignment


def test_seats_are_spread_over_those_that_are_left() -> None:
    """In turn; publishers under numbers that nobody had, with the routes of their seat."""
    loss, _ = staged_loss({}, ["two", "three"])

    assert [each["worker"] for each in loss.takeovers] == ["two", "three"] * 2
    assert [each["publisher_id"] for each in loss.takeovers] == [4, 5, None, None]
    assert loss.moved == loss.held == {"in": 2, "out": 2}
    assert [entry["routes"] for entry in loss.record["successors"]] == [[["q-1"]], [["q-2"]]]
    assert loss.record["sinks"] == ["q-1", "q-2"]


def test_what_was_done_is_not_done_again() -> None:
    """A publisher has left what it had not published by its last window; consumers share what all of them took."""
    loss, _ = staged_loss({}, ["two"], published=7, taken=5)
    left = {(each["group"], each["number"]): each["messages"] for each in loss.takeovers}

    assert left == {("in", 0): 10, ("in", 1): 3, ("out", 0): 7, ("out", 1): 8}


def test_users_that_had_ended_have_no_successor() -> None:
    """Of a publisher it is known which one that was: the one that has nothing left."""
    loss, _ = staged_loss({"in": 1, "out": 2}, ["two"], published=10)

    assert [(each["group"], each["number"]) for each in loss.takeovers] == [("in", 0)]
    assert loss.held - loss.moved == {"in": 1, "out": 2}


def test_a_successor_may_be_lost_too() -> None:
    """Its seats go on again, under further numbers."""
    _, reassignment = staged_loss({}, ["two"])

    loss = reassignment.lose("two", 6, {}, ["three"])

    assert [each["publisher_id"] for each in loss.takeovers] == [6, 7, None, None]
    assert loss.record["publishers"] == [4, 5]


def test_without_heirs_nothing_moves() -> None:
    """What is in doubt is told all the same."""
    loss, _ = staged_loss({}, [])

    assert loss.takeovers == []
    assert loss.record["publishers"] == [0, 1]
    assert loss.record["successors"] == []


def test_messages_of_a_successor_are_ours() -> None:
    """From the order to expect it on, and not before; only who is told to sits down."""
    staged = StagedRun(PACED)
    delivery = staged.recorder.delivery("out", "q")
    takeovers = [{"worker": "somebody else", "group": "in", "number": 1, "publisher_id": 2, "messages": None}]

    def foreign() -> int:
        delivery.delivered(2, [0], [monotonic_ns()], [0], monotonic_ns(), 5)
        window = staged.recorder.cut(0, monotonic_ns(), "measured", {})
        return window.groups["out"].counters.get("foreign", 0)

    assert foreign() == 1
    execute(staged.worker, "expect", {"takeovers": takeovers})
    execute(staged.worker, "take_over", {"takeovers": takeovers, "from_ns": monotonic_ns()})

    assert foreign() == 0
    assert staged.run.publishers[2].bodies == staged.run.publishers[1].bodies
    assert staged.run.tasks == []
    assert staged.run.run_tag == RUN_TAG


class SeatedClient:
    """Stands for the users that sit down: notes their seats."""

    specs: list[Any] = []  # noqa: RUF012  # one list for all, emptied by the test

    def __init__(self, run: object, spec: object) -> None:
        self.specs.append(spec)

    def live(self) -> None:
        """Do nothing."""


def test_a_schedule_goes_on_where_it_is(monkeypatch: Any) -> None:
    """What fell due until then was for the one before: 20/s over two users from 1 s on, taken over at 3.02 s."""
    monkeypatch.setattr("loadtest.run.workers.reassignment.client_for", SeatedClient)
    SeatedClient.specs.clear()
    staged = StagedRun(PACED)
    begin_ns = monotonic_ns()
    execute(staged.worker, "begin", {"begin_ns": begin_ns, "measured_ns": begin_ns, "stop_ns": None})
    takeovers = [{"worker": "test", "group": "in", "number": 0, "publisher_id": 2, "messages": None}]

    execute(staged.worker, "take_over", {"takeovers": takeovers, "from_ns": begin_ns + 3 * NS_PER_S + NS_PER_S // 50})

    (spec,) = SeatedClient.specs
    before = staged.plan.publishers[0].arrivals
    assert before is not None
    assert (spec.publisher_id, spec.group, spec.user) == (2, "in", 0)
    assert spec.arrivals.intended_ns(0) == before.intended_ns(before.count_due(2 * NS_PER_S + NS_PER_S // 50))
    assert spec.arrivals.intended_ns(0) > 2 * NS_PER_S + NS_PER_S // 50


@given(st.integers(0, 50), st.integers(0, 10 * NS_PER_S))
def test_the_rest_of_a_schedule_is_the_schedule(first: int, elapsed_ns: int) -> None:
    """Instants are those of the whole, and so is the number of those due, less those left out."""
    whole = StagedRun(PACED).plan.publishers[0].arrivals
    assert whole is not None
    rest = LaterArrivals(whole, first)

    assert rest.intended_ns(3) == whole.intended_ns(first + 3)
    assert rest.intended_ns_run(2, 5).tolist() == whole.intended_ns_run(first + 2, 5).tolist()
    assert rest.count_due(elapsed_ns) == max(0, whole.count_due(elapsed_ns) - first)
    assert rest.total is None

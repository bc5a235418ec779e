"""`Run`: seats, the barrier, starts, and what a stop or a failure does to those who wait."""

from __future__ import annotations

import gevent
import pytest

from loadtest.clients.worker_run import StoppedError, specs_of
from loadtest.clock import NS_PER_MS, monotonic_ns
from tests.unit.run.staged import StagedRun

CHAIN = """
topology: {queues: {q: {}}}
publishers: {in: {routing_key: q, body: {text: hello}, messages: 10, users: 3}}
getters:
  out: {queue: q, after: in, start_at: 5ms, until: empty, ack: auto}
  late: {queue: q, after: out, messages: 1, ack: auto}
"""


def test_each_seat_is_given_out_once() -> None:
    """A group's users take its seats in turn; one too many finds none."""
    run = StagedRun(CHAIN).run

    specs = [run.assign("in") for _ in range(4)]

    assert [spec and spec.user for spec in specs] == [0, 1, 2, None]


def test_users_of_a_group_go_round_the_nodes() -> None:
    """With two nodes every second user is on the second."""
    staged = StagedRun(CHAIN)

    assert [staged.run.node_for(spec).host for spec in staged.plan.publishers] == ["a", "b", "a"]


def test_users_wait_until_all_are_up() -> None:
    """The barrier opens when the run begins, for all at once."""
    run = StagedRun(CHAIN).run
    users = [gevent.spawn(run.wait_begin) for _ in specs_of(run.plan)]
    gevent.sleep(0)

    assert run.all_up.is_set()
    assert run.users_up == 5
    assert not any(user.ready() for user in users)

    run.begin_ns = monotonic_ns()
    run.begun.set()

    assert len(gevent.joinall(users, timeout=10, raise_error=True)) == 5


def test_a_stop_before_the_begin_sends_all_away() -> None:
    """Users at the barrier, and those who come later, do not begin."""
    run = StagedRun(CHAIN).run
    waiting = gevent.spawn(pytest.raises, StoppedError, run.wait_begin)
    gevent.sleep(0)

    run.stop()

    waiting.get(timeout=10)
    with pytest.raises(StoppedError):
        run.wait_begin()
    with pytest.raises(StoppedError):
        run.wait_connect_turn()


def test_a_group_after_another_starts_when_all_of_that_are_done() -> None:
    """Its start counts from the moment the last user was done, and comes no sooner than that."""
    staged = StagedRun(CHAIN)
    run, publishers = staged.run, staged.plan.publishers
    run.begin_ns = monotonic_ns()
    starting = gevent.spawn(run.wait_start, staged.plan.getters[0])
    for spec in publishers[:2]:
        run.work_ended(spec)
    gevent.sleep(0)
    assert not run.completion.is_done("in")

    run.work_ended(publishers[2])

    assert starting.get(timeout=10) == run.completion.done_ns("in") + 5 * NS_PER_MS
    assert monotonic_ns() >= run.completion.done_ns("in") + 5 * NS_PER_MS
    assert run.is_started("out")


@pytest.mark.parametrize("end", ["stop", "fail"])
def test_a_chain_ends_with_the_run(end: str) -> None:
    """Whoever waits for a group that will not be done any more is sent away."""
    staged = StagedRun(CHAIN)
    run = staged.run
    run.begin_ns = monotonic_ns()
    waiting = [gevent.spawn(pytest.raises, StoppedError, run.wait_start, spec) for spec in staged.plan.getters]
    gevent.sleep(0)

    getattr(run, end)(*(["a reason"] if end == "fail" else []))

    assert len(gevent.joinall(waiting, timeout=10, raise_error=True)) == 2
    assert not run.is_started("out")


def test_the_first_failure_is_kept() -> None:
    """What follows from it is not the reason; those who can take more are not stopped yet."""
    run = StagedRun(CHAIN).run

    run.fail("first", code="connection-lost")
    run.fail("second")

    assert run.failure == "first"
    assert [(code, text) for _, code, text in run.events] == [("connection-lost", "first")]
    assert run.stopping.is_set()
    assert not run.over.is_set()


def test_publishing_counts_until_it_stopped() -> None:
    """A publisher that waits for confirms after the stop is not active for its rates any more."""
    staged = StagedRun(CHAIN)
    run, begin_ns = staged.run, monotonic_ns() - 20 * NS_PER_MS
    run.begin_ns, run.stop_ns = begin_ns, begin_ns + 10 * NS_PER_MS
    staged.recorder.active("in", begin_ns)

    for spec in staged.plan.publishers:
        run.work_ended(spec)

    window = staged.recorder.cut(begin_ns, monotonic_ns(), "measured", {})
    assert window.groups["in"].active == ((begin_ns, begin_ns + 10 * NS_PER_MS),)

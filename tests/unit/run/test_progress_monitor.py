"""`ProgressMonitor`: which refusals and troubles end a run, and which do not, over one process and over several."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from loadtest.clients.failures.refusal import REFUSALS, Refusal
from loadtest.clients.failures.trouble import Trouble
from loadtest.clock import NS_PER_S, monotonic_ns
from loadtest.run.progress_monitor import ProgressMonitor
from loadtest.run.workers.clock_sync import ClockSync
from loadtest.run.workers.reassignment import Reassignment
from loadtest.run.workers.worker_status import WorkerStatus
from loadtest.run.workers.workers import Workers
from tests.unit.run.staged import FLOW, StagedRun, StagedTask
from tests.unit.run.test_workers import StagedWorker

SETTINGS = "run: {reconnect_for: 5s}\n"
FAULT = "faults: [{at: 2s, do: close-connections}]\n"
PUBLISH = "in: Basic.Publish to exchange x"
TEXT = "publisher in: Basic.Publish to exchange x: 403 ACCESS_REFUSED - no"


def staged_run(more: str = "") -> StagedRun:
    """Return a run that ends what gets nothing done for 5 s."""
    return StagedRun(FLOW + SETTINGS + more)


def task(group: str, trouble: Trouble | None) -> StagedTask:
    """Return a user at work."""
    user = StagedTask()
    user.group, user.troubled = group, trouble
    return user


def trouble(seconds: float, *, is_waiting: bool = True) -> Trouble:
    """Return a trouble that began so long ago."""
    return Trouble(monotonic_ns() - int(seconds * NS_PER_S), is_waiting, "404 NOT_FOUND - no exchange 'x'")


def events(staged: StagedRun, begin_ns: int = 0) -> list[tuple[str, str]]:
    """Look once, and return what was said."""
    staged.workers.refresh()
    ProgressMonitor(staged.plan, staged.workers).look(begin_ns)
    records = staged.workers.cut(0, "measured")
    return [(record["code"], record["text"]) for record in records if record["type"] == "event"]


def test_a_refusal_at_the_first_try_ends_the_run() -> None:
    """With the operation and the broker's words."""
    staged = staged_run()
    staged.run.operations.refuse(Refusal(monotonic_ns(), PUBLISH, TEXT))

    assert events(staged) == [("operation-refused", TEXT)]
    assert staged.workers.failure == TEXT


@pytest.mark.parametrize("when", ["before", "since"])
def test_a_refusal_of_what_was_accepted_does_not(when: str) -> None:
    """Of the same operation: another one of the group's counts for nothing."""
    staged = staged_run()
    operations = staged.run.operations
    for each in ["accept", "refuse"] if when == "before" else ["refuse", "accept"]:
        if each == "accept":
            operations.accept(PUBLISH)
        else:
            assert operations.refuse(Refusal(monotonic_ns(), PUBLISH, TEXT))
    assert not operations.refuse(Refusal(monotonic_ns(), PUBLISH, TEXT))

    assert events(staged) == []

    operations.refuse(Refusal(monotonic_ns(), "in: Basic.Publish to exchange y", "another"))
    assert events(staged) == [("operation-refused", "another")]


@pytest.mark.parametrize("after_s, ends", [(1, True), (3, False)], ids=["before the fault", "after it"])
def test_what_a_fault_of_the_scenario_may_have_done_does_not(after_s: int, ends: bool) -> None:
    """A refusal after the first fault may pass."""
    staged = staged_run(FAULT)
    begin_ns = monotonic_ns()
    staged.run.operations.refuse(Refusal(begin_ns + after_s * NS_PER_S, PUBLISH, TEXT))

    assert bool(events(staged, begin_ns)) == ends


@pytest.mark.parametrize(
    "troubles, ends",
    [
        ([(6, True)], True),
        ([(4, True)], False),
        ([(6, True), (7, True)], True),
        ([(60, True), (4, True)], False),
        ([(60, True), None], False),
        ([(60, False)], False),
        ([(60, False), (6, True)], True),
        ([None], False),
        ([], False),
    ],
    ids=[
        "for long",
        "not for long",
        "all for long",
        "one not for long",
        "one works",
        "back and idle",
        "one back and idle, one away",
        "well",
        "nobody",
    ],
)
def test_a_group_in_trouble_for_long_ends_the_run(troubles: list[tuple[float, bool] | None], ends: bool) -> None:
    """All its users have to be; those that have ended do not count."""
    staged = staged_run()
    staged.run.tasks += [
        task("in", None if each is None else trouble(each[0], is_waiting=each[1])) for each in troubles
    ]
    ended = task("in", None)
    ended.ended.set()
    staged.run.tasks += [ended, task("out", None)]

    told = events(staged)

    assert [code for code, _ in told] == (["no-progress"] if ends else [])
    if ends:
        assert told[0][1].startswith("publisher in: nothing done for ")
        assert told[0][1].endswith(" s (reconnect_for is 5.0 s): 404 NOT_FOUND - no exchange 'x'")


# --- over several processes --------------------------------------------------------------------------------------


@pytest.fixture
def workers() -> Iterator[tuple[Workers, StagedRun]]:
    """Two processes that tell how they are, and the run that they do."""
    staged = staged_run()
    processes = [StagedWorker("one"), StagedWorker("two")]
    reassignment = Reassignment(staged.plan, staged.collector)
    yield Workers(staged.plan.users, processes, staged.pacer, ClockSync("here"), reassignment), staged
    staged.pacer.close()


def tell(workers: Workers, name: str, **status: Any) -> None:
    """Have a process tell how it is."""
    workers.take_status(name, WorkerStatus(told_ns=monotonic_ns(), is_lost=False, **status))


def look(workers: Workers, staged: StagedRun) -> str | None:
    """Look once, and return why the run ends."""
    ProgressMonitor(staged.plan, workers).look(0)
    return workers.failure


def test_a_refusal_counts_if_no_process_had_it_accepted(workers: tuple[Workers, StagedRun]) -> None:
    """As over one process."""
    for one, two, failure in (([], [PUBLISH], None), ([], [], TEXT)):
        tell(workers[0], "one", refused=[(5, PUBLISH, TEXT)], accepted=one)
        tell(workers[0], "two", accepted=two)

        assert look(*workers) == failure


def test_a_group_is_in_trouble_if_it_is_in_all_processes(workers: tuple[Workers, StagedRun]) -> None:
    """Users that work in one process are the group's, and a process without users of it counts for nothing."""
    long = {"in": tuple(trouble(6))}
    for one, two, ends in (
        ({"troubles": long}, {"well": ["in"]}, False),
        ({"troubles": long}, {"troubles": {"in": tuple(trouble(1))}}, False),
        ({"troubles": long}, {"well": ["out"]}, True),
    ):
        tell(workers[0], "one", **one)
        tell(workers[0], "two", **two)

        assert bool(look(*workers)) == ends


def test_the_status_of_a_process_tells_of_refusals_and_troubles() -> None:
    """In the time of the run, which is not the process's own on another host."""
    staged = staged_run()
    staged.run.operations.refuse(Refusal(5_000, PUBLISH, TEXT))
    staged.run.operations.accept("out: Basic.Consume of queue q")
    staged.run.tasks += [task("in", Trouble(6_000, True, "why")), task("out", None)]

    status = staged.worker.status().to_run_time(1_000)

    assert status.refused == [(4_000, PUBLISH, TEXT)]
    assert status.accepted == ["out: Basic.Consume of queue q"]
    assert (status.troubles, status.well) == ({"in": (5_000, True, "why")}, ["out"])


@pytest.mark.parametrize("code", [320, 501, 502, 503, 504, 505, 506])
def test_what_is_no_refusal_of_an_operation(code: int) -> None:
    """Closes by an operator, faults of framing, and what passes."""
    assert code not in REFUSALS

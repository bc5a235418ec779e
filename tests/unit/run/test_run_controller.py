"""`RunController`: the phases in order, when a run ends, and that it ends whatever happens."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import gevent
import numpy as np
import pytest

from loadtest.clients.worker_run import StoppedError, specs_of
from loadtest.clock import monotonic_ns
from loadtest.run import drain as drain_module
from loadtest.run import run_controller as controller_module
from tests.unit.run.staged import FLOW, StagedRun, StagedTask

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadtest.clients.worker_run import ClientSpec

DURATION = FLOW.replace("messages: 10", "rate: 1000/s") + "run: {duration: 10ms, warm_up: 5ms, drain: 10ms}"


def live(staged: StagedRun, *, taken: int = 10) -> list[StagedTask]:
    """Have staged users live: the publisher sends ten messages, the consumer takes *taken* of them."""
    tasks = [StagedTask() for _ in specs_of(staged.plan)]
    run = staged.run

    def user(task: StagedTask, spec: ClientSpec) -> None:
        run.tasks.append(task)
        try:
            run.wait_begin()
            run.wait_start(spec)
            now_ns = monotonic_ns()
            seqs, instants = np.arange(taken), np.full(taken, now_ns)
            if spec in staged.plan.publishers:
                publisher = staged.recorder.publisher("in", 0)
                publisher.published(0, np.full(10, now_ns), now_ns, 50)
                publisher.confirmed(np.arange(10), np.full(10, now_ns), np.full(10, now_ns), now_ns)
            elif taken:
                staged.recorder.delivery("out", "q").delivered(0, seqs, instants, np.zeros(taken), now_ns, 50)
                run.last_taken_ns["out"] = now_ns
        except StoppedError:
            pass
        if spec in staged.plan.publishers:
            run.work_ended(spec)

    for task, spec in zip(tasks, specs_of(staged.plan), strict=True):
        gevent.spawn(user, task, spec)
    return tasks


def conduct(staged: StagedRun) -> None:
    """Lead the staged run to its end."""
    with gevent.Timeout(30):
        staged.controller.run(staged.opening)


def test_a_run_goes_through_its_phases_and_ends_at_once() -> None:
    """When the last message is taken nothing is waited for; users are finished, then closed."""
    staged = StagedRun()
    tasks = live(staged)

    conduct(staged)

    assert staged.phases() == ["connecting", "measured", "drain", "done"]
    assert [record["type"] for record in staged.records[:2]] == ["run", "phase"]
    assert all(task.calls == ["finish", "close"] for task in tasks)
    assert staged.collector.losses().lost == 0
    assert staged.run.over.is_set()
    assert staged.workers.failure is None


def test_windows_follow_each_other_without_a_gap() -> None:
    """Each begins where the last one ended, the first at the start of the run, and counters are caught up at each."""
    staged = StagedRun(DURATION)
    tasks = live(staged)

    conduct(staged)

    windows = [record for record in staged.records if record["type"] == "window"]
    starts, ends = [window["start_ns"] for window in windows], [window["end_ns"] for window in windows]
    assert starts == [staged.opening["start_ns"], *ends[:-1]]
    assert set(ends) <= set(tasks[0].caught_up)
    assert staged.phases() == ["connecting", "warm_up", "measured", "drain", "done"]


def test_what_does_not_come_is_waited_for_until_the_drain_is_over() -> None:
    """What is left is asked of the broker and reported by queue."""
    staged = StagedRun(FLOW + "run: {drain: 20ms}")
    staged.depths = {"q": 4}
    live(staged, taken=6)

    conduct(staged)

    losses = staged.collector.losses()
    assert (losses.lost, losses.remaining) == (0, 4)


def test_what_cannot_come_any_more_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the queues empty and nothing arriving the drain ends early, and the rest is lost."""
    monkeypatch.setattr(drain_module, "STILL_NS", 1_000_000)
    staged = StagedRun(FLOW + "run: {drain: 10s}")
    live(staged, taken=6)

    conduct(staged)

    assert staged.collector.losses().lost == 4


def test_a_broker_that_cannot_be_asked_is_told_once() -> None:
    """The event comes although the last window is cut, and the run ends."""
    staged = StagedRun(FLOW + "run: {drain: 10ms}")
    staged.depths = OSError("gone")
    live(staged, taken=6)

    conduct(staged)

    assert staged.events() == ["queues-unknown"]


def test_an_interrupt_before_the_begin_ends_the_run() -> None:
    """Users that are up do not begin; there is no measured part."""
    staged = StagedRun()
    gevent.spawn_later(0.005, staged.controller.interrupt)

    conduct(staged)

    assert staged.phases() == ["connecting", "drain", "done"]
    assert staged.events() == ["interrupted"]
    assert staged.controller.interrupted


def test_an_interrupt_after_the_end_is_none() -> None:
    """A run that is over cannot be interrupted, and a second Ctrl-C adds nothing."""
    staged = StagedRun()
    live(staged)
    conduct(staged)

    staged.controller.interrupt()

    assert not staged.controller.interrupted
    assert "interrupted" not in staged.events()


def test_users_that_cannot_connect_fail_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the pace and a grace the run says how many came."""
    monkeypatch.setattr(controller_module, "CONNECT_GRACE_S", 0.002)
    staged = StagedRun()

    conduct(staged)

    assert staged.workers.failure == "only 0 of 2 users could connect in time"
    assert staged.phases() == ["connecting", "drain", "done"]


def test_a_failure_with_nobody_left_ends_at_once() -> None:
    """Where all users are lost no drain is waited for."""
    staged = StagedRun(FLOW + "run: {drain: 30s}")
    tasks = live(staged, taken=0)

    def fail() -> None:
        for task in tasks:
            task.is_lost = True
        staged.run.fail("gone", code="connection-lost")

    gevent.spawn_later(0.015, fail)
    conduct(staged)

    assert staged.events() == ["connection-lost"]


def test_a_fault_of_ours_fails_the_run_and_closes_users(caplog: pytest.LogCaptureFixture) -> None:
    """Gauges that cannot be read must not leave users behind, nor pass."""
    staged = StagedRun()
    tasks = live(staged)
    staged.gauges.read = lambda *_: 1 / 0

    with caplog.at_level(logging.ERROR):
        conduct(staged)

    assert staged.workers.failure is not None
    assert "ZeroDivisionError" in staged.workers.failure
    assert staged.events() == ["internal-error"]
    assert all("close" in task.calls for task in tasks)
    assert caplog.records[0].exc_info is not None


def test_a_user_that_fails_to_end_fails_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others end in order, and the last window is still cut."""
    staged = StagedRun()
    tasks = live(staged)
    monkeypatch.setattr(gevent.get_hub(), "handle_error", lambda *_: None)  # it prints what it sees

    def fail() -> None:
        raise KeyError("a fault")

    tasks[0].finish = fail  # type: ignore[method-assign]
    conduct(staged)

    assert staged.events() == ["internal-error"]
    assert tasks[1].calls == ["finish", "close"]
    assert staged.phases()[-1] == "done"


ENDLESS = FLOW.replace("ack: auto", "ack: every 1, messages: 20") + "run: {drain: 10ms}"


@pytest.mark.parametrize(
    "depths, why",
    [
        ({}, "all are published, and the queues are empty"),
        ({"q": 7}, "though 7 are in the queues"),
        (OSError("gone"), "though nobody says what the queues hold"),
    ],
    ids=["empty", "not empty", "nobody answers"],
)
def test_a_consumer_that_waits_for_ever_ends_with_what_was_seen(
    depths: Mapping[str, int] | Exception, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only of queues that were looked at it is said that they are empty."""
    monkeypatch.setattr(drain_module, "STILL_NS", 1_000_000)
    monkeypatch.setattr(drain_module, "ASK_AGAIN_NS", 0)
    staged = StagedRun(ENDLESS)
    staged.depths = depths
    live(staged)

    conduct(staged)

    texts = [record["text"] for record in staged.records if record.get("code") == "starved"]
    assert len(texts) == 1
    assert why in texts[0]


def test_a_run_does_not_end_while_somebody_is_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run with a duration goes on until then, and beyond its drain time, while a consumer works on a message."""
    monkeypatch.setattr(drain_module, "STILL_NS", 1_000_000)
    monkeypatch.setattr(drain_module, "ASK_AGAIN_NS", 0)
    staged = StagedRun(f"{FLOW}run: {{duration: 400ms, drain: 10ms}}")
    began_ns = monotonic_ns()
    for task in live(staged, taken=5):
        task.in_work = 1

    conduct(staged)

    assert monotonic_ns() - began_ns > 400_000_000
    assert "ended-early" not in staged.events()


def test_a_run_that_ends_before_its_duration_though_messages_are_missing_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing comes any more, the queues are empty, and nobody is at work."""
    monkeypatch.setattr(drain_module, "STILL_NS", 1_000_000)
    monkeypatch.setattr(drain_module, "ASK_AGAIN_NS", 0)
    staged = StagedRun(f"{FLOW}run: {{duration: 4s, drain: 10ms}}")
    live(staged, taken=5)

    conduct(staged)

    texts = [record["text"] for record in staged.records if record.get("code") == "ended-early"]
    assert len(texts) == 1
    assert texts[0].startswith("5 messages have not come")

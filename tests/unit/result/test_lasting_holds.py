"""Messages that are in doubt because something held publishers back until the end: no run of them passes."""

from __future__ import annotations

import json

import numpy as np
import pytest

from loadtest.clock import NS_PER_MS, NS_PER_S
from loadtest.counters import GroupKind
from loadtest.measure.records import Model, publisher_entry
from loadtest.result.run.build import build_result
from loadtest.result.run.causes.lasting_holds import lasting_holds
from tests.unit.result.staged_run import START_NS, StagedRun

BLOCKED = ("connection-blocked", "in/1: low on memory")
UNBLOCKED = ("connection-unblocked", "in/1: after 0.5 s")
PUBLISHED_S = 4
PER_S = 100


def held(
    from_s: float,
    *,
    events: tuple[tuple[str, str], ...] = (BLOCKED,),
    given_up_s: float = 7,
    model: Model = "open",
    is_blocking: bool = False,
    others: tuple[str, ...] = (),
) -> StagedRun:
    """
    Return a run that publishes for 4 s, and gets no answer from *from_s* on.

    Args:
        from_s: When the broker began to hold the publishers of group `in` back, in s after the start.
        events: What is told of it then, as codes and texts.
        given_up_s: When what is unanswered then is given up, in s after the start.
        model: Of all publishers.
        is_blocking: Publish nothing more behind the first that is unanswered, as `client: blocking` does.
        others: Groups of publishers that are answered until the end of publishing.
    """
    groups: dict[str, tuple[GroupKind, Model]] = dict.fromkeys(("in", *others), ("publisher", model))
    run = StagedRun(groups, routes=[[]])
    run.phase("measured", 0)
    for group in groups:
        run.recorder().active(group, START_NS)
    doubtful: list[int] = []
    from_seq = int(from_s * PER_S)
    for second in range(PUBLISHED_S):
        for group in groups:
            seqs = range(second * PER_S, (second + 1) * PER_S)
            answered = range(seqs.start, max(seqs.start, min(seqs.stop, from_seq))) if group == "in" else seqs
            if group == "in" and is_blocking:
                seqs = range(seqs.start, max(seqs.start, min(seqs.stop, from_seq + 1)))
            if not seqs:
                run.recorder().publisher(group, 0).offered(PER_S)
                continue
            intended = run.publish(group, seqs, second * NS_PER_S, step_ns=NS_PER_S // PER_S)
            if answered:
                run.confirm(group, answered, intended[: len(answered)], NS_PER_MS)
            doubtful += range(answered.stop, seqs.stop)
        if second == PUBLISHED_S - 1:
            for group in groups:
                run.recorder().inactive(group, START_NS + PUBLISHED_S * NS_PER_S)
        run.cut((second + 1) * NS_PER_S, "measured")
    for code, text in events:
        run.event(int(from_s * NS_PER_S), code, text)
    run.phase("drain", PUBLISHED_S * NS_PER_S)
    end_ns = int(given_up_s * NS_PER_S)
    run.recorder().publisher("in", 0).in_doubt(doubtful, START_NS + int(from_s * NS_PER_S), START_NS + end_ns)
    run.cut(end_ns, "drain")
    run.end(end_ns)
    return run


@pytest.mark.parametrize("is_blocking", [False, True], ids=["bulk", "blocking"])
@pytest.mark.parametrize("model", ["open", "closed"])
@pytest.mark.parametrize("others", [(), ("more",)], ids=["alone", "beside one that goes on"])
@pytest.mark.parametrize("from_s", [1.5, 2.5, 3.01, 3.3, 3.9, 3.99])
def test_publishers_that_stay_blocked_are_out_until_the_end(
    from_s: float, others: tuple[str, ...], model: Model, is_blocking: bool
) -> None:
    """Whenever that began: before, within and at the end of the last window in which something was published."""
    result = build_result(held(from_s, others=others, model=model, is_blocking=is_blocking).collector())

    assert result.totals.in_doubt > 0
    assert (result.verdict.outcome, result.verdict.exit_code) == ("error", 3), result.verdict.reason
    assert result.verdict.reason.startswith("publisher in got no confirm for the last ")
    *_, outage = result.groups["in"].outages or ()
    assert not outage.is_over
    assert outage.start_s == pytest.approx(from_s, abs=0.02)
    assert outage.end_s == 7
    assert not any(result.groups[other].outages for other in others)


@pytest.mark.parametrize("given_up_s, exit_code", [(4.3, 1), (7, 3)], ids=["short drain", "long drain"])
def test_one_blocked_publisher_of_several_is_no_pass(given_up_s: float, exit_code: int) -> None:
    """The others of its group are answered until the end of publishing, which hides it from the group's outages."""
    run = held(2.5, given_up_s=given_up_s)
    run.records[0]["publishers"].append(publisher_entry(1, "in", confirms=True, routes=[[]]))
    beside = StagedRun({"in": ("publisher", "open")})
    publisher = beside.recorder().publisher("in", 1)
    intended = START_NS + np.array([PUBLISHED_S * NS_PER_S - 10 * NS_PER_MS])
    publisher.offered(1)
    publisher.published(0, intended, int(intended[0]), 100)
    publisher.confirmed(np.array([0]), intended, intended, int(intended[0]) + NS_PER_MS)
    window = beside.recorder().cut(START_NS + 3 * NS_PER_S, START_NS + 4 * NS_PER_S, "measured", {})
    run.records.insert(-3, json.loads(json.dumps(window.to_record() | {"worker": "worker-2"})))

    verdict = build_result(run.collector()).verdict
    assert (verdict.exit_code, "in doubt" in verdict.reason) == (exit_code, exit_code == 1), verdict.reason


@pytest.mark.parametrize(
    "event",
    [
        ("fault", "memory-alarm n1 (it took 2.36 s)"),
        ("fault", "disk-alarm n1 (it took 2.36 s)"),
        ("fault", "pause-node n1 (it took 0.01 s)"),
        ("fault", "cut-network all links: black hole (it took 0.01 s)"),
    ],
    ids=lambda event: event[1].partition(" ")[0],
)
def test_a_fault_that_lasts_holds_publishers_back(event: tuple[str, str]) -> None:
    """Also where no connection told that it is blocked: RabbitMQ does not tell one that has published nothing since."""
    assert build_result(held(3.3, events=(event,)).collector()).verdict.exit_code == 3


@pytest.mark.parametrize("event", [BLOCKED, ("fault", "pause-node n1 (it took 0.01 s)")], ids=["blocked", "paused"])
def test_a_short_drain_makes_no_pass_of_it(event: tuple[str, str]) -> None:
    """Too short for an outage, but nothing that has ended explains what is in doubt."""
    verdict = build_result(held(3.9, events=(event,), given_up_s=4.2).collector()).verdict

    assert (verdict.outcome, verdict.exit_code) == ("fail", 1)
    assert verdict.reason.endswith(f"and what held publishers back had not ended: {event[1]}")


@pytest.mark.parametrize(
    "events",
    [
        (BLOCKED, UNBLOCKED),
        (BLOCKED, ("connection-dropped", "publisher in/1: 320 CONNECTION_FORCED")),
        (("fault", "memory-alarm n1 (it took 2.36 s)"), ("fault", "memory-alarm-off n1 (it took 0.3 s)")),
        (
            ("fault", "cut-network all links: black hole (it took 0 s)"),
            ("fault", "restore-network all links (it took 0 s)"),
        ),
        (("fault", "cut-network all links: reset (it took 0 s)"),),
        (("fault", "kill-node n1 (it took 0.1 s)"),),
    ],
    ids=["unblocked", "dropped", "alarm off", "restored", "reset", "killed"],
)
def test_what_has_ended_explains_doubt(events: tuple[tuple[str, str], ...]) -> None:
    """As before: an application that publishes again has lost nothing."""
    assert build_result(held(3.99, events=events, given_up_s=4.2).collector()).verdict.exit_code == 0


def test_each_connection_and_fault_counts_by_itself() -> None:
    """One that is released does not release another, and one that is blocked again is blocked."""
    other = ("connection-blocked", "in/2: low on memory")
    alarm, off = ("fault", "disk-alarm n1 (it took 1.00 s)"), ("fault", "disk-alarm-off n1 (it took 1.00 s)")

    assert lasting_holds([BLOCKED, other, UNBLOCKED]) == {"in/2"}
    assert lasting_holds([BLOCKED, UNBLOCKED, BLOCKED]) == {"in/1"}
    assert lasting_holds([alarm, off, ("fault", "kill-node n1 (it took 1.00 s)")]) == frozenset()
    assert lasting_holds([off, alarm]) == {"disk-alarm"}

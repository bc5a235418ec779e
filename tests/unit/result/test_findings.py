from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from loadtest.clock import NS_PER_MS, NS_PER_S
from loadtest.result.build import build_result
from loadtest.result.findings import CODES
from tests.unit.result.staged_run import START_NS, StagedRun, flood, orders


def codes(run: StagedRun) -> list[str]:
    """Return the codes of the findings of a run."""
    return [finding.code for finding in build_result(run.collector()).verdict.findings]


def test_clean_run_of_enough_messages_has_no_findings() -> None:
    """A run that reached its rate with 10,000 values and kept its queue short needs no caveat."""
    assert codes(orders(seconds=11)) == []


def busy() -> StagedRun:
    """Return a run whose generator used a whole core in the measured part."""
    run = StagedRun({"shop": ("publisher", "closed")}, routes=[[]])
    run.phase("measured", 0)
    run.confirm("shop", range(10), run.publish("shop", range(10), 0), NS_PER_MS)
    run.cut(NS_PER_S, "measured", cpu=0.99)
    run.end(NS_PER_S)
    return run


def saturated() -> StagedRun:
    """Return a run in whose measured part the broker took the machine."""
    run = StagedRun({"shop": ("publisher", "closed")}, routes=[[]])
    run.phase("measured", 0)
    run.confirm("shop", range(10), run.publish("shop", range(10), 0), NS_PER_MS)
    run.cut(NS_PER_S, "measured")
    run.broker(NS_PER_S // 2, {"broker.cpu": 1.7, "machine.cpu": 1.9})
    run.end(NS_PER_S)
    return run


def late() -> StagedRun:
    """Return a run that sent 3 ms after the intended time."""
    run = StagedRun({"shop": ("publisher", "open")}, routes=[[]])
    run.phase("measured", 0)
    run.recorder().active("shop", START_NS)
    run.confirm("shop", range(10), run.publish("shop", range(10), 0, late_ns=3 * NS_PER_MS), 4 * NS_PER_MS)
    run.cut(NS_PER_S, "measured")
    run.end(NS_PER_S)
    return run


def short_of_offered() -> StagedRun:
    """Return a run that published 98 % of what was asked."""
    run = late()
    run.records = run.records[:2]
    publisher = run.recorder().publisher("shop", 0)
    run.confirm("shop", range(10, 108), run.publish("shop", range(10, 108), NS_PER_S), NS_PER_MS)
    publisher.offered(2)
    run.cut(2 * NS_PER_S, "measured")
    run.end(2 * NS_PER_S)
    return run


def odd_values(latency_ns: int) -> StagedRun:
    """Return a run with one confirm latency of *latency_ns*."""
    run = StagedRun({"shop": ("publisher", "closed")}, routes=[[]])
    run.phase("measured", 0)
    run.confirm("shop", range(1), run.publish("shop", range(1), 0), latency_ns)
    run.cut(NS_PER_S, "measured")
    run.end(NS_PER_S)
    return run


def growing() -> StagedRun:
    """Return a run whose end-to-end latency grows by 100 ms a second."""
    run = StagedRun({"shop": ("publisher", "open"), "billing": ("consumer", "open")})
    run.phase("measured", 0)
    for second in range(6):
        seqs = range(second * 10, second * 10 + 10)
        intended = run.publish("shop", seqs, second * NS_PER_S)
        run.confirm("shop", seqs, intended, NS_PER_MS)
        run.deliver("billing", seqs, intended, 100 * NS_PER_MS * (second + 1))
        run.cut((second + 1) * NS_PER_S, "measured")
    run.end(6 * NS_PER_S)
    return run


def left_over() -> StagedRun:
    """Return a run after which the queue holds what was not got."""
    run = flood(lose=2)
    run.records.insert(-1, {"type": "queue", "sink": "Queue111112", "left": 2})
    return run


def with_event(code: str) -> StagedRun:
    """Return a flood in which something happened."""
    run = flood()
    run.records.insert(2, {"type": "event", "at_ns": START_NS, "code": code, "text": "low on memory"})
    return run


def in_doubt() -> StagedRun:
    """Return a run that ended with a message unanswered."""
    run = StagedRun({"shop": ("publisher", "closed")}, routes=[["orders"]])
    run.phase("measured", 0)
    run.publish("shop", range(1), 0)
    run.recorder().publisher("shop", 0).in_doubt([0])
    run.cut(NS_PER_S, "measured")
    run.end(NS_PER_S)
    return run


def unbalanced() -> StagedRun:
    """Return a run with an unanswered message that nobody accounts for."""
    run = StagedRun({"shop": ("publisher", "closed")}, routes=[[]])
    run.phase("measured", 0)
    run.publish("shop", range(1), 0)
    run.cut(NS_PER_S, "measured")
    run.end(NS_PER_S)
    return run


def undelivered() -> StagedRun:
    """Return a run without confirms of which a message never came."""
    run = StagedRun({"shop": ("publisher", "closed"), "billing": ("consumer", "closed")}, confirms=False)
    run.phase("measured", 0)
    run.deliver("billing", range(9), run.publish("shop", range(10), 0)[:9], NS_PER_MS)
    run.cut(NS_PER_S, "measured")
    run.end(NS_PER_S)
    return run


def unexpected() -> StagedRun:
    """Return a run in which a message came from a queue to which no binding leads."""
    run = StagedRun({"shop": ("publisher", "closed"), "billing": ("consumer", "closed")}, routes=[[]], confirms=False)
    run.phase("measured", 0)
    run.deliver("billing", range(1), run.publish("shop", range(1), 0), NS_PER_MS, sink="elsewhere")
    run.cut(NS_PER_S, "measured")
    run.end(NS_PER_S)
    return run


def foreign() -> StagedRun:
    """Return a run that took what others published."""
    run = StagedRun({"billing": ("consumer", "open")})
    run.phase("measured", 0)
    run.recorder().delivery("billing", "orders").foreign(5, 60)
    run.cut(NS_PER_S, "measured")
    run.end(NS_PER_S)
    return run


def slowing() -> StagedRun:
    """Return a run of 40 s, closed model, that publishes half as much in its second half."""
    run = StagedRun({"shop": ("publisher", "closed")}, routes=[[]])
    run.phase("measured", 0)
    run.recorder().active("shop", START_NS)
    seq = 0
    for second in range(40):
        count = (100 if second < 20 else 50) + second % 3
        intended = run.publish("shop", range(seq, seq + count), second * NS_PER_S)
        run.confirm("shop", range(seq, seq + count), intended, NS_PER_MS)
        seq += count
        run.cut((second + 1) * NS_PER_S, "measured")
    run.end(40 * NS_PER_S)
    return run


def interrupted_by_the_broker() -> StagedRun:
    """Return a run whose confirms stop for three seconds in the middle."""
    run = StagedRun({"shop": ("publisher", "open")}, routes=[[]])
    run.phase("measured", 0)
    run.recorder().active("shop", START_NS)
    run.confirm("shop", range(1_000), run.publish("shop", range(1_000), 0), NS_PER_MS)
    run.cut(NS_PER_S, "measured")
    intended = run.publish("shop", range(1_000, 2_000), NS_PER_S)
    run.confirm("shop", range(1_000, 2_000), intended, 3 * NS_PER_S)
    run.cut(5 * NS_PER_S, "measured")
    run.end(5 * NS_PER_S)
    return run


CASES: dict[str, Callable[[], StagedRun]] = {
    "generator-bound": busy,
    "broker-bound": saturated,
    "lateness-high": late,
    "offered-not-achieved": short_of_offered,
    "too-few-samples": flood,
    "beyond-histogram": lambda: odd_values(2 * 3_600 * NS_PER_S),
    "negative-latency": lambda: odd_values(-1),
    "backlog-growing": growing,
    "unstable-over-time": slowing,
    "messages-remaining": left_over,
    "broker-blocked-publishers": lambda: with_event("connection-blocked"),
    "outage": interrupted_by_the_broker,
    "connection-lost": lambda: with_event("connection-lost"),
    "in-doubt": in_doubt,
    "books-unbalanced": unbalanced,
    "undelivered": undelivered,
    "unexpected-deliveries": unexpected,
    "foreign-messages": foreign,
}


def test_every_finding_is_tried() -> None:
    """The cases below are all the codes there are, in their order."""
    assert tuple(CASES) == CODES


@pytest.mark.parametrize("code", CODES)
def test_finding_has_observation_number_limit_and_next_step(code: str) -> None:
    """Each finding is found where it should be, once, and says what was seen, the limit and what to do."""
    findings = build_result(CASES[code]().collector()).verdict.findings
    (found,) = [finding for finding in findings if finding.code == code]

    assert found.value is not None
    assert found.limit is not None
    assert found.text.endswith(f"{found.next_step}.")
    assert "limit" in found.text or code == "too-few-samples"


@pytest.mark.parametrize("code", [code for code in CODES if code != "too-few-samples"])
def test_finding_is_absent_where_there_is_nothing_to_find(code: str) -> None:
    """None of them is found in a clean run."""
    assert code not in codes(flood())


def test_findings_come_in_the_order_of_their_codes() -> None:
    """A report lists what concerns the figures before what concerns the messages."""
    found = codes(left_over())

    assert found == sorted(found, key=list[str](CODES).index)
    assert len(found) == 2


def test_books_of_a_run_that_was_cut_off_are_no_finding() -> None:
    """Of a killed run the newest window is missing: that is no fault of the books."""
    run = unbalanced()
    del run.records[-1]

    assert "books-unbalanced" not in codes(run)


def test_a_backlog_is_told_with_its_depth() -> None:
    """Where the broker told how much was ready, the finding says what it grew to; elsewhere it says nothing of it."""
    run = growing()
    end = run.records.pop()
    for second in range(6):
        run.broker(second * NS_PER_S, {"queue.depth": 1_000.0 * second})
    run.records.append(end)
    texts = [
        next(
            finding.text
            for finding in build_result(each.collector()).verdict.findings
            if finding.code == "backlog-growing"
        )
        for each in (run, growing())
    ]

    assert "with 500 and then 4,500 messages ready in the run's queues" in texts[0]
    assert "messages ready" not in texts[1]


def test_blocked_time_is_added_up() -> None:
    """The gauge of each second gives how long the broker held publishers back."""
    run = flood()
    run.records[2]["gauges"]["blocked_ns"] = float(np.float64(NS_PER_S // 2))
    (found,) = [
        finding
        for finding in build_result(run.collector()).verdict.findings
        if finding.code == "broker-blocked-publishers"
    ]

    assert found.value == 0.5
    assert "for 500 ms in all" in found.text


def test_an_outage_without_an_end_is_told() -> None:
    """What was published after the last confirm got no answer any more: a broker that is up, a queue that is not."""
    run = StagedRun({"shop": ("publisher", "open")}, routes=[[]])
    run.phase("measured", 0)
    run.recorder().active("shop", START_NS)
    run.confirm("shop", range(100), run.publish("shop", range(100), 0), NS_PER_MS)
    run.cut(NS_PER_S, "measured")
    run.publish("shop", range(100, 200), 2 * NS_PER_S)
    run.cut(3 * NS_PER_S, "measured")
    run.recorder().publisher("shop", 0).in_doubt(range(100, 200))
    run.cut(6 * NS_PER_S, "drain")
    run.end(6 * NS_PER_S)
    (outage,) = build_result(run.collector()).groups["shop"].outages or ()

    assert not outage.is_over
    assert (round(outage.start_s, 1), outage.end_s) == (0.1, 6.0)

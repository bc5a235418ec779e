from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from loadtest.clock import NS_PER_MS, NS_PER_S
from loadtest.measure.records import dropped_record, lost_worker_record, publisher_entry
from loadtest.result.run.build import build_result
from loadtest.result.run.findings import CODES
from tests.unit.result.staged_run import START_NS, StagedRun, flood, orders, unrecovered


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


def across(bound_ns: int, latency_ns: int = 5 * NS_PER_MS) -> StagedRun:
    """Return a run from one host to another, whose clock is known to within *bound_ns*."""
    run = StagedRun({"shop": ("publisher", "closed"), "billing": ("consumer", "closed")})
    run.phase("measured", 0)
    intended = run.publish("shop", range(10), 0)
    run.confirm("shop", range(10), intended, NS_PER_MS)
    run.deliver("billing", range(10), intended, latency_ns, worker="worker-2")
    for worker in ("worker-1", "worker-2"):
        run.cut(NS_PER_S, "measured", worker=worker)
    run.worker("worker-1", 0, clock=None, offset_ns=0, bound_ns=0)
    run.worker("worker-2", 0, clock="there", offset_ns=7, bound_ns=bound_ns // 2)
    run.worker("worker-2", 20 * NS_PER_S, clock="there", offset_ns=200_007, bound_ns=bound_ns)
    run.end(NS_PER_S)
    return run


def gone(code: str) -> StagedRun:
    """Return a run of which a worker with a publisher and a consumer went away, with what it had open."""
    run = StagedRun({"shop": ("publisher", "closed"), "billing": ("consumer", "closed")})
    run.phase("measured", 0)
    intended = run.publish("shop", range(10), 0)
    run.confirm("shop", range(8), intended[:8], NS_PER_MS)
    run.cut(NS_PER_S, "measured")
    # Three that its last window does not tell of, one of two that it does and that got no answer; three never come.
    late = START_NS + NS_PER_S + np.arange(3)
    run.deliver("billing", range(5), intended[:5], 5 * NS_PER_MS, worker="worker-2")
    run.deliver("billing", range(9, 10), intended[9:], 5 * NS_PER_MS, worker="worker-2")
    run.deliver("billing", range(10, 13), late, 5 * NS_PER_MS, worker="worker-2")
    run.cut(2 * NS_PER_S, "measured", worker="worker-2")
    entry = publisher_entry(1, "shop", confirms=True, routes=[["orders"]]) | {"successor_of": 0}
    run.records.append(lost_worker_record(START_NS, "worker-1", publishers=[0], sinks=["orders"], successors=[entry]))
    run.event(NS_PER_S, code, "worker worker-1: it is gone")
    run.end(2 * NS_PER_S)
    return run


def hole() -> StagedRun:
    """Return a run of which the second window of three did not come."""
    run = StagedRun({"shop": ("publisher", "closed")}, routes=[[]])
    run.phase("measured", 0)
    run.confirm("shop", range(10), run.publish("shop", range(10), 0), NS_PER_MS)
    for second in (1, 2, 3):
        run.cut(second * NS_PER_S, "measured")
    del run.records[3]
    run.end(3 * NS_PER_S)
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


def with_event(code: str, text: str = "low on memory") -> StagedRun:
    """Return a flood in which something happened."""
    run = flood()
    run.records.insert(2, {"type": "event", "at_ns": START_NS, "code": code, "text": text})
    return run


def in_doubt() -> StagedRun:
    """Return a run that ended with a message unanswered."""
    run = StagedRun({"shop": ("publisher", "closed")}, routes=[["orders"]])
    run.phase("measured", 0)
    run.publish("shop", range(1), 0)
    run.recorder().publisher("shop", 0).in_doubt([0], START_NS, START_NS)
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


def with_gauges(**gauges: float) -> StagedRun:
    """Return a run of a second in which these gauges were read."""
    run = saturated()
    run.records = [record for record in run.records if record["type"] != "broker"]
    run.broker(NS_PER_S // 2, {name.replace("__", "."): value for name, value in gauges.items()})
    run.records[-2:] = reversed(run.records[-2:])
    return run


def stopped(worker: str = "worker-1") -> StagedRun:
    """Return a run whose process was stopped for three seconds, and caught up."""
    run = StagedRun({"shop": ("publisher", "open"), "billing": ("consumer", "open")})
    run.phase("measured", 0)
    for group in ("shop", "billing"):
        run.recorder().active(group, START_NS)
    first = run.publish("shop", range(1_000), 0)
    run.confirm("shop", range(1_000), first, NS_PER_MS)
    run.deliver("billing", range(1_000), first, NS_PER_MS)
    run.cut(NS_PER_S, "measured")
    run.recorder(worker).stalled(START_NS + NS_PER_S, START_NS + 4 * NS_PER_S)
    then = run.publish("shop", range(1_000, 2_000), NS_PER_S)
    run.confirm("shop", range(1_000, 2_000), then, 3 * NS_PER_S + 5 * NS_PER_MS)
    run.deliver("billing", range(1_000, 2_000), then, 3 * NS_PER_S + 5 * NS_PER_MS)
    for each in {"worker-1", worker}:
        run.cut(5 * NS_PER_S, "measured", worker=each)
    run.end(5 * NS_PER_S)
    return run


def refused() -> StagedRun:
    """Return a run of which 98 of 100 messages were nacked and 90 returned."""
    run = StagedRun({"shop": ("publisher", "closed")}, routes=[[]])
    run.phase("measured", 0)
    intended = run.publish("shop", range(100), 0)
    run.confirm("shop", range(2), intended[:2], NS_PER_MS)
    publisher = run.recorder().publisher("shop", 0)
    publisher.nacked(np.arange(2, 100), intended[2:], intended[2:], START_NS + NS_PER_S)
    publisher.returned(np.arange(90))
    run.cut(NS_PER_S, "measured")
    run.end(NS_PER_S)
    return run


def discarded(**counts: int) -> StagedRun:
    """Return a run of 10 confirmed messages for a queue that was told to drop some, and of which none came."""
    run = StagedRun({"shop": ("publisher", "closed"), "billing": ("consumer", "closed")})
    run.records[0]["may_drop"] = {"orders": list(counts)}
    run.phase("measured", 0)
    run.confirm("shop", range(10), run.publish("shop", range(10), 0), NS_PER_MS)
    run.cut(NS_PER_S, "measured")
    run.records.append(dropped_record(counts))
    run.left("orders", 10 - sum(counts.values()))
    run.end(NS_PER_S)
    return run


def overworked(taken: int = 91, published: int = 125, most_per_s: float = 100.0) -> StagedRun:
    """Return an open run of 6 s whose consumers take less a second than is published."""
    run = StagedRun({"shop": ("publisher", "open"), "billing": ("consumer", "open")})
    run.records[0]["groups"]["billing"]["most"] = {
        "per_s": most_per_s,
        "text": f"1 user × 10 ms of work = {most_per_s:.0f}/s at most",
    }
    run.phase("measured", 0)
    for group in ("shop", "billing"):
        run.recorder().active(group, START_NS)
    instants: list[int] = []
    for second in range(6):
        seqs = range(second * published, (second + 1) * published)
        intended = run.publish("shop", seqs, second * NS_PER_S)
        run.confirm("shop", seqs, intended, NS_PER_MS)
        instants += intended.tolist()
        first = second * taken
        for seq in range(first, first + taken):
            read_ns = START_NS + second * NS_PER_S + (seq - first) * 10 * NS_PER_MS + 5 * NS_PER_MS
            delivery = run.recorder().delivery("billing", "orders")
            one = np.array([instants[seq]])
            delivery.delivered(0, np.array([seq]), one, np.array([0]), max(read_ns, instants[seq]), 1_000)
        run.broker(second * NS_PER_S + NS_PER_S // 2, {"queue.depth": float((published - taken) * second)})
        run.cut((second + 1) * NS_PER_S, "measured")
    run.left("orders", 6 * (published - taken))
    run.end(6 * NS_PER_S)
    return run


CASES: dict[str, Callable[[], StagedRun]] = {
    "disturbed": lambda: with_gauges(broker__cpu=0.5, machine__cpu=1.5),
    "generator-stalled": stopped,
    "generator-bound": busy,
    "worker-lost": lambda: gone("worker-replaced"),
    "connection-lost": lambda: with_event("connection-lost"),
    "outage": interrupted_by_the_broker,
    "broker-blocked-publishers": lambda: with_event("connection-blocked"),
    "messages-nacked": refused,
    "messages-returned": refused,
    "messages-discarded": lambda: discarded(delivery_limit=3, expired=2, maxlen=1),
    "broker-bound": saturated,
    "consumers-bound": overworked,
    "backlog-growing": growing,
    "lateness-high": late,
    "offered-not-achieved": short_of_offered,
    "unstable-over-time": slowing,
    "too-few-samples": flood,
    "beyond-histogram": lambda: odd_values(2 * 3_600 * NS_PER_S),
    "clock-offset": lambda: across(NS_PER_MS),
    "negative-latency": lambda: odd_values(-1),
    "messages-remaining": left_over,
    "windows-missing": hole,
    "in-doubt": in_doubt,
    "nothing-done": in_doubt,
    "books-unbalanced": unbalanced,
    "undelivered": undelivered,
    "unexpected-deliveries": unexpected,
    "foreign-messages": foreign,
    "broker-unsampled": lambda: with_event("broker-unsampled", "management API http://h: /api/nodes: 401 no"),
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
    """A report lists what disturbed a run, and what failed in it, before what came of that."""
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

    assert "it is queueing time: 500 and then 4,500 messages were ready in the run's queues" in texts[0]
    assert "were ready" not in texts[1]


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
    (outage,) = build_result(unrecovered().collector()).groups["shop"].outages or ()

    assert not outage.is_over
    assert (round(outage.start_s, 1), outage.end_s) == (0.1, 6.0)


def test_an_outage_in_which_nothing_could_be_sent_is_told() -> None:
    """Publishers that lost their connections for good publish nothing, and what fell due was due all the same."""
    run = StagedRun({"shop": ("publisher", "open")}, routes=[[]])
    run.phase("measured", 0)
    run.recorder().active("shop", START_NS)
    run.confirm("shop", range(100), run.publish("shop", range(100), 0), NS_PER_MS)
    run.cut(NS_PER_S, "measured")
    for second in (2, 3):
        run.recorder().publisher("shop", 0).offered(100)
        run.cut(second * NS_PER_S, "measured")
    run.end(3 * NS_PER_S)
    (outage,) = build_result(run.collector()).groups["shop"].outages or ()

    assert not outage.is_over
    assert (round(outage.start_s, 1), outage.end_s) == (0.1, 3.0)


def test_nothing_is_due_when_publishing_has_ended() -> None:
    """The last window may end later, as on a machine that is busy: the outage is no longer for that."""
    run = StagedRun({"shop": ("publisher", "open")}, routes=[[]])
    run.phase("measured", 0)
    run.recorder().active("shop", START_NS)
    run.confirm("shop", range(100), run.publish("shop", range(100), 0), NS_PER_MS)
    run.cut(NS_PER_S, "measured")
    run.recorder().publisher("shop", 0).offered(100)
    run.recorder().inactive("shop", START_NS + 2 * NS_PER_S)
    run.cut(3 * NS_PER_S, "measured")
    run.end(4 * NS_PER_S)
    (outage,) = build_result(run.collector()).groups["shop"].outages or ()

    assert not outage.is_over
    assert (round(outage.start_s, 1), outage.end_s) == (0.1, 2.0)


@pytest.mark.parametrize("is_stalled", [False, True], ids=["at work", "with a stall at the answer"])
def test_silences_that_meet_are_outages_of_their_own(is_stalled: bool) -> None:
    """What came between them, if read in one instant, ended the first: consumers that got something once a second."""
    run = StagedRun({"shop": ("publisher", "open"), "billing": ("consumer", "open")}, routes=[["orders"]])
    run.phase("measured", 0)
    intended = run.publish("shop", range(500), 0)
    run.confirm("shop", range(500), intended, NS_PER_MS)
    run.deliver("billing", range(1), intended[:1], NS_PER_MS)
    for second in (1, 2, 3):
        seqs = range(10 * second, 10 * second + 1)
        latency_ns = second * NS_PER_S - seqs[0] * NS_PER_MS
        run.deliver("billing", seqs, intended[seqs[0] : seqs[0] + 1], latency_ns)
    if is_stalled:
        read_ns = START_NS + 2 * NS_PER_S
        run.recorder().stalled(read_ns - 200 * NS_PER_MS, read_ns + 2 * NS_PER_MS)
    run.cut(4 * NS_PER_S, "measured")
    run.end(4 * NS_PER_S)
    outages = build_result(run.collector()).groups["billing"].outages or ()

    assert [(round(each.start_s, 1), round(each.end_s, 1)) for each in outages] == [(0.0, 1), (1, 2), (2, 3)]


def test_latencies_between_clocks_say_how_far_they_may_be_off() -> None:
    """Only those that begin on one host and end on another; the document has each process and its clock."""
    result = build_result(across(NS_PER_MS // 4).collector())

    assert result.groups["billing"].latency["end_to_end"].clock_bound_ns == NS_PER_MS // 4
    assert result.groups["shop"].latency["confirm"].clock_bound_ns is None
    assert [(part.worker, part.has_own_clock, part.offset_ns, part.bound_ns) for part in result.workers] == [
        ("worker-1", False, 0, 0),
        ("worker-2", True, 200_007, NS_PER_MS // 4),
    ]
    assert [part.drift_ppm for part in result.workers] == [None, 10.0]
    assert "clock-offset" not in [finding.code for finding in result.verdict.findings]


def test_a_run_on_one_host_has_nothing_off() -> None:
    """Where publishers and consumers share a clock, its offset against the leading process does not matter."""
    run = across(NS_PER_MS)
    for record in run.records:
        if record["type"] == "worker":
            record["clock"] = "there"
    result = build_result(run.collector())

    assert result.groups["billing"].latency["end_to_end"].clock_bound_ns is None


@pytest.mark.parametrize(
    "latency_ns, words",
    [(-NS_PER_MS // 2, "no value is further below"), (-3 * NS_PER_MS, "the smallest is -3.00 ms, though")],
    ids=["within", "beyond"],
)
def test_latencies_below_zero_are_held_against_the_bound(latency_ns: int, words: str) -> None:
    """Values that the clocks' uncertainty explains are told from those that it does not; all are in the count."""
    result = build_result(across(NS_PER_MS, latency_ns).collector())
    (found,) = [finding for finding in result.verdict.findings if finding.code == "negative-latency"]

    assert words in found.text
    assert found.value == 20
    assert result.groups["billing"].latency["end_to_end"].negative == 10


@pytest.mark.parametrize(
    "processes, machine, words",
    [
        (1, 1.1, "--processes 3: 2 of 4 cores are free"),
        (2, 2.5, "--processes 3: 1 of 4 core is free"),
        (3, 3.4, "Add workers on another host (docs/distributed.md): this one has no core left (3.4 of 4 in use)"),
        (2, None, "(--processes 3)"),
    ],
    ids=["one process", "two", "no core left", "not known"],
)
def test_a_busy_generator_is_told_how_many_processes(processes: int, machine: float | None, words: str) -> None:
    """As many more as cores are free; another host where none is."""
    run = StagedRun({"shop": ("publisher", "closed")}, routes=[[]])
    run.records[0]["generator"]["cores"] = 4
    run.phase("measured", 0)
    for number in range(processes):
        worker = f"worker-{number + 1}"
        if not number:
            run.confirm("shop", range(10), run.publish("shop", range(10), 0), NS_PER_MS)
        run.cut(NS_PER_S, "measured", worker=worker, cpu=0.99)
    if machine is not None:
        run.broker(NS_PER_S // 2, {"machine.cpu": machine})
    run.end(NS_PER_S)
    (found,) = [each for each in build_result(run.collector()).verdict.findings if each.code == "generator-bound"]

    assert words in found.text


def test_a_busy_generator_of_several_hosts_is_told_to_start_more_workers() -> None:
    """How many more each host has room for is not known there."""
    run = across(0)
    for record in run.records:
        if record["type"] == "window":
            record["gauges"]["cpu"] = 0.99
        elif record["type"] == "worker":
            record["host"] = record["worker"]
    (found,) = [each for each in build_result(run.collector()).verdict.findings if each.code == "generator-bound"]

    assert "Start more workers than the 2 on 2 hosts" in found.text


@pytest.mark.parametrize("code, exit_code", [("worker-replaced", 0), ("worker-lost", 4)])
def test_what_a_lost_worker_had_open_is_in_doubt_and_not_lost(code: str, exit_code: int) -> None:
    """What it published and nobody answered, or told of; and what it may have taken. The books balance."""
    result = build_result(gone(code).collector())
    totals = result.totals

    assert (totals.published, totals.confirmed, totals.in_doubt) == (13, 8, 5)
    assert (totals.lost, totals.vanished, totals.unpublished, totals.delivered) == (0, 4, 0, 9)
    assert result.ledger.imbalances == ()
    assert [(part.publisher, part.published, part.in_doubt) for part in result.ledger.publishers] == [
        (0, 13, 5),
        (1, 0, 0),
    ]
    assert result.groups["shop"].by_user == (13,)
    assert result.verdict.exit_code == exit_code


def test_what_is_published_after_a_loss_can_be_lost() -> None:
    """Only what was there by then may have been taken by who is gone."""
    run = gone("worker-replaced")
    end = run.records.pop()
    publisher = run.recorder("worker-2").publisher("shop", 1)
    intended = np.array([START_NS + 3 * NS_PER_S])
    publisher.published(0, intended, int(intended[0]), 5)
    publisher.confirmed(np.array([0]), intended, intended, int(intended[0]) + 5)
    run.cut(4 * NS_PER_S, "measured", worker="worker-2")
    run.records.append(end)

    assert build_result(run.collector()).totals.lost == 1


def text_of(run: StagedRun, code: str) -> str:
    """Return the text of a finding that a run has once."""
    (found,) = [each.text for each in build_result(run.collector()).verdict.findings if each.code == code]
    return found


@pytest.mark.parametrize(
    "counts, words",
    [
        ({"delivery_limit": 1}, "(limit 0): 1 at a delivery limit."),
        ({"expired": 2}, "(limit 0): 2 expired."),
        ({"maxlen": 3, "delivery_limit": 4}, "(limit 0): 4 at a delivery limit, 3 beyond the length of a queue."),
    ],
    ids=["delivery-limit", "expired", "two-rules"],
)
def test_what_rules_discarded_is_told_by_rule(counts: dict[str, int], words: str) -> None:
    """The finding counts what became of no dead letter, adds it up, and none of it is lost."""
    run = discarded(**counts)
    totals = build_result(run.collector()).totals

    assert words in text_of(run, "messages-discarded")
    assert (totals.lost, totals.remaining) == (0, 10 - sum(counts.values()))


@pytest.mark.parametrize("depths", [[0.0] * 6, [9.0, 9.0, 5.0, 5.0, 2.0, 2.0]], ids=["empty", "shrinking"])
def test_latency_that_grows_beside_queues_that_do_not_is_no_queueing_time(depths: list[float]) -> None:
    """Where the broker has no more ready than before, messages wait elsewhere."""
    run = growing()
    end = run.records.pop()
    for second, depth in enumerate(depths):
        run.broker(second * NS_PER_S, {"queue.depth": depth})
    run.records.append(end)

    assert "not in the queues, as" in text_of(run, "backlog-growing")


def test_a_generator_that_stood_still_is_no_outage_of_the_broker() -> None:
    """What was due while the process was stopped could not be sent or read by anybody."""
    result = build_result(stopped().collector())

    assert [group.outages for group in result.groups.values()] == [(), ()]
    assert "outage" not in codes(stopped())
    assert text_of(stopped(), "generator-stalled").startswith("the generator stood still once for 3.00 s")
    assert result.verdict.bound is not None
    assert result.verdict.bound.by == "generator"


def test_an_outage_beside_another_process_that_stood_still_is_one() -> None:
    """The process that waited for the broker was at work all the time."""
    found = codes(stopped("worker-2"))

    assert "outage" in found
    assert found.index("generator-stalled") < found.index("outage")
    assert "1 of 2 processes of the generator" in text_of(stopped("worker-2"), "generator-stalled")


@pytest.mark.parametrize("begin_s,is_shared", [(1, True), (3, True), (5, False)], ids=["same", "overlapping", "later"])
def test_an_outage_that_several_groups_see_is_told_as_one(begin_s: int, is_shared: bool) -> None:
    """A consumer's that overlaps the publisher's (from 1 to 4 s) says so; another says nothing of it."""
    run = StagedRun({"shop": ("publisher", "open"), "billing": ("consumer", "open")})
    run.phase("measured", 0)
    dues = run.publish("shop", range(8_000), 0)
    run.confirm("shop", range(1_000), dues[:1_000], NS_PER_MS)
    run.confirm("shop", range(1_000, 1_001), dues[1_000:1_001], 3 * NS_PER_S)
    run.deliver("billing", range(begin_s * 1_000), dues[: begin_s * 1_000], NS_PER_MS)
    place = begin_s * 1_000
    run.deliver("billing", range(place, place + 1), dues[place : place + 1], 3 * NS_PER_S)
    run.cut(8 * NS_PER_S, "measured")
    run.end(8 * NS_PER_S)
    findings = [each for each in build_result(run.collector()).verdict.findings if each.code == "outage"]

    assert [(each.group, round(each.value or 0)) for each in findings] == [("shop", 3), ("billing", 3)]
    assert [", when publisher `shop` was out, too." in each.text for each in findings] == [False, is_shared]


def test_refused_messages_have_their_shares() -> None:
    """How many of the group's messages, and what share."""
    assert "nacked 98 of the 100 messages of publisher `shop`, 98%" in text_of(refused(), "messages-nacked")
    assert "returned 90 of the 100 messages of publisher `shop`" in text_of(refused(), "messages-returned")


@pytest.mark.parametrize(
    "gauges, found",
    [
        ({"broker__cpu": 0.5, "machine__cpu": 1.45}, "other programs used 0.7 cores"),
        ({"broker__cpu": 0.5, "machine__cpu": 1.0}, None),
        ({"machine__cpu": 1.9}, None),
        ({"machine__throttled": 0.1}, "stopped by a quota of processor time for 100 ms of 1.00 s"),
        ({"machine__throttled": 0.001}, None),
        ({"machine__stolen": 0.2}, "10% of the processors' time went to other guests of the host"),
        ({"machine__stolen": 0.01}, None),
    ],
    ids=["others", "the kernel", "broker elsewhere", "quota", "quota hardly used", "steal", "hardly any steal"],
)
def test_a_run_says_what_disturbed_it(gauges: dict[str, float], found: str | None) -> None:
    """By the same limits as a comparison does, and first of all findings."""
    run = with_gauges(**gauges)

    assert (codes(run)[:1] == ["disturbed"]) == (found is not None)
    assert found is None or found in text_of(run, "disturbed").replace(" %", "%")


def test_processes_of_the_generator_are_no_strangers() -> None:
    """What all of them used is the generator's, not only what the busiest did."""
    run = StagedRun({"shop": ("publisher", "closed")}, routes=[[]])
    run.phase("measured", 0)
    run.confirm("shop", range(10), run.publish("shop", range(10), 0), NS_PER_MS)
    for worker in ("worker-1", "worker-2"):
        run.cut(NS_PER_S, "measured", worker=worker, cpu=0.6)
    run.broker(NS_PER_S // 2, {"broker.cpu": 0.5, "machine.cpu": 1.8})
    run.end(NS_PER_S)

    assert "disturbed" not in codes(run)


def test_lateness_on_a_full_machine_says_so() -> None:
    """Others and the machine are named where they are the reason."""
    run = late()
    end = run.records.pop()
    run.broker(NS_PER_S // 2, {"broker.cpu": 0.5, "machine.cpu": 1.9})
    run.records.append(end)

    assert "the machine had no processor time left, and other programs used" in text_of(run, "lateness-high")
    assert text_of(run, "lateness-high").startswith("publisher `shop` sent late")


def waiting(after: str | None, start_at_ns: int) -> StagedRun:
    """Return a run that was over before the turn of its consumer came; 10 messages are left."""
    run = StagedRun({"fill": ("publisher", "closed"), "drain": ("consumer", "closed")})
    run.records[0]["groups"]["drain"] |= {"after": after, "start_at_ns": start_at_ns}
    run.phase("measured", 0)
    run.recorder().active("fill", START_NS)
    run.confirm("fill", range(10), run.publish("fill", range(10), 0), NS_PER_MS)
    run.cut(NS_PER_S, "measured")
    run.left("orders", 10)
    run.end(NS_PER_S)
    return run


@pytest.mark.parametrize(
    "after, start_at_ns, why, next_step",
    [
        (
            "fill",
            0,
            "consumer drain: its turn never came, as it begins when `fill` is done, and the run was over before that",
            "Run for longer, or give `fill` less to do",
        ),
        ("fill", 3 * NS_PER_S, "begins when `fill` is done, and 3.00 s past that", "Run for longer, or give `fill`"),
        (None, 3 * NS_PER_S, "the run was over before 3.00 s", "Run for longer than the 3.00 s after which `drain`"),
    ],
    ids=["after", "after and later", "later"],
)
def test_a_group_whose_turn_never_came_says_so(after: str | None, start_at_ns: int, why: str, next_step: str) -> None:
    """There is no event to see, and neither a longer drain nor more consumers would have helped."""
    found = {each.code: each for each in build_result(waiting(after, start_at_ns).collector()).verdict.findings}

    assert why in found["nothing-done"].text
    assert found["nothing-done"].next_step.startswith(next_step)
    assert found["messages-remaining"].next_step.startswith(next_step)


def test_a_group_that_had_its_turn_is_not_said_to_have_waited() -> None:
    """What was at work and took nothing is told as before."""
    run = waiting("fill", 0)
    run.records[0]["groups"]["drain"] |= {"after": None}
    found = {each.code: each for each in build_result(run.collector()).verdict.findings}

    assert "turn" not in found["nothing-done"].text
    assert "run.drain" in found["messages-remaining"].next_step

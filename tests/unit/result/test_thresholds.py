from __future__ import annotations

import pytest

from loadtest.result.run.build import build_result
from loadtest.result.run.document import CheckPart
from tests.unit.result.staged_run import START_NS, StagedRun, flood, orders


def check(run: StagedRun) -> CheckPart:
    """Return the only check of a run."""
    (only,) = build_result(run.collector()).verdict.checks
    return only


@pytest.mark.parametrize(
    "threshold,value,limit,ok",
    [
        ("shop.confirm.p99 < 20ms", "3.00 ms", "< 20.0 ms", True),
        ("shop.confirm.p99 < 3ms", "3.00 ms", "< 3.00 ms", False),
        ("shop.confirm.mean <= 3ms", "3.00 ms", "<= 3.00 ms", True),
        ("shop.confirm.max < 1us", "3.00 ms", "< 1.00 µs", False),
        ("shop.lateness.min > 39us", "40.0 µs", "> 39.0 µs", True),
        ("billing.end_to_end.p12.5 < 10ms", "5.00 ms", "< 10.0 ms", True),
        ("published_rate >= 999/s", "1,000/s", ">= 999/s", True),
        ("billing.delivered_rate > 1000/s", "1,000/s", "> 1,000/s", False),
        ("published_rate >= 99.9% of offered", "1,000/s (100% of offered)", ">= 99.9% of 1,000/s offered", True),
        ("billing.delivered_rate >= 99% of offered", "1,000/s (100% of offered)", ">= 99% of 1,000/s offered", True),
        ("lost == 0", "0", "== 0", True),
        ("shop.published >= 5000", "4,000", ">= 5,000", False),
        ("billing.duplicates == 0", "0", "== 0", True),
        ("shop.confirm.count == 3000", "3,000", "== 3,000", True),
        ("shop.confirm.count >= 3001", "3,000", ">= 3,001", False),
        ("shop.confirm.count == 1000 in warm_up", "1,000", "== 1,000", True),
        ("billing.end_to_end.p50 > 4ms in warm_up", "5.00 ms", "> 4.00 ms", True),
        ("published == 4000", "4,000", "== 4,000", True),
        ("published == 3000 in measured", "3,000", "== 3,000", True),
        ("shop.published == 1000 in warm_up", "1,000", "== 1,000", True),
        ("billing.delivered_rate == 1000/s in warm_up", "1,000/s", "== 1,000/s", True),
        ("generator.cpu.max < 25.1%", "25%", "< 25.1%", True),
        ("generator.cpu.mean < 0.25 cores", "25%", "< 25%", False),
        ("generator.cpu.p50 <= 1.5 cores in run", "25%", "<= 1.5 cores", True),
        ("shop.outstanding.max == 0", "0", "== 0", True),
    ],
)
def test_check_has_value_and_limit_with_units(threshold: str, value: str, limit: str, ok: bool) -> None:
    """A check shows what came beside what was asked for, and is judged by the exact numbers."""
    judged = check(orders(thresholds=[threshold]))

    assert (judged.check, judged.value, judged.limit, judged.ok) == (threshold, value, limit, ok)


@pytest.mark.parametrize(
    "threshold,reason",
    [
        ("flood.lateness.p99 < 1ms", "flood.lateness has no values in the measured part"),
        ("nobody.confirm.p99 < 1ms", "the run had no group nobody"),
        ("offered_rate > 1/s", "offered_rate has no value"),
        ("published_rate >= 99% of offered", "nothing was offered"),
        ("broker.memory.max < 1GB", "broker.memory was not read in the measured part"),
        ("queue.depth/orders.max < 1 in run", "queue.depth/orders was not read in the run"),
        ("flood.confirm.p50 < 1ms in warm_up", "flood.confirm has no values in the warm-up"),
        ("flood.confirm.p50 < 1ms in stage 2", "flood.confirm has no values in stage 2"),
        ("flood.published_rate > 1/s in stage 1", "flood was not active in stage 1"),
    ],
)
def test_check_that_cannot_be_evaluated_has_failed_and_says_why(threshold: str, reason: str) -> None:
    """A metric without a value is no ground to pass."""
    judged = check(flood(thresholds=[threshold]))

    assert (judged.value, judged.ok) == (None, False)
    assert judged.note is not None
    assert reason in judged.note


@pytest.mark.parametrize(
    "messages,stat,is_marked",
    [(999, "p99", True), (1_000, "p99", False), (9_999, "p99.9", True), (10_000, "p99.9", False), (10, "max", False)],
)
def test_percentile_of_too_few_values_has_failed_and_says_so(messages: int, stat: str, is_marked: bool) -> None:
    """p99 needs 1,000 values and p99.9 needs 10,000; with fewer its value is shown and proves nothing."""
    judged = check(flood(messages, thresholds=[f"flood.confirm.{stat} < 20ms"]))

    assert judged.value == "2.00 ms"
    assert judged.ok is not is_marked
    assert (judged.note is not None) is is_marked


def test_group_without_a_rate_is_left_out_of_a_share_of_offered() -> None:
    """A closed group offers nothing, so what it published does not make up for what an open one failed to."""
    run = StagedRun({"paced": ("publisher", "open"), "bulk": ("publisher", "closed")}, routes=[[]], confirms=False)
    recorder = run.recorder()
    run.phase("measured", 0)
    for group in ("paced", "bulk"):
        recorder.active(group, 5_000 * 10**9)
    run.publish("bulk", range(900), 0)
    paced = recorder.publisher("paced", 0)
    paced.offered(100)
    paced.published(0, [5_000 * 10**9] * 50, 5_000 * 10**9, 50)
    run.records[0]["scenario"]["thresholds"] = ["published_rate >= 99% of offered"]
    run.cut(10**9, "measured")
    run.end(10**9)

    assert check(run).value == "50/s (50% of offered)"


def ramped() -> StagedRun:
    """Return three seconds of 100, 200 and 300 messages a second, the stages of which end at 1 s and 3 s."""
    run = StagedRun(
        {"shop": ("publisher", "open"), "billing": ("consumer", "open")}, stages=[(0, 10**9), (10**9, 3 * 10**9)]
    )
    run.phase("measured", 0)
    for group in ("shop", "billing"):
        run.recorder().active(group, START_NS)
    for second, (first, last) in enumerate([(0, 100), (100, 300), (300, 600)]):
        latency_ns = (second + 1) * 10**6
        intended = run.publish("shop", range(first, last), second * 10**9)
        run.confirm("shop", range(first, last), intended, latency_ns)
        run.deliver("billing", range(first, last), intended, 2 * latency_ns)
        run.broker(second * 10**9 + 5, {"broker.memory_bytes": (second + 1) * 1e8, "queue.depth/orders": 7.0})
        run.cut((second + 1) * 10**9, "measured")
    run.phase("drain", 3 * 10**9)
    run.broker(3 * 10**9 + 5, {"broker.memory_bytes": 9e8})
    run.end(4 * 10**9)
    return run


@pytest.mark.parametrize(
    "threshold,value",
    [
        ("shop.confirm.max < 1s in stage 1", "1.00 ms"),
        ("shop.confirm.max < 1s in stage 2", "3.00 ms"),
        ("billing.end_to_end.min < 1s in stage 2", "4.00 ms"),
        ("billing.end_to_end.min < 1s", "2.00 ms"),
        ("shop.published_rate > 1/s in stage 1", "100/s"),
        ("published_rate >= 99% of offered in stage 2", "250/s (100% of offered)"),
        ("shop.published >= 1 in stage 2", "500"),
        ("shop.confirm.count >= 1 in stage 2", "500"),
        ("broker.memory.max < 1GB in stage 1", "100 MB"),
        ("broker.memory.min < 1GB in stage 2", "200 MB"),
        ("broker.memory.max < 1GB", "300 MB"),
        ("broker.memory.max < 1GB in run", "900 MB"),
        ("queue.depth/orders.mean < 8", "7"),
    ],
)
def test_a_stage_is_looked_at_alone(threshold: str, value: str) -> None:
    """What happened in a stage's seconds, and what was read in them, is judged without the rest."""
    run = ramped()
    run.records[0]["scenario"]["thresholds"] = [threshold]
    judged = check(run)

    assert (judged.value, judged.ok, judged.note) == (value, True, None)


@pytest.mark.parametrize("stat,ok", [("p50", True), ("p66", True), ("p67", False), ("p95", False), ("p100", True)])
def test_percentile_of_a_gauge_is_not_its_maximum(stat: str, ok: bool) -> None:
    """Three readings have a p66 that is not the highest of them, and no p67."""
    run = ramped()
    run.records[0]["scenario"]["thresholds"] = [f"broker.memory.{stat} < 1TB"]
    judged = check(run)

    assert judged.ok is ok
    assert (judged.note is None) is ok

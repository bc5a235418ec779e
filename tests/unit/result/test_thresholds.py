from __future__ import annotations

import pytest

from loadtest.result.build import build_result
from loadtest.result.document import CheckPart
from tests.unit.result.staged_run import StagedRun, flood, orders


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
def test_percentile_of_too_few_values_is_marked_and_still_judged(messages: int, stat: str, is_marked: bool) -> None:
    """p99 needs 1,000 values and p99.9 needs 10,000; with fewer the check holds or fails all the same."""
    judged = check(flood(messages, thresholds=[f"flood.confirm.{stat} < 20ms"]))

    assert judged.ok is True
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

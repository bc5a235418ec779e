"""A run that goes on, looked at by the thresholds that abort it."""

from __future__ import annotations

import pytest

from loadtest.measure import Collector
from loadtest.result.run.build import build_result
from loadtest.result.run.live_checks import Watch, checks_so_far
from loadtest.scenario import Threshold
from loadtest.scenario.grammar.threshold import ThresholdEntry, parse_threshold
from tests.unit.result.staged_run import START_NS, StagedRun, orders

S = 10**9


def aborting(check: str, after: str = "0s") -> Threshold:
    """Return a threshold that ends a run."""
    return ThresholdEntry.model_validate({"check": check, "abort": True, "after": after}).threshold()


def so_far(run: StagedRun, windows: int) -> Collector:
    """Return a collector that has taken the records of a run up to so many windows."""
    collector = Collector()
    for record in run.records:
        collector.take(record)
        windows -= record["type"] == "window"
        if not windows:
            break
    return collector


@pytest.mark.parametrize(
    "check,value",
    [
        ("shop.confirm.p50 < 1ms", "3.00 ms"),
        ("shop.confirm.p99 < 1ms", "3.00 ms"),
        ("shop.confirm.p50 < 20ms", None),
        ("published_rate >= 101% of offered", "1,000/s (100% of offered)"),
        ("published_rate >= 99% of offered", None),
        ("billing.delivered_rate > 2000/s", "1,000/s"),
        ("published < 2000", "2,000"),
        ("published < 2000 in measured", None),
        ("nacked == 0", None),
        ("generator.cpu.max < 20%", "25%"),
        ("generator.cpu.max < 20% in run", "25%"),
        ("generator.cpu.max < 30%", None),
    ],
)
def test_a_run_is_hopeless_once_a_check_does_not_hold(check: str, value: str | None) -> None:
    """After a second of the measured part the figures so far are judged as those of a run that is over."""
    watch = Watch([aborting(check)], so_far(orders(), 2))
    hopeless = watch.hopeless(START_NS + 2 * S)

    assert (None if hopeless is None else hopeless.value) == value


@pytest.mark.parametrize(
    "check", ["shop.confirm.p99.9 < 1ms", "broker.memory.max < 1B", "generator.cpu.p95 < 1%", "nobody.nacked < 0"]
)
def test_what_is_not_known_yet_ends_nothing(check: str) -> None:
    """Too few values, no reading, no such group: at the end of a run they fail, on the way they may still come."""
    assert Watch([aborting(check)], so_far(orders(), 2)).hopeless(START_NS + 2 * S) is None


@pytest.mark.parametrize("after,at_s,is_hopeless", [("1s", 1.9, False), ("1s", 2.0, True), ("3s", 3.9, False)])
def test_a_run_is_given_its_time(after: str, at_s: float, is_hopeless: bool) -> None:
    """`after` counts from the begin of the measured part, a second after the start here."""
    watch = Watch([aborting("shop.confirm.p50 < 1ms", after)], so_far(orders(), 2))

    assert (watch.hopeless(START_NS + int(at_s * S)) is not None) is is_hopeless


def test_nothing_is_hopeless_in_the_warm_up() -> None:
    """Before the measured part there is nothing to judge."""
    assert Watch([aborting("shop.confirm.p50 < 1ms")], so_far(orders(), 1)).hopeless(START_NS + S) is None


def test_other_thresholds_end_nothing() -> None:
    """Only those that say so abort."""
    entry = ThresholdEntry.model_validate({"check": "shop.confirm.p50 < 1ms"})

    assert Watch([entry.threshold()], so_far(orders(), 2)).hopeless(START_NS + 2 * S) is None


def test_a_run_that_was_ended_early_has_failed() -> None:
    """The event says by what; losses, which are known after the full drain, go before it."""
    run = orders(thresholds=["shop.confirm.p50 < 20ms"])
    run.records.insert(-1, {"type": "event", "at_ns": START_NS + 2 * S, "code": "aborted", "text": "p50 came to 3 s"})
    run.records[-1] |= {"complete": False, "reason": "p50 came to 3 s"}
    verdict = build_result(run.collector()).verdict

    assert (verdict.outcome, verdict.exit_code) == ("fail", 1)
    assert verdict.reason == "the run was ended early, 2.00 s after its start: p50 came to 3 s"


@pytest.mark.parametrize(
    "check,state,value",
    [
        ("shop.confirm.p50 < 20ms", "ok", "3.00 ms"),
        ("shop.confirm.p50 < 1ms", "failing", "3.00 ms"),
        ("shop.confirm.p50 < 1ms in warm_up", "failing", "3.00 ms"),
        ("shop.confirm.p99.9 < 1ms", "open", "3.00 ms"),
        ("published_rate >= 99% of offered", "ok", "1,000/s (100% of offered)"),
        ("published_rate >= 99% of offered in stage 1", "ok", "1,000/s (100% of offered)"),
        ("published == 2000", "ok", "2,000"),
        ("nacked == 0", "ok", "0"),
        ("lost == 0", "open", None),
        ("duplicates == 0", "open", None),
        ("broker.memory.max < 1B", "open", None),
        ("generator.cpu.max < 20%", "failing", "25%"),
    ],
)
def test_how_a_check_stands_so_far(check: str, state: str, value: str | None) -> None:
    """What nobody can tell yet is open, neither ok nor failing."""
    (so_far_,) = checks_so_far([parse_threshold(check)], so_far(orders(stages=[(0, 2 * S), (2 * S, 4 * S)]), 2))

    assert (so_far_.state, so_far_.check.value) == (state, value)
    assert (so_far_.check.note is not None) is (state == "open")

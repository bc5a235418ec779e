from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from loadtest.clock import NS_PER_S
from loadtest.result.run.build import build_result
from tests.unit.result.staged_run import START_NS, StagedRun, flood, orders, unrecovered


def with_event(run: StagedRun, code: str, text: str = "it said so") -> StagedRun:
    """Return *run* with an event at its begin."""
    run.records.insert(1, {"type": "event", "at_ns": START_NS, "code": code, "text": text})
    return run


def without_end(run: StagedRun) -> StagedRun:
    """Return *run* as a kill -9 leaves it."""
    del run.records[-1]
    return run


def ended_early(reason: str) -> StagedRun:
    """Return a flood whose end record says that not all was done."""
    run = flood()
    run.records[-1] |= {"complete": False, "reason": reason}
    return run


def with_gap() -> StagedRun:
    """Return a run of which a window never arrived."""
    run = orders()
    second = [record for record in run.records if record["type"] == "window"][1]
    run.records.remove(second)
    return run


def nothing() -> StagedRun:
    """Return a run that moved no message."""
    run = StagedRun({"taker": ("getter", "closed")}, thresholds=["lost == 0"])
    run.phase("measured", 0)
    run.recorder().delivery("taker", "orders").get_empty(1_000, START_NS)
    run.cut(NS_PER_S, "measured")
    run.end(NS_PER_S)
    return run


def only_warm_up() -> StagedRun:
    """Return a run whose measured part is empty."""
    run = orders(seconds=1)
    run.phase("measured", NS_PER_S)
    return run


def corrupted() -> StagedRun:
    """Return a run in which a body changed on its way."""
    run = StagedRun({"shop": ("publisher", "closed"), "billing": ("consumer", "closed")})
    run.phase("measured", 0)
    intended = run.publish("shop", range(1), 0)
    run.confirm("shop", range(1), intended, 1_000)
    run.deliver("billing", range(1), intended, 1_000)
    run.recorder().delivery("billing", "orders").corrupted(0, np.array([0]))
    run.cut(NS_PER_S, "measured")
    run.end(NS_PER_S)
    return run


def unanswered(confirmed: int = 0) -> StagedRun:
    """Return a run of 1,000 publishes of which so many were confirmed, and the rest is in doubt."""
    run = StagedRun({"shop": ("publisher", "closed"), "billing": ("consumer", "closed")})
    run.phase("measured", 0)
    intended = run.publish("shop", range(1_000), 0)
    if confirmed:
        run.confirm("shop", range(confirmed), intended[:confirmed], 1_000)
        run.deliver("billing", range(confirmed), intended[:confirmed], 1_000)
    run.recorder().publisher("shop", 0).in_doubt(range(confirmed, 1_000), START_NS, START_NS)
    run.cut(NS_PER_S, "measured")
    run.end(NS_PER_S)
    return run


def blocked_throughout(blocked_s: float) -> StagedRun:
    """Return a run without confirms whose publisher was blocked for so long, of one second, and nothing was taken."""
    run = StagedRun({"shop": ("publisher", "closed"), "billing": ("consumer", "closed")}, confirms=False)
    run.phase("measured", 0)
    run.recorder().active("shop", START_NS)
    run.publish("shop", range(1_000), 0)
    run.recorder().inactive("shop", START_NS + NS_PER_S)
    run.cut(NS_PER_S, "measured")
    blocked_ns = int(blocked_s * NS_PER_S)
    run.records.append({"type": "users", "worker": "worker-1", "taken": {}, "blocked": [[0, blocked_ns]]})
    run.end(NS_PER_S)
    return with_event(run, "connection-blocked", "low on memory")


CASES: dict[str, tuple[Callable[[], StagedRun], str, int, str]] = {
    "passed": (
        lambda: flood(thresholds=["lost == 0"]),
        "pass",
        0,
        "1 of 1 threshold holds; 1,000 published, 1,000 got, 0 lost",
    ),
    "no thresholds": (flood, "pass", 0, "no thresholds were set; 1,000 published, 1,000 got, 0 lost"),
    "threshold failed": (
        lambda: flood(thresholds=["got > 1000", "lost == 0"]),
        "fail",
        1,
        "1 of 2 thresholds failed: got > 1000 came to 1,000",
    ),
    "lost": (
        lambda: flood(lose=1),
        "fail",
        1,
        "1 message was confirmed by the broker and neither delivered nor left in a queue",
    ),
    "corrupted": (corrupted, "fail", 1, "1 message was delivered with another body than was sent"),
    "broker gone": (
        lambda: with_event(flood(), "connection-lost"),
        "error",
        3,
        "the run lost the broker: it said so",
    ),
    "refused": (
        lambda: with_event(flood(), "operation-refused", "publisher in: 403"),
        "error",
        3,
        "the broker refused what the run needs: publisher in: 403",
    ),
    "no progress": (
        lambda: with_event(flood(), "no-progress", "publisher in: nothing done"),
        "error",
        3,
        "the run got no further: publisher in: nothing done",
    ),
    "no confirm": (
        lambda: with_event(unanswered(), "connection-dropped"),
        "nothing-measured",
        4,
        "publisher shop: 0 of 1,000 messages confirmed",
    ),
    "no confirm, blocked": (
        lambda: with_event(unanswered(), "connection-blocked", "low on memory"),
        "nothing-measured",
        4,
        "publisher shop: 0 of 1,000 messages confirmed; the broker blocked connections: low on memory",
    ),
    "blocked throughout": (
        lambda: blocked_throughout(0.95),
        "nothing-measured",
        4,
        "nothing that was published is known to have reached the broker; the broker blocked connections: low on memory",
    ),
    "blocked for a while": (
        lambda: blocked_throughout(0.5),
        "pass",
        0,
        "no thresholds were set; 1,000 published, 0 lost",
    ),
    "in doubt and no outage": (
        lambda: unanswered(900),
        "fail",
        1,
        "100 messages were in doubt: no confirm came, though no connection was lost or blocked",
    ),
    "in doubt by an outage": (
        lambda: with_event(unanswered(900), "connection-dropped"),
        "pass",
        0,
        "no thresholds were set; 1,000 published, 900 delivered, 0 lost",
    ),
    "blocked until the end": (
        lambda: with_event(unrecovered(), "connection-blocked", "shop/1: low on memory"),
        "error",
        3,
        (
            "publisher shop got no confirm for the last 5.90 s, from 100 ms after the start on; the broker blocked "
            "connections: shop/1: low on memory"
        ),
    ),
    "lost wins over broker gone": (
        lambda: with_event(flood(lose=2), "connection-lost"),
        "fail",
        1,
        (
            "2 messages were confirmed by the broker and neither delivered nor left in a queue, "
            "and the run lost the broker: it said so"
        ),
    ),
    "nothing measured": (
        nothing,
        "nothing-measured",
        4,
        "no message was published, delivered or got; 1 Get-Empty",
    ),
    "only warm-up": (
        only_warm_up,
        "nothing-measured",
        4,
        "no message fell into the measured part; all were in the warm-up or the drain",
    ),
    "cut off": (
        lambda: without_end(flood(lose=2)),
        "inconclusive",
        4,
        "the run was cut off: its journal has no end record, and what was in flight cannot be accounted for",
    ),
    "window missing": (
        with_gap,
        "inconclusive",
        4,
        "1 of the workers' windows never arrived; what was in them is unknown",
    ),
    "not all done": (
        lambda: ended_early("2 of 3 users could connect"),
        "inconclusive",
        4,
        "the run is incomplete: 2 of 3 users could connect",
    ),
    "journal failed": (
        lambda: with_event(flood(), "journal-failed", "No space left on device"),
        "inconclusive",
        4,
        "the results on disk are incomplete: No space left on device",
    ),
    "interrupted, as the end record says": (
        lambda: ended_early("interrupted"),
        "inconclusive",
        130,
        "the run was interrupted; the figures are of the part that ran",
    ),
    "interrupted": (
        lambda: with_event(flood(lose=2), "interrupted"),
        "inconclusive",
        130,
        "the run was interrupted; the figures are of the part that ran",
    ),
}


@pytest.mark.parametrize("make,outcome,exit_code,reason", CASES.values(), ids=CASES.keys())
def test_first_rule_that_applies_gives_the_verdict(
    make: Callable[[], StagedRun], outcome: str, exit_code: int, reason: str
) -> None:
    """Each ending has its outcome, its exit code and a sentence that explains it."""
    verdict = build_result(make().collector()).verdict

    assert (verdict.outcome, verdict.exit_code, verdict.reason) == (outcome, exit_code, reason)


@pytest.mark.parametrize("make", [case[0] for case in CASES.values()], ids=CASES.keys())
def test_run_without_measured_messages_never_passes(make: Callable[[], StagedRun]) -> None:
    """Whatever else a run did, a pass has messages behind it."""
    result = build_result(make().collector())

    assert result.verdict.outcome != "pass" or result.totals.published + result.totals.delivered + result.totals.got > 0


def test_foreign_messages_alone_can_pass() -> None:
    """A consumer of what others publish measures their messages."""
    run = StagedRun({"billing": ("consumer", "open")})
    run.phase("measured", 0)
    run.recorder().delivery("billing", "orders").foreign(5, 60)
    run.cut(NS_PER_S, "measured")
    run.end(NS_PER_S)

    assert build_result(run.collector()).verdict.reason == "no thresholds were set; 5 delivered, 0 lost"


def test_lost_has_no_value_where_routes_cannot_be_known() -> None:
    """What was confirmed and never seen may be lost, or in a queue that nobody of the run knows."""
    run = StagedRun({"shop": ("publisher", "closed")}, routes=None, thresholds=["lost == 0"])
    run.phase("measured", 0)
    intended = run.publish("shop", range(10), 0)
    run.confirm("shop", range(10), intended, 1_000)
    run.cut(NS_PER_S, "measured")
    run.end(NS_PER_S)
    result = build_result(run.collector())

    assert (result.verdict.exit_code, result.ledger.unrouted, result.totals.lost) == (1, 10, 0)
    assert "not known for 10 messages" in result.verdict.reason

"""What bounded a run: the rules of docs/method.md, case by case, and nothing guessed."""

from __future__ import annotations

from typing import Any

import pytest

from loadtest.clock import NS_PER_MS, NS_PER_S
from loadtest.result.run.build import build_result
from loadtest.result.run.document import BoundPart
from tests.unit.result.staged_run import START_NS, StagedRun, orders
from tests.unit.result.test_findings import interrupted_by_the_broker, overworked

CALIBRATION = {
    "measured_at": "2026-03-01T12:00:00+00:00",
    "works": {name: {"messages_per_s": 1_000.0} for name in ("publish", "confirm", "consume")},
}


def bound_of(
    *,
    cpu: float,
    broker: float | None = None,
    machine: float | None = None,
    offered: int | None = None,
    messages: int = 100,
    calibration: Any = None,
    seconds: int = 2,
) -> BoundPart | None:
    """Return what bounded a run of *messages* a second, of which each had its row of gauges."""
    model: Any = "closed" if offered is None else "open"
    run = StagedRun({"shop": ("publisher", model), "billing": ("consumer", model)})
    run.records[0]["generator"] |= {"calibration": calibration}
    run.phase("measured", 0)
    run.recorder().active("shop", START_NS)
    run.recorder().active("billing", START_NS)
    for second in range(seconds):
        seqs = range(second * messages, (second + 1) * messages)
        intended = run.publish("shop", seqs, second * NS_PER_S)
        run.confirm("shop", seqs, intended, NS_PER_MS)
        run.deliver("billing", seqs, intended, NS_PER_MS)
        if offered is not None:
            run.recorder().publisher("shop", 0).offered(offered - messages)
        run.cut((second + 1) * NS_PER_S, "measured", cpu=cpu)
        gauges = {"broker.cpu": broker, "machine.cpu": machine}
        known = {name: value for name, value in gauges.items() if value is not None}
        run.broker(second * NS_PER_S + NS_PER_S // 2, known)
    run.end(seconds * NS_PER_S)
    return build_result(run.collector()).verdict.bound


@pytest.mark.parametrize(
    "seen, by",
    [
        ({"cpu": 0.97, "broker": 0.9, "machine": 1.95}, "generator"),
        ({"cpu": 0.97, "offered": 100}, "generator"),
        ({"cpu": 0.2, "broker": 1.7, "machine": 1.95}, "broker"),
        ({"cpu": 0.2, "broker": 1.7, "machine": 1.95, "offered": 150}, "broker"),
        ({"cpu": 0.2, "broker": 0.5, "machine": 1.95}, "machine"),
        ({"cpu": 0.2, "broker": 0.5, "machine": 0.8, "offered": 100}, "schedule"),
        ({"cpu": 0.2, "broker": 1.7, "machine": 1.95, "offered": 100}, "machine"),
        ({"cpu": 0.2, "machine": 1.95, "offered": 100}, "machine"),
        ({"cpu": 0.2, "broker": 0.1, "machine": 1.9, "offered": 100}, "machine"),
        ({"cpu": 0.2, "broker": 1.0, "machine": 1.2}, "unknown"),
        ({"cpu": 0.2}, "unknown"),
        ({"cpu": 0.2, "machine": 1.95}, "unknown"),
        ({"cpu": 0.2, "calibration": CALIBRATION}, "broker"),
        ({"cpu": 0.2, "calibration": CALIBRATION, "messages": 400}, "unknown"),
        ({"cpu": 0.2, "calibration": {"works": {"publish": {"messages_per_s": 9.0}}}}, "unknown"),
    ],
    ids=[
        "a process without time",
        "a process without time, on schedule",
        "the broker took the machine",
        "the broker took the machine, schedule missed",
        "others took the machine",
        "as asked",
        "as asked on a full machine",
        "as asked on a full machine, broker elsewhere",
        "as asked on a machine that others fill",
        "time left",
        "broker elsewhere",
        "broker elsewhere, machine full",
        "a fifth of what the generator can do",
        "four fifths of what the generator can do",
        "a calibration of something else",
    ],
)
def test_rules(seen: dict[str, Any], by: str) -> None:
    """Each case has its answer, in a sentence with the figures that it rests on."""
    bound = bound_of(**seen)

    assert bound is not None
    assert bound.by == by
    assert f"busiest process {seen['cpu']:.2f}" in bound.text
    assert (bound.broker_cores, bound.machine_cores) == (seen.get("broker"), seen.get("machine"))


def test_share_of_the_calibrated_rate_counts_all_that_was_done() -> None:
    """100 messages published with confirms and 100 taken are a fifth of a second at 1,000 a second each."""
    bound = bound_of(cpu=0.2, calibration=CALIBRATION)

    assert bound is not None
    assert bound.share_of_calibrated == pytest.approx(0.2)


def test_too_little_to_tell() -> None:
    """A run without messages, or shorter than a second, has no answer."""
    assert bound_of(cpu=0.97, messages=0) is None
    assert bound_of(cpu=0.97, seconds=0) is None


def test_a_document_of_before_has_none() -> None:
    """A run whose records say nothing of processor time is not judged."""
    run = StagedRun({"shop": ("publisher", "closed")}, routes=[[]])
    run.phase("measured", 0)
    run.confirm("shop", range(10), run.publish("shop", range(10), 0), NS_PER_MS)
    run.cut(2 * NS_PER_S, "measured")
    run.end(2 * NS_PER_S)
    for record in run.records:
        record.pop("gauges", None) if record["type"] != "window" else record["gauges"].clear()

    assert build_result(run.collector()).verdict.bound is None


def judged(run: StagedRun) -> BoundPart:
    """Return what bounded a run that measured enough to tell."""
    bound = build_result(run.collector()).verdict.bound
    assert bound is not None
    return bound


def test_consumers_that_could_do_no_more_are_the_limit() -> None:
    """Their busy share and the arithmetic are in the sentence."""
    bound = judged(overworked())

    assert bound.by == "consumers"
    assert "consumer `billing` was busy 91% of its time: 1 user × 10 ms of work = 100/s at most" in bound.text


@pytest.mark.parametrize(
    "taken, published, most, by",
    [
        (75, 125, 100.0, "consumers"),
        (75, 75, 100.0, "schedule"),
        (60, 125, 100.0, "unknown"),
        (92, 92, 100.0, "consumers"),
    ],
    ids=[
        "three quarters and a backlog",
        "three quarters and none",
        "idle beside a backlog",
        "nearly all of their time",
    ],
)
def test_when_consumers_are_busy(taken: int, published: int, most: float, by: str) -> None:
    """Less than nine tenths of their time is enough where messages pile up at the same time."""
    assert judged(overworked(taken, published, most)).by == by


def test_an_outage_is_named() -> None:
    """A run of which most was an outage was not on schedule all the time."""
    bound = judged(interrupted_by_the_broker())

    assert bound.by == "outage"
    assert "publisher `shop` got no confirm for 3.00 s" in bound.text


def test_a_failed_threshold_forbids_to_say_that_nobody_was_at_a_limit() -> None:
    """Something was, even if no figure shows what."""
    bound = judged(orders(thresholds=["shop.confirm.max < 1ms"]))

    assert bound.by == "unknown"
    assert "1 of 1 threshold failed" in bound.text
    assert judged(orders()).by == "schedule"

"""What a scenario's own numbers say: users ÷ work against what is published to their queues."""

from __future__ import annotations

import pytest

from loadtest.scenario import Plan, build_plan, load_scenario
from loadtest.scenario.checks.arithmetic import most_of, warnings

SCENARIO = """
name: arithmetic
topology:
  exchanges: {x: {type: fanout}}
  queues: {a: {}, b: {}}
  bindings: [{exchange: x, queue: a}, {exchange: x, queue: b}]
publishers:
  in: {users: 5, EXCHANGE, body: {size: 9B}, RATE}
TAKERS
run: {duration: 10s}
"""
TO_A = 'exchange: "", routing_key: a'
WORK = "consumers: {worker: {users: 4, queue: a, prefetch: 20, ack: every 1, processing_time: 10ms}}"


def plan_of(takers: str = WORK, rate: str = "rate: 500/s", exchange: str = TO_A) -> Plan:
    """Return the plan of five publishers and some who take."""
    text = SCENARIO.replace("TAKERS", takers).replace("RATE", rate).replace("EXCHANGE", exchange)
    return build_plan(load_scenario("arithmetic", text=text).scenario)


@pytest.mark.parametrize(
    "plan, warned",
    [
        pytest.param(plan_of(), True, id="500 asked, 400 at most"),
        pytest.param(plan_of(rate="rate: 390/s"), False, id="within what they can"),
        pytest.param(plan_of(rate="confirm_window: 9"), False, id="closed model"),
        pytest.param(plan_of(WORK.replace("processing_time: 10ms", "")), False, id="no work"),
        pytest.param(plan_of(rate="rate: 250/s", exchange="exchange: x"), False, id="fan-out, one queue looked at"),
        pytest.param(
            plan_of(WORK.replace("10ms", "{exponential: {mean: 10ms}}")), True, id="a distribution counts by its mean"
        ),
        pytest.param(plan_of(WORK.replace("10ms", "{lognormal: {median: 2ms, p99: 200ms}}")), True, id="a long tail"),
        pytest.param(plan_of(WORK.replace("10ms", "{uniform: {from: 1ms, to: 7ms}}")), False, id="a short one"),
        pytest.param(
            plan_of(
                WORK.replace("processing_time", "nack: {share: 50%, requeue: true}, processing_time"), "rate: 250/s"
            ),
            True,
            id="half of them come again",
        ),
        pytest.param(plan_of("getters: {worker: {users: 2, queue: a, rate: 100/s}}"), True, id="getters with a rate"),
        pytest.param(plan_of("getters: {worker: {users: 2, queue: a}}"), False, id="getters without one"),
        pytest.param(
            plan_of(WORK.replace("}}", "}, more: {queue: a, prefetch: 20, ack: every 1}}")), False, id="a queue shared"
        ),
    ],
)
def test_more_published_than_can_be_taken_is_warned_of(plan: Plan, warned: bool) -> None:
    """By the schedule's mean, the routes, and how often a message is delivered."""
    found = list(warnings(plan))

    assert bool(found) == warned, found
    assert all(" `worker`: " in each and "messages will pile up" in each for each in found)


def test_the_arithmetic_is_said() -> None:
    """In the words of the scenario."""
    most = most_of(plan_of(), "worker")

    assert most is not None
    assert (most.per_s, most.text) == (400.0, "4 users × 10 ms of work = 400/s at most")
    (warning,) = warnings(plan_of())
    assert warning == (
        "consumer `worker`: 4 users × 10 ms of work = 400/s at most, but 500/s will be published to its queue: "
        "messages will pile up"
    )
    assert most_of(plan_of(), "in") is None

"""What a rate was not held for: the gravest reason is told, and whose processor time was used up."""

from __future__ import annotations

from typing import Any

import pytest

from loadtest.measure.records import event_record
from loadtest.result.capacity.capacity_probe import probe_part
from loadtest.result.capacity.capacity_result import ProbePart
from loadtest.result.run.build import build_result
from loadtest.result.run.document import BoundPart, CheckPart, FindingPart, PointLatencyPart, RunResult
from tests.unit.result.staged_run import START_NS, flood, orders

FLOOD = build_result(flood().collector())
ORDERS = build_result(orders().collector())


def with_verdict(
    result: RunResult, *codes: str, check_ok: bool = True, exit_code: int = 0, bound: BoundPart | None = None
) -> RunResult:
    """Return a result with findings of these codes and a check."""
    findings = tuple(
        FindingPart(code=code, group=None, text=f"{code}!", value=1, limit=0, unit="s", next_step="") for code in codes
    )
    check = CheckPart(check="p99 < 1ms", value="2 ms", limit="< 1ms", ok=check_ok, note=None)
    verdict = result.verdict.model_copy(
        update={
            "findings": findings,
            "checks": (check,),
            "exit_code": exit_code,
            "reason": "so it was",
            "bound": bound,
        }
    )
    return result.model_copy(update={"verdict": verdict, "generator": {**result.generator, "cores": 2}})


def probe(result: RunResult, rate_per_s: float = 1.0, **tried: Any) -> ProbePart:
    """Return what came of a rate."""
    return probe_part(rate_per_s, result, "probes/01", "", **tried)


def used(generator: float, broker: float | None, machine: float | None) -> BoundPart:
    """Return processor time as a run tells it."""
    return BoundPart(
        by="schedule",
        text="",
        generator_cores=generator,
        broker_cores=broker,
        machine_cores=machine,
        share_of_calibrated=None,
    )


@pytest.mark.parametrize(
    "codes, check_ok, exit_code, bound",
    [
        ((), True, 0, None),
        ((), False, 1, "slo"),
        (("backlog-growing",), False, 1, "backlog"),
        (("broker-blocked-publishers", "backlog-growing"), True, 0, "alarm"),
        ((), True, 1, "broker"),
        ((), True, 3, "broker"),
        (("broker-blocked-publishers", "nothing-done"), True, 4, "alarm"),
        (("broker-blocked-publishers",), True, 4, "failed"),
        ((), True, 4, "failed"),
        ((), True, 5, "failed"),
    ],
)
def test_the_gravest_reason_is_told(codes: tuple[str, ...], check_ok: bool, exit_code: int, bound: str | None) -> None:
    """A threshold that failed is the least of them; a run that was not one is no answer."""
    found = probe(with_verdict(FLOOD, *codes, check_ok=check_ok, exit_code=exit_code))

    assert (found.bound, found.is_held) == (bound, bound is None)
    assert bool(found.why) == (bound is not None)


def test_what_the_broker_refuses_cannot_be_run_at_any_rate() -> None:
    """A refusal at the first try is no answer of a broker that is too slow."""
    run = flood()
    run.records.insert(-1, event_record(START_NS, "operation-refused", "publisher flood: 403"))

    assert probe(build_result(run.collector())).bound == "failed"


def test_lost_messages_are_no_capacity() -> None:
    """However quick it was."""
    assert probe(build_result(flood(lose=2).collector())).bound == "lost"


@pytest.mark.parametrize("codes, bound", [((), "broker"), (("generator-bound",), "generator")])
def test_a_rate_that_was_not_reached(codes: tuple[str, ...], bound: str) -> None:
    """Was it the generator, the broker may do more."""
    assert probe(with_verdict(FLOOD, *codes), rate_per_s=1e9).bound == bound


@pytest.mark.parametrize(
    "cores, limit, bound",
    [
        (used(0.5, 1.5, 1.95), "broker", "slo"),
        (used(0.5, 0.2, 1.95), "machine", "slo"),
        (used(0.5, 0.4, 1.0), None, "slo"),
        (used(0.5, None, 1.95), None, "slo"),
        (used(0.98, 0.5, 1.6), "generator", "generator"),
    ],
    ids=["broker", "something else", "nobody", "not known", "generator"],
)
def test_whose_processor_time_was_used_up_is_told(cores: BoundPart, limit: str | None, bound: str) -> None:
    """A schedule that was kept hides nothing; a generator without time left makes it its own limit."""
    found = probe(with_verdict(FLOOD, check_ok=False, exit_code=1, bound=cores))

    assert found.cores is not None
    assert (found.cores.limit, found.bound) == (limit, bound)
    assert found.cores.cores == 2


def test_a_run_without_a_result_says_its_last_words() -> None:
    """Also how long it was held for, and why it was tried."""
    found = probe_part(5.0, None, "probes/01", "no such file", stage="ramp", is_quick=True, hold_s=3.0, took_s=1.0)

    assert (found.bound, found.why, found.stage, found.is_quick, found.hold_s) == (
        "failed",
        "no such file",
        "ramp",
        True,
        3.0,
    )


@pytest.mark.parametrize("grows_ns, bound", [(0, None), (15_000_000, None), (25_000_000, "backlog")])
def test_waiting_longer_and_longer_is_a_backlog(grows_ns: int, bound: str | None) -> None:
    """Also of runs that are too short for the finding: 2 % of the time that passes is 2 % too many messages."""
    result = with_verdict(ORDERS)
    point = next(point for point in result.timeline if point.phase == "measured" and "billing" in point.groups)
    points = []
    for second in range(4):
        latency = PointLatencyPart(p50_ns=1_000_000 + second * grows_ns, p99_ns=None, max_ns=None)
        part = point.groups["billing"].model_copy(update={"latency": {"end_to_end": latency}})
        points.append(point.model_copy(update={"t_s": second, "groups": {"billing": part}}))
    found = probe(result.model_copy(update={"timeline": tuple(points)}))

    assert found.bound == bound
    assert bound is None or "grew by 2.5% of the time" in found.why

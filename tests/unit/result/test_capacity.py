"""What a rate was not held for: the gravest reason is told, and what the search found is judged by it."""

from __future__ import annotations

import pytest

from loadtest.result.build import build_result
from loadtest.result.capacity import ProbePart, judge, probe_part
from loadtest.result.document import CheckPart, FindingPart, RunResult
from tests.unit.result.staged_run import flood


def with_verdict(result: RunResult, *codes: str, check_ok: bool = True, exit_code: int = 0) -> RunResult:
    """Return a result with findings of these codes and a check."""
    findings = tuple(
        FindingPart(code=code, group=None, text=f"{code}!", value=1, limit=0, unit="s", next_step="") for code in codes
    )
    check = CheckPart(check="p99 < 1ms", value="2 ms", limit="< 1ms", ok=check_ok, note=None)
    verdict = result.verdict.model_copy(
        update={"findings": findings, "checks": (check,), "exit_code": exit_code, "reason": "so it was"}
    )
    return result.model_copy(update={"verdict": verdict})


def probe(result: RunResult, rate_per_s: float = 1.0) -> ProbePart:
    """Return what came of a rate."""
    return probe_part(rate_per_s, result, "probes/01", "")


@pytest.mark.parametrize(
    "codes, check_ok, exit_code, bound",
    [
        ((), True, 0, None),
        ((), False, 1, "slo"),
        (("backlog-growing",), False, 1, "backlog"),
        (("broker-blocked-publishers", "backlog-growing"), True, 0, "alarm"),
        ((), True, 3, "failed"),
    ],
)
def test_the_gravest_reason_is_told(codes: tuple[str, ...], check_ok: bool, exit_code: int, bound: str | None) -> None:
    """A threshold that failed is the least of them."""
    found = probe(with_verdict(build_result(flood().collector()), *codes, check_ok=check_ok, exit_code=exit_code))

    assert (found.bound, found.is_held) == (bound, bound is None)
    assert bool(found.why) == (bound is not None)


def test_lost_messages_are_no_capacity() -> None:
    """However quick it was."""
    assert probe(build_result(flood(lose=2).collector())).bound == "lost"


@pytest.mark.parametrize("codes, bound", [((), "broker"), (("generator-bound",), "generator")])
def test_a_rate_that_was_not_reached(codes: tuple[str, ...], bound: str) -> None:
    """Was it the generator, the broker may do more."""
    found = probe(with_verdict(build_result(flood().collector()), *codes), rate_per_s=1e9)

    assert found.bound == bound


def test_what_was_found_is_judged() -> None:
    """Nothing held fails; a limit of the generator is said to be one."""
    result = build_result(flood().collector())
    held = probe(with_verdict(result))
    missed = probe(with_verdict(result, "generator-bound"), rate_per_s=1e9)

    assert judge([], None, None, complete=True)[0] == 1
    assert judge([held], 1.0, None, complete=True) == (
        0,
        "1/s is held, and nothing above it was tried: the broker may do more",
    )
    exit_code, reason = judge([held, missed], 1.0, 1e9, complete=True)
    assert exit_code == 0
    assert "the broker may do more" in reason

"""
`junit.xml`: the verdict as test cases, for whatever shows JUnit reports.

One case says that the run took place as asked, one that the ledger is clean, and one for each threshold. Whatever the
verdict is, it is to be seen: a result with another exit code than 0 has at least one failure or error, and where the
run is no ground to pass, thresholds that hold are *skipped*. Names stay the same from run to run, so that histories
join: the class is `loadtest.<scenario>`, a threshold's name is its text. Pure: a result in, a text out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from loadtest.report.junit_suite import FILE_NAME, Case, Mark, Suite, elapsed_s, suite_xml
from loadtest.result.run.document import CheckPart, RunResult
from loadtest.result.units import messages_text

__all__ = ("FILE_NAME", "LEDGER_CASE", "RUN_CASE", "junit_xml")

RUN_CASE: Final = "run: complete, the broker was there, something was measured"
LEDGER_CASE: Final = "ledger: nothing lost or corrupted, the books balance"

_NO_GROUND: Final = frozenset({"error", "nothing-measured", "inconclusive"})
"""Outcomes of which a threshold that holds proves nothing."""

_UNTOLD: Final = frozenset({"nothing-measured", "inconclusive"})
"""Outcomes of which the ledger proves nothing."""


def junit_xml(result: RunResult) -> str:
    """Return the report; the same result gives the same text."""
    return suite_xml(
        Suite(
            name=f"loadtest {result.scenario.name}",
            classname=result.scenario.name,
            started_at=result.started_at,
            ended_at=result.ended_at,
            host=str(result.generator.get("host") or ""),
            properties=list(_properties(result)),
            cases=list(_cases(result)),
        )
    )


def _cases(result: RunResult) -> Iterator[Case]:
    took_s = elapsed_s(result.started_at, result.ended_at)
    yield Case(RUN_CASE, _run_mark(result), time_s=took_s, spoken=_spoken(result))
    yield Case(LEDGER_CASE, _ledger_mark(result))
    yield from (Case(check.check, _check_mark(check, result)) for check in result.verdict.checks)


def _run_mark(result: RunResult) -> Mark | None:
    verdict = result.verdict
    if verdict.outcome in _NO_GROUND:
        label = "broker" if verdict.outcome == "error" else verdict.outcome
        return Mark("error", label, verdict.reason, f"exit code {verdict.exit_code}")
    if not result.complete:
        text = "\n".join(f"{event.code}: {event.text}" for event in result.events)
        return Mark("error", "incomplete", f"the run did not do all that was asked: {verdict.reason}", text)
    explained = _ledger_mark(result) is not None or any(not check.ok for check in verdict.checks)
    if verdict.exit_code and not explained:
        return Mark("failure", verdict.outcome, verdict.reason, f"exit code {verdict.exit_code}")
    return None


def _ledger_mark(result: RunResult) -> Mark | None:
    totals, ledger = result.totals, result.ledger
    if result.verdict.outcome in _UNTOLD:
        return Mark("skipped", result.verdict.outcome, f"cannot be told: {result.verdict.reason}")
    faults = []
    if totals.lost:
        faults.append(f"{messages_text(totals.lost)} lost")
    if totals.corrupted:
        faults.append(f"{messages_text(totals.corrupted)} corrupted")
    faults.extend(ledger.imbalances)
    if not faults:
        return None
    examples = [
        f"lost: publisher {lost.publisher} seq {lost.seq}{'' if lost.sink is None else f' for {lost.sink}'}"
        for lost in ledger.lost_examples
    ]
    return Mark("failure", "ledger", "; ".join(faults), "\n".join(examples))


def _check_mark(check: CheckPart, result: RunResult) -> Mark | None:
    value = check.value if check.value is not None else "no value"
    text = f"value: {value}\nlimit: {check.limit}" + (f"\nnote: {check.note}" if check.note else "")
    if not check.ok:
        note = f"; {check.note}" if check.note else ""
        return Mark("failure", "threshold", f"{value}, the limit is {check.limit}{note}", text)
    if result.verdict.outcome in _NO_GROUND:
        reason = result.verdict.reason
        return Mark("skipped", result.verdict.outcome, f"holds, but that proves nothing: {reason}", text)
    return None


def _properties(result: RunResult) -> Iterator[tuple[str, str]]:
    """Yield what the figures belong to; what is not known is empty."""
    broker, endpoints = result.broker, result.broker.get("endpoints")
    product = " ".join(str(broker[key]) for key in ("product", "version") if broker.get(key))
    yield from {
        "scenario": result.scenario.name,
        "scenario.hash": result.scenario.hash,
        "scenario.overrides": "; ".join(result.scenario.overrides),
        "broker": product,
        "broker.endpoints": " ".join(map(str, endpoints)) if isinstance(endpoints, list) else "",
        "generator.host": str(result.generator.get("host") or ""),
        "measured_s": f"{result.measured_s:.3f}",
        "outcome": result.verdict.outcome,
        "exit_code": str(result.verdict.exit_code),
        "reason": result.verdict.reason,
    }.items()


def _spoken(result: RunResult) -> str:
    """Return verdict and findings, as the run's output."""
    verdict = result.verdict
    lines = [f"{verdict.outcome} (exit code {verdict.exit_code}): {verdict.reason}"]
    if verdict.bound is not None:
        lines.append(f"limit: {verdict.bound.text}")
    return "\n".join([*lines, *(f"finding {finding.code}: {finding.text}" for finding in verdict.findings)])

"""
The verdict: one outcome, one exit code, one sentence.

Rules, the first that applies wins (exit codes: docs/commands.md):

1. interrupted: 130. What was in flight had no full drain, so nothing may be said about losses.
2. the journal has no end record, or windows of workers are missing: 4. The same.
3. messages lost or corrupted: 1, also where the run lost the broker: a loss is what such a test looks for.
4. the books do not balance: 1. A figure that cannot be right is no ground to pass.
5. the run lost the broker: 3.
6. a threshold ended it early: 1. It was drained in full, so that 3 and 4 are known of it.
7. the run did not do all that was asked, or its journal could not be written: 4.
8. messages are missing where the run takes, and what became of them cannot be known: 4.
9. nothing was measured: 4. Thresholds that hold for want of messages prove nothing.
10. a group of publishers got no confirm at all, or was blocked throughout: 4. What it published measured nothing.
11. a group of publishers got no confirm any more until the run ended, for a second or longer: 3. It did not come back.
12. messages are in doubt and nothing that happened explains it, or only what had not ended: 1.
13. a threshold failed: 1.
14. otherwise it passed: 0.

Knows nothing of how checks and findings were made; findings never change the outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from loadtest.errors import EXIT_BROKER, EXIT_FAILED, EXIT_INCOMPLETE, EXIT_INTERRUPTED, EXIT_PASSED
from loadtest.result.run.causes.lasting_holds import hold_of, lasting_holds
from loadtest.result.run.document import CheckPart, FindingPart, Outcome, RunResult, VerdictPart
from loadtest.result.run.evidence import (
    ABORTED,
    BROKER_FAILURES,
    CONNECTION_BLOCKED,
    EXPLAINS_DOUBT,
    FAULT_FAILED,
    JOURNAL_FAILED,
    WORKER_LOST,
    Evidence,
    evidence_of,
    got_no_confirm,
)
from loadtest.result.run.unavailability import long_outages
from loadtest.result.units import count_text, messages_text, span_text

BLOCKED_SHARE: Final = 0.9
"""Of the time in which publishers were active: what they wrote in the rest went into the sockets' buffers."""

CUT_OFF: Final = "the run was cut off: its journal has no end record, and what was in flight cannot be accounted for"


def judge(evidence: Evidence, checks: Sequence[CheckPart], findings: Sequence[FindingPart]) -> VerdictPart:
    """Return what the run means."""
    outcome, exit_code, reason = _ruling(evidence, checks)
    return VerdictPart(
        outcome=outcome,
        exit_code=exit_code,
        reason=reason,
        checks=tuple(checks),
        findings=tuple(findings),
        bound=evidence.bound,
    )


def judge_anew(result: RunResult, checks: Sequence[CheckPart]) -> RunResult:
    """
    Return a run with other checks, and what it means by them.

    A verdict that is not about its figures, because the run was cut off, interrupted, measured nothing or lost its
    broker, stands.
    """
    verdict = result.verdict
    if verdict.exit_code in {EXIT_PASSED, EXIT_FAILED}:
        outcome, exit_code, reason = _ruling(evidence_of(result), checks)
        verdict = verdict.model_copy(update={"outcome": outcome, "exit_code": exit_code, "reason": reason})
    return result.model_copy(update={"verdict": verdict.model_copy(update={"checks": tuple(checks)})})


def _ruling(evidence: Evidence, checks: Sequence[CheckPart]) -> tuple[Outcome, int, str]:
    for reason_of, outcome, exit_code in _RULES:
        reason = reason_of(evidence, checks)
        if reason is not None:
            return outcome, exit_code, reason
    return "pass", EXIT_PASSED, _success(evidence, len(checks))


def _interruption(evidence: Evidence, _: Sequence[CheckPart]) -> str | None:
    return "the run was interrupted; the figures are of the part that ran" if evidence.is_interrupted else None


def _cut(evidence: Evidence, _: Sequence[CheckPart]) -> str | None:
    if not evidence.has_end:
        return CUT_OFF
    worker = evidence.first_event(WORKER_LOST)
    if worker is not None:
        return f"a process of the run is gone: {worker.text}"
    missing = evidence.missing_windows
    return (
        f"{count_text(missing)} of the workers' windows never arrived; what was in them is unknown" if missing else None
    )


def _loss(evidence: Evidence, _: Sequence[CheckPart]) -> str | None:
    totals = evidence.totals
    parts = []
    if totals.lost:
        parts.append(f"{messages_text(totals.lost)} confirmed by the broker and neither delivered nor left in a queue")
    if totals.corrupted:
        parts.append(f"{messages_text(totals.corrupted)} delivered with another body than was sent")
    failure = evidence.broker_failure
    after = f", and {BROKER_FAILURES[failure.code]}: {failure.text}" if failure else ""
    return " and ".join(parts) + after if parts else None


def _imbalance(evidence: Evidence, _: Sequence[CheckPart]) -> str | None:
    ledger = evidence.ledger
    return None if not ledger.imbalances else f"the ledger's books do not balance: {ledger.imbalances[0]}"


def _broker_gone(evidence: Evidence, _: Sequence[CheckPart]) -> str | None:
    failure = evidence.broker_failure
    return f"{BROKER_FAILURES[failure.code]}: {failure.text}" if failure else None


def _abortion(evidence: Evidence, _: Sequence[CheckPart]) -> str | None:
    event = evidence.first_event(ABORTED)
    return None if event is None else f"the run was ended early, {span_text(event.t_s)} after its start: {event.text}"


def _shortfall(evidence: Evidence, _: Sequence[CheckPart]) -> str | None:
    journal = evidence.first_event(JOURNAL_FAILED)
    if journal is not None:
        return f"the results on disk are incomplete: {journal.text}"
    fault = evidence.first_event(FAULT_FAILED)
    if fault is not None:
        return f"a fault of the scenario could not be done: {fault.text}"
    return None if evidence.is_whole else f"the run is incomplete: {evidence.end_reason or 'no reason was given'}"


def _unknown(evidence: Evidence, _: Sequence[CheckPart]) -> str | None:
    unknown = [each for each in evidence.ledger.unknown if each.is_taken]
    if not unknown:
        return None
    first, count = unknown[0], sum(each.messages for each in unknown)
    return (
        f"what became of {count_text(count)} confirmed message{'' if count == 1 else 's'} cannot be known; "
        f"{first.sink}: {first.reason}"
    )


def _nothing(evidence: Evidence, _: Sequence[CheckPart]) -> str | None:
    totals = evidence.totals
    if evidence.measured_messages:
        return None
    if totals.published or totals.delivered or totals.got:
        return "no message fell into the measured part; all were in the warm-up or the drain"
    empties = f"; {count_text(totals.get_empty)} Get-Empty" if totals.get_empty else ""
    return f"no message was published, delivered or got{empties}"


def _unanswered(evidence: Evidence, _: Sequence[CheckPart]) -> str | None:
    for name, group in evidence.groups.items():
        if got_no_confirm(group):
            return (
                f"publisher {name}: 0 of {count_text(group.totals['published'])} messages confirmed{_blocked(evidence)}"
            )
    totals = evidence.totals
    is_unseen = totals.published and not (totals.confirmed or totals.nacked or totals.delivered or totals.got)
    if is_unseen and _is_blocked_throughout(evidence):
        return f"nothing that was published is known to have reached the broker{_blocked(evidence)}"
    return None


def _is_blocked_throughout(evidence: Evidence) -> bool:
    """Return whether the broker had all publishers blocked for nearly all of the time in which they were active."""
    active_s = sum(
        (group.rates.active_s or 0.0) * (group.users or 1)
        for group in evidence.groups.values()
        if group.kind == "publisher"
    )
    return sum(publisher.blocked_s for publisher in evidence.ledger.publishers) > BLOCKED_SHARE * active_s > 0


def _blocked(evidence: Evidence) -> str:
    event = evidence.first_event(CONNECTION_BLOCKED)
    return f"; the broker blocked connections: {event.text}" if event is not None else ""


def _doubt(evidence: Evidence, _: Sequence[CheckPart]) -> str | None:
    totals = evidence.totals
    if not totals.in_doubt:
        return None
    lasting = lasting_holds((event.code, event.text) for event in evidence.events)
    explaining = [event for event in evidence.events if event.code in EXPLAINS_DOUBT]
    if any(hold_of(event.code, event.text) not in lasting for event in explaining):
        return None
    text = f"{messages_text(totals.in_doubt)} in doubt: no confirm came, "
    if not explaining:
        return f"{text}though no connection was lost or blocked"
    return f"{text}and what held publishers back had not ended: {explaining[0].text}"


def _unrecovered(evidence: Evidence, _: Sequence[CheckPart]) -> str | None:
    for name, group in evidence.groups.items():
        last = long_outages(evidence, name)[-1:] if group.kind == "publisher" else []
        if last and not last[0].is_over:
            lasted = span_text(last[0].end_s - last[0].start_s)
            since = span_text(last[0].start_s)
            text = f"publisher {name} got no confirm for the last {lasted}, from {since} after the start on"
            return text + _blocked(evidence)
    return None


def _failures(_: Evidence, checks: Sequence[CheckPart]) -> str | None:
    failed = [check for check in checks if not check.ok]
    if not failed:
        return None
    first = failed[0]
    what = f"{first.check} came to {first.value}" if first.value is not None else f"{first.check} {first.note}"
    return f"{len(failed)} of {len(checks)} threshold{'' if len(checks) == 1 else 's'} failed: {what}"


def _success(evidence: Evidence, count: int) -> str:
    totals = evidence.totals
    moved = {"published": totals.published, "delivered": totals.delivered, "got": totals.got}
    messages = ", ".join(f"{count_text(moved[name])} {name}" for name in moved if moved[name])
    if not count:
        held = "no thresholds were set"
    else:
        held = f"{count} of {count} threshold{' holds' if count == 1 else 's hold'}"
    lost = "0 lost"
    if evidence.ledger.unknown:
        first, more = evidence.ledger.unknown[0], len(evidence.ledger.unknown) - 1
        lost = f"lost: not known for {first.sink}" + (f" and {more} more" if more else "")
    return f"{held}; {messages or f'{count_text(totals.foreign)} foreign messages taken'}, {lost}"


_RULES: Final[tuple[tuple[Callable[[Evidence, Sequence[CheckPart]], str | None], Outcome, int], ...]] = (
    (_interruption, "inconclusive", EXIT_INTERRUPTED),
    (_cut, "inconclusive", EXIT_INCOMPLETE),
    (_loss, "fail", EXIT_FAILED),
    (_imbalance, "fail", EXIT_FAILED),
    (_broker_gone, "error", EXIT_BROKER),
    (_abortion, "fail", EXIT_FAILED),
    (_shortfall, "inconclusive", EXIT_INCOMPLETE),
    (_unknown, "inconclusive", EXIT_INCOMPLETE),
    (_nothing, "nothing-measured", EXIT_INCOMPLETE),
    (_unanswered, "nothing-measured", EXIT_INCOMPLETE),
    (_unrecovered, "error", EXIT_BROKER),
    (_doubt, "fail", EXIT_FAILED),
    (_failures, "fail", EXIT_FAILED),
)

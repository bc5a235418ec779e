"""
Annotations: what GitHub shows beside a workflow's run, as lines that its runner takes from a step's output.

Errors are what failed, warnings are findings, and a run that passed is a notice. GitHub shows ten of each kind a step
and drops the rest without a word, so the most important stand first, and the tenth says how many are left. Pure: a
result in, lines out.

Source: GitHub's "Workflow commands for GitHub Actions"; escapes as in `actions/toolkit`,
`packages/core/src/command.ts`; limits as in its `docs/problem-matchers.md`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal, TypeAlias

from loadtest.errors import EXIT_FAILED, EXIT_PASSED
from loadtest.report import sweep
from loadtest.report.capacity import found_text
from loadtest.report.comparison import outcome_word, remarks
from loadtest.report.plain import plain_line
from loadtest.result.capacity import CapacityResult
from loadtest.result.comparison import CompareResult, change_text
from loadtest.result.document import RunResult
from loadtest.result.sweep import SweepResult

MAX_OF_A_KIND: Final = 10

Kind: TypeAlias = Literal["error", "warning", "notice"]

# The order counts: what it escapes with comes first.
_IN_MESSAGE: Final = (("%", "%25"), ("\r", "%0D"), ("\n", "%0A"))
_IN_PROPERTY: Final = (*_IN_MESSAGE, (":", "%3A"), (",", "%2C"))


def github_annotations(result: RunResult) -> list[str]:
    """Return the lines, none for what is as it should be but the verdict."""
    name = result.scenario.name
    verdict = result.verdict
    passed = [command("notice", f"{name} passed", plain_line(verdict.reason))] if verdict.exit_code == 0 else []
    errors = [command("error", title, message) for title, message in _errors(result)]
    warnings = [command("warning", f"{name}: {finding.code}", plain_line(finding.text)) for finding in verdict.findings]
    return [*_first("error", errors), *_first("warning", warnings), *passed]


def comparison_annotations(result: CompareResult) -> list[str]:
    """Return the lines of a comparison: what it failed on or could not decide, and what to know of its runs."""
    name = result.scenario
    if result.complete and result.exit_code == EXIT_PASSED:
        errors, notices = [], [command("notice", f"{name}: decided", plain_line(result.reason))]
    elif result.exit_code == EXIT_FAILED:
        worse = [finding for finding in result.findings if finding.verdict == "worse"]
        texts = [f"{finding.metric} of {finding.variant}: {change_text(finding)}" for finding in worse]
        errors, notices = [command("error", f"{name}: worse", plain_line(text)) for text in texts], []
    else:
        title = f"{name}: {outcome_word(result).lower()} (exit code {result.exit_code})"
        errors, notices = [command("error", title, plain_line(result.reason))], []
    warnings = [command("warning", f"{name}: runs", plain_line(text)) for text in remarks(result)]
    return [*_first("error", errors), *_first("warning", warnings), *notices]


def capacity_annotations(result: CapacityResult) -> list[str]:
    """Return the line of a search for a capacity: what was found, or why nothing was."""
    name = result.scenario
    if result.exit_code == EXIT_PASSED:
        return [command("notice", f"{name}: capacity {found_text(result)}", plain_line(result.reason))]
    return [command("error", f"{name}: capacity (exit code {result.exit_code})", plain_line(result.reason))]


def sweep_annotations(result: SweepResult) -> list[str]:
    """Return the lines of a sweep: what came of it, and what to know of its runs."""
    name, word = result.scenario, sweep.outcome_word(result)
    is_well = result.complete and result.exit_code == EXIT_PASSED
    title = f"{name}: {word.lower()}" if is_well else f"{name}: {word.lower()} (exit code {result.exit_code})"
    said = command("notice" if is_well else "error", title, plain_line(result.reason))
    warnings = [command("warning", f"{name}: runs", plain_line(text)) for text in sweep.remarks(result)]
    return [*_first("warning", warnings), said]


def command(kind: Kind, title: str, message: str) -> str:
    """Return a workflow command, a single line whatever the texts are."""
    return f"::{kind} title={_escaped(plain_line(title), _IN_PROPERTY)}::{_escaped(message, _IN_MESSAGE)}"


def _errors(result: RunResult) -> Iterator[tuple[str, str]]:
    """Yield title and message of what failed: the verdict, then each threshold."""
    name, verdict = result.scenario.name, result.verdict
    failed = [check for check in verdict.checks if not check.ok]
    is_of_checks = verdict.outcome == "fail" and failed and result.complete and not _lost(result)
    if verdict.exit_code and not is_of_checks:
        yield f"{name}: {verdict.outcome} (exit code {verdict.exit_code})", plain_line(verdict.reason)
    for check in failed:
        came = f"{check.check} came to {check.value}" if check.value is not None else f"{check.check} has no value"
        note = f"\n{plain_line(check.note)}" if check.note else ""
        yield f"{name}: threshold failed", f"{plain_line(came)}{note}"


def _lost(result: RunResult) -> bool:
    return bool(result.totals.lost or result.totals.corrupted or result.ledger.imbalances)


def _first(kind: Kind, commands: Sequence[str]) -> list[str]:
    if len(commands) <= MAX_OF_A_KIND:
        return list(commands)
    shown = list(commands[: MAX_OF_A_KIND - 1])
    return [*shown, command(kind, "loadtest", f"and {len(commands) - len(shown):,} more, in the summary and junit.xml")]


def _escaped(text: str, escapes: Sequence[tuple[str, str]]) -> str:
    for character, escape in escapes:
        text = text.replace(character, escape)
    return text

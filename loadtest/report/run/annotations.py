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

from loadtest.report.text.plain import plain_line
from loadtest.result.run.document import RunResult

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
    return [*first("error", errors), *first("warning", warnings), *passed]


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


def first(kind: Kind, commands: Sequence[str]) -> list[str]:
    """Return the commands that GitHub shows of a kind; the last of them says how many more there are."""
    if len(commands) <= MAX_OF_A_KIND:
        return list(commands)
    shown = list(commands[: MAX_OF_A_KIND - 1])
    return [*shown, command(kind, "loadtest", f"and {len(commands) - len(shown):,} more, in the summary and junit.xml")]


def _escaped(text: str, escapes: Sequence[tuple[str, str]]) -> str:
    for character, escape in escapes:
        text = text.replace(character, escape)
    return text

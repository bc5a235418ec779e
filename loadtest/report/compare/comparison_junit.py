"""
`junit.xml` of a comparison: a case for each figure of each variant, and one for the comparison itself.

As for runs: another exit code than 0 is to be seen as a failure or an error, and what is undecided is *skipped*, for
it is neither. A figure that is worse is a failure where the comparison was told to fail on it (``--fail-on``), which
its exit code says. Pure: the document in, a text out.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath
from typing import Final

from loadtest.errors import EXIT_FAILED
from loadtest.report.compare.comparison_text import values_text
from loadtest.report.junit_suite import Case, Mark, Suite, elapsed_s, suite_xml
from loadtest.result.compare.compare_result import CompareResult, FindingPart, change_text, failed_laps
from loadtest.result.units import share_text

RUN_CASE: Final = "comparison: complete, its runs did not fail, all figures are decided"


def comparison_junit(result: CompareResult) -> str:
    """Return the report; the same document gives the same text."""
    name = PurePath(result.scenario).stem
    properties = {
        "scenario": result.scenario,
        "baseline": result.baseline,
        "rounds": str(result.rounds),
        "min_effect": share_text(result.min_effect),
        **{f"variant {variant.name}": ", ".join((*variant.overrides, variant.broker)) for variant in result.variants},
        "exit_code": str(result.exit_code),
        "reason": result.reason,
    }
    return suite_xml(
        Suite(
            name=f"loadtest compare {name}",
            classname=f"compare.{name}",
            started_at=result.started_at,
            ended_at=result.ended_at,
            host="",
            properties=list(properties.items()),
            cases=list(_cases(result)),
        )
    )


def _cases(result: CompareResult) -> Iterator[Case]:
    took_s = elapsed_s(result.started_at, result.ended_at)
    yield Case(RUN_CASE, _run_mark(result), time_s=took_s, spoken=f"exit code {result.exit_code}: {result.reason}")
    for finding in result.findings:
        name = f"{finding.metric}: {finding.variant} beside {result.baseline}"
        yield Case(name, _finding_mark(finding, result), spoken=_spoken(finding, result))


def _run_mark(result: CompareResult) -> Mark | None:
    if not result.complete:
        return Mark("error", "incomplete", f"the comparison did not come to its end: {result.reason}")
    failed = failed_laps(result.laps)
    if failed:
        text = "\n".join(f"{lap.folder}: exit code {lap.exit_code}" for lap in failed)
        return Mark("error", "failed-runs", f"{len(failed)} runs failed and count for nothing", text)
    if result.exit_code and not _fails_on_worse(result):
        return Mark("error", "inconclusive", result.reason, f"exit code {result.exit_code}")
    return None


def _fails_on_worse(result: CompareResult) -> bool:
    return result.exit_code == EXIT_FAILED


def _finding_mark(finding: FindingPart, result: CompareResult) -> Mark | None:
    if finding.verdict == "worse" and _fails_on_worse(result):
        return Mark("failure", "worse", change_text(finding), values_text(result, finding))
    if finding.verdict == "inconclusive":
        needed = finding.rounds_to_decide
        more = "" if needed is None else f"; about {needed} rounds would decide it"
        return Mark("skipped", "inconclusive", f"{change_text(finding)}: not decided{more}")
    return None


def _spoken(finding: FindingPart, result: CompareResult) -> str:
    return f"{finding.verdict}: {change_text(finding)}; {values_text(result, finding)}"

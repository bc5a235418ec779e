"""
The verdict on a run that is over, by other thresholds and beside an older run, as `loadtest check` prints it.

Reads results and prints; writes nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic_core import PydanticCustomError

from loadtest.errors import UsageError
from loadtest.report.run.read import read_result
from loadtest.report.run.terminal import print_checks
from loadtest.result.compare.regression import DIFFERENCES, check_regressions, differences, parse_regression
from loadtest.result.run.evidence import evidence_of
from loadtest.result.run.metric_figures import DocumentFigures
from loadtest.result.run.thresholds import check_thresholds
from loadtest.result.run.verdict import judge_anew
from loadtest.scenario import Threshold, parse_threshold
from loadtest.scenario.loading.error_detail import words_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadtest.result.run.document import CheckPart, RunResult


def judge_again(
    folder: Path, thresholds: Sequence[str], baseline: Path | None, regressions: Sequence[str], despite: Sequence[str]
) -> RunResult:
    """
    Judge the run in *folder* anew, print the checks and return its result with them.

    Args:
        folder: Of the run.
        thresholds: Those that it has to hold besides its own.
        baseline: Folder of the older run.
        regressions: How much worse than the older one it may be.
        despite: Differences between the two that are accepted, of `DIFFERENCES`.

    Raises:
        UsageError: If an option cannot be read, or the two runs are not alike.
        ResultsError: If a folder holds no run.
    """
    _refuse_halves(baseline, regressions, despite)
    allowed = [parse_regression(text) for text in regressions]
    more = [_threshold(text) for text in thresholds]
    result = read_result(folder)
    own = [_threshold(judged.check) for judged in result.verdict.checks if judged.limit]
    checks: tuple[CheckPart, ...] = check_thresholds([*own, *more], DocumentFigures(evidence_of(result)))
    heading = f"{result.scenario.name}, {folder}"
    if baseline is not None:
        older = read_result(baseline)
        _refuse_unlike(result, older, baseline, despite)
        checks += check_regressions(allowed, result, older)
        heading += f", beside {baseline}"
    judged_anew = judge_anew(result, checks)
    print_checks(judged_anew, heading=heading)
    return judged_anew


def _threshold(text: str) -> Threshold:
    try:
        return parse_threshold(text)
    except PydanticCustomError as error:
        raise UsageError(f"--threshold: {words_of(error)}") from error


def _refuse_halves(baseline: Path | None, regressions: Sequence[str], despite: Sequence[str]) -> None:
    """Refuse options that say nothing without each other."""
    if baseline is None and (regressions or despite):
        raise UsageError("--max-regression and --despite compare with an older run: name it with --baseline")
    if baseline is not None and not regressions:
        raise UsageError("--baseline needs a --max-regression, such as --max-regression 'shop.confirm.p99 10%'")
    unknown = [name for name in despite if name not in DIFFERENCES]
    if unknown:
        raise UsageError(f"--despite: found {unknown[0]}; allowed {', '.join(DIFFERENCES)}")


def _refuse_unlike(result: RunResult, baseline: RunResult, folder: Path, despite: Sequence[str]) -> None:
    if baseline.verdict.exit_code not in {0, 1}:
        raise UsageError(f"{folder}: no run to compare with: {baseline.verdict.reason}")
    unlike = differences(result, baseline, despite)
    if unlike:
        told = "; ".join(sentence for sentences in unlike.values() for sentence in sentences)
        despite_all = " ".join(f"--despite {kind}" for kind in unlike)
        raise UsageError(f"the two runs are not alike: {told}. To compare them all the same: {despite_all}")

"""Annotations of comparisons, searches for a capacity and sweeps; `annotations` has those of a run, and the format."""

from __future__ import annotations

from loadtest.errors import EXIT_FAILED, EXIT_PASSED
from loadtest.report.capacity.capacity_text import doubts, headline_text
from loadtest.report.compare.comparison_text import outcome_word, remarks
from loadtest.report.run.annotations import command, first
from loadtest.report.sweep import sweep_text
from loadtest.report.text.plain import plain_line
from loadtest.result.capacity.capacity_result import CapacityResult, is_precise
from loadtest.result.compare.compare_result import CompareResult, change_text
from loadtest.result.sweep_result import SweepResult


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
    return [*first("error", errors), *first("warning", warnings), *notices]


def capacity_annotations(result: CapacityResult) -> list[str]:
    """Return the line of a search for a capacity: what was found, or why nothing was."""
    name = result.scenario
    if result.exit_code == EXIT_PASSED:
        title, text = f"{name}: capacity {headline_text(result)}", plain_line(result.reason)
        is_sure = not doubts(result) and (is_precise(result) or result.is_lower_bound)
        return [command("notice", title, text) if is_sure else command("warning", title, text)]
    return [command("error", f"{name}: capacity (exit code {result.exit_code})", plain_line(result.reason))]


def sweep_annotations(result: SweepResult) -> list[str]:
    """Return the lines of a sweep: what came of it, and what to know of its runs."""
    name, word = result.scenario, sweep_text.outcome_word(result)
    is_well = result.complete and result.exit_code == EXIT_PASSED
    title = f"{name}: {word.lower()}" if is_well else f"{name}: {word.lower()} (exit code {result.exit_code})"
    said = command("notice" if is_well else "error", title, plain_line(result.reason))
    warnings = [command("warning", f"{name}: runs", plain_line(text)) for text in sweep_text.remarks(result)]
    return [*first("warning", warnings), said]

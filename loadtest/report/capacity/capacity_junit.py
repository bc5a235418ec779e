"""
`junit.xml` of a search for a capacity: a case for the search itself, and one for each thing that was asked.

As for runs: another exit code than 0 is to be seen. What was asked fails where no rate held it. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from loadtest.errors import EXIT_INCONCLUSIVE
from loadtest.report.capacity.capacity_text import facts, headline_text, interval_text, probe_text
from loadtest.report.junit_suite import Case, Mark, Suite, elapsed_s, suite_xml
from loadtest.result.capacity.capacity_answer import answers
from loadtest.result.capacity.capacity_result import CapacityResult
from loadtest.result.units import rate_text

RUN_CASE: Final = "capacity: a rate is held, and the search came to its end"


def capacity_junit(result: CapacityResult) -> str:
    """Return the report; the same document gives the same text."""
    properties = {
        "scenario": result.scenario,
        "broker": result.broker,
        "capacity": headline_text(result),
        "interval": interval_text(result),
        "exit_code": str(result.exit_code),
        "reason": result.reason,
    }
    return suite_xml(
        Suite(
            name=f"loadtest capacity {result.scenario}",
            classname=f"capacity.{result.scenario}",
            started_at=result.started_at,
            ended_at=result.ended_at,
            host="",
            properties=list(properties.items()),
            cases=list(_cases(result)),
        )
    )


def _cases(result: CapacityResult) -> Iterator[Case]:
    told = "\n".join(f"{label}: {text}" for label, text in facts(result))
    tries = "\n".join(f"{rate_text(probe.rate_per_s)}: {probe_text(probe)}" for probe in result.probes)
    yield Case(
        RUN_CASE,
        _run_mark(result),
        time_s=elapsed_s(result.started_at, result.ended_at),
        spoken=f"exit code {result.exit_code}: {result.reason}\n{told}\n{tries}".rstrip(),
    )
    held = [probe for probe in answers(result.probes) if probe.is_held and probe.rate_per_s == result.capacity_per_s]
    for check in result.slo:
        mark = None if held else Mark("failure", "slo", f"{check} was held at no rate")
        value = held[-1].checks.get(check) if held else None
        yield Case(check, mark, spoken="" if value is None else f"{value} at {rate_text(result.capacity_per_s)}")


def _run_mark(result: CapacityResult) -> Mark | None:
    if result.exit_code == EXIT_INCONCLUSIVE:
        return Mark("error", "inconclusive", result.reason)
    if not result.complete:
        return Mark("error", "incomplete", f"the search did not come to its end: {result.reason}")
    return Mark("failure", "no-capacity", result.reason) if result.exit_code else None

"""
`capacity.json`: the rates that were tried, what became of each, and the highest that was held.

Knows nothing of how they were tried. An interface as `result.json` is: fields are added, never renamed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal

from pydantic import Field

from loadtest.result.document import Part, RunResult
from loadtest.result.units import rate_text

SCHEMA: Final = "loadtest.capacity/1"
"""
Version of the document. History:

1: first version.
"""

LEAST_ACHIEVED: Final = 0.99
"""Share of the asked rate that has to be published, or else it was not that rate that was tried."""

Bound = Literal["slo", "backlog", "lost", "alarm", "broker", "generator", "failed"]


class ProbePart(Part):
    """One rate, tried once."""

    rate_per_s: float = Field(description="Asked, of all publishers together.")
    published_per_s: float | None
    is_held: bool
    bound: Bound | None = Field(description="What it was not held for; null where it was.")
    why: str = Field(description="The same in a sentence; empty where it was held.")
    latency: dict[str, dict[str, int | None]] = Field(
        description="By GROUP.LATENCY: p50_ns, p99_ns and max_ns of the measured part."
    )
    checks: dict[str, str | None] = Field(description="By what is asked: the value that came.")
    folder: str = Field(description="Of its results, below the search's.")


class CapacityResult(Part):
    """The whole document."""

    version: Literal["loadtest.capacity/1"] = Field(default=SCHEMA, alias="schema")
    scenario: str
    slo: tuple[str, ...] = Field(description="What has to hold.")
    precision: float = Field(description="Share of the answer within which it is known.")
    started_at: str
    ended_at: str
    complete: bool = Field(description="False where it was interrupted, or gave up.")
    capacity_per_s: float | None = Field(description="The highest rate that was held each time; null where none was.")
    missed_per_s: float | None = Field(description="The lowest that was not; null where all were held.")
    is_lower_bound: bool = Field(description="Whether the broker may do more: the generator, or --most, was the limit.")
    bound: Bound | None = Field(description="What the lowest rate that was not held was not held for.")
    probes: tuple[ProbePart, ...]
    exit_code: int
    reason: str


def probe_part(rate_per_s: float, result: RunResult | None, folder: str, last_words: str) -> ProbePart:
    """Return what came of a rate."""
    if result is None:
        return ProbePart(
            rate_per_s=rate_per_s, published_per_s=None, is_held=False, bound="failed", why=last_words, latency={},
            checks={}, folder=folder,
        )  # fmt: skip
    reasons = list(_reasons(rate_per_s, result))
    bound, why = reasons[0] if reasons else (None, "")
    return ProbePart(
        rate_per_s=rate_per_s,
        published_per_s=published_per_s(result),
        is_held=not reasons,
        bound=bound,
        why=why,
        latency={
            f"{name}.{latency}": {"p50_ns": part.p50_ns, "p99_ns": part.p99_ns, "max_ns": part.max_ns}
            for name, group in result.groups.items()
            for latency, part in group.latency.items()
            if latency in {"confirm", "end_to_end"} and part.count
        },
        checks={check.check: check.value for check in result.verdict.checks},
        folder=folder,
    )


def published_per_s(result: RunResult) -> float:
    """Return the rate at which all publishers together published."""
    return sum(group.rates.published_per_s or 0.0 for group in result.groups.values() if group.kind == "publisher")


def _reasons(rate_per_s: float, result: RunResult) -> Iterator[tuple[Bound, str]]:
    """Yield why a rate was not held, the gravest first."""
    codes = {finding.code: finding for finding in result.verdict.findings}
    if result.verdict.exit_code not in {0, 1}:
        yield "failed", result.verdict.reason
    if result.totals.lost or result.totals.corrupted:
        yield "lost", f"{result.totals.lost:,} messages lost, {result.totals.corrupted:,} corrupted"
    achieved = published_per_s(result)
    if achieved < LEAST_ACHIEVED * rate_per_s:
        is_generator = "generator-bound" in codes
        text = f"published {rate_text(achieved)} of {rate_text(rate_per_s)}"
        yield ("generator" if is_generator else "broker"), text
    if "broker-blocked-publishers" in codes:
        yield "alarm", codes["broker-blocked-publishers"].text
    if "backlog-growing" in codes:
        yield "backlog", codes["backlog-growing"].text
    for check in result.verdict.checks:
        if not check.ok:
            note = f" ({check.note})" if check.note else ""
            yield "slo", f"{check.check} came to {check.value or 'no value'}{note}"


def judge(probes: Sequence[ProbePart], low: float | None, high: float | None, *, complete: bool) -> tuple[int, str]:
    """Return exit code and reason of a search that found *low*, with *high* the lowest rate that was not held."""
    if low is None:
        why = probes[-1].why if probes else "nothing was tried"
        return 1, f"no rate was held: {why}"
    held = f"{rate_text(low)} is held"
    if high is None:
        return 0, f"{held}, and nothing above it was tried: the broker may do more"
    missed = [probe for probe in probes if probe.rate_per_s == high and not probe.is_held]
    limit = f"{rate_text(high)} is not: {missed[0].why}" if missed else f"{rate_text(high)} is not"
    if missed and missed[0].bound == "generator":
        return 0, f"{held}; {limit}. That was the generator, so the broker may do more (--processes)"
    return (0 if complete else 5), f"{held}; {limit}"

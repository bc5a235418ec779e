"""
`compare.json`: what was compared, lap by lap, and what that says, as one frozen document.

Knows nothing of how laps are run. The document is an interface as `result.json` is: fields are added, never renamed.
Units are those of the metrics (ns, messages a second, cores, bytes); changes are shares of the baseline.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from statistics import median
from typing import Final, Literal, TypeAlias

from pydantic import Field, JsonValue

from loadtest.errors import EXIT_FAILED, EXIT_INCONCLUSIVE, EXIT_PASSED
from loadtest.result.compare.paired import ALPHA, Change, change_of, holm, pairs_to_decide, verdict
from loadtest.result.run.document import Part
from loadtest.result.units import share_text

SCHEMA: Final = "loadtest.compare/1"
"""
Version of the document. History:

1: first version.
"""

DOUBTS: Final = {
    "generator-bound": "bound by the generator",
    "not-settled": "without a repeated answer",
    "disturbed": "disturbed by other programs",
}
"""Marks of runs that count, and that a reader of the headline has to know."""

_MOST_NAMED: Final = 3

Better: TypeAlias = Literal["more", "less"]
Word: TypeAlias = Literal["better", "worse", "no-difference", "inconclusive"]
LEAST_CHANGE: Final = 0.00005
"""Smaller changes are shown as none: a hundredth of a percent is far below what two runs differ by."""

LAPS_A_ROUND: Final = 2
WARM_UP: Final = 0
"""The number of the round that is thrown away."""


class MetricPart(Part):
    """What is looked at."""

    name: str
    better: Better
    unit: Literal["time", "rate", "size", "cores", "count"]


class VariantPart(Part):
    """One side."""

    name: str
    overrides: tuple[str, ...]
    broker: str = Field(description="What its broker is: an address without password, or what a private one has.")
    differs: dict[str, tuple[str, str]] = Field(
        default_factory=dict,
        description="By path in the scenario or the broker's config: the baseline's value, and its own.",
    )
    effect: dict[str, tuple[str, str]] = Field(
        default_factory=dict,
        description="In what its broker, and its queues there, differ from the baseline's, as read back before the "
        "runs: the baseline's value, and its own.",
    )


class LapPart(Part):
    """One run of one variant."""

    round: int = Field(description="From 1; 0 is the warm-up, which counts for nothing.")
    turn: int = Field(description="Runs of one round and turn are a block: they are compared with each other.")
    variant: str
    folder: str = Field(description="Of its results, below the comparison's.")
    exit_code: int
    values: dict[str, float | None] = Field(description="By metric; null where it has none.")
    marks: tuple[str, ...] = Field(
        default=(), description="generator-bound, disturbed, not-settled or failed; the last counts for nothing."
    )
    why: tuple[str, ...] = Field(default=(), description="What is known of why it is marked.")
    attempt: int = Field(default=1, description="Of its block, from 1: a block with a mark may be run again, whole.")
    repeated: bool = Field(default=False, description="Whether its block was run again: that counts in its place.")
    counts: bool = Field(
        default=True,
        description="Whether its values are looked at: not of the warm-up, nor if it failed or is repeated.",
    )


class FindingPart(Part):
    """What one metric says of one variant beside the baseline."""

    metric: str
    variant: str
    baseline_median: float | None
    variant_median: float | None
    change: float | None = Field(description="As a share of the baseline; 0.1 is ten percent more.")
    low: float | None = Field(description="Of its 95 % interval.")
    high: float | None
    p_value: float | None
    p_adjusted: float | None = Field(
        description="By Holm's method over all metrics and variants, and for having looked before (--until-decided)."
    )
    pairs: int
    verdict: Word
    rounds_to_decide: int | None = Field(
        description="About how many rounds in all would decide it; null where decided, or unknown."
    )


class CompareResult(Part):
    """The whole document."""

    version: Literal["loadtest.compare/1"] = Field(default=SCHEMA, alias="schema")
    scenario: str
    baseline: str
    min_effect: float = Field(description="A smaller change is no difference; a share.")
    started_at: str = Field(description="ISO 8601, UTC.")
    ended_at: str
    rounds: int = Field(description="Rounds that were done in full, the warm-up left out.")
    complete: bool = Field(description="False where it was interrupted: `loadtest compare --resume` goes on.")
    variants: tuple[VariantPart, ...]
    metrics: tuple[MetricPart, ...]
    laps: tuple[LapPart, ...]
    findings: tuple[FindingPart, ...]
    exit_code: int
    reason: str
    slo: tuple[str, ...] = Field(
        default=(), description="What had to hold, where capacities were compared (`--capacity`)."
    )
    notes: tuple[str, ...] = Field(
        default=(), description="Of variants that came to the same on this broker, as read back before the runs."
    )


def counts(lap: LapPart) -> bool:
    """Return whether the values of a lap are looked at; of a lap of an older document, too, which does not say."""
    return lap.counts and lap.round != WARM_UP and "failed" not in lap.marks


def failed_laps(laps: Sequence[LapPart]) -> list[LapPart]:
    """Return what is missing because it failed: not the warm-up, and not what was run again."""
    return [lap for lap in laps if "failed" in lap.marks and lap.round != WARM_UP and not lap.repeated]


def compare_schema() -> dict[str, JsonValue]:
    """Return the JSON Schema of `compare.json`, for `loadtest schema compare`."""
    schema: dict[str, JsonValue] = CompareResult.model_json_schema(by_alias=True, mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def findings_of(
    laps: Sequence[LapPart],
    metrics: Sequence[MetricPart],
    variants: Sequence[str],
    baseline: str,
    *,
    min_effect: float,
    alpha: float = ALPHA,
) -> tuple[FindingPart, ...]:
    """
    Return what the laps say of every variant but the baseline, by metric.

    Args:
        laps: All that were run.
        metrics: What is looked at.
        variants: Names of all.
        baseline: What the others are compared with.
        min_effect: A smaller change is no difference.
        alpha: What this look may have of the probability of a false verdict.
    """
    others = [variant for variant in variants if variant != baseline]
    asked = [(metric, variant) for metric in metrics for variant in others]
    pairs = [_pairs(laps, metric.name, baseline, variant) for metric, variant in asked]
    changes = [change_of(*each) for each in pairs]
    adjusted = [
        None if value is None else min(1.0, value * ALPHA / alpha) for value in holm([each.p_value for each in changes])
    ]
    said = [verdict(change, value, min_effect=min_effect) for change, value in zip(changes, adjusted, strict=True)]
    needed = [
        pairs_to_decide(change, min_effect=min_effect, tests=len(asked), alpha=alpha) if word is None else None
        for change, word in zip(changes, said, strict=True)
    ]
    return tuple(
        _finding(*both, *rest) for both, *rest in zip(asked, pairs, changes, adjusted, said, needed, strict=True)
    )


def _pairs(laps: Iterable[LapPart], metric: str, baseline: str, variant: str) -> tuple[list[float], list[float]]:
    """Return the values of both in laps of the same round and turn, where both have one."""
    values: dict[tuple[int, int], dict[str, float]] = {}
    for lap in laps:
        value = lap.values.get(metric)
        if counts(lap) and value is not None:
            values.setdefault((lap.round, lap.turn), {})[lap.variant] = value
    both = [pair for _, pair in sorted(values.items()) if baseline in pair and variant in pair]
    return [pair[baseline] for pair in both], [pair[variant] for pair in both]


def _finding(
    metric: MetricPart,
    variant: str,
    values: tuple[list[float], list[float]],
    change: Change,
    p_adjusted: float | None,
    said: int | None,
    needed: int | None,
) -> FindingPart:
    return FindingPart(
        metric=metric.name,
        variant=variant,
        baseline_median=median(values[0]) if values[0] else None,
        variant_median=median(values[1]) if values[1] else None,
        change=change.estimate,
        low=change.low,
        high=change.high,
        p_value=change.p_value,
        p_adjusted=p_adjusted,
        pairs=change.pairs,
        verdict=_word(said, metric.better),
        rounds_to_decide=None if needed is None else -(-needed // LAPS_A_ROUND),
    )


def _word(said: int | None, better: Better) -> Word:
    if said is None:
        return "inconclusive"
    if said == 0:
        return "no-difference"
    return "better" if (said > 0) == (better == "more") else "worse"


def judge(findings: Sequence[FindingPart], laps: Sequence[LapPart], *, fails_on_worse: bool) -> tuple[int, str]:
    """
    Return exit code and reason of a comparison.

    Args:
        findings: What was found.
        laps: What it rests on.
        fails_on_worse: Whether a figure that is worse fails it.
    """
    failed = failed_laps(laps)
    worse = [finding for finding in findings if finding.verdict == "worse"]
    open_ones = [finding for finding in findings if finding.verdict == "inconclusive"]
    if fails_on_worse and worse:
        return EXIT_FAILED, "; ".join([f"{_named(worse)} came out worse", *_doubts(laps)])
    if open_ones or failed:
        text = "; ".join([*_why_open(findings, open_ones, failed), *_doubts(laps)])
        return EXIT_INCONCLUSIVE, text
    return EXIT_PASSED, "; ".join([f"all {len(findings)} figures are decided", *_doubts(laps)])


def _doubts(laps: Sequence[LapPart]) -> Iterator[str]:
    """Yield what is to be known of the runs that the figures rest on."""
    counted = [lap for lap in laps if counts(lap)]
    for mark, text in DOUBTS.items():
        marked = sum(1 for lap in counted if mark in lap.marks)
        if marked:
            yield f"{'all' if marked == len(counted) > 1 else f'{marked} of'} {len(counted)} runs {text}"


def _named(findings: Sequence[FindingPart]) -> str:
    named = ", ".join(f"{finding.metric} of {finding.variant}" for finding in findings[:_MOST_NAMED])
    return named + (f" and {len(findings) - _MOST_NAMED} more" if len(findings) > _MOST_NAMED else "")


def _why_open(
    findings: Sequence[FindingPart], open_ones: Sequence[FindingPart], failed: Sequence[LapPart]
) -> Iterator[str]:
    if open_ones:
        decided = len(findings) - len(open_ones)
        if decided:
            yield f"{decided} of {len(findings)} figures {'is' if decided == 1 else 'are'} decided"
        needed = [finding.rounds_to_decide for finding in open_ones if finding.rounds_to_decide is not None]
        more = f" (about {max(needed)} rounds would decide)" if needed and len(needed) == len(open_ones) else ""
        yield f"not decided: {_named(open_ones)}{more}"
    if failed:
        runs = "1 run" if len(failed) == 1 else f"{len(failed)} runs"
        yield f"{runs} failed, the first {failed[0].folder} with exit code {failed[0].exit_code}"


def change_text(finding: FindingPart) -> str:
    """Return a change with its interval: ``+12.3% (+8.1% to +17.0%)``; a dash where nothing can be said."""
    if finding.change is None or finding.low is None or finding.high is None:
        return "–"
    return f"{signed(finding.change)} ({signed(finding.low)} to {signed(finding.high)})"


def signed(share: float) -> str:
    """Return a share with its sign: ``+12.3%``, ``−0.4%``; ``0%`` for what no measurement could tell from none."""
    if abs(share) < LEAST_CHANGE:
        return "0%"
    return f"{'−' if share < 0 else '+'}{share_text(abs(share))}"

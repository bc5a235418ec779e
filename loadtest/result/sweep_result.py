"""
`sweep.json`: what was varied, every run at every point, and what each point came to, as one frozen document.

Knows nothing of how runs are made. The document is an interface as `result.json` is: fields are added, never renamed.
Figures have the units of the metrics: ns, messages a second, cores, bytes, or a count.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median, quantiles
from typing import Final, Literal, TypeAlias

from pydantic import Field, JsonValue

from loadtest.errors import EXIT_FAILED, EXIT_INCONCLUSIVE, EXIT_PASSED
from loadtest.result.run.document import Part

SCHEMA: Final = "loadtest.sweep/1"
"""
Version of the document. History:

1: first version.
"""

AxisUnit: TypeAlias = Literal["count", "bytes", "ns", "per_s", "bytes_per_s", "share"]
FAILED: Final = "failed"
LOST: Final = "lost"
NOT_PASSED: Final = "not-passed"


class SweepValuePart(Part):
    """One value of an axis."""

    text: str = Field(description="As it was asked for.")
    number: float | None = Field(description="In the axis' unit; null where the axis is no quantity.")


class AxisPart(Part):
    """What was varied."""

    path: str = Field(description="In the scenario, as it was asked for.")
    name: str = Field(description="The shortest end of the path that no other axis has.")
    unit: AxisUnit | None = Field(description="Null where the values are no quantities of one kind.")
    values: tuple[SweepValuePart, ...] = Field(description="Ascending where they are quantities, else as asked for.")


class SweepMetricPart(Part):
    """What was looked at."""

    name: str
    unit: Literal["time", "rate", "size", "cores", "count"]


class SweepRunPart(Part):
    """One run."""

    round: int = Field(description="From 1; 0 is the warm-up, which counts for nothing.")
    turn: int = Field(description="Its place in the order of the round, from 0.")
    folder: str = Field(description="Of its results, below the sweep's.")
    exit_code: int
    values: dict[str, float | None] = Field(description="By metric; null where it has none.")
    marks: tuple[str, ...] = Field(
        default=(), description="failed, lost, not-passed, generator-bound, disturbed; the first counts for nothing."
    )
    reason: str = Field(description="Its verdict in a sentence, or its last words.")


class FigurePart(Part):
    """A metric at a point, over its runs that have it."""

    count: int = Field(description="Runs that it is of.")
    median: float
    min: float
    max: float
    q1: float = Field(description="First quartile, between values by linear interpolation.")
    q3: float


class PointPart(Part):
    """One combination of values."""

    name: str
    at: tuple[int, ...] = Field(description="By axis: the place of its value among the axis' values, from 0.")
    runs: tuple[SweepRunPart, ...]
    figures: dict[str, FigurePart] = Field(description="By metric; one of which no run has a value is left out.")


class SweepResult(Part):
    """The whole document."""

    version: Literal["loadtest.sweep/1"] = Field(default=SCHEMA, alias="schema")
    scenario: str
    overrides: tuple[str, ...] = Field(description="That all points have; passwords replaced.")
    broker: str = Field(description="Product and version, and an address without password or what a private one has.")
    started_at: str = Field(description="ISO 8601, UTC.")
    ended_at: str
    complete: bool = Field(description="False where it was interrupted: `loadtest sweep --resume` goes on.")
    repeats: int = Field(description="Rounds asked for; each runs every point once.")
    seed: int = Field(description="Of the order in which each round runs the points.")
    axes: tuple[AxisPart, ...]
    metrics: tuple[SweepMetricPart, ...]
    warm_up: SweepRunPart | None = Field(description="A run of the first point, thrown away.")
    points: tuple[PointPart, ...] = Field(description="In the order of the axes' values, the last axis' fastest.")
    exit_code: int
    reason: str


DOUBTS: Final = {
    "not-passed": "did not pass",
    "generator-bound": "bound by the generator",
    "disturbed": "disturbed by other programs",
}
"""Marks of runs that count, and that a reader of the headline has to know."""


def sweep_schema() -> dict[str, JsonValue]:
    """Return the JSON Schema of `sweep.json`, for `loadtest schema sweep`."""
    schema: dict[str, JsonValue] = SweepResult.model_json_schema(by_alias=True, mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def counts(run: SweepRunPart) -> bool:
    """Return whether the values of a run count."""
    return FAILED not in run.marks


def point_part(
    name: str, at: tuple[int, ...], runs: Sequence[SweepRunPart], metrics: Sequence[SweepMetricPart]
) -> PointPart:
    """Return what the runs of a point come to."""
    figures = {}
    for metric in metrics:
        found = [run.values.get(metric.name) for run in runs if counts(run)]
        values = [value for value in found if value is not None]
        if values:
            figures[metric.name] = figure_of(values)
    return PointPart(name=name, at=at, runs=tuple(runs), figures=figures)


def figure_of(values: Sequence[float]) -> FigurePart:
    """
    Return median and spread of one value or more.

    Quartiles are those of Hyndman and Fan, "Sample Quantiles in Statistical Packages", 1996, type 7.
    """
    q1, _, q3 = quantiles(values, n=4, method="inclusive") if len(values) > 1 else [values[0]] * 3
    return FigurePart(count=len(values), median=median(values), min=min(values), max=max(values), q1=q1, q3=q3)


def judge(points: Sequence[PointPart]) -> tuple[int, str]:
    """
    Return exit code and reason of a sweep that came to its end.

    A point at which a threshold of the scenario fails is a finding, and not a fault: that is what a sweep looks for.
    Lost messages are a fault at any point, and what failed leaves a gap.
    """
    runs = [run for point in points for run in point.runs]
    failed = [run for run in runs if not counts(run)]
    losing = [run for run in runs if LOST in run.marks]
    text = "; ".join(_what_came(points, runs, failed, losing))
    if losing:
        return EXIT_FAILED, text
    return (EXIT_INCONCLUSIVE if failed else EXIT_PASSED), text


def _what_came(
    points: Sequence[PointPart],
    runs: Sequence[SweepRunPart],
    failed: Sequence[SweepRunPart],
    losing: Sequence[SweepRunPart],
) -> Iterator[str]:
    if losing:
        yield f"messages were lost or corrupted in {len(losing)} of {len(runs)} runs, the first {losing[0].folder}"
    if failed:
        first = f"the first {failed[0].folder} with exit code {failed[0].exit_code}"
        yield f"{len(failed)} of {len(runs)} runs failed, {first}"
        empty = [point.name for point in points if not any(map(counts, point.runs))]
        if empty:
            named = ", ".join(empty[:5]) + (f" and {len(empty) - 5} more" if len(empty) > 5 else "")  # noqa: PLR2004
            yield f"no figures of {named}"
    if not losing and not failed:
        yield f"{len(points)} points, {len(runs)} runs, all with figures"
    for mark, text in DOUBTS.items():
        marked = sum(1 for run in runs if mark in run.marks)
        if marked:
            yield f"{'all' if marked == len(runs) > 1 else f'{marked} of'} {len(runs)} {text}"

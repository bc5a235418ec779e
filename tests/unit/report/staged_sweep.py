"""A sweep as it would be after some rounds, with a gap, remarks and several axes; no broker is needed."""

from __future__ import annotations

from collections.abc import Sequence

from loadtest.experiments.sweep.axes import axis_parts, parse_axes, points_of
from loadtest.result.sweep_result import (
    SweepMetricPart,
    SweepResult,
    SweepRunPart,
    judge,
    point_part,
)

SIZES = "body.size=12B,1KB,10KB"
USERS = "publishers.p.users=1,2,4"
TYPES = "topology.queues.q.type=quorum,classic"
METRICS = (
    SweepMetricPart(name="p.confirmed_rate", unit="rate"),
    SweepMetricPart(name="c.end_to_end.p99", unit="time"),
    SweepMetricPart(name="broker.cpu.mean", unit="cores"),
)


def sweep(
    vary: Sequence[str] = (SIZES, USERS),
    *,
    repeats: int = 2,
    complete: bool = True,
    gap: int | None = None,
    marked: int | None = None,
    everywhere: str = "",
    scenario: str = "steady-1kb",
) -> SweepResult:
    """
    Return a sweep along *vary*.

    Args:
        vary: As the command line has it.
        repeats: Runs a point.
        complete: Whether it came to its end.
        gap: A point all of whose runs failed.
        marked: A point whose last run has remarks.
        everywhere: A remark on all runs that did not fail.
        scenario: Its name or file.
    """
    axes = parse_axes(vary)
    points = list(points_of(axes))
    parts = []
    for number, point in enumerate(points):
        runs = [_run(number, turn, sum(point.at)) for turn in range(1, repeats + 1)]
        if everywhere:
            runs = [run.model_copy(update={"marks": (everywhere,)}) for run in runs]
        if number == gap:
            runs = [_failed(run) for run in runs]
        if number == marked:
            runs[-1] = runs[-1].model_copy(
                update={
                    "marks": ("generator-bound", "not-passed"),
                    "exit_code": 1,
                    "reason": "1 of 2 thresholds failed",
                }
            )
        parts.append(point_part(point.name, point.at, runs, METRICS))
    exit_code, reason = judge(parts) if complete else (130, "not complete: 3 of 18 runs")
    return SweepResult(
        scenario=scenario,
        overrides=("run.duration=2s",),
        broker="RabbitMQ 3.10.8, private",
        started_at="2026-03-01T12:00:00+00:00",
        ended_at="2026-03-01T12:10:00+00:00",
        complete=complete,
        repeats=repeats,
        seed=1,
        axes=axis_parts(axes),
        metrics=METRICS,
        warm_up=None,
        points=tuple(parts),
        exit_code=exit_code,
        reason=reason,
    )


def _run(point: int, number: int, level: int) -> SweepRunPart:
    """Return a run whose figures follow from its place: the further along the axes, the slower, later runs more so."""
    factor = 1 + number / 20
    return SweepRunPart(
        round=number,
        turn=point,
        folder=f"runs/{number:02}-{point + 1}-p",
        exit_code=0,
        values={
            "p.confirmed_rate": 40_000 / (1 + level) / factor,
            "c.end_to_end.p99": 1e5 * 8.5**level * factor,
            "broker.cpu.mean": 0.25 * (1 + level) * factor,
        },
        reason="2 of 2 thresholds hold",
    )


def _failed(run: SweepRunPart) -> SweepRunPart:
    return run.model_copy(update={"exit_code": 3, "values": {}, "marks": ("failed",), "reason": "the broker went away"})

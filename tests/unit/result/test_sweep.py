"""The document of a sweep: figures of points, what it comes to, and its schema."""

from __future__ import annotations

import json

import pytest

from loadtest.result.sweep_result import (
    SweepMetricPart,
    SweepResult,
    SweepRunPart,
    figure_of,
    judge,
    point_part,
    sweep_schema,
)
from tests.unit.report.staged_sweep import sweep

RATE = SweepMetricPart(name="p.confirmed_rate", unit="rate")


def run(value: float | None, *marks: str, exit_code: int = 0) -> SweepRunPart:
    """Return a run that brought a rate."""
    return SweepRunPart(
        round=1, turn=0, folder="runs/01-1-p", exit_code=exit_code, values={RATE.name: value}, marks=marks, reason="r"
    )


@pytest.mark.parametrize(
    "values, expected",
    [
        ([5.0], (1, 5.0, 5.0, 5.0, 5.0, 5.0)),
        ([4.0, 2.0], (2, 3.0, 2.0, 4.0, 2.5, 3.5)),
        ([1.0, 2.0, 3.0, 4.0, 100.0], (5, 3.0, 1.0, 100.0, 2.0, 4.0)),
    ],
    ids=["one", "two", "an outlier"],
)
def test_a_figure_has_median_range_and_quartiles(values: list[float], expected: tuple[float, ...]) -> None:
    """Quartiles lie between values by linear interpolation, and of one value all are it."""
    found = figure_of(values)

    assert (found.count, found.median, found.min, found.max, found.q1, found.q3) == expected


def test_what_failed_counts_for_nothing() -> None:
    """A point is made of the runs that did not fail and have a value; with none it has no figure."""
    point = point_part("p", (0,), [run(1.0), run(9.0, "failed", exit_code=3), run(3.0, "generator-bound")], [RATE])

    assert (point.figures[RATE.name].count, point.figures[RATE.name].median) == (2, 2.0)
    assert len(point.runs) == 3
    assert point_part("p", (0,), [run(9.0, "failed"), run(None)], [RATE]).figures == {}


@pytest.mark.parametrize(
    "runs, exit_code, reason",
    [
        ([[run(1.0)], [run(2.0)]], 0, "2 points, 2 runs, all with figures"),
        (
            [[run(1.0, "not-passed", exit_code=1)], [run(2.0)]],
            0,
            "2 points, 2 runs, all with figures; 1 of 2 did not pass",
        ),
        (
            [[run(1.0)], [run(None, "failed", exit_code=4)]],
            5,
            "1 of 2 runs failed, the first runs/01-1-p with exit code 4; no figures of p1",
        ),
        (
            [[run(1.0, "lost", exit_code=1)], [run(2.0)]],
            1,
            "messages were lost or corrupted in 1 of 2 runs, the first runs/01-1-p",
        ),
    ],
    ids=["well", "a threshold of the scenario", "a gap", "lost"],
)
def test_what_a_sweep_comes_to(runs: list[list[SweepRunPart]], exit_code: int, reason: str) -> None:
    """A threshold that fails at a point is no fault; a gap and lost messages are."""
    points = [point_part(f"p{number}", (number,), each, [RATE]) for number, each in enumerate(runs)]

    assert judge(points) == (exit_code, reason)


def test_the_document_is_read_as_it_is_written() -> None:
    """JSON and back is the same, and what it holds is in the schema."""
    result = sweep(gap=4, marked=8)
    text = result.model_dump_json(by_alias=True)

    assert SweepResult.model_validate_json(text) == result
    assert json.loads(text).keys() == sweep_schema()["properties"].keys()  # type: ignore[union-attr]
    assert json.loads(text)["schema"] == "loadtest.sweep/1"

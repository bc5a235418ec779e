"""Steady state: noise is no change, a step and a drift are, and what the schedule changes is none of its business."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from loadtest.result.run.build import build_result
from loadtest.result.run.document import PointGroupPart, PointLatencyPart, PointPart
from loadtest.result.run.evidence import Evidence, evidence_of
from loadtest.result.run.findings.steadiness import unstable_over_time
from tests.unit.result.staged_run import flood, orders

Doubles = NDArray[np.float64]
CLOSED = evidence_of(build_result(flood().collector()))
OPEN = evidence_of(build_result(orders().collector()))
RUNS = 150


def noise(chance: np.random.Generator, seconds: int, likeness: float, spread: float) -> Doubles:
    """Return seconds around 1, each like the last by *likeness* (AR(1)); *spread* is the deviation."""
    values = np.empty(seconds)
    values[0] = chance.normal(0, spread)
    steps = chance.normal(0, spread * np.sqrt(1 - likeness**2), seconds)
    for second in range(1, seconds):
        values[second] = likeness * values[second - 1] + steps[second]
    return np.maximum(1 + values, 0.01)


def closed(rates: Doubles, latencies: Doubles) -> Evidence:
    """Return a run of the closed model with these rates and median latencies, in ns, second by second."""
    points = [
        PointPart(
            t_s=second,
            phase="measured",
            groups={
                "flood": PointGroupPart(
                    rates={"published_per_s": float(rate)}, latency={"confirm": PointLatencyPart(p50_ns=int(latency))}
                )
            },
            gauges={},
        )
        for second, (rate, latency) in enumerate(zip(rates, latencies, strict=True))
    ]
    return replace(CLOSED, timeline=points)


def flagged(evidences: Sequence[Evidence]) -> float:
    """Return the share of runs with a finding."""
    return float(np.mean([any(True for _ in unstable_over_time(evidence)) for evidence in evidences]))


@pytest.mark.parametrize("likeness", [0.0, 0.3, 0.6])
@pytest.mark.parametrize("seconds", [40, 120])
def test_noise_is_no_change(seconds: int, likeness: float) -> None:
    """Of runs whose rate and latency only fluctuate, by 10 % and 20 %, at most 2 % are called unstable."""
    chance = np.random.default_rng(11)
    runs = [
        closed(
            20_000 * noise(chance, seconds, likeness, 0.1), 3e6 * noise(chance, seconds, likeness, 0.2 * (1 - likeness))
        )
        for _ in range(RUNS)
    ]

    assert flagged(runs) <= 0.02


@pytest.mark.parametrize(
    "shape",
    [np.r_[np.ones(30), np.full(30, 1.2)], np.r_[np.ones(30), np.full(30, 0.8)], np.linspace(1, 1.3, 60)],
    ids=["a step up", "a step down", "a drift"],
)
@pytest.mark.parametrize("likeness", [0.0, 0.3])
def test_a_change_is_found(shape: Doubles, likeness: float) -> None:
    """A step of a fifth, or a drift of 30 %, is found in nine runs of ten that fluctuate by 4 %."""
    chance = np.random.default_rng(12)
    flat = np.full(60, 3e6)
    runs = [closed(20_000 * shape * noise(chance, 60, likeness, 0.04), flat) for _ in range(RUNS)]

    assert flagged(runs) >= 0.9


def test_a_latency_that_changes_is_told_with_its_numbers() -> None:
    """The finding names the series, both medians, the change and its limit."""
    chance = np.random.default_rng(13)
    latencies = 3e6 * np.r_[np.ones(30), np.full(30, 2.0)] * noise(chance, 60, 0.3, 0.02)
    (found,) = unstable_over_time(closed(np.full(60, 20_000.0), latencies))

    assert found.group == "flood"
    assert found.text.startswith("median confirm of flood went from ")
    assert "more (limit 10%)" in found.text
    assert found.value == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    "rates,latencies",
    [
        (np.full(60, 20_000.0), np.r_[np.full(30, 100_000.0), np.full(30, 250_000.0)]),
        (np.r_[np.zeros(5), np.full(50, 20_000.0), np.zeros(5)], np.full(60, 3e6)),
        (np.r_[np.full(14, 20_000.0), np.full(14, 40_000.0)], np.full(28, 3e6)),
        (np.full(60, 20_000.0), np.full(60, 3e6)),
    ],
    ids=["microseconds", "began late and ended early", "too short", "exactly even"],
)
def test_what_is_no_change_of_state(rates: Doubles, latencies: Doubles) -> None:
    """Microseconds, the ends of a group's work, and runs of less than half a minute say nothing."""
    assert list(unstable_over_time(closed(rates, latencies))) == []


@pytest.mark.parametrize("factor,is_found", [(1.0, True), (3.0, False)])
def test_what_the_schedule_changes_is_no_finding(factor: float, is_found: bool) -> None:
    """A latency that rises with the rate that was asked for is what such a run is made for."""
    points = [
        PointPart(
            t_s=second,
            phase="measured",
            groups={
                "shop": PointGroupPart(
                    rates={"offered_per_s": 1_000.0 * (1 if second < 30 else factor)},
                    latency={"confirm": PointLatencyPart(p50_ns=2_000_000 * (1 if second < 30 else 2) + second)},
                )
            },
            gauges={},
        )
        for second in range(60)
    ]

    assert bool(list(unstable_over_time(replace(OPEN, timeline=points)))) is is_found

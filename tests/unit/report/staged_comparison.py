"""A comparison as it would be after some rounds, with every verdict and mark that there is; no broker is needed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from loadtest.result.compare.compare_result import (
    CompareResult,
    FindingPart,
    LapPart,
    MetricPart,
    VariantPart,
    findings_of,
    judge,
)

ROUNDS = 6
METRICS = (
    MetricPart(name="in.confirmed_rate", better="more", unit="rate"),
    MetricPart(name="in.confirm.p50", better="less", unit="time"),
    MetricPart(name="in.confirm.p99", better="less", unit="time"),
    MetricPart(name="broker.memory.max", better="less", unit="size"),
    MetricPart(name="generator.cpu.mean", better="less", unit="cores"),
)
# By metric: the baseline's value, its spread, and the change of each variant. One is not known of the baseline.
STAGED = {
    "in.confirmed_rate": (20_000.0, 0.01, (0.0, 0.2, -0.3)),
    "in.confirm.p50": (2e6, 0.01, (0.0, -0.25, 0.002)),
    "in.confirm.p99": (9e6, 0.4, (0.0, 0.1, 0.3)),
    "broker.memory.max": (1.4e8, 0.005, (0.0, 0.001, 45.0)),
    "generator.cpu.mean": (0.4, 0.0, (0.0, 0.0, 0.0)),
}


def comparison(
    names: Sequence[str] = ("classic", "quorum", "stream"),
    *,
    complete: bool = True,
    fails_on_worse: bool = False,
    scenario: str = "steady-1kb",
    text: str = "type=x",
    fail: bool = True,
) -> CompareResult:
    """
    Return a comparison of variants of these *names*, the first the baseline.

    Args:
        names: Up to three.
        complete: Whether it came to its end.
        fails_on_worse: Whether it was to fail where a figure is worse.
        scenario: Its name or file.
        text: An override, a broker and a setting that differs.
        fail: Whether a lap failed, and others have remarks.
    """
    laps = tuple(_laps(names, fail=fail))
    findings = findings_of(laps, METRICS, names, names[0], min_effect=0.05)
    exit_code, reason = judge(findings, laps, fails_on_worse=fails_on_worse)
    return CompareResult(
        scenario=scenario,
        baseline=names[0],
        min_effect=0.05,
        started_at="2026-03-01T12:00:00+00:00",
        ended_at="2026-03-01T12:10:00+00:00",
        rounds=ROUNDS,
        complete=complete,
        variants=tuple(
            VariantPart(
                name=name,
                overrides=(text,) if number else (),
                broker=f"RabbitMQ 3.10.8, {text}",
                differs={f"config {text}": ("not set", text)} if number else {},
            )
            for number, name in enumerate(names)
        ),
        metrics=METRICS,
        laps=laps,
        findings=findings,
        exit_code=exit_code,
        reason=reason,
    )


def _laps(names: Sequence[str], *, fail: bool) -> list[LapPart]:
    chance = np.random.default_rng(5)
    laps = [_lap(0, 0, name, number, chance) for number, name in enumerate(names)]
    for number in range(1, ROUNDS + 1):
        for turn in (0, 1):
            laps += [_lap(number, turn, name, place, chance) for place, name in enumerate(names)]
    if fail:
        laps[4] = laps[4].model_copy(update={"exit_code": 3, "marks": ("failed",)})
        laps[7] = laps[7].model_copy(update={"marks": ("generator-bound", "disturbed")})
    return laps


def _lap(number: int, turn: int, name: str, place: int, chance: np.random.Generator) -> LapPart:
    values: dict[str, float | None] = {
        metric: value * (1 + changes[place]) * (1 + chance.normal(0, spread))
        for metric, (value, spread, changes) in STAGED.items()
    }
    if not place:
        values["generator.cpu.mean"] = None
    return LapPart(
        round=number, turn=turn, variant=name, folder=f"laps/{number:02}-{turn + 1}-{name}", exit_code=0, values=values
    )


def finding_of(result: CompareResult, metric: str, variant: str) -> FindingPart:
    """Return what a comparison says of a metric of a variant."""
    return next(each for each in result.findings if (each.metric, each.variant) == (metric, variant))

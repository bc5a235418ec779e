"""
Comparisons of laps that were really run, on a machine as restless as they come: verdicts are not invented.

`recorded_rounds.json` holds 44 laps of each of two scenarios and says how they were recorded. Both variants were the
same, so that every verdict of better or worse is false; changes that are to be found are put onto the values.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from loadtest.experiments.compare.rounds import trials_of_round
from loadtest.result.compare import paired
from loadtest.result.compare.compare_result import FindingPart, LapPart, MetricPart, findings_of
from loadtest.result.compare.paired import ALPHA, alpha_of_look, looks

RECORDED: Mapping[str, Mapping[str, list[float]]] = json.loads(
    Path(__file__).with_name("recorded_rounds.json").read_text(encoding="utf-8")
)["scenarios"]
ROUNDS = 5
LAPS_A_ROUND = 4
LAPS = ROUNDS * LAPS_A_ROUND
UNITS = {"rate": ("more", "rate"), "p50": ("less", "time"), "p99": ("less", "time"), "mean": ("less", "cores")}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw less often: quantiles and p-values are a little less exact, and hundreds of comparisons take seconds."""
    monkeypatch.setattr(paired, "RESAMPLES", 999)
    monkeypatch.setattr(paired, "FLIPS", 4_999)


def metrics_of(scenario: str) -> list[MetricPart]:
    """Return the metrics that were recorded of a scenario."""
    found = []
    for name in RECORDED[scenario]:
        better, unit = next(value for end, value in UNITS.items() if name.endswith(end))
        found.append(MetricPart.model_validate({"name": name, "better": better, "unit": unit}))
    return found


def compared(
    scenario: str, places: Sequence[int], *, factor: float = 1.0, alpha: float = ALPHA, turned: bool = False
) -> tuple[FindingPart, ...]:
    """Compare the laps at *places*, in the order of the schedule, with b's values times *factor*."""
    names = ["b", "a"] if turned else ["a", "b"]
    rounds = range(1, len(places) // LAPS_A_ROUND + 1)
    planned = [lap for number in rounds for lap in trials_of_round(number, names)]
    laps = [
        LapPart(
            round=lap.round,
            turn=lap.block,
            variant=lap.variant,
            folder="laps",
            exit_code=0,
            values={
                name: values[place] * (factor if lap.variant == "b" else 1.0)
                for name, values in RECORDED[scenario].items()
            },
        )
        for lap, place in zip(planned, places, strict=True)
    ]
    return findings_of(laps, metrics_of(scenario), ["a", "b"], "a", min_effect=0.05, alpha=alpha)


def is_false(findings: Sequence[FindingPart]) -> bool:
    """Return whether a comparison of equals finds one of them better."""
    return any(finding.verdict in {"better", "worse"} for finding in findings)


def stretches(scenario: str) -> list[range]:
    """Return all runs of so many laps, one after the other, as a comparison takes."""
    laps = len(next(iter(RECORDED[scenario].values())))
    return [range(first, first + LAPS) for first in range(laps - LAPS + 1)]


def drawn_rounds(rng: np.random.Generator, rounds: int) -> list[int]:
    """Draw rounds of four laps that were run one after the other, beginning anywhere."""
    firsts = rng.integers(0, 44 - LAPS_A_ROUND + 1, rounds)
    return [int(first) + lap for first in firsts for lap in range(LAPS_A_ROUND)]


def test_equal_variants_as_they_were_run() -> None:
    """Of fifty comparisons of equals, each of twenty laps in a row and 6 or 8 metrics, 5 % or less are false."""
    false = [is_false(compared(scenario, places)) for scenario in RECORDED for places in stretches(scenario)]

    assert len(false) == 50
    assert sum(false) <= 0.05 * len(false)


def test_equal_variants_of_rounds_that_are_drawn() -> None:
    """The same of 200 comparisons of rounds in any order, up to two standard errors over 5 %."""
    rng = np.random.default_rng(8)
    false = [is_false(compared(scenario, drawn_rounds(rng, ROUNDS))) for scenario in RECORDED for _ in range(100)]

    assert sum(false) / len(false) <= 0.08


def test_equal_variants_until_decided() -> None:
    """Over all looks of a comparison that goes on for twenty rounds there are no more: 5 % of all comparisons."""
    rng = np.random.default_rng(9)
    planned = looks(ROUNDS, 20)
    trials = 100
    false = 0
    for number in range(trials):
        scenario = list(RECORDED)[number % 2]
        places = drawn_rounds(rng, planned[-1])
        false += any(
            is_false(compared(scenario, places[: look * LAPS_A_ROUND], alpha=alpha_of_look(turn, len(planned))))
            for turn, look in enumerate(planned)
        )

    assert false <= 0.05 * trials


# What five rounds find on such a machine, as one of 6 or 8 metrics. Rates of a schedule are steady, whatever else is at
# work; processor time is less so; latencies and what a full machine brings through are less so by far.
FOUND = [
    pytest.param("steady-1kb", "in.confirmed_rate", 0.95, id="5 % of a rate that is asked for"),
    pytest.param("steady-1kb", "out.delivered_rate", 0.95, id="5 % of what is delivered of it"),
    pytest.param("steady-1kb", "generator.cpu.mean", 1.25, id="25 % of the generator's processor time"),
    pytest.param("steady-1kb", "broker.cpu.mean", 1.50, id="50 % of the broker's processor time"),
    pytest.param("saturate-12b", "in.published_rate", 0.50, id="half of what a full machine brings through"),
]


@pytest.mark.parametrize("scenario, metric, factor", FOUND)
def test_a_slowdown_is_found(scenario: str, metric: str, factor: float) -> None:
    """In nine of ten comparisons, whichever variant goes first; and nothing is found better that is worse."""
    words = [
        finding.verdict
        for places in stretches(scenario)
        for turned in (False, True)
        for finding in compared(scenario, places, factor=factor, turned=turned)
        if finding.metric == metric
    ]

    assert words.count("worse") >= 0.9 * len(words)
    assert "better" not in words


def test_no_difference_is_found() -> None:
    """Of equals, where noise is small beside 5 %: in more than eight of ten, and the others stay open."""
    words = [
        finding.verdict
        for places in stretches("steady-1kb")
        for finding in compared("steady-1kb", places)
        if finding.metric.endswith("_rate")
    ]

    assert words.count("no-difference") >= 0.8 * len(words)
    assert set(words) <= {"no-difference", "inconclusive"}

"""Where a comparison is, and how long it will take yet."""

from __future__ import annotations

import pytest

from loadtest.experiments.compare.pace import Pace, remaining, where_text
from loadtest.experiments.compare.rounds import Trial, trials_of_round
from loadtest.result.compare.compare_result import LapPart

BOTH = ("a", "b")


def done(*trials: Trial) -> list[LapPart]:
    """Return trials that were run."""
    return [
        LapPart(
            round=each.round,
            turn=each.block,
            variant=each.variant,
            attempt=each.attempt,
            folder="",
            exit_code=0,
            values={},
        )
        for each in trials
    ]


def before(trial: Trial) -> list[LapPart]:
    """Return all trials that come before one."""
    trials = [each for number in range(trial.round + 1) for each in trials_of_round(number, BOTH)]
    return done(*trials[: trials.index(trial)])


def text(trial: Trial, looks: list[int], pace: Pace) -> str:
    """Return what is said of a trial."""
    return where_text(trial, before(trial), BOTH, pace, looks)


PACE = Pace(seen_s={"a": [9.0, 11.0], "b": [20.0]})


@pytest.mark.parametrize(
    "trial, looks, pace, told",
    [
        pytest.param(Trial(0, 0, "b"), [5], Pace(), "warm-up: b", id="nothing is known"),
        pytest.param(Trial(0, 0, "a"), [2], PACE, "warm-up: a, about 2 min 10 s left", id="the warm-up"),
        pytest.param(
            Trial(0, 0, "a"),
            [1, 2],
            PACE,
            "warm-up: a, about 70 s left, at most 2 min 10 s",
            id="the warm-up, until decided",
        ),
        pytest.param(Trial(1, 0, "a"), [2], PACE, "round 1 of 2: a, about 2 min left", id="the first"),
        pytest.param(Trial(2, 1, "b"), [2], PACE, "round 2 of 2: b, about 20 s left", id="the last"),
        pytest.param(
            Trial(2, 0, "b"),
            [2, 3, 4],
            PACE,
            "round 2 of 2, at most 4: b, about 60 s left, at most 3 min",
            id="look",
        ),
        pytest.param(
            Trial(3, 1, "a"),
            [2, 3, 4],
            PACE,
            "round 3 of 3, at most 4: a, about 10 s left, at most 70 s",
            id="second",
        ),
        pytest.param(Trial(4, 1, "a"), [2, 3, 4], PACE, "round 4 of 4: a, about 30 s left", id="the last look"),
        pytest.param(
            Trial(2, 1, "b"), [2], Pace(known_s={"a": 7.0}), "round 2 of 2: b, about 7 s left", id="of before"
        ),
    ],
)
def test_where(trial: Trial, looks: list[int], pace: Pace, told: str) -> None:
    """Until the next look, and at most; by what trials of each variant took."""
    assert text(trial, looks, pace) == told


def test_a_turn_that_is_run_again() -> None:
    """Its own trials are left, besides those that were planned."""
    trials = done(*[each for number in range(2) for each in trials_of_round(number, BOTH)])
    again = Trial(1, 1, "a", attempt=2)

    assert where_text(again, trials, BOTH, PACE, [1]) == "round 1 of 1: a, block 2 again (1), about 30 s left"
    assert sorted(remaining([*trials, *done(Trial(1, 1, "b", 2))], again, BOTH, 1)) == ["a"]


def test_what_this_process_saw_goes_first() -> None:
    """Trials of before a pause are another day's."""
    pace = Pace(known_s={"a": 100.0, "b": 50.0})
    pace.take("a", 2.0)

    assert pace.left_s(["a", "a", "b"]) == 54.0
    assert pace.left_s(["c"]) == 26.0

"""Where a comparison is, and how long it will take yet."""

from __future__ import annotations

import pytest

from loadtest.experiments.compare.pace import Pace, remaining, where_text
from loadtest.experiments.compare.rounds import Lap, laps_of_round
from loadtest.result.compare.compare_result import LapPart

BOTH = ("a", "b")


def done(*laps: Lap) -> list[LapPart]:
    """Return laps that were run."""
    return [
        LapPart(
            round=each.round,
            turn=each.turn,
            variant=each.variant,
            attempt=each.attempt,
            folder="",
            exit_code=0,
            values={},
        )
        for each in laps
    ]


def before(lap: Lap) -> list[LapPart]:
    """Return all laps that come before one."""
    laps = [each for number in range(lap.round + 1) for each in laps_of_round(number, BOTH)]
    return done(*laps[: laps.index(lap)])


def text(lap: Lap, looks: list[int], pace: Pace) -> str:
    """Return what is said of a lap."""
    return where_text(lap, before(lap), BOTH, pace, looks)


PACE = Pace(seen_s={"a": [9.0, 11.0], "b": [20.0]})


@pytest.mark.parametrize(
    "lap, looks, pace, told",
    [
        pytest.param(Lap(0, 0, "b"), [5], Pace(), "warm-up: b", id="nothing is known"),
        pytest.param(Lap(0, 0, "a"), [2], PACE, "warm-up: a, about 2 min 10 s left", id="the warm-up"),
        pytest.param(
            Lap(0, 0, "a"),
            [1, 2],
            PACE,
            "warm-up: a, about 70 s left, at most 2 min 10 s",
            id="the warm-up, until decided",
        ),
        pytest.param(Lap(1, 0, "a"), [2], PACE, "round 1 of 2: a, about 2 min left", id="the first"),
        pytest.param(Lap(2, 1, "b"), [2], PACE, "round 2 of 2: b, about 20 s left", id="the last"),
        pytest.param(
            Lap(2, 0, "b"),
            [2, 3, 4],
            PACE,
            "round 2 of 2, at most 4: b, about 60 s left, at most 3 min",
            id="look",
        ),
        pytest.param(
            Lap(3, 1, "a"),
            [2, 3, 4],
            PACE,
            "round 3 of 3, at most 4: a, about 10 s left, at most 70 s",
            id="second",
        ),
        pytest.param(Lap(4, 1, "a"), [2, 3, 4], PACE, "round 4 of 4: a, about 30 s left", id="the last look"),
        pytest.param(Lap(2, 1, "b"), [2], Pace(known_s={"a": 7.0}), "round 2 of 2: b, about 7 s left", id="of before"),
    ],
)
def test_where(lap: Lap, looks: list[int], pace: Pace, told: str) -> None:
    """Until the next look, and at most; by what laps of each variant took."""
    assert text(lap, looks, pace) == told


def test_a_turn_that_is_run_again() -> None:
    """Its own laps are left, besides those that were planned."""
    laps = done(*[each for number in range(2) for each in laps_of_round(number, BOTH)])
    again = Lap(1, 1, "a", attempt=2)

    assert where_text(again, laps, BOTH, PACE, [1]) == "round 1 of 1: a, turn 2 again (1), about 30 s left"
    assert sorted(remaining([*laps, *done(Lap(1, 1, "b", 2))], again, BOTH, 1)) == ["a"]


def test_what_this_process_saw_goes_first() -> None:
    """Laps of before a pause are another day's."""
    pace = Pace(known_s={"a": 100.0, "b": 50.0})
    pace.take("a", 2.0)

    assert pace.left_s(["a", "a", "b"]) == 54.0
    assert pace.left_s(["c"]) == 26.0

"""Turns that are run again: by their marks alone, whole, and the last whole attempt counts."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from loadtest.experiments.compare.blocks import attempt_to_run, is_compared, marked_blocks, settled
from loadtest.result.compare.compare_result import LapPart

Marks = tuple[str, ...]
BOTH = ("a", "b")


def trial(number: int, turn: int, variant: str, marks: Marks = (), attempt: int = 1) -> LapPart:
    """Return a trial."""
    return LapPart(
        round=number, turn=turn, variant=variant, attempt=attempt, folder="", exit_code=0, values={}, marks=marks
    )


def turn(a: Marks = (), b: Marks = (), *, attempt: int = 1, number: int = 1, way: int = 0) -> list[LapPart]:
    """Return the two trials of a turn with these marks."""
    return [trial(number, way, "a", a, attempt), trial(number, way, "b", b, attempt)]


CLEAN = [trial(0, 0, name) for name in BOTH] + turn(way=1) + turn(number=2) + turn(number=2, way=1)


@pytest.mark.parametrize(
    "trials, repeats, attempt",
    [
        pytest.param([], 0, 1, id="nothing yet"),
        pytest.param(turn()[:1], 0, 1, id="half of it"),
        pytest.param(turn(), 3, None, id="no mark"),
        pytest.param(turn(("disturbed",)), 0, None, id="not asked to"),
        pytest.param(turn(("disturbed",)), 1, 2, id="disturbed"),
        pytest.param(turn((), ("generator-bound",)), 1, 2, id="bound by the generator"),
        pytest.param(turn((), ("failed",)), 1, 2, id="failed"),
        pytest.param(turn(("disturbed",)) + turn(attempt=2)[:1], 1, 2, id="half of the second try"),
        pytest.param(turn(("disturbed",)) + turn(attempt=2)[:1], 0, 2, id="which is ended in any case"),
        pytest.param(turn(("disturbed",)) + turn(attempt=2), 3, None, id="the second try is clean"),
        pytest.param(turn(("disturbed",)) + turn(("failed",), attempt=2), 1, None, id="often enough"),
        pytest.param(turn(("disturbed",)) + turn(("failed",), attempt=2), 2, 3, id="again"),
    ],
)
def test_attempts(trials: list[LapPart], repeats: int, attempt: int | None) -> None:
    """Which one is to be run."""
    assert attempt_to_run([*CLEAN, *trials], 1, 0, BOTH, repeats) == attempt


def test_the_warm_up_is_not_run_again() -> None:
    """It counts for nothing anyhow."""
    trials = [trial(0, 0, name, ("disturbed",)) for name in BOTH]

    assert attempt_to_run(trials, 0, 0, BOTH, 3) is None


def test_a_mark_that_a_variant_has_always_is_its_own() -> None:
    """To try again would bring it again; and would choose those runs in which the broker happened to be slow."""
    always = [each for number in range(6) for each in turn((), ("generator-bound",), number=number)]

    assert attempt_to_run(always, 1, 0, BOTH, 3) is None

    assert attempt_to_run(always[:6], 1, 0, BOTH, 3) == 2

    of_all = [each.model_copy(update={"marks": ("disturbed",)}) for number in range(6) for each in turn(number=number)]
    assert attempt_to_run(of_all, 1, 0, BOTH, 3) == 2
    of_one = [each.model_copy(update={"marks": ()}) if each.variant == "a" else each for each in of_all]
    assert attempt_to_run(of_one, 1, 0, BOTH, 3) is None

    failing = [each for number in range(6) for each in turn((), ("failed",), number=number)]
    assert attempt_to_run(failing, 1, 0, BOTH, 3) == 2


def counted(trials: Iterable[LapPart]) -> list[tuple[int, int, str, int]]:
    """Return which trials count."""
    return [(each.round, each.turn, each.variant, each.attempt) for each in trials if each.counts]


def test_what_counts() -> None:
    """Of each turn the last attempt that is whole; not the warm-up, and none that failed."""
    trials = [
        trial(0, 0, "a"),
        *turn(("disturbed",), ("failed",)),
        *turn((), ("disturbed",), attempt=2),
        *turn(("failed",), way=1),
        *turn(("disturbed",), number=2),
        *turn(number=2, attempt=2)[:1],
        *turn(number=2, way=1)[:1],
    ]
    found = settled([*trials[6:], *trials[:6]], BOTH)

    assert [each.round for each in found] == sorted(each.round for each in trials)
    assert counted(found) == [
        (1, 0, "a", 2),
        (1, 0, "b", 2),
        (1, 1, "b", 1),
        (2, 0, "a", 1),
        (2, 0, "b", 1),
        (2, 1, "a", 1),
    ]
    assert [(each.round, each.variant, each.attempt) for each in found if each.repeated] == [(1, "a", 1), (1, "b", 1)]


def test_marked_blocks() -> None:
    """In their order."""
    trials = [*CLEAN, *turn(("disturbed",)), *turn(("failed",), number=3, way=1), *turn(number=3)]

    assert marked_blocks(trials, BOTH, 1) == [(1, 0), (3, 1)]
    assert marked_blocks(trials, BOTH, 0) == []


@pytest.mark.parametrize(
    "trials, told",
    [
        pytest.param(turn(), True, id="both"),
        pytest.param(turn(("failed",)), False, id="the baseline failed"),
        pytest.param(turn((), ("failed",)), False, id="the other failed"),
        pytest.param(turn((), ("failed",)) + turn(("failed",), way=1), False, id="never both at once"),
        pytest.param([], False, id="nothing"),
    ],
)
def test_what_is_compared(trials: list[LapPart], told: bool) -> None:
    """A round has a pair, or it says nothing."""
    assert is_compared(trials, 1, "a") is told

"""The order in which variants are run."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.experiments.compare.rounds import trials_of_round
from loadtest.result.compare.compare_result import WARM_UP

NAMES = st.integers(2, 12).map(lambda count: [f"v{number}" for number in range(count)])


@given(NAMES, st.integers(1, 50))
def test_every_variant_comes_equally_late(names: list[str], number: int) -> None:
    """In each round the mean position of every variant is the same: what drifts steadily hurts all alike."""
    trials = list(trials_of_round(number, names))
    positions = {name: [place for place, trial in enumerate(trials) if trial.variant == name] for name in names}

    assert {sum(places) / len(places) for places in positions.values()} == {len(names) - 0.5}


@given(NAMES, st.integers(1, 50))
def test_every_variant_has_each_place_of_a_pair_as_often(names: list[str], number: int) -> None:
    """Over two rounds each of two variants goes before the other twice, in the first turn and in the second."""
    trials = [trial for each in (number, number + 1) for trial in trials_of_round(each, names)]
    for turn in (0, 1):
        order = [trial.variant for trial in trials if trial.block == turn]
        assert Counter(order) == dict.fromkeys(names, 2)
        assert order[: len(names)] == list(reversed(order[len(names) :]))


@pytest.mark.parametrize("number, order", [(1, "abba"), (2, "baab"), (3, "abba")])
def test_two_variants(number: int, order: str) -> None:
    """A B B A, and the other way round."""
    trials = list(trials_of_round(number, ["a", "b"]))

    assert "".join(trial.variant for trial in trials) == order
    assert [trial.block for trial in trials] == [0, 0, 1, 1]
    assert {trial.round for trial in trials} == {number}


def test_warm_up() -> None:
    """Each once."""
    assert sorted(trial.variant for trial in trials_of_round(WARM_UP, ["a", "b", "c"])) == ["a", "b", "c"]

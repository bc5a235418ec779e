"""Trials that are searches for a capacity: what is run, what is taken from them, and that their grid biases nothing."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from loadtest.errors import UsageError
from loadtest.experiments.capacity.search import Search
from loadtest.experiments.compare.rounds import Trial
from loadtest.experiments.compare.trial_kinds import CAPACITY_METRIC, CapacityTrials, lap_part
from loadtest.experiments.compare.variants import Variant
from loadtest.experiments.trial_runner import PrivateBrokers, TrialRunner
from loadtest.result.capacity.capacity_result import CapacityResult
from tests.unit.report.staged_capacity import capacity

LAPS = CapacityTrials(1_000.0, ("in.confirm.p99 < 20ms", "lost == 0"), ("--hold", "5s"))
WHOLE = capacity()


def start_of(trial: Trial) -> float:
    """Return the first rate of a trial."""
    return float(LAPS.trial.options(trial)[1].removesuffix("/s"))


def test_what_is_run_is_a_search(tmp_path: Path) -> None:
    """With what has to hold, and with the overrides of all variants and its own."""
    runner = TrialRunner("x", ("a=1",), tmp_path, PrivateBrokers({}, lambda _: None), {}, LAPS.trial)
    command = runner._command(Trial(1, 0, "a"), Variant("a", overrides=("b=2",)), tmp_path)
    start = command[command.index("--from") + 1]

    assert command[3:7] == ["capacity", "x", "--results", str(tmp_path)]
    assert command[7:] == [
        "--from", start, "--slo", "in.confirm.p99 < 20ms", "--slo", "lost == 0", "--hold", "5s",
        "--set", "a=1", "--set", "b=2",
    ]  # fmt: skip


def test_both_of_a_pair_begin_at_the_same_rate_and_pairs_at_others() -> None:
    """Evenly over a doubling: of 20 trials each quarter of it has some, and no more than 6."""
    starts = [start_of(Trial(number, turn, "a")) for number in range(1, 11) for turn in (0, 1)]
    quarters = [sum(1_000 * 2 ** (k / 4) <= start < 1_000 * 2 ** ((k + 1) / 4) for start in starts) for k in range(4)]

    assert start_of(Trial(3, 1, "a")) == start_of(Trial(3, 1, "b"))
    assert len(set(starts)) == 20
    assert sum(quarters) == 20
    assert all(3 <= count <= 6 for count in quarters)


def found(start: float, truth: float) -> float:
    """Return the capacity that a search finds without noise."""
    search = Search(start, 1e7)
    while (step := search.next_step()) is not None:
        search.tell(step.rate_per_s, is_held=step.rate_per_s <= truth, is_quick=step.is_quick)
    assert search.low is not None
    return search.low


@pytest.mark.parametrize("truth", [3_333.0, 12_345.0, 70_000.0])
def test_the_grid_of_searches_biases_no_comparison(truth: float) -> None:
    """Two capacities that differ by 10 % come out 10 % apart in the mean, to one; single pairs differ."""
    starts = [start_of(Trial(number, turn, "a")) for number in range(1, 33) for turn in (0, 1)]
    changes = [math.log(found(start, 1.1 * truth) / found(start, truth)) for start in starts]

    assert math.exp(sum(changes) / len(changes)) == pytest.approx(1.1, abs=0.01)
    assert max(changes) - min(changes) > 0.03


@pytest.mark.parametrize(
    "exit_code, result, value, marks",
    [
        (0, WHOLE, WHOLE.capacity_per_s, ()),
        (0, capacity(bound="generator"), WHOLE.capacity_per_s, ("generator-bound",)),
        (0, capacity(most_per_s=4_000), 4_000, ("generator-bound",)),
        (1, capacity(holds=False), None, ()),
        (5, WHOLE, WHOLE.capacity_per_s, ("not-settled",)),
        (130, WHOLE, WHOLE.capacity_per_s, ("failed",)),
        (3, None, None, ("failed",)),
    ],
    ids=["found", "generator", "most", "none held", "not settled", "interrupted", "no result"],
)
def test_what_is_taken_from_a_search(
    exit_code: int, result: CapacityResult | None, value: float | None, marks: tuple[str, ...]
) -> None:
    """Its rate, and what is to be known of it."""
    part = lap_part(Trial(1, 0, "a"), exit_code, Path("laps/01-1-a"), result, [CAPACITY_METRIC], LAPS)

    assert (part.values, part.marks) == ({"capacity": value}, marks)


def test_what_is_looked_at_is_the_capacity() -> None:
    """Where no variant has one there is nothing to compare, which says why."""
    assert LAPS.default_metrics([WHOLE, capacity(holds=False)]) == [CAPACITY_METRIC]
    with pytest.raises(UsageError, match="no variant has a capacity: no rate was held"):
        LAPS.default_metrics([capacity(holds=False)])
    with pytest.raises(UsageError, match="no variant was searched"):
        LAPS.default_metrics([])
    assert LAPS.value("in.confirm.p99", WHOLE) is None

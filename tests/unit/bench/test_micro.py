"""What counts as moved; the cases themselves do what they say. Nothing here is timed."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.micro import GOALS, Timing, change_of, moved, read_baseline, time_case, write_baseline
from bench.micro_cases import Case, all_cases

BEFORE = Timing(100.0, 1.0)


@pytest.mark.parametrize(
    "now,expected",
    [
        (Timing(104.0, 1.0), None),
        (Timing(96.0, 1.0), None),
        (Timing(120.0, 1.0), 0.2),
        (Timing(80.0, 1.0), -0.2),
        (Timing(120.0, 9.0), None),
    ],
    ids=["a little slower", "a little faster", "slower", "faster", "slower but noisy"],
)
def test_change_counts_beyond_noise(now: Timing, expected: float | None) -> None:
    """A change is one if it is larger than a share of the baseline and than the noise of both."""
    assert expected == change_of(now, BEFORE)


def test_moved_tells_of_each_case() -> None:
    """Cases that are slower, faster, new or gone are told of; others are not."""
    now = {"a": Timing(150, 1), "b": Timing(50, 1), "c": BEFORE, "d": BEFORE}
    before = dict.fromkeys(("a", "b", "c", "e"), BEFORE)

    assert ["a: slower by 50%", "b: faster by 50%", "d: new", "e: gone"] == moved(now, before)


def test_time_is_divided_by_calls_and_messages() -> None:
    """A case whose call of ten messages takes 1 ms takes 100 µs a message, without noise."""
    now_ns = 0

    def call() -> None:
        nonlocal now_ns
        now_ns += 1_000_000

    assert Timing(100_000.0, 0.0) == time_case(Case("x", 10, call), clock=lambda: now_ns)


def test_baseline_round_trip(tmp_path: Path) -> None:
    """A written baseline is read back; a missing one is empty."""
    path = tmp_path / "baseline.json"
    write_baseline({"a": BEFORE}, path)

    assert {"a": BEFORE} == read_baseline(path)
    assert {} == read_baseline(tmp_path / "none.json")


@pytest.mark.parametrize("case", all_cases(), ids=lambda case: case.name)
def test_case_runs_again_and_again(case: Case) -> None:
    """Each case can be called repeatedly, as timing does."""
    for _ in range(3):
        case.call()


def test_goals_are_of_cases() -> None:
    """Every goal is that of a case."""
    assert set(GOALS) <= {case.name for case in all_cases()}

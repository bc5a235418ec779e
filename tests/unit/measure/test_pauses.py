"""Pauses: when nothing came though something was due."""

from __future__ import annotations

import numpy as np
import pytest

from loadtest.clock import NS_PER_MS
from loadtest.measure.pauses import Pauses, common, joined, parted, without

MS = NS_PER_MS


def of(*batches: tuple[list[int], list[int] | None]) -> list[tuple[int, int]]:
    """Return the pauses, in ms, of batches of what came and when it was due, in ms."""
    pauses = Pauses()
    for came, due in batches:
        pauses.note(np.array(came) * MS, None if due is None else np.array(due) * MS)
    return [(start // MS, end // MS) for start, end in pauses.take()]


@pytest.mark.parametrize(
    "batches,expected",
    [
        ([([1, 2, 3], [0, 1, 2])], []),
        ([([1, 2, 900], [0, 1, 2])], [(2, 900)]),
        ([([1, 2], [0, 1]), ([900, 901], [3, 4])], [(3, 900)]),
        ([([1], [0]), ([5_000], [4_999])], []),
        ([([1], [0]), ([5_000], [4_000])], [(4_000, 5_000)]),
        ([([1], None), ([5_000], None)], [(1, 5_000)]),
        ([([5_000], [1])], []),
        ([([1], [0]), ([101], [0])], []),
        ([([1], [0]), ([102], [0])], [(1, 102)]),
        ([([1, 500, 501, 2_000], [0, 2, 3, 502])], [(2, 500), (502, 2_000)]),
    ],
    ids=[
        "steady",
        "within a batch",
        "between two",
        "nothing was due",
        "due in between",
        "closed model",
        "before the first nobody knows",
        "a tenth of a second",
        "a little more",
        "twice",
    ],
)
def test_a_pause_is_from_when_something_was_due(
    batches: list[tuple[list[int], list[int] | None]], expected: list[tuple[int, int]]
) -> None:
    """From the last that came, or from when the next fell due, to when that came."""
    assert of(*batches) == expected


def test_what_was_taken_is_not_found_again() -> None:
    """The last instant is kept from window to window."""
    pauses = Pauses()
    pauses.note(np.array([1 * MS]), None)
    assert pauses.take() == []
    pauses.note(np.array([700 * MS]), None)

    assert pauses.take() == [(1 * MS, 700 * MS)]
    assert pauses.take() == []


@pytest.mark.parametrize(
    "given_up,came,expected",
    [
        ([(2, 2_500)], (3_000, 2_990), (2, 3_000)),
        ([(2_000, 2_500)], (3_000, 2_990), (2_000, 3_000)),
        ([(1_500, 1_600), (700, 2_500)], (3_000, 2_990), (700, 3_000)),
        ([(0, 1)], (3_000, 2_990), None),
        ([(2, 3_500)], (3_000, 2_990), None),
        ([(2, 900)], (3_000, None), (1, 3_000)),
    ],
    ids=[
        "dropped or in doubt since the last one",
        "due later than the last one",
        "the first of several",
        "given up before the last one came",
        "given up after the next one came",
        "closed model",
    ],
)
@pytest.mark.parametrize("is_cut", [False, True], ids=["in a window", "over several windows"])
def test_what_was_given_up_was_due(
    given_up: list[tuple[int, int]], came: tuple[int, int | None], expected: tuple[int, int] | None, is_cut: bool
) -> None:
    """A message that was dropped, or whose answer was lost, is due until the next one comes."""
    pauses = Pauses()
    pauses.note(np.array([1]) * MS, np.array([0]) * MS)
    for due, at in given_up:
        pauses.give_up(due * MS, at * MS)
        if is_cut:
            pauses.take()
    pauses.note(np.array([came[0]]) * MS, None if came[1] is None else np.array([came[1]]) * MS)

    assert [(start // MS, end // MS) for start, end in pauses.take()] == ([] if expected is None else [expected])


def test_what_was_given_up_is_due_once() -> None:
    """The next thing that comes ends it: a later silence has to be due for its own sake."""
    pauses = Pauses()
    pauses.note(np.array([1]) * MS, np.array([0]) * MS)
    pauses.give_up(2 * MS, 500 * MS)
    pauses.note(np.array([1_000, 9_000]) * MS, np.array([999, 8_999]) * MS)

    assert [(start // MS, end // MS) for start, end in pauses.take()] == [(2, 1_000)]


@pytest.mark.parametrize(
    "workers,shared",
    [
        ([], []),
        ([[(0, 500 * MS)]], [(0, 500 * MS)]),
        ([[(0, 500 * MS)], [(200 * MS, 900 * MS)]], [(200 * MS, 500 * MS)]),
        ([[(0, 500 * MS)], []], []),
        ([[(0, 500 * MS), (600 * MS, 900 * MS)], [(100 * MS, 800 * MS)]], [(100 * MS, 500 * MS), (600 * MS, 800 * MS)]),
        ([[(0, 500 * MS)], [(450 * MS, 900 * MS)]], []),
    ],
    ids=["nobody", "one", "overlap", "one went on", "two", "too short"],
)
def test_a_group_pauses_where_all_its_workers_do(
    workers: list[list[tuple[int, int]]], shared: list[tuple[int, int]]
) -> None:
    """As long as one of them is answered, the broker is there."""
    assert common(workers) == shared


@pytest.mark.parametrize(
    "others,left",
    [
        ([], [(0, 900), (2_000, 2_900)]),
        ([(0, 900)], [(2_000, 2_900)]),
        ([(850, 2_050)], [(0, 850), (2_050, 2_900)]),
        ([(50, 2_850)], []),
        ([(300, 500), (400, 600)], [(0, 300), (600, 900), (2_000, 2_900)]),
        ([(900, 2_000)], [(0, 900), (2_000, 2_900)]),
    ],
    ids=["none", "one of them", "across", "what is left is short", "overlapping", "between"],
)
def test_what_is_left_outside_of_others(others: list[tuple[int, int]], left: list[tuple[int, int]]) -> None:
    """A generator that stood still explains its part of a pause, and no more."""
    found = without([(0, 900 * MS), (2_000 * MS, 2_900 * MS)], [(start * MS, end * MS) for start, end in others])

    assert [(start // MS, end // MS) for start, end in found] == left


def test_joined_stretches_are_in_order() -> None:
    """What overlaps or touches is one."""
    assert joined([(5, 9), (0, 3), (3, 4), (8, 12)]) == [(0, 4), (5, 12)]


@pytest.mark.parametrize(
    "instants,pieces",
    [
        ([], [(0, 900)]),
        ([0, 900, 1_500], [(0, 900)]),
        ([400], [(0, 400), (400, 900)]),
        ([700, 300, 300], [(0, 300), (300, 700), (700, 900)]),
        ([850], [(0, 850)]),
    ],
    ids=["none", "at the ends", "within", "several", "what is left is short"],
)
def test_a_pause_is_parted_where_something_came(instants: list[int], pieces: list[tuple[int, int]]) -> None:
    """Two pauses are none that is as long as both."""
    found = parted([(0, 900 * MS)], [instant * MS for instant in instants])

    assert [(start // MS, end // MS) for start, end in found] == pieces

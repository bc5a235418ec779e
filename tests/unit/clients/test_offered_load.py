"""`OfferedLoad` and `BodyBytes`: arithmetic of what is due, and of what bodies weigh."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.clients.offered_load import NEVER, OfferedLoad
from loadtest.clients.publisher import BodyBytes
from loadtest.clock import NS_PER_MS, NS_PER_S
from loadtest.scenario import build_plan, load_scenario


@dataclass
class StagedRecorder:
    """Adds up what is offered; it is also the run, of which only the end of publishing is asked."""

    stop_ns: int | None = None
    counts: list[int] = field(default_factory=list)

    def offered(self, count: int) -> None:
        """Note the count."""
        self.counts.append(count)


def offering(rate: str, messages: int | None = None, stop_ns: int | None = None) -> tuple[OfferedLoad, StagedRecorder]:
    """Return the offering of a lone publisher at *rate*, which began at 1 s."""
    text = f"name: t\npublishers: {{in: {{routing_key: q, body: {{text: a}}, rate: {rate}}}}}\nrun: {{duration: 1h}}"
    arrivals = build_plan(load_scenario("t", text=text).scenario).publishers[0].arrivals
    staged: Any = StagedRecorder(stop_ns)
    made = OfferedLoad(staged, staged, arrivals, messages)
    made.begin(NS_PER_S)
    return made, staged


def test_each_arrival_is_offered_once() -> None:
    """Asked in any order, what is offered adds up to what is due at the latest instant."""
    made, staged = offering("1000/s")

    due = [made.count_due(NS_PER_S + ms * NS_PER_MS) for ms in (-1, 0, 5, 3, 5, 9)]

    assert due == [0, 1, 6, 4, 6, 10]
    assert staged.counts == [1, 5, 4]


def test_what_falls_due_at_the_stop_or_after_is_not_offered() -> None:
    """A duration of 10 ms at 1,000/s has ten arrivals, the last at 9 ms."""
    made, staged = offering("1000/s", stop_ns=NS_PER_S + 10 * NS_PER_MS)

    assert made.count_due(NS_PER_S + 500 * NS_PER_MS) == 10
    assert sum(staged.counts) == 10


@pytest.mark.parametrize(
    "rate, messages, limit",
    [
        ("1000/s", None, NEVER),
        ("1000/s", 3, 3),
        ("[{for: 1s, rate: 5/s}]", None, 5),
        ("[{for: 1s, rate: 5/s}]", 3, 3),
    ],
)
def test_the_limit_is_the_lower_of_messages_and_schedule(rate: str, messages: int | None, limit: int) -> None:
    """However late it is asked, no more is due than there is."""
    made, _ = offering(rate, messages)

    assert made.limit == limit
    assert made.count_due(NS_PER_S * 61) == min(limit, 60_001)


def test_nothing_is_due_without_a_schedule() -> None:
    """In the closed model there is a limit, and no offer."""
    staged: Any = StagedRecorder()
    made = OfferedLoad(staged, staged, None, 7)
    made.begin(0)

    assert (made.limit, made.count_due(NS_PER_S), staged.counts) == (7, 0, [])


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=7), st.integers(0, 100), st.integers(0, 40))
def test_bytes_of_a_run_are_those_of_its_bodies(lengths: list[int], first: int, count: int) -> None:
    """Wherever the run begins in the cycle and however often it goes round."""
    expected = sum(lengths[seq % len(lengths)] for seq in range(first, first + count))

    assert BodyBytes(lengths).of(first, count) == expected

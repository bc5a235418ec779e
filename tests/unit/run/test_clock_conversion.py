"""Conversion between the clock of a process and that of its run."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from loadtest.clock import NS_PER_S
from loadtest.measure.records import event_record, users_record
from loadtest.run.workers.clock_conversion import to_own_time, to_run_time

AHEAD = st.integers(-(10**17), 10**17)


def window(start_ns: int, end_ns: int) -> dict[str, Any]:
    """Return a window in which a group was active throughout, and paused in its second half."""
    middle = (start_ns + end_ns) // 2
    group = {"active": [[start_ns, end_ns]], "pauses": [[middle, end_ns]], "last_ns": end_ns, "counters": {"got": 3}}
    return {"type": "window", "start_ns": start_ns, "end_ns": end_ns, "groups": {"in": group}, "index": 7}


def test_orders_come_in_the_time_of_the_run() -> None:
    """Instants are moved, durations and words are not, and what is no instant (0, None) stays."""
    arguments = {"begin_ns": 5, "stop_ns": None, "now_ns": 0, "pause": 7, "group": "in", "phase": "drain"}

    assert to_own_time(arguments, 100) == {**arguments, "begin_ns": 105, "pause": 107}


@given(AHEAD, AHEAD, AHEAD, st.integers(0, 10**18), st.integers(1, 10**10), st.integers(1, 10**10))
def test_windows_follow_one_another_without_a_gap(
    first: int, second: int, third: int, start_ns: int, length: int, next_length: int
) -> None:
    """Whatever is found out about the clock in between, one ends where the next begins."""
    end_ns = start_ns + length
    one = to_run_time(window(start_ns, end_ns), first, second)
    two = to_run_time(window(end_ns, end_ns + next_length), second, third)

    assert one["end_ns"] == two["start_ns"]
    assert one["groups"]["in"]["active"] == [[one["start_ns"], one["end_ns"]]]
    assert two["groups"]["in"]["last_ns"] == two["end_ns"]


def test_a_drift_is_spread_over_the_window() -> None:
    """Half-way through, half of it has come; before and after the window it is none and all."""
    record = window(10 * NS_PER_S, 12 * NS_PER_S)
    record["groups"]["in"]["last_ns"] = 9 * NS_PER_S

    told = to_run_time(record, 1000, 1010)

    assert told["groups"]["in"]["pauses"] == [[11 * NS_PER_S - 1005, 12 * NS_PER_S - 1010]]
    assert told["groups"]["in"]["last_ns"] == 9 * NS_PER_S - 1000
    assert (told["index"], told["groups"]["in"]["counters"]) == (7, {"got": 3})


def test_events_are_moved_and_records_without_instants_are_not() -> None:
    """What users took has no time."""
    users = users_record("one", {"in": {0: 5}})

    assert to_run_time(event_record(50, "noted", "something"), 10, 20)["at_ns"] == 30
    assert to_run_time(users, 10, 20) == users

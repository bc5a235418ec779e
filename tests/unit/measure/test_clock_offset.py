"""`ClockOffset`: the truth lies within the bound, whatever the network does."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.clock import NS_PER_MS, NS_PER_S, NS_PER_US
from loadtest.measure.clock_offset import DRIFT_PPM, ClockOffset, drifted_ns

START_NS = 1_000 * NS_PER_S
Delays = list[tuple[int, int]]
ONE_WAY = st.integers(1, 300 * NS_PER_MS)


def true_offset_ns(true_ns: int, drift_ppb: int, now_ns: int) -> int:
    """Return a clock's offset at an instant."""
    return true_ns + (now_ns - START_NS) * drift_ppb // NS_PER_S


def readings(true_ns: int, drift_ppb: int, delays: Delays, pause_ns: int) -> list[tuple[int, int, int]]:
    """Return asked, there and answered of exchanges with these delays there and back."""
    found, now_ns = [], START_NS
    for there, back in delays:
        asked = now_ns
        read = asked + there
        found.append((asked, read + true_offset_ns(true_ns, drift_ppb, read), read + back))
        now_ns = asked + there + back + pause_ns
    return found


@settings(max_examples=200, deadline=None)
@given(
    true_ns=st.integers(-(10**18), 10**18),
    drift_ppb=st.integers(-1_000 * DRIFT_PPM, 1_000 * DRIFT_PPM),
    delays=st.lists(st.tuples(ONE_WAY, ONE_WAY), min_size=1, max_size=40),
    pause_ns=st.integers(0, 5 * NS_PER_S),
    later_ns=st.integers(0, 10 * NS_PER_S),
)
def test_the_true_offset_is_within_the_bound(
    true_ns: int, drift_ppb: int, delays: Delays, pause_ns: int, later_ns: int
) -> None:
    """With delays as uneven as may be, clocks that drift as far as clocks do, and a while after the last reading."""
    told = readings(true_ns, drift_ppb, delays, pause_ns)
    offset = ClockOffset.of(*told[0])
    for asked, there, answered in told[1:]:
        offset.take(asked, there, answered)
    now_ns = told[-1][2] + later_ns
    true_now_ns = true_offset_ns(true_ns, drift_ppb, now_ns)

    assert offset.jumps == 0
    # Two for the rounding of the drift and of a half.
    assert abs(offset.offset_ns - true_now_ns) <= offset.bound_ns(now_ns) + 2


def test_a_way_there_that_is_slower_than_the_way_back_is_within_the_bound() -> None:
    """Half of the round trip is the error where all of it is on one way, and the bound says so."""
    offset = ClockOffset.of(0, 0 + 10 * NS_PER_MS, 10 * NS_PER_MS)

    assert (offset.offset_ns, offset.bound_ns(0)) == (5 * NS_PER_MS, 5 * NS_PER_MS)


def test_the_shortest_round_trip_says_most() -> None:
    """Of many readings the bound is that of the best, and those that took long change nothing."""
    draw = random.Random(3)
    offset = ClockOffset.of(0, 450 * NS_PER_US + 7 * NS_PER_S, 900 * NS_PER_US)
    asked = NS_PER_MS
    for round_trip in [draw.randrange(200, 900) * NS_PER_US for _ in range(20)] + [100 * NS_PER_US]:
        offset.take(asked, asked + round_trip // 2 + 7 * NS_PER_S, asked + round_trip)
        asked += NS_PER_MS

    assert offset.round_trip_ns == 100 * NS_PER_US
    assert abs(offset.offset_ns - 7 * NS_PER_S) < NS_PER_US
    assert offset.bound_ns(offset.at_ns) <= 50 * NS_PER_US


def test_what_is_known_grows_old() -> None:
    """Ten seconds after the last reading the clocks may be 300 µs further apart."""
    offset = ClockOffset.of(0, 50_000, 100_000)

    assert offset.bound_ns(10 * NS_PER_S) == 50_000 + drifted_ns(10 * NS_PER_S) == 350_000


def test_a_clock_that_was_set_is_believed_anew() -> None:
    """A reading that cannot be true together with those before stands alone, and is counted."""
    offset = ClockOffset.of(0, 50_000, 100_000)
    offset.take(NS_PER_S, NS_PER_S + 50_000 - NS_PER_MS, NS_PER_S + 100_000)

    assert (offset.offset_ns, offset.jumps) == (-NS_PER_MS, 1)

"""The arithmetic of a link: latency, jitter and bandwidth as instants."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.broker.proxy.shaper import BACKLOG_NS, MOST_QUANTUM_BYTES, PLAIN, Shape, Shaper, describe
from loadtest.clock import NS_PER_MS, NS_PER_S

FIXED = settings(derandomize=True, deadline=None)
BANDWIDTHS = st.integers(1_000, 10**9)
# Sizes in bytes, and how long after the one before, in ns.
ENTRIES = st.lists(st.tuples(st.integers(1, 65_536), st.integers(0, 20 * NS_PER_MS)), min_size=1, max_size=50)


def shaper(shape: Shape, now_ns: int = 0) -> Shaper:
    """Return a shaper that has that shape from *now_ns* on."""
    made = Shaper(random.Random(1))
    made.reshape(shape, now_ns)
    return made


def test_plain() -> None:
    """Nothing is done: what enters comes out at that instant, however much it is."""
    plain = shaper(PLAIN)

    assert plain.is_plain
    assert [plain.enter(10**9, 5), plain.enter(10**9, 5)] == [5, 5]
    assert plain.has_room(0)


def test_latency() -> None:
    """Each is later by the latency, and nothing else."""
    slow = shaper(Shape(latency_ns=50 * NS_PER_MS))

    assert [slow.enter(10**6, 7), slow.enter(1, 7)] == [7 + 50 * NS_PER_MS] * 2


def test_bandwidth() -> None:
    """What enters while the link is busy waits its turn; after a pause nothing has been saved up."""
    slow = shaper(Shape(bandwidth_bytes_per_s=1_000_000))
    first, second = slow.enter(1_000, 0), slow.enter(2_000, 0)
    after_a_pause = slow.enter(1_000, 50 * NS_PER_MS)

    assert [first, second, after_a_pause] == [1 * NS_PER_MS, 3 * NS_PER_MS, 51 * NS_PER_MS]


def test_rounding_does_not_add_up() -> None:
    """A third of a nanosecond a byte, a million times: the millionth is due to the nanosecond."""
    slow = shaper(Shape(bandwidth_bytes_per_s=3 * 10**9))
    last_ns = [slow.enter(1, 0) for _ in range(1_000_000)][-1]

    assert last_ns == 10**15 // (3 * 10**9)


def test_waking_late_costs_no_bandwidth() -> None:
    """What had waited for its turn comes out as if it had been let in in time; after a long sleep, as of now."""
    slow = shaper(Shape(bandwidth_bytes_per_s=1_000_000))
    slow.enter(1_000, 0)
    slow.is_awaited = True
    late, too_late = slow.enter(1_000, 50 * NS_PER_MS), slow.enter(1_000, 500 * NS_PER_MS)

    assert (late, too_late) == (2 * NS_PER_MS, 501 * NS_PER_MS)


@FIXED
@given(bandwidth=BANDWIDTHS, entries=ENTRIES)
def test_bandwidth_is_never_exceeded_nor_wasted(bandwidth: int, entries: list[tuple[int, int]]) -> None:
    """From any begin on no more comes out than the link carries, and it never rests while something waits."""
    slow = shaper(Shape(bandwidth_bytes_per_s=bandwidth))
    now_ns = free_ns = 0
    for size, pause_ns in entries:
        now_ns += pause_ns
        due_ns = slow.enter(size, now_ns)
        takes_ns = due_ns - max(now_ns, free_ns)
        free_ns = due_ns

        assert abs(takes_ns - size * NS_PER_S / bandwidth) <= 1


@FIXED
@given(latency_ns=st.integers(0, NS_PER_S), share=st.floats(0, 1), entries=ENTRIES)
def test_jitter_stays_within_its_bounds(latency_ns: int, share: float, entries: list[tuple[int, int]]) -> None:
    """Not sooner than latency - jitter, nor later than latency + jitter."""
    jitter_ns = int(latency_ns * share)
    slow = shaper(Shape(latency_ns=latency_ns, jitter_ns=jitter_ns))
    ways_ns = [slow.enter(size, 0) for size, _ in entries]

    assert latency_ns - jitter_ns <= min(ways_ns) <= max(ways_ns) <= latency_ns + jitter_ns


def test_jitter_is_spread_evenly() -> None:
    """The mean is the latency; both ends are reached."""
    slow = shaper(Shape(latency_ns=NS_PER_MS, jitter_ns=NS_PER_MS))
    ways_ns = [slow.enter(1, 0) for _ in range(20_000)]

    assert sum(ways_ns) / len(ways_ns) == pytest.approx(NS_PER_MS, rel=0.02)
    assert min(ways_ns) < 0.01 * NS_PER_MS
    assert max(ways_ns) > 1.99 * NS_PER_MS


@FIXED
@given(bandwidth=BANDWIDTHS, size=st.integers(1, 1 << 20))
def test_room(bandwidth: int, size: int) -> None:
    """No more enters than leaves within the backlog's time; then there is room again, and not before."""
    slow = shaper(Shape(bandwidth_bytes_per_s=bandwidth))
    slow.enter(size, 0)

    assert slow.has_room(0) == (size * NS_PER_S // bandwidth <= BACKLOG_NS)
    assert slow.has_room(slow.room_ns)
    assert not slow.has_room(slow.room_ns - 1)


@pytest.mark.parametrize(
    "bandwidth, quantum", [(1_000, 1_500), (5_000_000, 5_000), (10**9, MOST_QUANTUM_BYTES), (None, MOST_QUANTUM_BYTES)]
)
def test_turns_are_short(bandwidth: int | None, quantum: int) -> None:
    """A connection has the link for a millisecond, a frame of Ethernet at least, 64 KiB at most."""
    assert shaper(Shape(bandwidth_bytes_per_s=bandwidth)).quantum_bytes == quantum


def test_a_new_shape_holds_from_now_on() -> None:
    """What waited for its turn by the old one is not waited for by the new one."""
    slow = shaper(Shape(bandwidth_bytes_per_s=1_000))
    slow.enter(10_000, 0)
    slow.reshape(Shape(latency_ns=3), 5)

    assert slow.enter(1, 5) == 8


@pytest.mark.parametrize(
    "shape, text",
    [
        (Shape(latency_ns=50 * NS_PER_MS), "+50 ms"),
        (Shape(50 * NS_PER_MS, 10 * NS_PER_MS, 1_000_000), "+50 ms ±10 ms, 1 MB/s"),
        (Shape(latency_ns=NS_PER_MS // 2), "+0.5 ms"),
        (Shape(bandwidth_bytes_per_s=12_500_000), "12.5 MB/s"),
        (Shape(bandwidth_bytes_per_s=2 * 10**9), "2 GB/s"),
        (Shape(bandwidth_bytes_per_s=64_000), "64 KB/s"),
        (Shape(bandwidth_bytes_per_s=300), "300 B/s"),
    ],
)
def test_description(shape: Shape, text: str) -> None:
    """A shape is told in the units that fit it."""
    assert describe(shape) == text

from __future__ import annotations

import select
from collections.abc import Iterator

import gevent
import pytest

from loadtest.clock import NS_PER_MS, monotonic_ns
from loadtest.timerfd import TimerFd
from loadtest.wire.pacer import Pacer


def without_timerfd(*_: object) -> None:
    """Stand for a platform that has none."""
    raise NotImplementedError("this platform has no timerfd")


@pytest.fixture(params=["timerfd", "gevent.sleep"])
def pacer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pacer]:
    """A pacer, as it is and as it is on a platform without timerfd."""
    if request.param == "gevent.sleep":
        monkeypatch.setattr("loadtest.wire.pacer.TimerFd", without_timerfd)
    made = Pacer()
    with gevent.Timeout(30):
        yield made
    made.close()


def test_greenlets_wake_in_the_order_of_their_instants(pacer: Pacer) -> None:
    """However they went to sleep, greenlets wake by instant, none early."""
    start_ns = monotonic_ns() + 300 * NS_PER_MS  # all are asleep by then, on a busy machine, too
    woken: list[tuple[int, int]] = []

    def sleep(offset_ms: int) -> None:
        instant_ns = start_ns + offset_ms * NS_PER_MS
        pacer.sleep_until_ns(instant_ns)
        woken.append((offset_ms, monotonic_ns() - instant_ns))

    gevent.joinall([gevent.spawn(sleep, offset) for offset in (15, 6, 24, 6, 9)], raise_error=True)

    assert [6, 6, 9, 15, 24] == [offset for offset, _ in woken]
    assert min(late_ns for _, late_ns in woken) >= 0


def test_a_past_instant_does_not_block(pacer: Pacer) -> None:
    """Sleeping until a past instant returns without a turn for anyone else."""
    others: list[int] = []
    gevent.spawn(others.append, 1)
    pacer.sleep_until_ns(monotonic_ns() - 1)

    assert [] == others


def test_a_killed_sleeper_is_no_hindrance(pacer: Pacer) -> None:
    """A greenlet killed in its sleep does not keep those behind it from waking."""
    start_ns = monotonic_ns()
    killed = gevent.spawn(pacer.sleep_until_ns, start_ns + 3 * NS_PER_MS)
    other = gevent.spawn(pacer.sleep_until_ns, start_ns + 6 * NS_PER_MS)
    gevent.sleep(0)
    killed.kill()
    other.get()

    assert monotonic_ns() >= start_ns + 6 * NS_PER_MS


def test_an_earlier_instant_is_not_kept_waiting(pacer: Pacer) -> None:
    """One who goes to sleep later, for less long, wakes first."""
    start_ns = monotonic_ns()
    long = gevent.spawn(pacer.sleep_until_ns, start_ns + 10_000 * NS_PER_MS)
    gevent.sleep(0)
    pacer.sleep_until_ns(start_ns + 2 * NS_PER_MS)

    assert monotonic_ns() < start_ns + 5_000 * NS_PER_MS
    long.kill()


def test_a_timer_of_the_past_is_due_at_once() -> None:
    """A timer set to any past instant, 0 included, becomes readable; clearing makes it unreadable again."""
    timer = TimerFd()
    states = []
    for instant_ns in (0, 1, monotonic_ns()):
        timer.set(instant_ns)
        states.append(bool(select.select([timer.fd], [], [], 1)[0]))
        timer.clear()
        timer.clear()
        states.append(bool(select.select([timer.fd], [], [], 0)[0]))
    timer.close()

    assert [True, False] * 3 == states


def test_a_failed_call_is_an_error() -> None:
    """A timer whose descriptor is gone raises OSError with the system's words."""
    timer = TimerFd()
    timer.close()

    with pytest.raises(OSError, match="timerfd_settime: Bad file descriptor"):
        timer.set(1)

from __future__ import annotations

import json

import numpy as np
import pytest

from loadtest.measure.recorder.pending import CAPACITY
from loadtest.measure.recorder.recorder import Recorder
from loadtest.measure.window import GroupWindow, Window

MS = 1_000_000


def _array(*numbers: int) -> np.ndarray:
    return np.array(numbers, dtype=np.int64)


def _recorder_of(*, closed: bool = False) -> Recorder:
    return Recorder(
        "w", {"shop": "publisher", "billing": "consumer", "poll": "getter"}, closed_groups=["shop"] if closed else []
    )


def _cut(recorder: Recorder) -> Window:
    """Return the next window, as it comes out of its JSON form."""
    return Window.from_record(json.loads(json.dumps(recorder.cut(0, 1000 * MS, "measured", {}).to_record())))


def _extremes(group: GroupWindow, latency: str) -> tuple[int, int | None, int | None]:
    histogram = group.histogram(latency)
    return histogram.count, histogram.min, histogram.max


def test_open_model_latencies() -> None:
    """Lateness, confirm and confirm_uncorrected count from the instants that define them."""
    recorder = _recorder_of()
    publisher = recorder.publisher("shop", 3)
    publisher.published(0, _array(10 * MS, 20 * MS), 25 * MS, 100)
    publisher.confirmed(_array(0, 1), _array(10 * MS, 20 * MS), _array(25 * MS, 25 * MS), 30 * MS)
    group = _cut(recorder).groups["shop"]

    assert _extremes(group, "lateness") == (2, 5 * MS, 15 * MS)
    assert _extremes(group, "confirm") == (2, 10 * MS, 20 * MS)
    assert _extremes(group, "confirm_uncorrected") == (2, 5 * MS, 5 * MS)


def test_closed_model_has_no_lateness() -> None:
    """In the closed model there is no lateness, and both confirm latencies are the same."""
    recorder = _recorder_of(closed=True)
    publisher = recorder.publisher("shop", 3)
    publisher.published(0, _array(25 * MS), 25 * MS, 100)
    publisher.confirmed(_array(0), _array(25 * MS), 25 * MS, 30 * MS)
    group = _cut(recorder).groups["shop"]

    assert set(group.histograms) == {"confirm", "confirm_uncorrected"}
    assert group.histograms["confirm"] == group.histograms["confirm_uncorrected"]


def test_delivery_latencies() -> None:
    """end_to_end counts from the intended instant, its uncorrected twin from when the message was sent."""
    recorder = _recorder_of()
    delivery = recorder.delivery("billing", "q")
    delivery.delivered(3, _array(0, 1), _array(10 * MS, 20 * MS), np.array([1000, 0], dtype=np.uint32), 30 * MS, 10)
    group = _cut(recorder).groups["billing"]

    assert _extremes(group, "end_to_end") == (2, 10 * MS, 20 * MS)
    assert _extremes(group, "end_to_end_uncorrected") == (2, 10 * MS, 19 * MS)


def test_negative_latency_is_kept_apart() -> None:
    """A delivery read before it was intended, by the clocks, is counted as negative and stays negative."""
    recorder = _recorder_of()
    recorder.delivery("billing", "q").delivered(3, _array(0), _array(10 * MS), _array(0), 9 * MS, 10)
    histogram = _cut(recorder).groups["billing"].histogram("end_to_end")

    assert (histogram.count, histogram.negative, histogram.min) == (1, 1, -1 * MS)


def test_warm_up_is_kept_apart() -> None:
    """Latencies of messages intended before the end of warm-up are in `warm_up`; counters count them all."""
    recorder = _recorder_of()
    recorder.measure_from(15 * MS)
    publisher = recorder.publisher("shop", 3)
    publisher.published(0, _array(10 * MS, 15 * MS, 20 * MS), 25 * MS, 100)
    group = _cut(recorder).groups["shop"]

    assert group.counters == {"published": 3, "bytes_published": 100}
    assert group.histograms["lateness"]["count"] == 2
    assert group.warm_up["lateness"]["count"] == 1
    publisher.published(3, _array(11 * MS), 12 * MS, 1)
    assert _cut(recorder).groups["shop"].histograms == {}


def test_connecting_is_measured_whenever_it_is() -> None:
    """Latencies that belong to no message, such as that of connecting, are measured in the warm-up too."""
    recorder = _recorder_of()
    recorder.measure_from(1 << 60)
    recorder.latency("billing", "connect", 7 * MS)

    assert _extremes(_cut(recorder).groups["billing"], "connect") == (1, 7 * MS, 7 * MS)


def test_getters_count_and_keep_the_series() -> None:
    """Get-Oks, foreign ones included, keep what they say is left, in order, and the latency of each Get."""
    recorder = _recorder_of()
    poll = recorder.delivery("poll", "q")
    for place in range(4):
        poll.got(0, _array(place), _array(0), _array(0), MS, 5, message_counts=999 - place, get_ns=1000 + place)
    poll.foreign(1, 5, message_counts=995, get_ns=2000)
    poll.get_empty(500, 3 * MS)
    window = _cut(recorder)
    group = window.groups["poll"]

    assert group.counters == {"got": 5, "foreign": 1, "get_empty": 1, "bytes_delivered": 25}
    assert group.series == {"message_counts": {"q": [[999, 5, -1]]}}
    assert _extremes(group, "get") == (6, 500, 2000)
    assert window.ledger.foreign == {"q": 1}


def test_gets_in_the_warm_up_are_told_by_when_they_were_written() -> None:
    """A Get belongs to the warm-up if it was written in it."""
    recorder = _recorder_of()
    recorder.measure_from(10 * MS)
    poll = recorder.delivery("poll", "q")
    poll.get_empty(2 * MS, 11 * MS)
    poll.get_empty(2 * MS, 12 * MS)
    group = _cut(recorder).groups["poll"]

    assert (group.warm_up["get"]["count"], group.histograms["get"]["count"]) == (1, 1)


def test_rows_of_every_count() -> None:
    """Offered, nacked, returned, in doubt, corrupted and redelivered are counted in the group and in the ledger."""
    recorder = _recorder_of()
    publisher = recorder.publisher("shop", 3)
    publisher.offered(9)
    publisher.published(0, _array(*[0] * 8), 0, 8)
    publisher.nacked(_array(2), _array(0), _array(0), MS)
    publisher.returned(_array(3, 4))
    publisher.in_doubt(_array(7), 0, MS)
    delivery = recorder.delivery("billing", "q")
    delivery.delivered(3, _array(0, 1), _array(0, 0), _array(0, 0), MS, 2, redelivered=True)
    delivery.corrupted(3, _array(1))
    delivery.foreign(2, 4, redelivered=1)
    window = _cut(recorder)
    ledger = window.ledger

    assert window.groups["shop"].counters == {
        "offered": 9,
        "published": 8,
        "bytes_published": 8,
        "nacked": 1,
        "returned": 2,
        "in_doubt": 1,
    }
    assert window.groups["billing"].counters == {
        "bytes_delivered": 6,
        "delivered": 4,
        "corrupted": 1,
        "foreign": 2,
        "redelivered": 3,
    }
    assert [list(table) for table in (ledger.published, ledger.nacked, ledger.returned, ledger.in_doubt)] == [
        [(3, 0, 8, 1)],
        [(3, 2, 1, 1)],
        [(3, 3, 2, 1)],
        [(3, 7, 1, 1)],
    ]
    assert (ledger.sinks, list(ledger.corrupted), ledger.redelivered) == (("q",), [(3, 1, 1, 1)], {"q": 3})


def test_outstanding_is_what_has_no_answer() -> None:
    """The outstanding gauge is published less confirmed, nacked and in doubt; absent before the first answer."""
    recorder = _recorder_of()
    publisher = recorder.publisher("shop", 3)
    publisher.published(0, _array(*[0] * 10), 0, 0)
    before = _cut(recorder).gauges
    publisher.confirmed(_array(0, 1, 2), _array(0, 0, 0), 0, MS)
    publisher.nacked(_array(3), _array(0), 0, MS)
    publisher.in_doubt(_array(4), 0, MS)
    publisher.published(10, _array(0), 0, 0)

    assert before == {}
    assert _cut(recorder).gauges == {"shop.outstanding": 6.0}
    assert _cut(recorder).gauges == {"shop.outstanding": 6.0}


def test_a_pause_ends_at_an_ack_or_a_nack() -> None:
    """Both are answers, in whatever order they are counted: a nack between two acks parts, and ends, what is silent."""
    recorder = _recorder_of()
    publisher = recorder.publisher("shop", 3)
    dues = _array(*range(0, 600, 100)) * MS
    publisher.published(0, dues, 600 * MS, 100)
    for seq, read_ms in ((0, 1), (4, 900), (5, 950)):
        publisher.confirmed(_array(seq), dues[seq : seq + 1], 0, read_ms * MS)
    for seq, read_ms in ((1, 400), (2, 401), (3, 700)):
        publisher.nacked(_array(seq), dues[seq : seq + 1], 0, read_ms * MS)
    group = _cut(recorder).groups["shop"]

    assert [(start // MS, end // MS) for start, end in group.pauses] == [(100, 400), (401, 700), (700, 900)]
    assert group.last_ns == 950 * MS
    assert (group.counters["confirmed"], group.counters["nacked"]) == (3, 3)


def test_each_event_is_in_one_window() -> None:
    """What one window holds is not in the next."""
    recorder = _recorder_of()
    publisher, delivery = recorder.publisher("shop", 3), recorder.delivery("billing", "q")
    publisher.published(0, _array(0, 0), 0, 5)
    delivery.delivered(3, _array(0, 1), _array(0, 0), _array(0, 0), MS, 5)
    first, second = _cut(recorder), _cut(recorder)
    publisher.published(2, _array(0), 0, 5)
    third = _cut(recorder)

    assert (first.index, second.index, third.index) == (0, 1, 2)
    assert second.groups == {name: GroupWindow() for name in first.groups}
    assert second.ledger.sinks == ()
    assert list(third.ledger.published) == [(3, 2, 1, 1)]


def test_gap_in_what_is_published() -> None:
    """A publisher that leaves out seqs, or begins late, has published exactly what it says."""
    recorder = _recorder_of()
    publisher = recorder.publisher("shop", 3)
    publisher.published(5, _array(0, 0), 0, 0)
    publisher.published(7, _array(0), 0, 0)
    publisher.published(9, _array(0), 0, 0)

    assert list(_cut(recorder).ledger.published) == [(3, 5, 3, 1), (3, 9, 1, 1)]


def test_runs_beyond_the_capacity() -> None:
    """A run larger than what is kept pending, after a small one, is recorded whole."""
    recorder = _recorder_of()
    delivery = recorder.delivery("billing", "q")
    n = 3 * CAPACITY + 5
    seqs = np.arange(n + 1, dtype=np.int64)
    delivery.delivered(1, seqs[:1], seqs[:1], seqs[:1], MS, 1)
    delivery.delivered(np.full(n, 1, dtype=np.uint32), seqs[1:], seqs[1:], np.zeros(n), 10**9, 1)
    delivery.delivered(2, seqs[:1], seqs[:1], seqs[:1], MS, 1)
    window = _cut(recorder)

    assert list(window.ledger.delivered) == [(1, 0, n + 1, 1), (2, 0, 1, 1)]
    assert window.groups["billing"].histogram("end_to_end").count == n + 2


def test_views_on_a_buffer_that_is_used_again() -> None:
    """Columns are copied, of any byte order: what the caller does to its buffer later changes nothing."""
    recorder = _recorder_of()
    buffer = np.array([[4, 10 * MS], [5, 20 * MS]], dtype=">u8")
    recorder.delivery("billing", "q").delivered(3, buffer[:, 0], buffer[:, 1], _array(0, 0), 30 * MS, 0)
    buffer[:] = 0
    window = _cut(recorder)

    assert list(window.ledger.delivered) == [(3, 4, 2, 1)]
    assert _extremes(window.groups["billing"], "end_to_end") == (2, 10 * MS, 20 * MS)


def test_repeats_across_groups_of_one_worker() -> None:
    """A message that two groups of a worker take from the same sink is one delivery and one repeat."""
    recorder = _recorder_of()
    for group in ("billing", "poll"):
        recorder.delivery(group, "q").delivered(3, _array(0, 1), _array(0, 0), _array(0, 0), MS, 0)

    assert recorder.cut(0, 1, "measured", {}).ledger.repeats == {3: 2}


@pytest.mark.parametrize(
    "marks, active",
    [
        ([], ()),
        ([("active", 100)], ((100, 1000 * MS),)),
        ([("active", 100), ("active", 150), ("inactive", 300), ("active", 400)], ((100, 300), (400, 1000 * MS))),
        ([("inactive", 50)], ()),
    ],
    ids=["never", "since", "with-a-pause", "not-yet"],
)
def test_active_time(marks: list[tuple[str, int]], active: tuple[tuple[int, int], ...]) -> None:
    """A window knows when in it each group had work to do."""
    recorder = _recorder_of()
    for name, ns in marks:
        getattr(recorder, name)("shop", ns)
    group = _cut(recorder).groups["shop"]

    assert group.active == active
    assert group.active_ns == sum(end - start for start, end in active)


def test_active_goes_on_in_the_next_window() -> None:
    """A group that is active at the cut is active from the beginning of the next window."""
    recorder = _recorder_of()
    recorder.active("shop", 10)
    recorder.cut(0, 100, "measured", {})

    assert recorder.cut(100, 200, "measured", {}).groups["shop"].active == ((100, 200),)


def test_a_group_without_marks_is_active_where_it_counts() -> None:
    """A group that nobody ever marks is active in each window in which it counts something."""
    recorder = _recorder_of()
    recorder.publisher("shop", 1).published(0, _array(0), 0, 0)
    window = recorder.cut(5, 105, "measured", {})

    assert [window.groups[name].active for name in ("shop", "billing")] == [((5, 105),), ()]

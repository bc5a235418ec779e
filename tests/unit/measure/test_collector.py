from __future__ import annotations

import itertools
import json
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.counters import GroupKind
from loadtest.errors import ResultsError
from loadtest.measure.collector import Collector
from loadtest.measure.group_totals import GroupTotals
from loadtest.measure.recorder.recorder import Recorder
from loadtest.measure.records import (
    end_record,
    event_record,
    phase_record,
    publisher_entry,
    queue_record,
    run_record,
)

S = 1_000_000_000
MS = 1_000_000
SECONDS = 6


def _run_of(**extra: Any) -> dict[str, Any]:
    return run_record(
        start_ns=100 * S,
        started_at="2026-01-01T00:00:00Z",
        scenario={"name": "x"},
        groups={
            "shop": {"kind": "publisher", "model": "open", "users": 2},
            "billing": {"kind": "consumer", "model": "open", "users": 2},
        },
        publishers=[publisher_entry(number, "shop", confirms=True, routes=[["q"]]) for number in range(2)],
        sinks=["q"],
        **extra,
    )


def _windows_of(worker: str, number: int) -> list[dict[str, Any]]:
    """Return the windows of a worker whose publisher and consumer see 100 messages a second, 1 s of warm-up first."""
    recorder = Recorder(worker, {"shop": "publisher", "billing": "consumer"})
    recorder.measure_from(101 * S)
    recorder.active("shop", 100 * S)
    recorder.active("billing", 100 * S)
    publisher, delivery = recorder.publisher("shop", number), recorder.delivery("billing", "q")
    records = []
    for second in range(SECONDS):
        begin = (100 + second) * S
        intended = begin + np.arange(100, dtype=np.int64) * 5 * MS
        seqs = np.arange(100, dtype=np.int64) + 100 * second
        publisher.published(100 * second, intended, begin + 500 * MS, 1200)
        publisher.confirmed(seqs, intended, intended, begin + 510 * MS)
        delivery.delivered(number, seqs, intended, np.zeros(100), begin + (520 + number) * MS, 1200)
        phase = "warm_up" if second == 0 else "measured"
        records.append(recorder.cut(begin, begin + S, phase, {"cpu": 0.5 + number / 10}).to_record())
    windows: list[dict[str, Any]] = json.loads(json.dumps(records))
    return windows


WINDOWS = {worker: _windows_of(worker, number) for number, worker in enumerate(("w0", "w1"))}


def _collected(windows: list[dict[str, Any]]) -> Collector:
    collector = Collector()
    collector.take(_run_of())
    for phase, second in (("warm_up", 100), ("measured", 101)):
        collector.take(phase_record(phase, second * S))  # type: ignore[arg-type]
    for window in windows:
        collector.take(window)
    collector.take(phase_record("drain", 106 * S))
    collector.take(queue_record("q", 0))
    collector.take(end_record(107 * S, "2026-01-01T00:00:07Z", complete=True))
    return collector


def _figures_of(group: GroupTotals) -> list[Any]:
    return [
        group.totals,
        group.total_active_ns,
        group.measured.counts,
        group.measured.active_ns,
        group.measured.latencies,
        group.warm_up.counts,
        group.warm_up.latencies,
        group.series,
    ]


IN_TURNS = list(itertools.chain.from_iterable(zip(*WINDOWS.values(), strict=True)))


def test_totals_are_of_the_run_and_rates_of_the_measured_part() -> None:
    """Totals count all windows; rates the measured ones, over the time in which a group was active on any worker."""
    collector = _collected(IN_TURNS)
    shop = collector.groups["shop"]

    assert (shop.totals["published"], shop.measured.counts["published"]) == (1200, 1000)
    assert (shop.total_active_ns, shop.measured.active_ns) == (6 * S, 5 * S)
    assert shop.measured.rate("published") == 200.0
    assert shop.measured.latencies["confirm"].count == 1000
    assert (shop.warm_up.counts["published"], shop.warm_up.latencies["confirm"].count) == (200, 200)
    assert collector.measured_ns == 5 * S
    assert collector.complete


def test_ledger_is_merged() -> None:
    """The ledger holds what both workers saw, and nothing is lost."""
    collector = _collected(IN_TURNS)
    totals = collector.ledger.totals()

    assert (totals.published, totals.confirmed, totals.taken, totals.duplicates) == (1200, 1200, 1200, 0)
    assert collector.losses().lost == 0


@pytest.mark.parametrize("seed", range(3))
def test_order_between_workers_does_not_matter(seed: int) -> None:
    """Windows that come in another order between the workers give the same totals, ledger and timeline."""
    windows = [list(records) for records in WINDOWS.values()]
    shuffled = []
    chance = random.Random(seed)
    while any(windows):
        shuffled.append(chance.choice([records for records in windows if records]).pop(0))
    ordered, other = _collected(IN_TURNS), _collected(shuffled)

    assert list(map(_figures_of, other.groups.values())) == list(map(_figures_of, ordered.groups.values()))
    assert other.ledger.totals() == ordered.ledger.totals()
    assert list(other.timeline.rows()) == list(ordered.timeline.rows())


def test_timeline_has_a_row_a_second() -> None:
    """Each second's row has the rates of the whole run and the percentiles over all workers."""
    rows = list(_collected(IN_TURNS).timeline.rows())
    row = rows[2]

    assert [one["t_s"] for one in rows] == list(range(SECONDS))
    assert [one["phase"] for one in rows] == ["warm_up"] + ["measured"] * 5
    assert row["groups"]["shop"]["rates"] == {
        "published_per_s": 200.0,
        "bytes_per_s": 2400.0,
        "confirmed_per_s": 200.0,
    }
    assert set(row["groups"]["shop"]["latency"]) == {"lateness", "confirm"}
    assert row["groups"]["billing"]["latency"]["end_to_end"]["max_ns"] == 521 * MS
    assert row["gauges"] == {"cpu": 0.6, "processes.cpu": 1.1, "shop.outstanding": 0.0}


def test_latest_is_a_whole_second() -> None:
    """The live row is the newest second that every worker has gone past."""
    collector = Collector()
    collector.take(_run_of())
    assert collector.latest() is None
    for window in [*WINDOWS["w0"][:3], *WINDOWS["w1"][:2]]:
        collector.take(window)
    latest = collector.latest()

    assert latest is not None
    assert latest["t_s"] == 1
    assert latest["groups"]["shop"]["rates"]["published_per_s"] == 200.0


def test_a_window_that_comes_twice_counts_once() -> None:
    """A window with an index that was taken already is left out."""
    collector = _collected([*IN_TURNS, *IN_TURNS])

    assert collector.groups["shop"].totals["published"] == 1200
    assert collector.ledger.totals().duplicates == 0


def test_a_missing_window_is_noticed() -> None:
    """A run of which a window is missing is not complete, and says how many are."""
    collector = _collected([window for window in IN_TURNS if window["index"] != 3])

    assert collector.missing_windows == 2
    assert not collector.complete


def test_a_run_without_an_end_is_not_complete() -> None:
    """A journal that stops has everything up to there, and is not complete."""
    collector = Collector()
    collector.take(_run_of())
    collector.take(phase_record("measured", 101 * S))
    collector.take(event_record(101 * S, "blocked", "The broker blocks publishers.", group="shop"))
    collector.take(WINDOWS["w0"][2])

    assert not collector.complete
    assert collector.measured_ns == 2 * S
    assert collector.events[0]["group"] == "shop"


@pytest.mark.parametrize(
    "records, message",
    [
        ([{"type": "window"}], "begins with 'run'"),
        ([_run_of(), _run_of()], "second 'run'"),
        ([_run_of() | {"format": "other/1"}], "other/1"),
        ([{"type": "gossip"}], "gossip"),
        ([{}], "None"),
        ([_run_of(), {"type": "queue"}], "malformed"),
        ([_run_of(), {"type": "end", "complete": 1}], "malformed"),
        ([_run_of(), WINDOWS["w0"][0] | {"groups": {"nobody": {}}}], "malformed"),
        ([_run_of() | {"publishers": [{"id": 1}]}], "malformed"),
    ],
    ids=["no-run", "two-runs", "format", "type", "no-type", "queue", "end", "group", "publishers"],
)
def test_records_that_do_not_fit(records: list[dict[str, Any]], message: str) -> None:
    """A record that is malformed, unknown or out of place is an error of the results."""
    collector = Collector()
    for record in records[:-1]:
        collector.take(record)

    with pytest.raises(ResultsError, match=message):
        collector.take(records[-1])


def test_getters_series_joins_over_windows() -> None:
    """The message counts of a backlog that is taken over several windows are one run."""
    collector = Collector()
    collector.take(_run_of() | {"groups": {"poll": {"kind": "getter", "model": "closed"}}})
    recorder = Recorder("w", {"poll": "getter"})
    poll = recorder.delivery("poll", "q")
    one = np.zeros(1, dtype=np.int64)
    for left in range(999, -1, -1):
        poll.got(0, one + 999 - left, one, one, 5, 1, message_counts=left, get_ns=5)
        if left % 300 == 0:
            collector.take(recorder.cut(left, left + 1, "measured", {}).to_record())

    assert collector.groups["poll"].series == {"message_counts": {"q": [[999, 1000, -1]]}}


@settings(max_examples=30, deadline=None)
@given(
    samples=st.lists(st.tuples(st.integers(0, 3), st.integers(-1_000, 4 * 10**12)), min_size=1, max_size=200),
    cut_each=st.integers(1, 4),
)
def test_a_merged_histogram_is_that_of_all_samples(samples: list[tuple[int, int]], cut_each: int) -> None:
    """However values lie over workers and windows, what is merged is what one recorder of all of them has."""
    kinds: dict[str, GroupKind] = {"shop": "publisher", "billing": "consumer"}
    one = Recorder("one", kinds)
    several = [Recorder(f"worker-{number}", kinds) for number in range(4)]
    collector = Collector()
    collector.take(_run_of())
    for place, (worker, value) in enumerate(samples):
        for recorder in (one, several[worker]):
            recorder.latency("billing", "end_to_end", value)
        if place % cut_each == 0:
            collector.take(several[worker].cut(place, place + 1, "measured", {}).to_record())
    for recorder in several:
        collector.take(recorder.cut(len(samples), len(samples) + 1, "measured", {}).to_record())
    expected = one.cut(0, 1, "measured", {}).groups["billing"].histogram("end_to_end")

    assert collector.groups["billing"].measured.latencies["end_to_end"] == expected

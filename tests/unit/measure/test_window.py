from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from loadtest.errors import ResultsError
from loadtest.measure.ledger.ledger_delta import LedgerDelta
from loadtest.measure.ledger.seq_ranges import SeqRanges, of_values
from loadtest.measure.window import GroupWindow, Window


def _window_of(ledger: LedgerDelta) -> Window:
    return Window(
        worker="w1",
        index=4,
        start_ns=10,
        end_ns=20,
        phase="measured",
        groups={"shop": GroupWindow(active=((11, 19),), counters={"published": 5}, series={"s": {"q": [[1, 2, 3]]}})},
        ledger=ledger,
        gauges={"cpu": 0.5},
    )


def _delta_of(publishers: int) -> LedgerDelta:
    rows = SeqRanges.of_rows([(publisher, 5, 3, 1) for publisher in range(publishers)])
    return LedgerDelta(
        published=rows,
        confirmed=rows,
        sinks=("a", "b"),
        delivered=SeqRanges.of_rows([(1 << 20 | publisher, 5, 3, 1) for publisher in range(publishers)]),
        repeats={1 << 20 | 1: 7},
        out_of_order={1: 2},
        foreign={"c": 3},
        redelivered={"a": 1},
    )


@pytest.mark.parametrize("publishers", [2, 500], ids=["readable", "packed"])
def test_round_trip(publishers: int) -> None:
    """A window comes out of its JSON form as it went in, whether small enough to read or packed."""
    window = _window_of(_delta_of(publishers))
    record = json.loads(json.dumps(window.to_record()))

    assert Window.from_record(record) == window
    assert ("zlib" in record["ledger"]) == (publishers > 2)


def test_irregular_seqs_travel_as_a_bitmap() -> None:
    """A set of seqs without pattern is a bitmap in the record, and the same set when read."""
    numbers = np.unique(np.random.default_rng(1).integers(0, 20_000, 10_000))
    delta = LedgerDelta(sinks=("a",), delivered=of_values(np.full(len(numbers), 9), numbers))
    record = delta.to_record()
    found = LedgerDelta.from_record(record).delivered

    assert len(json.dumps(record)) < 5_000
    assert found.values()[1].tolist() == numbers.tolist()
    assert set(found.key.tolist()) == {9}


def test_a_thousand_publishers_are_some_kilobytes() -> None:
    """A second of a thousand publishers and sinks with a message each takes less than 12 KB."""
    rows = SeqRanges.of_rows([(publisher, 5, 1, 1) for publisher in range(1000)])
    delta = LedgerDelta(
        published=rows,
        confirmed=rows,
        sinks=tuple(f"queue-{number}" for number in range(1000)),
        delivered=SeqRanges.of_rows([(number << 20 | number, 5, 1, 1) for number in range(1000)]),
    )

    assert len(json.dumps(delta.to_record())) < 12_000


@pytest.mark.parametrize(
    "change, message",
    [
        ({"format": "loadtest.window/9"}, "loadtest.window/9"),
        ({"groups": None}, "malformed"),
        ({"ledger": {"published": {"publisher": [1]}}}, "malformed"),
        ({"ledger": {"published": {"publisher": [1], "first": [1, 2], "count": [1], "step": [1]}}}, "malformed"),
        ({"ledger": {"published": {"publisher": [-1], "first": [1], "count": [1], "step": [1]}}}, "malformed"),
        ({"ledger": {"published": {"publisher": [1], "first": [1], "count": [0], "step": [1]}}}, "malformed"),
        ({"ledger": {"published": {"publisher": [1], "first": [1 << 53], "count": [1], "step": [1]}}}, "malformed"),
        ({"ledger": {"zlib": "AAAA"}}, "malformed"),
        ({"ledger": {"zlib": "!"}}, "malformed"),
    ],
    ids=["format", "groups", "table", "lengths", "publisher", "no messages", "seq", "zlib", "base64"],
)
def test_malformed_records(change: dict[str, Any], message: str) -> None:
    """A record of another format, or with a field missing or malformed, is an error of the results."""
    with pytest.raises(ResultsError, match=message):
        Window.from_record(_window_of(_delta_of(2)).to_record() | change)


def test_missing_field() -> None:
    """A record without one of its fields is an error of the results."""
    record = _window_of(_delta_of(2)).to_record()
    del record["phase"]

    with pytest.raises(ResultsError, match="phase"):
        Window.from_record(record)

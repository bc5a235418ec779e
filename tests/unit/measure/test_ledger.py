from __future__ import annotations

import itertools
import json
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.measure.ledger.ledger import Ledger
from loadtest.measure.ledger.ledger_delta import LedgerDelta
from loadtest.measure.ledger.losses import find_losses
from loadtest.measure.recorder.recorder import Recorder

ROUTES = {
    0: (("a", "b"),),
    1: (("a",), ("b",), ("c",), ("a", "c")),
    2: None,
    3: (("a",), ()),
}
SINKS = ("a", "b", "c")
Step = tuple[Any, ...]
PUBLISHERS = tuple(ROUTES)


def _array(*seqs: int) -> np.ndarray:
    return np.array(seqs, dtype=np.int64)


@dataclass
class _Model:
    """The plain truth: a set or a counter for everything."""

    published: Counter[int] = field(default_factory=Counter)
    tables: dict[str, set[tuple[int, int]]] = field(
        default_factory=lambda: {name: set() for name in ("confirmed", "nacked", "returned", "in_doubt")}
    )
    corrupted: set[tuple[int, str, int]] = field(default_factory=set)
    received: Counter[tuple[int, str, int]] = field(default_factory=Counter)
    highest: dict[tuple[int, int], int] = field(default_factory=dict)
    out_of_order: int = 0
    foreign: int = 0
    flagged: Counter[tuple[int, str, int]] = field(default_factory=Counter)
    dead: set[tuple[int, str, int]] = field(default_factory=set)

    def all_published(self) -> set[tuple[int, int]]:
        return {(publisher, seq) for publisher, count in self.published.items() for seq in range(count)}

    def duplicates_unflagged(self) -> int:
        """Return how often something came without the flag that had come without it before."""
        unflagged = self.received - self.flagged
        return unflagged.total() - len(unflagged)

    def lost(self) -> set[tuple[int, int, str | None]]:
        """Return what was confirmed, not returned, and is missing at a sink where it was due."""
        lost: set[tuple[int, int, str | None]] = set()
        for publisher, seq in (self.tables["confirmed"] & self.all_published()) - self.tables["returned"]:
            routes = ROUTES[publisher]
            if routes is None:
                heard = any(key[0] == publisher for key in self.received)
                came = self.received.keys() | self.dead
                if heard and not any((publisher, sink, seq) in came for sink in SINKS):
                    lost.add((publisher, seq, None))
            else:
                due = routes[seq % len(routes)]
                came = self.received.keys() | self.dead
                lost |= {(publisher, seq, sink) for sink in due if (publisher, sink, seq) not in came}
        return lost


class _Workers:
    """Two workers, of two publishers and of two consumers of every sink each."""

    def __init__(self) -> None:
        kinds = {"p": "publisher", "c": "consumer", "g": "getter"}
        self.recorders = [Recorder(f"w{number}", kinds) for number in range(2)]  # type: ignore[arg-type]
        self.publishers = [self.recorders[number // 2].publisher("p", number) for number in PUBLISHERS]
        self.consumers = [
            (sink, recorder.delivery(group, sink))
            for recorder in self.recorders
            for group in ("c", "g")
            for sink in SINKS
        ]
        self.records: list[str] = []

    def cut(self, worker: int) -> None:
        window = self.recorders[worker].cut(0, 1, "measured", {})
        self.records.append(json.dumps(window.ledger.to_record()))

    def merged(self, seed: int) -> Ledger:
        """Return the ledger of all windows, in an order of its own."""
        for worker in range(2):
            self.cut(worker)
        random.Random(seed).shuffle(self.records)
        ledger = Ledger(ROUTES)
        for record in self.records:
            ledger.take(LedgerDelta.from_record(json.loads(record)))
        return ledger


seqs = st.lists(st.integers(0, 40), min_size=1, max_size=12)
contiguous = st.builds(lambda first, count: list(range(first, first + count)), st.integers(0, 30), st.integers(1, 40))
run = st.one_of(contiguous, seqs)
publisher = st.sampled_from(PUBLISHERS)
consumer = st.integers(0, 11)
step = st.one_of(
    st.tuples(st.just("publish"), publisher, st.integers(1, 20)),
    st.tuples(st.sampled_from(["confirmed", "nacked", "returned", "in_doubt"]), publisher, run),
    st.tuples(st.just("deliver"), publisher, consumer, run, st.booleans()),
    st.tuples(st.just("die"), publisher, consumer, seqs, st.sampled_from(SINKS)),
    st.tuples(st.just("mixed"), consumer, st.lists(st.tuples(publisher, st.integers(0, 40)), min_size=1, max_size=9)),
    st.tuples(st.just("corrupted"), publisher, consumer, seqs),
    st.tuples(st.just("foreign"), consumer, st.integers(1, 3)),
    st.tuples(st.just("cut"), st.integers(0, 1)),
)


def _deliver(
    workers: _Workers, model: _Model, consumer: int, publishers: list[int], seqs: list[int], *, flagged: bool = False
) -> None:
    sink, recorder = workers.consumers[consumer]
    for publisher, seq in zip(publishers, seqs, strict=True):
        model.received[publisher, sink, seq] += 1
        model.flagged[publisher, sink, seq] += flagged
        before = model.highest.get((consumer, publisher), -1)
        model.out_of_order += seq < before
        model.highest[consumer, publisher] = max(before, seq)
    ids = publishers[0] if len(set(publishers)) == 1 else np.array(publishers, dtype=np.uint32)
    lateness_us = np.zeros(len(seqs), dtype=np.uint32)
    recorder.delivered(ids, _array(*seqs), _array(*seqs), lateness_us, 10**9, 1, redelivered=flagged)


def _apply(workers: _Workers, model: _Model, step: Step) -> None:  # noqa: C901  # a case a kind of step
    match step:
        case ("publish", publisher, count):
            first = model.published[publisher]
            workers.publishers[publisher].published(first, np.zeros(count, dtype=np.int64), 1, 1)
            model.published[publisher] += count
        case (("confirmed" | "nacked") as name, publisher, seqs):
            unique = list(dict.fromkeys(seqs))
            getattr(workers.publishers[publisher], name)(_array(*unique), _array(*unique), _array(*unique), 10**9)
            model.tables[name] |= {(publisher, seq) for seq in seqs}
        case ("returned", publisher, seqs):
            workers.publishers[publisher].returned(_array(*seqs))
            model.tables["returned"] |= {(publisher, seq) for seq in seqs}
        case ("in_doubt", publisher, seqs):
            workers.publishers[publisher].in_doubt(_array(*seqs), 0, 10**9)
            model.tables["in_doubt"] |= {(publisher, seq) for seq in seqs}
        case ("deliver", publisher, consumer, seqs, flagged):
            _deliver(workers, model, consumer, [publisher] * len(seqs), seqs, flagged=flagged)
        case ("die", publisher, consumer, seqs, queue):
            for seq in seqs:
                workers.consumers[consumer][1].dead_lettered(publisher, seq, [(queue, "expired"), ("far", "rejected")])
            model.dead |= {(publisher, name, seq) for seq in seqs for name in (queue, "far")}
        case ("mixed", consumer, pairs):
            _deliver(workers, model, consumer, [pair[0] for pair in pairs], [pair[1] for pair in pairs])
        case ("corrupted", publisher, consumer, seqs):
            workers.consumers[consumer][1].corrupted(publisher, _array(*seqs))
            model.corrupted |= {(publisher, workers.consumers[consumer][0], seq) for seq in seqs}
        case ("foreign", consumer, count):
            workers.consumers[consumer][1].foreign(count, 1)
            model.foreign += count
        case ("cut", worker):
            workers.cut(worker)


@settings(derandomize=True, deadline=None, max_examples=50)
@given(st.lists(step, max_size=25), st.integers(0, 99))
def test_ledger_equals_plain_sets(steps: list[Step], seed: int) -> None:
    """Whatever happens in whichever worker, merged in any order, every row of the ledger is that of plain sets."""
    workers, model = _Workers(), _Model()
    for one in steps:
        _apply(workers, model, one)
    ledger = workers.merged(seed)
    totals = ledger.totals()
    published = model.all_published()
    answered = model.tables["confirmed"] | model.tables["nacked"] | model.tables["in_doubt"]
    returned_only = model.tables["returned"] - answered

    assert totals.published == len(published)
    assert totals.confirmed == len(model.tables["confirmed"])
    assert totals.nacked == len(model.tables["nacked"])
    assert totals.returned == len(model.tables["returned"])
    assert totals.returned_only == len(returned_only)
    assert totals.in_doubt == len(model.tables["in_doubt"])
    assert totals.unconfirmed == len(published - answered - model.tables["returned"])
    assert totals.received == model.received.total() + model.foreign
    assert totals.taken == len(model.received)
    assert totals.received == totals.taken + totals.duplicates + totals.foreign
    assert totals.out_of_order == model.out_of_order
    assert totals.corrupted == len(model.corrupted)
    assert totals.foreign == model.foreign
    assert totals.redelivered == model.flagged.total()
    assert totals.duplicates_unflagged == model.duplicates_unflagged()
    assert totals.dead_lettered == len(model.dead)
    assert totals.unexpected == sum(
        ROUTES[publisher] is not None
        and sink not in ROUTES[publisher][seq % len(ROUTES[publisher])]  # type: ignore[index, arg-type]
        and (publisher, "far", seq) not in model.dead
        for publisher, sink, seq in model.received
    )
    assert totals.unpublished == sum((publisher, seq) not in published for publisher, _, seq in model.received)


@settings(derandomize=True, deadline=None, max_examples=50)
@given(st.lists(step, max_size=25), st.integers(0, 99))
def test_losses_equal_plain_sets(steps: list[Step], seed: int) -> None:
    """What is lost, in total, by publisher and by example, is what a model of plain sets says."""
    workers, model = _Workers(), _Model()
    for one in steps:
        _apply(workers, model, one)
    losses = find_losses(workers.merged(seed), {})
    lost = model.lost()

    assert losses.lost == len(lost)
    assert losses.by_publisher == Counter(publisher for publisher, _, _ in lost)
    assert set(losses.examples) <= lost
    assert len(losses.examples) == min(len(lost), 100)


@settings(derandomize=True, deadline=None, max_examples=50)
@given(st.lists(st.tuples(publisher, st.integers(1, 30), st.floats(0, 1), st.booleans()), max_size=8))
def test_answers_of_a_sound_run_balance(steps: list[tuple[int, int, float, bool]]) -> None:
    """Where each message gets one answer, or none yet, published is the sum of the rows, by publisher and in total."""
    workers, model = _Workers(), _Model()
    for publisher, count, share, is_nack in steps:
        first = model.published[publisher]
        _apply(workers, model, ("publish", publisher, count))
        split = first + int(share * count)
        if split > first:
            _apply(workers, model, ("nacked" if is_nack else "confirmed", publisher, list(range(first, split))))
            _apply(workers, model, ("returned", publisher, [first]))
        if split < first + count:
            _apply(workers, model, ("in_doubt", publisher, [first + count - 1]))
    ledger = workers.merged(0)

    for totals in (ledger.totals(), *map(ledger.publisher_totals, PUBLISHERS)):
        assert totals.imbalance == 0
        assert totals.published == (
            totals.confirmed + totals.nacked + totals.returned_only + totals.in_doubt + totals.unconfirmed
        )


@pytest.mark.parametrize(
    "answers, imbalance",
    [
        ({"confirmed": [0, 1, 2]}, 0),
        ({"confirmed": [0, 1], "nacked": [1]}, -1),
        ({"confirmed": [0, 1, 2, 3]}, -1),
        ({"confirmed": [0, 1], "returned": [0, 2]}, 0),
    ],
    ids=["sound", "answered-twice", "never-published", "returned-and-confirmed"],
)
def test_imbalance_shows_a_wrong_ledger(answers: dict[str, list[int]], imbalance: int) -> None:
    """Answers to what was not published, or two to one message, unbalance the ledger."""
    workers, model = _Workers(), _Model()
    _apply(workers, model, ("publish", 0, 3))
    for name, seqs in answers.items():
        _apply(workers, model, (name, 0, seqs))

    assert workers.merged(0).totals().imbalance == imbalance


def test_unconfirmed_messages_are_undelivered_and_those_in_doubt_vanish() -> None:
    """What was published without confirms and did not come is not lost; nor what was in doubt."""
    workers, model = _Workers(), _Model()
    _apply(workers, model, ("publish", 3, 8))
    _apply(workers, model, ("in_doubt", 3, [0, 1]))
    losses = find_losses(workers.merged(0), {})

    assert (losses.lost, losses.undelivered, losses.vanished) == (0, 3, 1)


def test_unknown_routes_that_nobody_heard_are_undelivered() -> None:
    """Confirmed messages whose routes are unknown are not called lost while no sink saw any of them."""
    workers, model = _Workers(), _Model()
    _apply(workers, model, ("publish", 2, 5))
    _apply(workers, model, ("confirmed", 2, [0, 1, 2, 3, 4]))
    losses = find_losses(workers.merged(0), {})

    assert (losses.lost, losses.undelivered) == (0, 5)


def test_two_consumers_of_a_queue_are_in_order() -> None:
    """Two consumers in one worker that share a queue see gaps; neither sees anything out of order."""
    workers, model = _Workers(), _Model()
    recorder = workers.recorders[0]
    one, other = recorder.delivery("c", "a"), recorder.delivery("c", "a")
    _apply(workers, model, ("publish", 0, 100))
    for first, consumer in zip(range(0, 100, 10), itertools.cycle((other, one))):
        seqs = np.arange(first, first + 10, dtype=np.int64)
        consumer.delivered(0, seqs, seqs, np.zeros(10), 1, 0)
    totals = workers.merged(0).totals()

    assert (totals.taken, totals.duplicates, totals.out_of_order) == (100, 0, 0)


def test_damaged_stamps_are_foreign() -> None:
    """A seq that no publisher can reach is no message of this run."""
    workers = _Workers()
    workers.consumers[0][1].delivered(
        0, np.array([1, (1 << 64) - 5], dtype=np.uint64), _array(0, 0), _array(0, 0), 1, 9
    )
    workers.consumers[1][1].delivered(0, np.array([1 << 63], dtype=np.uint64), _array(0), _array(0), 1, 9)
    totals = workers.merged(0).totals()

    assert (totals.received, totals.taken, totals.foreign) == (3, 1, 2)

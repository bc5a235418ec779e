from __future__ import annotations

import numpy as np
import pytest

from loadtest.measure.ledger import Ledger
from loadtest.measure.ledger_delta import LedgerDelta
from loadtest.measure.losses import Drops, find_losses
from loadtest.measure.progressions import of_values
from loadtest.measure.recorder import Recorder


def _ordinary_ledger(messages: int, missing: list[int]) -> Ledger:
    """Return the ledger of a publisher whose confirmed messages went to one sink, all but those *missing*."""
    recorder = Recorder("w", {"p": "publisher", "c": "consumer"}, closed_groups=("p",))
    seqs = np.arange(messages, dtype=np.int64)
    publisher, delivery = recorder.publisher("p", 7), recorder.delivery("c", "q")
    publisher.published(0, seqs, 0, 0)
    publisher.confirmed(seqs, seqs, seqs, messages)
    delivery.delivered(7, np.delete(seqs, missing), np.delete(seqs, missing), np.zeros(messages - len(missing)), 0, 0)
    ledger = Ledger({7: (("q",),)})
    ledger.take(recorder.cut(0, 1, "measured", {}).ledger)
    return ledger


def test_exactly_the_missing_of_many_are_lost() -> None:
    """Of 300,000 messages the three that did not come are lost, and named."""
    losses = find_losses(_ordinary_ledger(300_000, [17, 100_000, 299_999]), {})

    assert losses.lost == 3
    assert [tuple(example) for example in losses.examples] == [(7, 17, "q"), (7, 100_000, "q"), (7, 299_999, "q")]


@pytest.mark.parametrize("left, lost, remaining", [(0, 3, 0), (2, 1, 2), (5, 0, 3)])
def test_what_is_left_in_the_queue_is_not_lost(left: int, lost: int, remaining: int) -> None:
    """Missing messages that still stand in the sink's queue after the drain are remaining, not lost."""
    losses = find_losses(_ordinary_ledger(1000, [5, 6, 7]), {"q": left})

    assert (losses.lost, losses.remaining, losses.by_publisher) == (lost, remaining, {7: lost} if lost else {})
    assert bool(losses.examples) == bool(lost)


def test_a_queue_that_was_read_says_which_are_lost() -> None:
    """What stands in it are others that came before: the missing are lost, however many are left."""
    ledger = _ordinary_ledger(1000, [5, 6, 7])
    delta = LedgerDelta(sinks=("q",), standing=of_values(np.array([7, 7, 7]), np.array([6, 900, 901])))
    ledger.take_standing("q", delta)
    losses = find_losses(ledger, {"q": 3})

    assert (losses.lost, losses.remaining) == (2, 1)
    assert [example.seq for example in losses.examples] == [5, 7]


@pytest.mark.parametrize(
    "counts, may, expected",
    [
        ({"expired": 2, "maxlen": 9}, {"q": ["expired"]}, (1, 2, 0)),
        ({"expired": 2, "maxlen": 9}, {"q": ["expired", "maxlen"]}, (0, 2, 1)),
        ({"expired": 9}, {"other": ["expired"]}, (3, 0, 0)),
        ({"maxlen": 9}, {"q": ["expired"]}, (3, 0, 0)),
    ],
    ids=["one reason", "two reasons", "another queue", "a reason that the queue does not have"],
)
def test_what_the_broker_dropped_as_told_is_not_lost(
    counts: dict[str, int], may: dict[str, list[str]], expected: tuple[int, int, int]
) -> None:
    """No more than it says, and only of queues that may drop for that reason."""
    losses = find_losses(_ordinary_ledger(1000, [5, 6, 7]), {}, Drops(counts, may))

    assert (losses.lost, losses.expired, losses.overflowed) == expected
    assert sum(losses.by_publisher.values()) == losses.lost


def test_what_is_left_is_taken_off_the_first_publishers() -> None:
    """Where a queue holds some of what is missing, the losses by publisher still add up to what is lost."""
    recorder = Recorder("w", {"p": "publisher"}, closed_groups=("p",))
    seqs = np.arange(4, dtype=np.int64)
    for number in range(3):
        publisher = recorder.publisher("p", number)
        publisher.published(0, seqs, 0, 0)
        publisher.confirmed(seqs, seqs, seqs, 9)
    ledger = Ledger(dict.fromkeys(range(3), (("q",),)))
    ledger.take(recorder.cut(0, 1, "measured", {}).ledger)
    losses = find_losses(ledger, {"q": 5})

    assert (losses.lost, losses.remaining, losses.by_publisher) == (7, 5, {1: 3, 2: 4})

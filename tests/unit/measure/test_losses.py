from __future__ import annotations

import numpy as np
import pytest

from loadtest.measure.ledger.ledger import Ledger
from loadtest.measure.ledger.ledger_delta import LedgerDelta
from loadtest.measure.ledger.losses import Drops, Looks, Unknown, find_losses
from loadtest.measure.ledger.seq_ranges import of_values
from loadtest.measure.ledger.stream_view import StreamView
from loadtest.measure.recorder.recorder import Recorder


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
    ledger.take_found("q", delta)
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


def _sent(messages: int, routes: tuple[tuple[str, ...], ...], *, in_doubt: int = 0) -> Ledger:
    """Return the ledger of publisher 7, whose messages were confirmed, all but the last *in_doubt*; nobody took any."""
    recorder = Recorder("w", {"p": "publisher"}, closed_groups=("p",))
    seqs = np.arange(messages, dtype=np.int64)
    publisher = recorder.publisher("p", 7)
    publisher.published(0, seqs, 0, 0)
    sure = messages - in_doubt
    publisher.confirmed(seqs[:sure], seqs[:sure], seqs[:sure], messages)
    publisher.in_doubt(seqs[sure:], 0, 1)
    ledger = Ledger({7: routes})
    ledger.take(recorder.cut(0, 1, "measured", {}).ledger)
    return ledger


@pytest.mark.parametrize(
    "held, lost",
    [({"a": 10, "b": 10}, 0), ({"a": 10, "b": 4}, 6), ({"a": 0, "b": 0}, 20), ({"a": 10, "b": None}, 0)],
    ids=["all there", "one short", "both gone", "not asked yet"],
)
def test_a_queue_that_nobody_takes_from_is_judged_by_what_it_holds(held: dict[str, int | None], lost: int) -> None:
    """Each of two queues that get a copy of everything; none of it is remaining, since nobody was to take it."""
    losses = find_losses(_sent(10, (("a", "b"),)), {}, looks=Looks(untaken=held))

    assert (losses.lost, losses.remaining, losses.vanished, losses.undelivered) == (lost, 0, 0, 0)
    assert losses.by_publisher == ({7: lost} if lost else {})


def test_where_it_cannot_be_known_nothing_is_lost() -> None:
    """What is missing from a queue from which others take is unknown, with the reason."""
    looks = Looks(untaken={"a": 3}, doubts={"a": "others take from it"})
    losses = find_losses(_sent(10, (("a",),)), {}, looks=looks)

    assert (losses.lost, losses.unknown) == (0, (Unknown("a", 7, "others take from it"),))


@pytest.mark.parametrize("held, blurred", [(12, False), (10, True), (5, True), (13, True)])
def test_messages_in_doubt_blur_what_a_queue_holds(held: int, *, blurred: bool) -> None:
    """Of 10 confirmed and 2 in doubt 12 are surely all; fewer or more do not say which they are."""
    losses = find_losses(_sent(12, (("a",),), in_doubt=2), {}, looks=Looks(untaken={"a": held}))

    assert (losses.blurred == ("a",)) is blurred
    assert losses.vanished == 0


def test_dropped_at_rule_from_a_queue_that_nobody_takes_from() -> None:
    """What the broker dropped there is not lost either."""
    drops = Drops({"maxlen": 6}, {"a": ["maxlen"]})
    losses = find_losses(_sent(10, (("a",),)), {}, drops, Looks(untaken={"a": 4}))

    assert (losses.lost, losses.overflowed) == (0, 6)


@pytest.mark.parametrize(
    "came, flagged, before, left, lost, unknown",
    [(10, 0, 0, 0, 0, 0), (7, 0, 0, 0, 3, 0), (7, 0, 0, 3, 0, 0), (12, 2, 0, 0, 0, 0), (10, 2, 0, 0, 0, 2),
     (10, 0, 4, 0, 0, 4), (6, 1, 0, 0, 4, 1)],
    ids=["all", "three short", "three in the queue", "two twice", "two twice, perhaps two missing", "four of before",
         "four missing, and perhaps one"],
)  # fmt: skip
def test_messages_without_a_stamp_are_compared_by_number(
    came: int, flagged: int, before: int, left: int, lost: int, unknown: int
) -> None:
    """What numbers do not tell is not called lost."""
    ledger = _sent(10, (("q",),))
    ledger.unstamped = {7}
    ledger.foreign["q"], ledger.redelivered["q"] = came, flagged
    losses = find_losses(ledger, {"q": left}, looks=Looks(before={"q": before}))

    assert (losses.lost, sum(each.messages for each in losses.unknown)) == (lost, unknown)
    assert losses.undelivered == 0


def test_what_lies_before_a_consumer_of_a_stream_is_unread() -> None:
    """It began at offset 6 of 10, and 9 did not come; what the stream holds behind the last that came remains."""
    looks = Looks(streams={"log#out/0": StreamView([(6, 7)], 0, 10)})
    ledger = _sent(10, (("log#out/0",),))
    losses = find_losses(ledger, {}, looks=looks)

    assert (losses.unread, losses.remaining, losses.lost) == (6, 2, 2)

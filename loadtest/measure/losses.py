"""
What is missing when a run has ended: which confirmed messages never came, at which sink.

Lost is a promise broken: confirmed, not returned as unroutable, due at a sink by the publisher's routes, and never
delivered there, less those that still stand in the sink's queue and those that the broker was told to take out of it:
dead letters, which are known one by one, and what it says that it dropped, expired or beyond a queue's length. A
message published without confirms was promised nothing: it is *undelivered*. A message in doubt that never came has
*vanished*, and nobody can be blamed.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from pyroaring import BitMap64

from loadtest.measure.bitmap import range_bitmap
from loadtest.measure.ledger import Ledger
from loadtest.measure.turns import Turns

EXAMPLES: Final = 100


class LostMessage(NamedTuple):
    """A confirmed message that did not come at *sink*; None if its routes are not known, and it came at no sink."""

    publisher: int
    seq: int
    sink: str | None


@dataclass(frozen=True, slots=True)
class Drops:
    """
    What the broker dropped without handing it on, as it says.

    Attributes:
        counts: Messages by reason, `expired` or `maxlen`, of all queues that hand on no dead letters.
        may: By sink, the reasons for which its queue may drop.
    """

    counts: Mapping[str, int]
    may: Mapping[str, Sequence[str]]


NO_DROPS: Final = Drops({}, {})


@dataclass(frozen=True, slots=True)
class Losses:
    """
    Counts of (message, sink) pairs.

    Attributes:
        lost: Confirmed, due, never delivered, and not in the queue either.
        remaining: Confirmed, due, not delivered, and still in the queue.
        expired, overflowed: Confirmed, due, not delivered, not in the queue, and dropped by the broker as it was told
            to: because their time to live was over, or as the queue was full.
        undelivered: Published and neither answered nor delivered; also confirmed ones of a publisher whose routes are
            not known and of which no sink saw anything, since they may have gone where this run does not look.
        vanished: In doubt and not delivered, nor seen in a queue that was read; or confirmed, and perhaps taken by a
            process that is gone.
        by_publisher: lost, by publisher id. Where some of a sink's missing messages are still in its queue, which was
            not read, or were dropped, which ones they are is not known: they are taken off the publishers in order of
            their ids.
        examples: Up to 100 of the lost, lowest seqs first, by publisher. Where it is not known which they are, as
            above, others may be among them.
    """

    lost: int
    remaining: int
    expired: int
    overflowed: int
    undelivered: int
    vanished: int
    by_publisher: dict[int, int]
    examples: tuple[LostMessage, ...]


@dataclass(slots=True)
class _Missing:
    """One sink's missing confirmed messages that were not seen in its queue, by publisher."""

    by_publisher: dict[int, BitMap64] = field(default_factory=dict)

    def count(self) -> int:
        return sum(map(len, self.by_publisher.values()))


def find_losses(ledger: Ledger, left: Mapping[str, int], drops: Drops = NO_DROPS) -> Losses:
    """
    Return what is missing.

    Args:
        ledger: After the last window.
        left: Messages still in each sink's queue after the drain; a sink that is not named has none.
        drops: What the broker dropped.
    """
    ledger.settle_gone()
    missing: dict[str | None, _Missing] = {}
    counts: Counter[str] = Counter()
    for publisher in ledger.publishers():
        for sink, absent in _absent(ledger, publisher):
            if not absent:
                continue
            confirmed = absent & ledger.tables["confirmed"].numbers(publisher)
            confirmed -= ledger.tables["returned"].numbers(publisher)
            standing = ledger.standing_seqs(publisher, sink)
            in_doubt = (absent & ledger.in_doubt(publisher)) - standing
            # One that is gone may have taken them, and told nobody.
            uncertain = (confirmed & _may_be_taken(ledger, publisher, sink)) - standing
            confirmed -= uncertain
            counts["vanished"] += len(in_doubt | uncertain)
            counts["undelivered"] += len(absent - _answered(ledger, publisher))
            if sink is None and publisher not in ledger.pairs_of:
                counts["undelivered"] += len(confirmed)
            elif confirmed:
                counts["remaining"] += len(confirmed & standing)
                missing.setdefault(sink, _Missing()).by_publisher[publisher] = confirmed - standing
    # Of a queue that was read, what is still missing does not stand there.
    unread = {sink: count for sink, count in left.items() if sink not in ledger.standing}
    return _settle(missing, unread, drops, counts)


def _absent(ledger: Ledger, publisher: int) -> Iterator[tuple[str | None, BitMap64]]:
    """Yield the published seqs that did not come and did not die either, by sink where the routes are known."""
    routes = ledger.routes.get(publisher)
    if routes is None:
        absent = ledger.tables["published"].numbers(publisher)
        for place in ledger.pairs_of.get(publisher, ()):
            absent -= ledger.delivered_seqs(place)
        yield None, absent - ledger.dead_letters.of(publisher)
    else:
        for sink in dict.fromkeys(itertools.chain.from_iterable(routes)):
            yield sink, _absent_at(ledger, publisher, sink, Turns.at(sink, routes))


def _may_be_taken(ledger: Ledger, publisher: int, sink: str | None) -> BitMap64:
    """Return the seqs that a process which is gone may have taken at *sink*; at any, where it is not known which."""
    doubtful = [ledger.doubtful.get(sink, {})] if sink is not None else list(ledger.doubtful.values())
    return range_bitmap(0, max((known.get(publisher, 0) for known in doubtful), default=0))


def _absent_at(ledger: Ledger, publisher: int, sink: str, turns: Turns) -> BitMap64:
    """Return the published seqs that are due at *sink* and did not come there; at once where nothing is missing."""
    published = ledger.tables["published"]
    due = turns.count_below(published.end(publisher))
    place = ledger.place_of(publisher, sink)
    if place is None:
        holes = range_bitmap(0, due)
    elif ledger.delivered.prefix_of(place) >= due:
        return BitMap64()
    else:
        holes = ledger.delivered.holes(place, due)
    return (turns.seqs_bitmap(holes) & published.numbers(publisher)) - ledger.dead_letters.of(publisher, sink)


def _answered(ledger: Ledger, publisher: int) -> BitMap64:
    confirmed, nacked, returned, in_doubt = (
        ledger.tables[name].numbers(publisher) for name in ("confirmed", "nacked", "returned", "in_doubt")
    )
    return confirmed | nacked | returned | in_doubt


def _settle(missing: dict[str | None, _Missing], left: Mapping[str, int], drops: Drops, counts: Counter[str]) -> Losses:
    """Take what is still in the queues, and what was dropped as told, off what is missing."""
    # Messages whose route is unknown may stand in any queue that no known route accounts for.
    unclaimed = sum(count for sink, count in left.items() if sink not in missing)
    dropped = Counter(drops.counts)
    lost_of: Counter[int] = Counter()
    examples: list[LostMessage] = []
    for sink, absent in missing.items():
        remaining = min(absent.count(), unclaimed if sink is None else left.get(sink, 0))
        counts["remaining"] += remaining
        explained = remaining
        for reason in drops.may.get(sink, ()) if sink is not None else ():
            count = min(absent.count() - explained, dropped[reason])
            dropped[reason] -= count
            counts[reason] += count
            explained += count
        counts["lost"] += absent.count() - explained
        if absent.count() > explained:
            examples += _examples(sink, absent)
        for publisher, seqs in absent.by_publisher.items():
            taken = min(len(seqs), explained)
            explained -= taken
            lost_of[publisher] += len(seqs) - taken
    return Losses(
        lost=counts["lost"],
        remaining=counts["remaining"],
        expired=counts["expired"],
        overflowed=counts["maxlen"],
        undelivered=counts["undelivered"],
        vanished=counts["vanished"],
        by_publisher={publisher: count for publisher, count in sorted(lost_of.items()) if count},
        examples=tuple(sorted(examples, key=lambda example: example[:2])[:EXAMPLES]),
    )


def _examples(sink: str | None, absent: _Missing) -> Iterator[LostMessage]:
    for publisher, seqs in absent.by_publisher.items():
        for seq in itertools.islice(seqs, EXAMPLES):
            yield LostMessage(publisher, seq, sink)

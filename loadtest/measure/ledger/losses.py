"""
What is missing when a run has ended: which confirmed messages never came, at which sink.

Lost is a promise broken: confirmed, not returned as unroutable, due at a sink by the publisher's routes, and never
delivered there, less those that still stand in the sink's queue and those that the broker was told to take out of it:
dead letters, which are known one by one, and what it says that it dropped, expired, beyond a queue's length or at its
delivery limit. A queue from which the run does not take is judged by what stands in it. What cannot be known is not
called lost: of each sink of which that is so there is a reason. A message published without confirms was promised
nothing: it is *undelivered*. A message in doubt that never came has *vanished*, and nobody can be blamed.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from pyroaring import BitMap64

from loadtest.measure.ledger.bitmap import range_bitmap
from loadtest.measure.ledger.ledger import Ledger
from loadtest.measure.ledger.routing_cycle import RoutingCycle
from loadtest.measure.ledger.stream_view import StreamView
from loadtest.measure.ledger.unstamped import Unstamped

EXAMPLES: Final = 100
NO_STAMP: Final = "its messages carry no stamp, and some of what was taken came again, or stood there before the run"


class LostMessage(NamedTuple):
    """A confirmed message that did not come at *sink*; None if its routes are not known, and it came at no sink."""

    publisher: int
    seq: int
    sink: str | None


class Unknown(NamedTuple):
    """Confirmed messages missing at a sink, of which cannot be known what became, and why not."""

    sink: str
    messages: int
    reason: str


@dataclass(frozen=True, slots=True)
class Drops:
    """
    What the broker dropped without handing it on, as it says.

    Attributes:
        counts: Messages by reason, `expired`, `maxlen` or `delivery_limit`, of all queues together.
        may: By sink, the reasons for which its queue may drop.
    """

    counts: Mapping[str, int]
    may: Mapping[str, Sequence[str]]


NO_DROPS: Final = Drops({}, {})


@dataclass(frozen=True, slots=True)
class Looks:
    """
    What was seen of the queues.

    Attributes:
        untaken: The queues from which the run does not take though messages are due there, with how many it holds
            more than before the run; None of those that were not asked, which are not judged.
        before: Messages that stood in a queue before the run, by sink.
        streams: By sink that is a consumer's view of a stream.
        doubts: By sink, why it cannot be known what became of messages that are missing there.
    """

    untaken: Mapping[str, int | None] = field(default_factory=dict)
    before: Mapping[str, int] = field(default_factory=dict)
    streams: Mapping[str, StreamView] = field(default_factory=dict)
    doubts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Losses:
    """
    Counts of (message, sink) pairs.

    Attributes:
        lost: Confirmed, due, never delivered, and not in the queue either.
        remaining: Confirmed, due, not delivered, and still in the queue.
        unread: Confirmed, and in a stream before the offset at which its consumer began.
        expired, overflowed, delivery_limit: Confirmed, due, not delivered, not in the queue, and dropped by the broker
            as it was told to: because their time to live was over, as the queue was full, or as they had been
            delivered too often.
        undelivered: Published and neither answered nor delivered; also confirmed ones of a publisher whose routes are
            not known and of which no sink saw anything, since they may have gone where this run does not look.
        unrouted: Those of undelivered that were confirmed.
        vanished: In doubt and not delivered, nor seen in a queue that was read; or confirmed, and perhaps taken by a
            process that is gone. Of queues from which the run takes.
        unknown: What is missing where it cannot be known what became of it.
        blurred: Queues from which the run does not take whose number of messages does not tell whether all that were
            confirmed are there: some may be in doubt, or others'.
        by_sink: lost, by sink, where that is known.
        by_publisher: lost, by publisher id. Where some of a sink's missing messages are still in its queue, which was
            not read, or were dropped, which ones they are is not known: they are taken off the publishers in order of
            their ids.
        examples: Up to 100 of the lost, lowest seqs first, by publisher. Where it is not known which they are, as
            above, others may be among them.
    """

    lost: int
    remaining: int
    unread: int
    expired: int
    overflowed: int
    delivery_limit: int
    undelivered: int
    unrouted: int
    vanished: int
    unknown: tuple[Unknown, ...]
    blurred: tuple[str, ...]
    by_sink: dict[str, int]
    by_publisher: dict[int, int]
    examples: tuple[LostMessage, ...]


@dataclass(slots=True)
class _Missing:
    """
    One sink's missing confirmed messages that were not seen in its queue, by publisher.

    Attributes:
        unstamped: Messages without a stamp, of which only the number is known.
        blurred: More of these that may be missing, or may not.
    """

    by_publisher: dict[int, BitMap64] = field(default_factory=dict)
    unstamped: dict[int, int] = field(default_factory=dict)
    blurred: int = 0

    def count(self) -> int:
        return sum(self.by_count().values())

    def by_count(self) -> Counter[int]:
        counts = Counter({publisher: len(seqs) for publisher, seqs in self.by_publisher.items()})
        counts.update(self.unstamped)
        return counts


def find_losses(ledger: Ledger, left: Mapping[str, int], drops: Drops = NO_DROPS, looks: Looks | None = None) -> Losses:
    """
    Return what is missing.

    Args:
        ledger: After the last window.
        left: Messages still in each sink's queue after the drain; a sink that is not named has none.
        drops: What the broker dropped.
        looks: What else was seen of the queues.
    """
    return _Search(ledger, left, drops, looks or Looks()).losses()


class _Search:
    def __init__(self, ledger: Ledger, left: Mapping[str, int], drops: Drops, looks: Looks) -> None:
        self._ledger = ledger
        self._looks = looks
        self._may = drops.may
        self._dropped = Counter(drops.counts)
        # Of a queue that was read, what is still missing does not stand there.
        held = {queue: count for queue, count in looks.untaken.items() if count is not None}
        self._left = {sink: count for sink, count in (held | dict(left)).items() if sink not in ledger.found_in_queue}
        self._missing: dict[str | None, _Missing] = {}
        self._unstamped: dict[str, Unstamped] = {}
        self._counts: Counter[str] = Counter()
        self._unknown: list[Unknown] = []
        self._lost_of: Counter[int] = Counter()
        self._lost_at: dict[str, int] = {}
        self._unsure: Counter[str] = Counter()
        self._examples: list[LostMessage] = []

    def losses(self) -> Losses:
        self._ledger.settle_lost()
        for publisher in self._ledger.publishers():
            for sink, absent in self._absent(publisher):
                if absent:
                    self._note(publisher, sink, absent)
        for sink, sent in self._unstamped.items():
            self._compare(sink, sent)
        # Messages whose route is unknown may stand in any queue that no known route accounts for.
        unclaimed = sum(count for sink, count in self._left.items() if sink not in self._missing)
        for sink, missing in self._missing.items():
            self._settle(sink, missing, unclaimed if sink is None else self._left.get(sink, 0))
        counts = self._counts
        return Losses(
            lost=counts["lost"],
            remaining=counts["remaining"],
            unread=counts["unread"],
            expired=counts["expired"],
            overflowed=counts["maxlen"],
            delivery_limit=counts["delivery_limit"],
            undelivered=counts["undelivered"],
            unrouted=counts["unrouted"],
            vanished=counts["vanished"],
            unknown=tuple(self._unknown),
            blurred=tuple(sink for sink in self._looks.untaken if self._is_blurred(sink)),
            by_sink=self._lost_at,
            by_publisher={publisher: count for publisher, count in sorted(self._lost_of.items()) if count},
            examples=tuple(sorted(self._examples, key=lambda example: example[:2])[:EXAMPLES]),
        )

    # --- what did not come -----------------------------------------------------------------------------------------

    def _absent(self, publisher: int) -> Iterator[tuple[str | None, BitMap64]]:
        """Yield the published seqs that did not come and did not die either, by sink where the routes are known."""
        ledger = self._ledger
        routes = ledger.routes.get(publisher)
        if routes is None:
            absent = ledger.tables["published"].numbers(publisher)
            for place in ledger.pairs_of.get(publisher, ()):
                absent -= ledger.delivered_seqs(place)
            yield None, absent - ledger.dead_letters.of(publisher)
            return
        for sink in dict.fromkeys(itertools.chain.from_iterable(routes)):
            if self._looks.untaken.get(sink, 0) is not None:
                yield sink, _absent_at(ledger, publisher, sink, RoutingCycle.at(sink, routes))

    def _note(self, publisher: int, sink: str | None, absent: BitMap64) -> None:
        ledger, counts = self._ledger, self._counts
        confirmed = absent & ledger.tables["confirmed"].numbers(publisher)
        confirmed -= ledger.tables["returned"].numbers(publisher)
        standing = ledger.seqs_found(publisher, sink)
        in_doubt = (absent & ledger.in_doubt(publisher)) - standing
        # One that is gone may have taken them, and told nobody.
        uncertain = (confirmed & _may_be_taken(ledger, publisher, sink)) - standing
        confirmed -= uncertain
        unanswered = absent - _answered(ledger, publisher)
        if sink is not None and publisher in ledger.unstamped:
            sent = self._unstamped.setdefault(sink, Unstamped())
            sent.add(publisher, len(confirmed), len(in_doubt | uncertain), len(unanswered))
            return
        is_taken = sink not in self._looks.untaken
        if is_taken:
            counts["vanished"] += len(in_doubt | uncertain)
            counts["undelivered"] += len(unanswered)
        elif sink is not None:
            self._unsure[sink] += len(in_doubt | uncertain | unanswered)
        if sink is None and publisher not in ledger.pairs_of:
            counts["undelivered"] += len(confirmed)
            counts["unrouted"] += len(confirmed)
        elif confirmed:
            counts["remaining"] += len(confirmed & standing) if is_taken else 0
            self._missing.setdefault(sink, _Missing()).by_publisher[publisher] = confirmed - standing

    def _compare(self, sink: str, sent: Unstamped) -> None:
        """Compare what was sent without a stamp with how many messages of nobody's came."""
        missing = self._missing.setdefault(sink, _Missing())
        if sink in self._looks.untaken:
            missing.unstamped = dict(sent.confirmed)
            return
        ledger = self._ledger
        came = ledger.foreign[sink]
        surely = came - ledger.redelivered[sink] - self._looks.before.get(sink, 0)
        missing.unstamped = sent.short(came)
        missing.blurred = sum(sent.short(max(0, surely)).values()) - sum(missing.unstamped.values())
        vanished, undelivered = sent.unpromised(came)
        self._counts["vanished"] += vanished
        self._counts["undelivered"] += undelivered

    # --- what became of it -----------------------------------------------------------------------------------------

    def _settle(self, sink: str | None, missing: _Missing, left: int) -> None:
        """Take what is still in the queue, and what was dropped as told, off what is missing at a sink."""
        explained = _Explained(missing.count(), missing.blurred)
        standing = explained.take(left)
        if sink not in self._looks.untaken:
            self._counts["remaining"] += standing
        if sink is not None:
            if (stream := self._looks.streams.get(sink)) is not None:
                self._counts["unread"] += explained.take(stream.unread)
                self._counts["remaining"] += explained.take(stream.ahead)
            for reason in self._may.get(sink, ()):
                dropped = explained.take(self._dropped[reason])
                self._dropped[reason] -= dropped
                self._counts[reason] += dropped
            doubt = self._looks.doubts.get(sink)
            unknown = explained.blurred + (explained.missing if doubt is not None else 0)
            if unknown:
                self._unknown.append(Unknown(sink, unknown, doubt or NO_STAMP))
            if doubt is not None:
                return
        self._lose(sink, missing, explained.missing)

    def _is_blurred(self, sink: str) -> bool:
        missing = self._missing.get(sink)
        if missing is None or sink not in self._left or missing.unstamped or sink in self._looks.doubts:
            return False
        held, due = self._left[sink], missing.count()
        return held > due + self._unsure[sink] or (self._unsure[sink] > 0 and held < due + self._unsure[sink])

    def _lose(self, sink: str | None, missing: _Missing, lost: int) -> None:
        if not lost:
            return
        self._counts["lost"] += lost
        if sink is not None:
            self._lost_at[sink] = lost
        self._examples += _examples(sink, missing)
        elsewhere = missing.count() - lost
        for publisher, count in missing.by_count().items():
            taken = min(count, elsewhere)
            elsewhere -= taken
            self._lost_of[publisher] += count - taken


@dataclass(slots=True)
class _Explained:
    """What is missing at a sink, less what is explained one after the other; then what may be missing or not."""

    missing: int
    blurred: int

    def take(self, most: int) -> int:
        """Explain up to *most* messages, and return how many of the missing that were."""
        taken = min(self.missing, max(0, most))
        self.missing -= taken
        self.blurred -= min(self.blurred, max(0, most) - taken)
        return taken


def _may_be_taken(ledger: Ledger, publisher: int, sink: str | None) -> BitMap64:
    """Return the seqs that a process which is gone may have taken at *sink*; at any, where it is not known which."""
    doubtful = [ledger.doubtful.get(sink, {})] if sink is not None else list(ledger.doubtful.values())
    return range_bitmap(0, max((known.get(publisher, 0) for known in doubtful), default=0))


def _absent_at(ledger: Ledger, publisher: int, sink: str, routing: RoutingCycle) -> BitMap64:
    """Return the published seqs that are due at *sink* and did not come there; at once where nothing is missing."""
    published = ledger.tables["published"]
    due = routing.count_below(published.end(publisher))
    place = ledger.place_of(publisher, sink)
    if place is None:
        holes = range_bitmap(0, due)
    elif ledger.delivered.prefix_of(place) >= due:
        return BitMap64()
    else:
        holes = ledger.delivered.holes(place, due)
    return (routing.seqs_bitmap(holes) & published.numbers(publisher)) - ledger.dead_letters.of(publisher, sink)


def _answered(ledger: Ledger, publisher: int) -> BitMap64:
    confirmed, nacked, returned, in_doubt = (
        ledger.tables[name].numbers(publisher) for name in ("confirmed", "nacked", "returned", "in_doubt")
    )
    return confirmed | nacked | returned | in_doubt


def _examples(sink: str | None, absent: _Missing) -> Iterator[LostMessage]:
    for publisher, seqs in absent.by_publisher.items():
        for seq in itertools.islice(seqs, EXAMPLES):
            yield LostMessage(publisher, seq, sink)

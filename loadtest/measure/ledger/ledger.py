"""
The ledger: the fate of every message, exact, merged from the windows of all workers in any order.

For each publisher the sets of its seqs that were published, confirmed, nacked, returned and in doubt (cut off by a
lost connection before an answer); for each publisher and sink the set of seqs that came. Sets that miss nothing cost a
few bytes (see `seq_sets`), so the ledger of an hour is as small as that of a second unless messages go missing.

Invariants, which `totals` checks or which hold by construction, and which the tests hold against a plain model of sets:
    published == confirmed + nacked + returned_only + in_doubt + unconfirmed    (else `imbalance` is the difference)
    received == taken + duplicates + foreign

What is missing at the end is worked out by `loadtest.measure.ledger.losses`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap64

from loadtest.measure.ledger.bitmap import bitmap_of
from loadtest.measure.ledger.dead_letter_sets import DeadLetters
from loadtest.measure.ledger.ledger_delta import PUBLISHER_BITS, PUBLISHER_MASK, PUBLISHER_TABLES, LedgerDelta
from loadtest.measure.ledger.routing_cycle import RoutingCycle
from loadtest.measure.ledger.seq_ranges import SeqRanges, of_values, united
from loadtest.measure.ledger.seq_sets import SeqSets
from loadtest.measure.ledger.stream_view import joined

Int64s = NDArray[np.int64]
Routes = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class LedgerTotals:
    """
    Counts of messages, of one publisher or of all.

    Attributes:
        returned: Returned as unroutable, whether or not also confirmed; `returned_only` are those that were not
            answered otherwise.
        unconfirmed: Published, and no answer of any kind: all of them where there are no confirms.
        received: Deliveries and Get-Oks of any kind, foreign ones included.
        taken: First deliveries: (message, sink) pairs that came at least once; `duplicates` is how often they came
            again; `duplicates_unflagged` are those of them without the redelivered flag.
        foreign: Received, but not of this run, or without a stamp. Not known by publisher.
        redelivered: Received with the redelivered flag. Not known by publisher.
        dead_lettered: Messages that died in a queue and were handed on, one for each queue that they died in.
        unexpected: First deliveries at a sink to which the publisher's routes do not lead, dead letters left out.
        unpublished: First deliveries of seqs that no window says were published.
        imbalance: published less the sum of the publisher's other rows; not 0 means that the ledger is wrong.
    """

    published: int = 0
    confirmed: int = 0
    nacked: int = 0
    returned: int = 0
    returned_only: int = 0
    in_doubt: int = 0
    unconfirmed: int = 0
    received: int = 0
    taken: int = 0
    duplicates: int = 0
    duplicates_unflagged: int = 0
    dead_lettered: int = 0
    redelivered: int = 0
    out_of_order: int = 0
    corrupted: int = 0
    foreign: int = 0
    unexpected: int = 0
    unpublished: int = 0
    imbalance: int = 0


class Pair(NamedTuple):
    """A publisher at a sink, and which of its messages are due there."""

    publisher: int
    sink: str
    routing: RoutingCycle


class Ledger:
    """
    The merged ledger of a run.

    `routes` by publisher id: per routing key of its cycle the sinks that a message must reach; None where that cannot
    be known. Publishers that are not in it are taken as unknown. `delivered` holds ordinals (see `RoutingCycle`) by
    place in `pairs`, `unexpected` seqs.
    """

    def __init__(self, routes: Mapping[int, Routes | None]) -> None:
        self.routes = dict(routes)
        self.tables = {name: SeqSets() for name in PUBLISHER_TABLES}
        self.delivered = SeqSets()
        self.unexpected = SeqSets()
        self.corrupted = SeqSets()
        self.dead_letters = DeadLetters()
        # By sink, if its queue was read to its end after the drain: the seqs that stood there, by publisher.
        self.found_in_queue: dict[str, dict[int, BitMap64]] = {}
        self.pairs: list[Pair] = []
        self.pairs_of: dict[int, list[int]] = {}
        self.foreign: Counter[str] = Counter()
        self.redelivered: Counter[str] = Counter()
        # Publishers whose messages carry no stamp; and by sink of a stream the offsets that its consumers were given.
        self.unstamped: set[int] = set()
        self.offsets: dict[str, list[tuple[int, int]]] = {}
        # Publishers of processes that are gone, with whether they asked for confirms; and by sink that such a process
        # took from, how many messages of each publisher were known to be published by then.
        self.lost_publishers: dict[int, bool] = {}
        self.doubtful: dict[str, dict[int, int]] = {}
        # Messages that came of them, though no window says that they were published, by publisher.
        self.assumed: Counter[int] = Counter()
        self._places: dict[tuple[int, str], int] = {}
        # By place of the pair: deliveries of any kind, those of them with the redelivered flag, and those out of order.
        self._received: Counter[int] = Counter()
        self._flagged: Counter[int] = Counter()
        # By place of the pair: seqs that came with the flag and never without it.
        self._only_flagged: dict[int, BitMap64] = {}
        self._out_of_order: Counter[int] = Counter()
        # The cycle of each pair, and its place in it: 0 of 1 for every message, -1 if it has several places.
        self._cycle: Int64s = np.ones(0, dtype=np.int64)
        self._position: Int64s = np.zeros(0, dtype=np.int64)

    def take(self, delta: LedgerDelta) -> None:
        """Merge what changed in one window."""
        for name, table in self.tables.items():
            table.add(getattr(delta, name))
        if len(delta.delivered):
            self._take_unflagged(self._by_pair(delta.delivered, delta.sinks))
        if len(delta.flagged):
            self._take_flagged(self._by_pair(delta.flagged, delta.sinks))
        if len(delta.corrupted):
            self.corrupted.add(self._by_pair(delta.corrupted, delta.sinks))
        for key, count in delta.repeats.items():
            self._received[self._place_of_key(key, delta.sinks)] += count
        for key, count in delta.flagged_repeats.items():
            place = self._place_of_key(key, delta.sinks)
            self._received[place] += count
            self._flagged[place] += count
        if len(delta.dead_letters):
            self.dead_letters.add(delta.dead_letters, delta.deaths)
        for key, count in delta.out_of_order.items():
            self._out_of_order[self._place_of_key(key, delta.sinks)] += count
        self.foreign.update(delta.foreign)
        self.redelivered.update(delta.redelivered)
        for sink, spans in delta.offsets.items():
            self.offsets[sink] = joined([*self.offsets.get(sink, ()), *spans])

    def take_found(self, sink: str, delta: LedgerDelta) -> None:
        """Take what stood in the queue of *sink* after the drain, all of it."""
        keys, seqs = delta.standing.values()
        self.found_in_queue[sink] = {
            key & PUBLISHER_MASK: bitmap_of(seqs[keys == key]) for key in np.unique(keys).tolist()
        }

    def seqs_found(self, publisher: int, sink: str | None) -> BitMap64:
        """Return what stood in the queue of *sink*; nothing where it was not read."""
        return BitMap64() if sink is None else self.found_in_queue.get(sink, {}).get(publisher, BitMap64())

    def mark_publisher_lost(self, publisher: int, *, has_confirms: bool) -> None:
        """Take *publisher* as gone with its process: what it did since its last window is not known."""
        self.lost_publishers[publisher] = has_confirms

    def mark_sink_lost(self, sink: str) -> None:
        """Take what is published by now, and does not come at *sink*, as perhaps taken by a process that is gone."""
        known = self.doubtful.setdefault(sink, {})
        for publisher in self.publishers():
            known[publisher] = self.tables["published"].end(publisher)

    def settle_lost(self) -> None:
        """Close the books of publishers that are gone, as far as they can be by now."""
        for publisher, has_confirms in self.lost_publishers.items():
            published, confirmed, nacked, returned, _ = (table.numbers(publisher) for table in self.tables.values())
            came = BitMap64()
            for place in self.pairs_of.get(publisher, ()):
                came |= self.delivered_seqs(place)
            self.assumed[publisher] += len(came - published)
            self._add("published", publisher, came - published)
            if has_confirms:
                self._add("in_doubt", publisher, (published | came) - confirmed - nacked - returned)

    def _add(self, table: str, publisher: int, seqs: BitMap64) -> None:
        if seqs:
            numbers = np.array(seqs, dtype=np.int64)
            self.tables[table].add(of_values(np.full(len(numbers), publisher, dtype=np.int64), numbers))

    def totals(self) -> LedgerTotals:
        """Return the counts of the whole run."""
        self.settle_lost()
        publishers = self.publishers()
        parts = [self._publisher_part(publisher) for publisher in publishers if not self._is_ordinary(publisher)]
        ordinary = [publisher for publisher in publishers if self._is_ordinary(publisher)]
        published, confirmed = (
            sum(self.tables[name].prefix_of(publisher) for publisher in ordinary) for name in ("published", "confirmed")
        )
        counts = Counter(published=published, confirmed=confirmed, unconfirmed=published - confirmed)
        for part in parts:
            counts.update(part)
        foreign = self.foreign.total()
        counts.update(self._delivery_part(range(len(self.pairs))))
        counts.update(received=foreign, foreign=foreign, redelivered=self.redelivered.total())
        counts["dead_lettered"] = self.dead_letters.total()
        return LedgerTotals(**counts)

    def publisher_totals(self, publisher: int) -> LedgerTotals:
        """Return the counts of one publisher; foreign and redelivered are not known by publisher and 0."""
        self.settle_lost()
        counts = self._publisher_part(publisher)
        counts.update(self._delivery_part(self.pairs_of.get(publisher, ())))
        counts["dead_lettered"] = self.dead_letters.total([publisher])
        return LedgerTotals(**counts)

    def publishers(self) -> list[int]:
        """Return the ids of all publishers that were planned or heard of, ascending."""
        heard = set(self.routes) | set(self.pairs_of)
        for table in self.tables.values():
            heard.update(np.flatnonzero(table.prefix).tolist(), table.rest)
        return sorted(heard)

    def place_of(self, publisher: int, sink: str) -> int | None:
        """Return the place in `pairs` of a publisher at a sink; None if nothing of it ever came there."""
        return self._places.get((publisher, sink))

    def unpublished(self, place: int) -> int:
        """Return how many seqs came at a pair that were never published."""
        publisher, _, routing = self.pairs[place]
        published = self.tables["published"]
        end = published.prefix_of(publisher)
        if self.delivered.end(place) <= routing.count_below(end) and self.unexpected.end(place) <= end:
            return 0
        return len(self.delivered_seqs(place) - published.numbers(publisher))

    def delivered_seqs(self, place: int) -> BitMap64:
        """Return all seqs that came at a pair, expected there or not, as a bitmap."""
        seqs = self.pairs[place].routing.seqs_bitmap(self.delivered.numbers(place))
        return seqs | self.unexpected.numbers(place)

    def in_doubt(self, publisher: int) -> BitMap64:
        """Return the seqs of which no answer came at all: one that was published again may have been answered since."""
        tables = self.tables
        answered = tables["confirmed"].numbers(publisher) | tables["nacked"].numbers(publisher)
        return tables["in_doubt"].numbers(publisher) - answered

    def _take_unflagged(self, rows: SeqRanges) -> None:
        self._take_deliveries(rows)
        for place in self._only_flagged.keys() & set(rows.key.tolist()):
            self._only_flagged[place] -= bitmap_of(rows.select(rows.key == place).values()[1])

    def _take_flagged(self, rows: SeqRanges) -> None:
        for place in np.unique(rows.key).tolist():
            came = rows.select(rows.key == place)
            before = self._only_flagged.get(place, BitMap64())
            unflagged = self.delivered_seqs(place) - before
            self._only_flagged[place] = (before | bitmap_of(came.values()[1])) - unflagged
            self._flagged[place] += int(came.count.sum())
        self._take_deliveries(rows)

    def _take_deliveries(self, rows: SeqRanges) -> None:
        for place, count in zip(rows.key.tolist(), rows.count.tolist(), strict=True):
            self._received[place] += count
        # Rows with the pair's own step, or of one number, become ordinals at once; the ordinary case, for all pairs
        # together.
        cycle, position = self._cycle[rows.key], self._position[rows.key]
        simple = (
            (position >= 0)
            & (rows.first % cycle == position)
            & ((rows.step == cycle) | (rows.count == 1) | (cycle == 1))
        )
        even = rows.select(simple)
        step = np.where(cycle[simple] == 1, even.step, 1)
        pieces = [SeqRanges(even.key, even.first // cycle[simple], even.count, step)]
        others = rows.select(~simple)
        for place in np.unique(others.key).tolist():
            expected, unexpected = self.pairs[place].routing.split(others.select(others.key == place))
            pieces.append(expected)
            self.unexpected.add(unexpected)
        self.delivered.add(united(pieces))

    def _by_pair(self, rows: SeqRanges, sinks: tuple[str, ...]) -> SeqRanges:
        """Return *rows* with the places in `pairs` as keys."""
        places = [self._place_of_key(key, sinks) for key in rows.key.tolist()]
        renamed = SeqRanges(np.array(places, dtype=np.int64), rows.first, rows.count, rows.step)
        return renamed.select(np.lexsort((renamed.first, renamed.key)))

    def _place_of_key(self, key: int, sinks: tuple[str, ...]) -> int:
        publisher, sink = key & PUBLISHER_MASK, sinks[key >> PUBLISHER_BITS]
        place = self._places.get((publisher, sink))
        return self._open_pair(publisher, sink) if place is None else place

    def _open_pair(self, publisher: int, sink: str) -> int:
        place = self._places[publisher, sink] = len(self.pairs)
        routes = self.routes.get(publisher)
        routing = RoutingCycle.every() if routes is None else RoutingCycle.at(sink, routes)
        self.pairs.append(Pair(publisher, sink, routing))
        self.pairs_of.setdefault(publisher, []).append(place)
        if place >= len(self._cycle):
            self._cycle, self._position = (np.resize(array, 2 * place + 16) for array in (self._cycle, self._position))
        self._cycle[place] = routing.cycle
        self._position[place] = routing.positions[0] if len(routing.positions) == 1 else -1
        return place

    def _is_ordinary(self, publisher: int) -> bool:
        """Whether the publisher's answers are only confirms, none missing in between and none too many."""
        published, confirmed, *others = self.tables.values()
        return (
            publisher not in published.rest
            and publisher not in confirmed.rest
            and confirmed.prefix_of(publisher) <= published.prefix_of(publisher)
            and not any(table.count(publisher) for table in others)
        )

    def _publisher_part(self, publisher: int) -> Counter[str]:
        published, confirmed, nacked, returned, _ = (table.numbers(publisher) for table in self.tables.values())
        in_doubt = self.in_doubt(publisher)
        answered = confirmed | nacked | in_doubt
        returned_only = returned - answered
        counts = Counter(
            published=len(published),
            confirmed=len(confirmed),
            nacked=len(nacked),
            returned=len(returned),
            returned_only=len(returned_only),
            in_doubt=len(in_doubt),
            unconfirmed=len(published - answered - returned),
        )
        rows = ("confirmed", "nacked", "returned_only", "in_doubt", "unconfirmed")
        counts["imbalance"] = counts["published"] - sum(counts[row] for row in rows)
        return counts

    def _delivery_part(self, places: Iterable[int]) -> Counter[str]:
        counts: Counter[str] = Counter()
        for place in places:
            unexpected = self.unexpected.count(place)
            taken = self.delivered.count(place) + unexpected
            received = self._received[place]
            counts["received"] += received
            counts["taken"] += taken
            counts["duplicates"] += received - taken
            came_unflagged = taken - len(self._only_flagged.get(place, ()))
            counts["duplicates_unflagged"] += received - self._flagged[place] - came_unflagged
            if unexpected:
                dead = self.dead_letters.of(self.pairs[place].publisher)
                unexpected = len(self.unexpected.numbers(place) - dead)
            counts["out_of_order"] += self._out_of_order[place]
            counts["corrupted"] += self.corrupted.count(place)
            counts["unexpected"] += unexpected
            counts["unpublished"] += self.unpublished(place)
        return counts

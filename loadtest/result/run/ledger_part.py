"""The ledger closed: the run's totals, whether the books balance, and examples of what was lost. Knows no judgement."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from loadtest import counters
from loadtest.clock import NS_PER_S
from loadtest.measure.collector import Collector
from loadtest.measure.ledger.ledger import LedgerTotals
from loadtest.measure.ledger.losses import Losses
from loadtest.redaction import redacted
from loadtest.result.run.document import LedgerPart, LostPart, PublisherPart, TotalsPart, UnknownPart
from loadtest.result.units import count_text, messages_text

PUBLISHER_TOTALS: Final = ("published", "confirmed", "nacked", "returned", "returned_only", "in_doubt", "unconfirmed")
"""What the ledger knows of each publisher."""


@dataclass(frozen=True, slots=True)
class Books:
    """
    The ledger's figures, worked out once: a thousand publishers take a while.

    `publishers` by id, those that the run record names.
    """

    totals: LedgerTotals
    publishers: Mapping[int, LedgerTotals]
    losses: Losses


def close_books(collector: Collector) -> Books:
    """Return the figures of the ledger as it is now."""
    ledger = collector.ledger
    publishers = {publisher["id"]: ledger.publisher_totals(publisher["id"]) for publisher in collector.publishers}
    return Books(totals=ledger.totals(), publishers=publishers, losses=collector.losses())


def build_totals(collector: Collector, books: Books) -> TotalsPart:
    """Return the totals of the whole run."""
    told = {
        "unknown": sum(unknown.messages for unknown in books.losses.unknown),
        "delivery_limit": (collector.dropped or {}).get("delivery_limit", 0),
        "offered": sum(group.totals["offered"] for group in collector.groups.values())
        + unseen_offers(collector).total(),
    }
    found = {row.name: _total(row.name, collector, books) for row in counters.totals() if row.name not in told}
    return TotalsPart(**found, **told)


def _total(name: str, collector: Collector, books: Books) -> int:
    """Return a total: the ledger's, which sees through repeats, or what it cannot know, as it was counted."""
    for book in (books.totals, books.losses):
        total: int | None = getattr(book, name, None)
        if total is not None:
            return total
    return sum(group.totals[name] for group in collector.groups.values())


def unseen_offers(collector: Collector) -> Counter[str]:
    """
    Return how many messages count as offered though no window contains them, by publisher group.

    No window says what the schedule asked of a lost process at the end: at least what it is known to have published.
    """
    unseen: Counter[str] = Counter()
    for publisher in collector.publishers:
        number, group = publisher["id"], publisher["group"]
        if number in collector.offered_unseen and collector.groups[group].model == "open":
            unseen[group] += collector.ledger.assumed[number]
    return unseen


def build_ledger(collector: Collector, books: Books) -> LedgerPart:
    """Return the books by publisher, what does not balance in them, and examples of what was lost."""
    # Of a run that was cut off the newest windows are missing: that its books do not balance says nothing.
    is_closed = collector.end is not None and not collector.missing_windows
    imbalances = tuple(_imbalances(collector, books)) if is_closed else ()
    return LedgerPart(
        balanced=not imbalances if is_closed else None,
        imbalances=imbalances,
        publishers=tuple(_publishers(collector, books)),
        lost_examples=tuple(
            LostPart(publisher=lost.publisher, seq=lost.seq, sink=lost.sink, sent_from_s=None, sent_to_s=None)
            for lost in books.losses.examples
        ),
        unknown=tuple(
            UnknownPart(
                sink=each.sink,
                messages=each.messages,
                reason=redacted(each.reason),
                is_taken=each.sink not in collector.run.get("untaken", ()),
            )
            for each in books.losses.unknown
        ),
        unrouted=books.losses.unrouted,
        held={
            queue: depth["messages"]
            for queue, depth in collector.depths.items()
            if depth["messages"] is not None and queue in collector.run.get("untaken", ())
        },
        left=dict(collector.left),
        dead_letters=collector.ledger.dead_letters.counts(),
    )


def _publishers(collector: Collector, books: Books) -> Iterator[PublisherPart]:
    for publisher in collector.publishers:
        number = publisher["id"]
        yield PublisherPart(
            publisher=number,
            group=publisher["group"],
            lost=books.losses.by_publisher.get(number, 0),
            blocked_s=collector.blocked_ns[number] / NS_PER_S,
            **{name: getattr(books.publishers[number], name) for name in PUBLISHER_TOTALS},
        )


def _imbalances(collector: Collector, books: Books) -> Iterator[str]:
    """Yield a sentence for each book that does not balance."""
    for publisher in collector.publishers:
        book = books.publishers[publisher["id"]]
        answers = book.confirmed + book.nacked + book.returned_only + book.in_doubt
        if book.imbalance or (book.unconfirmed and publisher["confirms"]):
            yield (
                f"publisher {publisher['id']} of {publisher['group']} published {count_text(book.published)}, but "
                f"confirmed + nacked + returned only + in doubt is {count_text(answers)}"
            )
    if books.totals.unpublished:
        yield f"{messages_text(books.totals.unpublished)} delivered that no publisher says it published"
    counted = sum(group.totals["published"] for group in collector.groups.values())
    counted += collector.ledger.assumed.total()  # of processes that are gone
    if counted != books.totals.published:
        yield f"{count_text(counted)} publishes were counted, and the ledger has {count_text(books.totals.published)}"

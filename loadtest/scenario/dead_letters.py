"""
What a broker takes out of queues by itself: for which reasons, and where it goes.

Pure: read from the arguments of the queues that the scenario declares, to which policies may have added (`policies`).

Source: RabbitMQ docs/dlx.md, docs/ttl.md, docs/maxlength.md.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from loadtest.scenario.plan import DeclaredTopology, PublisherSpec, QueueSpec
from loadtest.scenario.routing import Routes

DEAD_LETTER_EXCHANGE: Final = "x-dead-letter-exchange"
DEAD_LETTER_ROUTING_KEY: Final = "x-dead-letter-routing-key"

EXPIRED: Final = "expired"
MAXLEN: Final = "maxlen"
DELIVERY_LIMIT: Final = "delivery_limit"
"""Reasons, in the broker's words."""

RETENTION: Final = "retention"
"""Of a stream, which drops its oldest segments and counts nothing."""

_RETENTIONS: Final = ("x-max-age", "x-max-length-bytes")
_TTL: Final = "x-message-ttl"
_LENGTHS: Final = ("x-max-length", "x-max-length-bytes")
_OVERFLOW: Final = "x-overflow"
QUEUE_TYPE: Final = "x-queue-type"


@dataclass(frozen=True, slots=True)
class Fates:
    """
    What a broker does by itself with messages of the run.

    Attributes:
        dead_letter_queues: The declared queues that dead letters come to and nobody takes from, sorted.
        may_drop: By queue, why the broker may drop what is in it so that nobody sees it again, in its own words.
    """

    dead_letter_queues: tuple[str, ...]
    may_drop: Mapping[str, tuple[str, ...]]


def fates(
    topology: DeclaredTopology, publishers: Sequence[PublisherSpec], routes: Routes, taken: Collection[str]
) -> Fates:
    """
    Return what a broker does by itself.

    Args:
        topology: What is declared, with what policies add to the arguments of its queues.
        publishers: Of the run.
        routes: Of the same topology.
        taken: The queues from which the run takes.
    """
    keys = {key for publisher in publishers for key in publisher.routing_keys}
    letters = {queue.name: _letters_of(queue, keys, routes) for queue in topology.queues}
    found = {queue for targets in letters.values() for queue in targets or ()}
    some_expire = any("expiration" in publisher.properties for publisher in publishers)
    drops = {
        queue.name: tuple(_drops(queue, some_expire=some_expire))
        for queue in topology.queues
        if DEAD_LETTER_EXCHANGE not in queue.arguments or not _are_found(queue.name, letters)
    }
    return Fates(
        dead_letter_queues=tuple(sorted(found.difference(taken))),
        may_drop={name: reasons for name, reasons in drops.items() if reasons},
    )


def _letters_of(queue: QueueSpec, keys: Collection[str], routes: Routes) -> frozenset[str] | None:
    """Return the queues that dead letters of *queue* come to, or None if that is not known."""
    exchange = queue.arguments.get(DEAD_LETTER_EXCHANGE)
    if not isinstance(exchange, str):
        return frozenset()
    given = queue.arguments.get(DEAD_LETTER_ROUTING_KEY)
    found: set[str] = set()
    for key in [given] if isinstance(given, str) else keys:
        targets = routes.queues(exchange, key, {})
        if targets is None:
            return None
        found |= targets
    return frozenset(found)


def _are_found(queue: str, letters: Mapping[str, frozenset[str] | None]) -> bool:
    """
    Return whether all dead letters of *queue* come to a queue.

    An exchange that is not known, or that leads to none, tells nobody of them; and in a circle the broker drops those
    that come again without having been rejected (docs/dlx.md, "Dead-Letter Cycles").
    """
    waiting, seen = [queue], {queue}
    while waiting:
        targets = letters.get(waiting.pop())
        if targets is None or (not targets and len(seen) == 1) or queue in targets:
            return False
        waiting += targets - seen
        seen |= targets
    return True


def _drops(queue: QueueSpec, *, some_expire: bool) -> Iterable[str]:
    if queue.is_stream:
        if any(limit in queue.arguments for limit in _RETENTIONS):
            yield RETENTION
        return
    if some_expire or _TTL in queue.arguments:
        yield EXPIRED
    drops_head = queue.arguments.get(_OVERFLOW, "drop-head") == "drop-head"
    if drops_head and any(length in queue.arguments for length in _LENGTHS):
        yield MAXLEN
    if queue.arguments.get(QUEUE_TYPE) == "quorum":  # of 20 where none is set (RabbitMQ 4.0 and later)
        yield DELIVERY_LIMIT

"""
What a broker takes out of queues by itself: for which reasons, and where it goes.

Pure: read from the arguments of the queues that the scenario declares. What policies of the broker add to these is not
known.

Source: RabbitMQ docs/dlx.md, docs/ttl.md, docs/maxlength.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from loadtest.scenario.plan import DeclaredTopology, PublisherPlan, QueueSpec
from loadtest.scenario.routing import Routes

DEAD_LETTER_EXCHANGE: Final = "x-dead-letter-exchange"
DEAD_LETTER_ROUTING_KEY: Final = "x-dead-letter-routing-key"

EXPIRED: Final = "expired"
MAXLEN: Final = "maxlen"
"""Reasons, in the broker's words."""

_TTL: Final = "x-message-ttl"
_LENGTHS: Final = ("x-max-length", "x-max-length-bytes")
_OVERFLOW: Final = "x-overflow"


def dead_letter_queues(
    topology: DeclaredTopology, publishers: Iterable[PublisherPlan], routes: Routes
) -> tuple[str, ...]:
    """Return the declared queues that dead letters of declared queues come to, sorted."""
    keys = {key for publisher in publishers for key in publisher.routing_keys}
    found: set[str] = set()
    for queue in topology.queues:
        exchange = queue.arguments.get(DEAD_LETTER_EXCHANGE)
        if not isinstance(exchange, str):
            continue
        given = queue.arguments.get(DEAD_LETTER_ROUTING_KEY)
        for key in [given] if isinstance(given, str) else keys:
            found |= routes.queues(exchange, key, {}) or frozenset()
    return tuple(sorted(found))


def drops_of(topology: DeclaredTopology, publishers: Iterable[PublisherPlan]) -> Mapping[str, tuple[str, ...]]:
    """Return by queue why the broker may drop what is in it, without handing it on; queues that keep all are absent."""
    some_expire = any("expiration" in publisher.properties for publisher in publishers)
    found = {queue.name: tuple(_drops(queue, some_expire=some_expire)) for queue in topology.queues}
    return {name: reasons for name, reasons in found.items() if reasons}


def _drops(queue: QueueSpec, *, some_expire: bool) -> Iterable[str]:
    if queue.is_stream or DEAD_LETTER_EXCHANGE in queue.arguments:
        return
    if some_expire or _TTL in queue.arguments:
        yield EXPIRED
    drops_head = queue.arguments.get(_OVERFLOW, "drop-head") == "drop-head"
    if drops_head and any(length in queue.arguments for length in _LENGTHS):
        yield MAXLEN

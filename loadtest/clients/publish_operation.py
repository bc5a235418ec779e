"""What a publisher asks the broker for, and how it knows without confirms that it is done; for every client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from loadtest.clock import NS_PER_S

if TYPE_CHECKING:
    from loadtest.clients.client import Client
    from loadtest.scenario import PublisherSpec

LIVES_ON_NS: Final = NS_PER_S
"""A publish that the broker refuses has closed the channel by then."""


def publishing(spec: PublisherSpec) -> str:
    """Return what a publish of *spec* asks for, as errors name it."""
    where = f"exchange {spec.exchange}" if spec.exchange else "the default exchange"
    return f"Basic.Publish to {where}"


def lives_on(publisher: Client[PublisherSpec], first_sent_ns: int, now_ns: int) -> bool:
    """
    Return whether a channel without confirms has outlived its first publish, of *first_sent_ns*; 0 if there was none.

    Not where the broker has blocked the connection: it has not read what was published then.
    """
    is_open = bool(first_sent_ns) and not publisher.is_lost and not publisher.is_blocked
    return is_open and now_ns - first_sent_ns > LIVES_ON_NS

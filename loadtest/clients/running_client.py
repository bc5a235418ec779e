"""A publisher, consumer or getter at work, as a worker sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from gevent.event import Event

    from loadtest.clients.failures.trouble import Trouble


class RunningClient(Protocol):
    """What the worker needs of a publisher, consumer or getter at work; only `finish` and `close` may block."""

    @property
    def is_lost(self) -> bool:
        """Whether its connection or channel is gone, or was never there."""

    @property
    def publisher_id(self) -> int | None:
        """The number of a publisher in the run; None of others."""

    @property
    def group(self) -> str:
        """The group that it belongs to."""

    @property
    def ended(self) -> Event:
        """Set when it has nothing more to do."""

    def trouble(self, now_ns: int) -> Trouble | None:
        """Return since when the broker has done nothing for it, after the loss of a connection; None if it does."""

    def catch_up(self, now_ns: int) -> None:
        """Count what the clock alone decides, up to *now_ns*: the arrivals that have fallen due."""

    def outstanding(self) -> int:
        """Return the messages published and not yet confirmed."""

    def unprocessed(self) -> int:
        """Return the messages taken whose processing time is not over."""

    def window_full_ns(self) -> int:
        """Return how long a full confirm window has held back what was due, so far."""

    def blocked_ns(self) -> int:
        """Return how long the broker has had the connection blocked, so far."""

    def finish(self) -> None:
        """End what is open after the drain: take what is on its way and acknowledge it, give up what is unconfirmed."""

    def close(self) -> None:
        """End the user wherever it is, and close the connection."""

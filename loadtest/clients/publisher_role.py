"""What publishers of every client have in common: what they ask the broker for, and what is due of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from loadtest.clients.client import Client
from loadtest.clients.offered_load import OfferedLoad
from loadtest.clock import NS_PER_S

if TYPE_CHECKING:
    from gevent.event import Event

    from loadtest.clients.worker_run import WorkerRun
    from loadtest.scenario import PublisherSpec

LIVES_ON_NS: Final = NS_PER_S
"""A publish that the broker refuses has closed the channel by then."""


class PublisherRole(Client["PublisherSpec"]):
    """A publisher of any client."""

    role = "publisher"
    method = "Basic.Publish"

    def __init__(self, run: WorkerRun, spec: PublisherSpec) -> None:
        super().__init__(run, spec)
        self._recorder = run.recorder.publisher(spec.group, spec.publisher_id)
        self._offered_load = OfferedLoad(run, self._recorder, spec.arrivals, spec.messages)
        self._seq = 0
        self._first_sent_ns = 0  # on this channel
        self._returned_unstamped = 0

    def catch_up(self, now_ns: int) -> None:
        """Offer what has fallen due by *now_ns*."""
        self._offered_load.count_due(now_ns)

    def operation(self) -> str:
        """Return what a publish asks for, as errors name it."""
        exchange = self._spec.exchange
        return f"Basic.Publish to {f'exchange {exchange}' if exchange else 'the default exchange'}"

    def is_waiting(self) -> bool:
        """Return whether something was published on this channel."""
        return bool(self._first_sent_ns)

    def useful_ns(self, now_ns: int) -> int:
        """Return when the last confirm came; without confirms, now if the channel lives on after a publish."""
        if not self._spec.confirm_window and self._lives_on(now_ns):
            self._did(now_ns)
        return self._useful_ns

    @property
    def needed_until(self) -> Event:
        """Return the event from which on there is nothing more to publish."""
        return self._run.stopping

    def wants_more(self) -> bool:
        """Return whether anything is left to publish."""
        return self._seq < self._offered_load.limit

    def _lives_on(self, now_ns: int) -> bool:
        """
        Return whether the channel has outlived its first publish, if there was one.

        Not where the broker has blocked the connection: it has not read what was published then.
        """
        is_open = bool(self._first_sent_ns) and not self.is_lost and not self.is_blocked
        return is_open and now_ns - self._first_sent_ns > LIVES_ON_NS

    def _note_unstamped(self, reply_code: int, reply_text: str) -> None:
        """Count a message that came back without a stamp: that some did is an event, which one nobody knows."""
        self._returned_unstamped += 1
        if self._returned_unstamped == 1:
            reason = f"{reply_code} {reply_text}"
            self._run.record("returned-unstamped", f"{self.name}: messages without a stamp come back: {reason}")

"""
What publishers, consumers and getters have in common: a seat in the run, a connection, and its loss.

Knows nothing of what they do with the channel.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Final, Generic, TypeVar

import pika.exceptions

from loadtest.clock import NS_PER_S, monotonic_ns
from loadtest.traffic.reasons import describe
from loadtest.traffic.run import Run, StoppedError
from loadtest.wire.connection import Connection

if TYPE_CHECKING:
    import pika

    from loadtest.scenario import ConsumerPlan, GetterPlan, PublisherPlan
    from loadtest.wire.channel import Channel

SeatT = TypeVar("SeatT", bound="PublisherPlan | ConsumerPlan | GetterPlan")

# Long enough for a loaded broker to answer Connection.Close, short enough that a stuck one does not hold the run up.
CLOSE_TIMEOUT_S: Final = 2.0


class Member(ABC, Generic[SeatT]):
    """
    One user at work: connects, waits for the others, works from its start until it has nothing more to do.

    A lost connection or channel ends the whole run (reconnecting is not part of this tool yet): what was in flight is
    in doubt, and the ledger is closed with it.
    """

    role: ClassVar[str]

    def __init__(self, run: Run, seat: SeatT) -> None:
        self._run = run
        self._seat = seat
        self._closing = False

    @property
    def name(self) -> str:
        """Return the group and the number of this user, from 1, as errors and the broker's connection list show it."""
        return f"{self._seat.group}/{self._seat.user + 1}"

    def live(self) -> None:
        """Do all that this user does in a run; returns when it has nothing more to do or the run failed."""
        try:
            self._run.wait_connect_turn()
            if self._run.stopping.is_set():
                return
            began_ns = monotonic_ns()
            self.connect()
            self._run.recorder.latency(self._seat.group, "connect", monotonic_ns() - began_ns)
            self._run.join(self)
            self.work(self._run.wait_start(self._seat))
        except StoppedError:
            pass
        except (pika.exceptions.AMQPError, OSError) as error:
            self._lost(error)
        finally:
            self._run.work_ended(self._seat)

    @abstractmethod
    def connect(self) -> None:
        """Open connection and channel and set them up, before the start."""

    @abstractmethod
    def work(self, start_ns: int) -> None:
        """Work from *start_ns* (monotonic) until there is nothing more to do or the run stops."""

    def outstanding(self) -> int:
        """Return the messages published and not yet confirmed: none, unless a publisher says otherwise."""
        return 0

    def window_full_ns(self) -> int:
        """Return how long a full confirm window has held back what was due, so far."""
        return 0

    def blocked_ns(self) -> int:
        """Return how long the broker has had the connection blocked, so far."""
        return 0

    def finish(self) -> None:
        """End what is open after the drain: nothing, unless a role says otherwise."""

    @abstractmethod
    def close(self) -> None:
        """Close the connection, waiting at most a moment for the broker's answer."""

    def _parameters(self) -> pika.ConnectionParameters:
        parameters = copy.copy(self._run.node_for(self._seat))
        parameters.client_properties = {"connection_name": f"loadtest {self.name}"}
        return parameters

    def _lost(self, error: BaseException) -> None:
        """Take the loss of connection or channel, from whichever greenlet or hub callback notices it first."""
        if self._closing:
            return
        self._closing = True
        self.finish()
        reason = describe(error)
        self._run.fail(f"{self.role} {self.name}: {reason}", code="connection-lost")


class WireMember(Member[SeatT]):
    """A member on a connection of our own wire, with one channel."""

    def __init__(self, run: Run, seat: SeatT) -> None:
        super().__init__(run, seat)
        self._connection: Connection | None = None
        self._blocked_since_ns: int | None = None
        self._blocked_ns = 0

    def blocked_ns(self) -> int:
        """Return how long the broker has had the connection blocked, so far."""
        since_ns = self._blocked_since_ns
        return self._blocked_ns + (monotonic_ns() - since_ns if since_ns is not None else 0)

    def connect(self) -> None:
        """Open connection and channel, and have the role prepare the channel."""
        connection = self._connection = Connection.open(self._parameters())
        connection.on_closed = self._lost
        connection.on_blocked = self._blocked
        connection.on_unblocked = self._unblocked
        channel = connection.open_channel()
        channel.on_closed = self._lost
        self.prepare(connection, channel)

    @abstractmethod
    def prepare(self, connection: Connection, channel: Channel) -> None:
        """Set the fresh channel up, before the start."""

    def close(self) -> None:
        """Close the connection, waiting at most a moment for the broker's answer."""
        self._closing = True
        if self._connection is not None:
            self._connection.close(timeout_s=CLOSE_TIMEOUT_S)

    def _blocked(self, reason: str) -> None:
        self._blocked_since_ns = monotonic_ns()
        self._run.record("connection-blocked", f"{self.name}: {reason}")

    def _unblocked(self) -> None:
        if self._blocked_since_ns is None:
            return
        blocked_ns = monotonic_ns() - self._blocked_since_ns
        self._blocked_since_ns = None
        self._blocked_ns += blocked_ns
        self._run.record("connection-unblocked", f"{self.name}: after {blocked_ns / NS_PER_S:.1f} s")

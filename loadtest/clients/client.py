"""
What publishers, consumers and getters have in common: a seat in the run, a connection, and its loss.

Knows nothing of what they do with the channel.
"""

from __future__ import annotations

import copy
import logging
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Final, Generic, TypeVar

import gevent
import pika
import pika.exceptions
from gevent.event import Event

from loadtest.clients.failures.outages import FIRST_PAUSE_S, STABLE_NS, pauses_s
from loadtest.clients.failures.reasons import describe, span_text
from loadtest.clients.failures.refusal import REFUSED, Refusal, is_cut, reply
from loadtest.clients.failures.trouble import Trouble
from loadtest.clients.worker_run import StoppedError, WorkerRun
from loadtest.clock import NS_PER_S, monotonic_ns
from loadtest.wire.connection.connection import Connection

if TYPE_CHECKING:
    from loadtest.scenario import ConsumerSpec, GetterSpec, PublisherSpec
    from loadtest.wire.connection.channel import Channel

SpecT = TypeVar("SpecT", bound="PublisherSpec | ConsumerSpec | GetterSpec")

# Long enough for a loaded broker to answer, short enough that a stuck one does not hold the end of a run up.
END_TIMEOUT_S: Final = 2.0
# What connections and brokers do wrong; anything else that is raised is a fault of ours.
CONNECTION_ERRORS: Final = (pika.exceptions.AMQPError, OSError)

_logger = logging.getLogger(__name__)


class LostError(BaseException):
    """
    A user's connection is gone: thrown into it wherever it waits, so that it comes back.

    Not an Exception: no library may take it for a failure of its own.
    """


class Client(ABC, Generic[SpecT]):
    """
    One user at work: connects, waits for the others, works from its start until it has nothing more to do.

    A user that loses its connection or channel, or whose subscription the broker cancels, comes back as long as the
    scenario lets it try (`run.reconnect`), through all nodes in turn; `work` is then called again, and goes on where it
    was. If it does not come back in time, the whole run ends. So it does by a fault of ours, wherever it is raised: it
    is never left to a greenlet that dies alone.

    Attributes:
        is_lost: Whether its connection or channel is gone, or was never there.
        ended: Set when the user has nothing more to do, for whatever reason.
    """

    role: ClassVar[str]
    method: ClassVar[str]

    def __init__(self, run: WorkerRun, spec: SpecT) -> None:
        self._run = run
        self._spec = spec
        self._closing = False
        self._greenlet: gevent.Greenlet | None = None
        self._blocked_since_ns: int | None = None
        self._blocked_ns = 0
        self._is_at_work = False
        self._connections = 0  # opened so far: tells one from the next
        self._attempts = 0
        self._opened_ns = self._lost_ns = self._start_ns = 0
        self._useful_ns = 0  # when the broker has last done what this user is for
        self._troubled_ns = 0  # since when it had not, as of the last loss
        self._loss = ""  # the reason of the last loss
        self._pauses = pauses_s(run.plan.scenario.run.seed, self.name)
        self.is_lost = True
        self.ended = Event()

    @property
    def name(self) -> str:
        """Return the group and the number of this user, from 1, as errors and the broker's connection list show it."""
        return f"{self._spec.group}/{self._spec.user + 1}"

    @property
    def group(self) -> str:
        """Return the group of this user."""
        return self._spec.group

    @property
    def needed_until(self) -> Event:
        """Return the event from which on a user without a connection need not come back: the run has drained."""
        return self._run.over

    def wants_more(self) -> bool:
        """Return whether a user without a connection has anything left to do."""
        return True

    def live(self) -> None:
        """Do all that this user does in a run; returns when it has nothing more to do, or the run ends it."""
        run = self._run
        run.add_client(self)
        self._greenlet = gevent.getcurrent()
        try:
            run.wait_connect_turn()
            self._open()
            run.wait_begin()
            self._start_ns = run.wait_start(self._spec)
            self._work(self._start_ns)
        except StoppedError:
            pass
        except gevent.GreenletExit:
            if not run.over.is_set():
                run.fail(f"{self.role} {self.name} was ended from outside before the run was over", code="user-ended")
            raise
        except Exception as error:  # noqa: BLE001  # a user that dies alone would leave the run waiting for it
            self._fail(error)
        finally:
            self._greenlet = None
            run.outages.gone(self.name)
            run.work_ended(self._spec)
            self.ended.set()

    def _open(self) -> None:
        began_ns = monotonic_ns()
        self.connect()
        self.is_lost = False
        self._connections += 1
        self._opened_ns = monotonic_ns()
        self._run.recorder.latency(self._spec.group, "connect", self._opened_ns - began_ns)

    def _work(self, start_ns: int) -> None:
        """Work, and come back to it as often as the connection is lost."""
        while True:
            try:
                if not self.is_lost:
                    self._is_at_work = True
                    self.work(start_ns)
                # What it waited for may have ended with the connection: then it is not done yet.
                if not self.is_lost:
                    return
            except LostError:
                pass
            except CONNECTION_ERRORS as error:
                self._lost(error)
            finally:
                self._is_at_work = False
            if self._closing or not self.wants_more() or not self._come_back():
                return

    def _come_back(self) -> bool:
        """Open another connection, after a pause and as often as there is time; returns whether there is one."""
        run = self._run
        while not self.needed_until.wait(next(self._pauses)):
            try:
                self.disconnect()  # what is left of it, where only the channel was lost
                run.restorer.restore(run.node_for(self._spec, self._attempts), self._lost_ns)
                self._open()
            except CONNECTION_ERRORS as error:
                self._attempts += 1
                tried_ns = monotonic_ns() - max(self._troubled_ns, self._start_ns)
                if tried_ns > run.outages.longest_ns:
                    tried = span_text(tried_ns / NS_PER_S)
                    self._fail(error, f"not back after {tried}: ")
                    return False
            else:
                run.outages.back(self.name)
                return True
        return False

    @abstractmethod
    def connect(self) -> None:
        """Open connection and channel and set them up, before the start."""

    @abstractmethod
    def work(self, start_ns: int) -> None:
        """Work from *start_ns* (monotonic) until there is nothing more to do or the run stops."""

    def catch_up(self, now_ns: int) -> None:
        """Count what the clock alone decides, up to *now_ns*: nothing, unless a publisher says otherwise."""

    def outstanding(self) -> int:
        """Return the messages published and not yet confirmed: none, unless a publisher says otherwise."""
        return 0

    def unprocessed(self) -> int:
        """Return the messages taken whose processing time is not over: none, unless a consumer says otherwise."""
        return 0

    def window_full_ns(self) -> int:
        """Return how long a full confirm window has held back what was due, so far."""
        return 0

    @property
    def publisher_id(self) -> int | None:
        """The number of a publisher in the run; None of others."""
        return self._spec.publisher_id

    @property
    def is_blocked(self) -> bool:
        """Whether the broker has the connection blocked."""
        return self._blocked_since_ns is not None

    def blocked_ns(self) -> int:
        """Return how long the broker has had the connection blocked, so far."""
        since_ns = self._blocked_since_ns
        return self._blocked_ns + (monotonic_ns() - since_ns if since_ns is not None else 0)

    def finish(self) -> None:
        """End what is open after the drain; may block the greenlet for END_TIMEOUT_S."""
        self.give_up()

    def give_up(self) -> None:
        """End what the connection's loss leaves open; called on the hub, must not block."""

    def close(self) -> None:
        """End the user wherever it is, and close the connection, waiting a moment for the broker's answer."""
        self._closing = True
        if self._greenlet is not None:
            self._greenlet.kill(StoppedError, timeout=END_TIMEOUT_S)
        try:
            self.disconnect()
        except CONNECTION_ERRORS:
            # It is gone then, which was the aim.
            return

    @abstractmethod
    def disconnect(self) -> None:
        """Close the connection if there is one, within about END_TIMEOUT_S."""

    def _parameters(self) -> pika.ConnectionParameters:
        parameters = copy.copy(self._run.node_for(self._spec, self._attempts))
        parameters.client_properties = {"connection_name": f"loadtest {self.name}"}
        return parameters

    def _lost(self, error: BaseException) -> None:
        """Take the loss of connection or channel, or a fault of ours, from whoever sees it first, on the hub or not."""
        if self._closing or self.is_lost:
            return
        outages = self._run.outages
        if not isinstance(error, CONNECTION_ERRORS) or not outages.is_survived:
            self._fail(error)
            return
        self._lost_ns = monotonic_ns()
        if self.trouble(self._lost_ns) is None or self._is_another_cut(error):
            self._troubled_ns = self._lost_ns
        if self._lost_ns - self._opened_ns > STABLE_NS:
            self._pauses = pauses_s(self._run.plan.scenario.run.seed, f"{self.name} {self._connections}")
        self.is_lost = True
        refusal = self._refusal(error)
        if refusal is not None:
            self._run.refused(refusal)
        self._loss = describe(error) if refusal is None else refusal.text.removeprefix(f"{self.role} {self.group}: ")
        self._unblocked()
        self.give_up()
        outages.lost(self.name, f"{self.role} {self.name}: {describe(error, self.failed_method())}")
        if self._greenlet is None:
            outages.gone(self.name)
        elif self._greenlet is not gevent.getcurrent():
            gevent.get_hub().loop.run_callback(self._throw, self._connections)

    def _throw(self, connection: int) -> None:
        """Have a user come back that waits for what the connection numbered *connection* can no longer bring."""
        # It may have seen the loss by itself meanwhile, and be on its way.
        if self._is_at_work and connection == self._connections and self._greenlet is not None:
            self._greenlet.throw(LostError())

    def _fail(self, error: BaseException, what: str = "") -> None:
        """End the run: because of a fault of ours, or as this user cannot do without its connection."""
        if self._closing:
            return
        self._closing = self.is_lost = True
        self.give_up()
        refusal = self._refusal(error)
        reason = f"{self.role} {self.name}: {what}{describe(error, self.failed_method())}"
        if refusal is not None and refusal.operation not in self._run.operations.accepted:
            self._run.fail(refusal.text, code=REFUSED)
        elif isinstance(error, CONNECTION_ERRORS):
            is_cancelled = isinstance(error, pika.exceptions.ConsumerCancelled)
            self._run.fail(reason, code="consumer-cancelled" if is_cancelled else "connection-lost")
        else:
            _logger.error("%s", reason, exc_info=error)
            self._run.fail(reason, code="internal-error")

    # --- what the broker does for it -----------------------------------------------------------------------------

    @abstractmethod
    def operation(self) -> str:
        """Return what this user asks the broker for, or asked last: its method, and of what."""

    @abstractmethod
    def failed_method(self) -> str | None:
        """Return the method for which the broker closed connection or channel; None if it named none."""

    @abstractmethod
    def is_waiting(self) -> bool:
        """Return whether the user has asked the broker for something on this connection, and it has not done it."""

    def useful_ns(self, now_ns: int) -> int:  # noqa: ARG002  # others look at the clock
        """Return when the broker last did what this user is for; 0 if it never did."""
        return self._useful_ns

    def trouble(self, now_ns: int) -> Trouble | None:
        """
        Return since when the broker has done nothing for this user, from the loss of a connection on; None if it does.

        Another connection is no end of that by itself: it is the same trouble until the broker has done something, or
        the connection has lasted though there was nothing to ask for.
        """
        useful_ns = self.useful_ns(now_ns)
        if not self._start_ns:
            return None
        if self._is_blocked_for_good():
            since_ns = max(self._blocked_since_ns or 0, useful_ns)
            reason = "the broker blocks its connection, and the run has no duration"
            return Trouble(since_ns, is_waiting=True, reason=reason)
        if not self._troubled_ns:
            return None
        is_waiting = self.is_lost or self.is_waiting()
        if not self.is_lost:
            lasted_ns = now_ns - self._opened_ns
            is_stable = lasted_ns > min(STABLE_NS, self._run.outages.longest_ns // 2)
            if useful_ns > self._opened_ns or (is_stable and not is_waiting):
                return None
        return Trouble(max(self._troubled_ns, self._start_ns), is_waiting, self._loss)

    def _is_another_cut(self, error: BaseException) -> bool:
        """Return whether a connection that was of use, though there was nothing to do, was cut from outside."""
        lasted_ns = self._lost_ns - self._opened_ns
        return is_cut(error) and not self.is_waiting() and lasted_ns > FIRST_PAUSE_S * NS_PER_S

    def _is_blocked_for_good(self) -> bool:
        """Return whether the run waits for a broker that blocks this connection, and nothing else would end it."""
        return self._blocked_since_ns is not None and self._run.stop_ns is None and self.is_waiting()

    def _did(self, at_ns: int) -> None:
        """Take note that the broker has done what was asked."""
        if not self._useful_ns:
            self._run.operations.accept(self._operation_key())
        self._useful_ns = at_ns

    def _operation_key(self) -> str:
        return f"{self.group}: {self.operation()}"

    def _refusal(self, error: BaseException) -> Refusal | None:
        said = reply(error)
        if said is None:
            return None
        method = self.failed_method()
        # A Close that names none is about what the user waits for, if it does: an ack that timed out is none of that.
        is_asked = method == self.method or (method is None and self.is_waiting())
        what = self.operation() if is_asked else method
        text = f"{self.role} {self.group}: {f'{what}: ' if what else ''}{said}"
        return Refusal(monotonic_ns(), self._operation_key(), text)

    def _blocked(self, reason: str) -> None:
        if self._blocked_since_ns is None:
            self._blocked_since_ns = monotonic_ns()
        self._run.record("connection-blocked", f"{self.name}: {reason}")

    def _unblocked(self) -> None:
        if self._blocked_since_ns is None:
            return
        blocked_ns = monotonic_ns() - self._blocked_since_ns
        self._blocked_since_ns = None
        self._blocked_ns += blocked_ns
        self._run.record("connection-unblocked", f"{self.name}: after {blocked_ns / NS_PER_S:.1f} s")

    def _cancelled(self, consumer_tag: str) -> None:
        self._lost(pika.exceptions.ConsumerCancelled(consumer_tag))


class BulkClient(Client[SpecT]):
    """A member on a connection of our own wire, with one channel."""

    def __init__(self, run: WorkerRun, spec: SpecT) -> None:
        super().__init__(run, spec)
        self._connection: Connection | None = None

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

    def failed_method(self) -> str | None:
        """Return the method for which the broker closed connection or channel; None if it named none."""
        return self._connection.failed_method if self._connection is not None else None

    def disconnect(self) -> None:
        """Close the connection if there is one."""
        if self._connection is not None:
            self._connection.close(timeout_s=END_TIMEOUT_S)

"""Members on a connection that the test plays: how each kind of loss and fault ends the user, and the run."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import gevent
import numpy as np
import pika
import pika.exceptions
import pytest

from loadtest.clients import client as member_module
from loadtest.clients.client import Client
from loadtest.clients.roles import client_for
from loadtest.clients.worker_run import specs_of
from loadtest.clock import monotonic_ns
from loadtest.wire.connection.channel import Returned
from tests.unit.run.staged import StagedRun

FLOW = """
topology: {queues: {q: {}}}
publishers: {in: {routing_key: q, body: {text: hello}, messages: 4, confirm_window: 8, stamp: none}}
consumers: {out: {queue: q, prefetch: 9, ack: every 2, messages: 3}}
run: {reconnect: off}
"""
LOST = pika.exceptions.StreamLostError("Stream connection lost: ConnectionResetError(104, 'Connection reset by peer')")
REFUSED = pika.exceptions.ChannelClosedByBroker(404, "NOT_FOUND - no exchange 'x' in vhost '/'")


class StagedConnection:
    """A connection with one channel, which takes everything and does nothing by itself; it is its own channel."""

    def __init__(self) -> None:
        self.frame_max = 131_072
        self.channel_number = 1
        self.read_ns = 5
        self.closed_by: Exception | None = None
        self.failed_method = "Basic.Publish"
        self.on_closed: Callable[[Exception], None] | None = None
        self.written: list[bytes] = []
        self.calls: list[str] = []
        self.fault: BaseException | None = None

    @property
    def connection(self) -> StagedConnection:
        """The channel's connection."""
        return self

    def open_channel(self) -> StagedConnection:
        """Return the channel, or raise what the test wants."""
        if self.fault is not None:
            raise self.fault
        return self

    def write(self, block: bytes, *, borrowed: bool = False) -> None:
        """Keep what is written."""
        self.written.append(bytes(block))

    def wait_writable(self, *, unsent_bytes: int) -> bool:
        """Say that there is room."""
        return True

    def basic_consume(self, queue: str, sink: Any, **_: object) -> str:
        """Keep the sink."""
        self.sink = sink
        return "c1"

    def close(self, timeout_s: float) -> None:
        """Note the call."""
        self.calls.append("close")

    def lose(self, error: Exception) -> None:
        """Be closed with *error*, as the hub tells it."""
        self.closed_by = error
        assert self.on_closed is not None
        self.on_closed(error)

    def __getattr__(self, name: str) -> Callable[..., None]:
        """Note any other call."""
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *values, **_: self.calls.append(" ".join([name, *map(str, values)]))


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> StagedConnection:
    """The connection that members get."""
    staged = StagedConnection()

    class Opener:
        @staticmethod
        def open(_: object) -> StagedConnection:
            return staged

    monkeypatch.setattr(member_module, "Connection", Opener)
    return staged


def begin(staged: StagedRun, group: str) -> tuple[Any, gevent.Greenlet]:
    """Have one member live until it is at work; the other group's are not there."""
    spec = next(spec for spec in specs_of(staged.plan) if spec.group == group)
    member: Client[Any] = client_for(staged.run, spec)
    living = gevent.spawn(member.live)
    gevent.sleep(0.001)
    staged.run.begin_ns = monotonic_ns()
    staged.run.begun.set()
    gevent.sleep(0.02)
    return member, living


def totals(staged: StagedRun, group: str) -> dict[str, int]:
    """Return what was recorded of *group*, but for bytes."""
    window = staged.recorder.cut(0, monotonic_ns(), "measured", {})
    return {name: count for name, count in window.groups[group].counters.items() if "bytes" not in name}


@pytest.mark.parametrize(
    "error, code, text",
    [
        (LOST, "connection-lost", "publisher in/1: the connection was lost: Connection reset by peer"),
        (
            REFUSED,
            "operation-refused",
            "publisher in: Basic.Publish to the default exchange: 404 NOT_FOUND - no exchange",
        ),
        (ZeroDivisionError("ours"), "internal-error", "publisher in/1: ZeroDivisionError: ours"),
    ],
    ids=["connection", "channel", "a fault of ours"],
)
def test_a_loss_ends_publisher_and_run(
    connection: StagedConnection, error: Exception, code: str, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What was in flight is in doubt, the reason is the first event, and the user ends."""
    staged = StagedRun(FLOW)
    member, living = begin(staged, "in")
    assert member.outstanding() == 4

    with caplog.at_level(logging.ERROR):
        connection.lose(error)
        connection.lose(LOST)

    living.get(timeout=10)
    assert [(event, said[: len(text)]) for _, event, said in staged.run.events] == [(code, text)]
    assert totals(staged, "in") == {"published": 4, "in_doubt": 4}
    assert member.is_lost
    assert len(caplog.records) == (code == "internal-error")


@pytest.mark.parametrize("fault", [OSError("no route"), RuntimeError("ours")], ids=["of the network", "of ours"])
def test_a_user_that_cannot_open_its_channel_fails_the_run(connection: StagedConnection, fault: Exception) -> None:
    """It is closed with the others, although it never came up."""
    staged = StagedRun(FLOW)
    connection.fault = fault

    member, living = begin(staged, "in")
    living.get(timeout=10)
    member.close()

    assert staged.run.failure is not None
    assert str(fault) in staged.run.failure
    assert connection.calls == ["close"]
    assert staged.run.completion.is_done("in")


def test_a_user_is_ended_wherever_it_waits(connection: StagedConnection) -> None:
    """Closing a publisher that waits for confirms ends its greenlet, and is no failure."""
    staged = StagedRun(FLOW)
    member, living = begin(staged, "in")
    assert not living.ready()

    member.finish()
    member.close()

    assert living.ready()
    assert staged.run.failure is None
    assert totals(staged, "in")["in_doubt"] == 4


def test_confirms_in_any_order_settle_each_message_once(connection: StagedConnection) -> None:
    """One out of order, a nack, and a multiple for the rest; then the user is done."""
    staged = StagedRun(FLOW)
    member, living = begin(staged, "in")

    member._confirmed_one(3, False)
    member._confirmed(np.array([2], np.uint64), np.array([False]), True)
    member._confirmed(np.array([4, 4], np.uint64), np.array([True, False]), False)

    living.get(timeout=10)
    assert totals(staged, "in") == {"published": 4, "confirmed": 3, "nacked": 1}
    assert member.outstanding() == 0


def test_a_confirm_after_the_end_settles_nothing(connection: StagedConnection) -> None:
    """What was given up as in doubt stays so."""
    staged = StagedRun(FLOW)
    member, _ = begin(staged, "in")
    member.finish()

    member._confirmed_one(1, False)
    member._confirmed_one(4, True)

    assert totals(staged, "in") == {"published": 4, "in_doubt": 4}


def test_what_comes_back_unstamped_is_told_twice(connection: StagedConnection) -> None:
    """At the first message, with the broker's reason, and at the end, with the number."""
    staged = StagedRun(FLOW)
    member, _ = begin(staged, "in")
    for _number in range(3):
        member._returned(Returned(None, 312, "NO_ROUTE", "", "q", pika.BasicProperties(), b""))
    member.finish()

    assert [text for _, _, text in staged.run.events] == [
        "in/1: messages without a stamp come back: 312 NO_ROUTE",
        "in/1: 3 in all came back",
    ]


def test_a_limited_consumer_acknowledges_its_share_and_gives_the_rest_back(connection: StagedConnection) -> None:
    """Of five deliveries three are taken; the others go back only when the subscription has ended."""
    staged = StagedRun(FLOW)
    _, living = begin(staged, "out")

    connection.sink.on_unstamped(np.arange(1, 6, dtype=np.uint64), 25, False)
    connection.sink.on_message(6, False, pika.BasicProperties(), b"x", "", "q")

    living.get(timeout=10)
    assert connection.calls[-5:] == ["basic_cancel c1", "basic_ack 3", "basic_nack 4", "basic_nack 5", "basic_nack 6"]
    assert totals(staged, "out") == {"delivered": 3, "foreign": 3}


def test_blocked_time_is_counted_while_it_lasts(connection: StagedConnection) -> None:
    """A second word of the broker does not begin it anew; unblocked without blocked is nothing."""
    staged = StagedRun(FLOW)
    member, _ = begin(staged, "in")

    member._unblocked()
    assert member.blocked_ns() == 0
    member._blocked("low on memory")
    first_ns = member.blocked_ns()
    member._blocked("low on disk")
    assert member.blocked_ns() >= first_ns
    member._unblocked()
    total_ns = member.blocked_ns()

    assert member.blocked_ns() == total_ns > 0
    assert [code for _, code, _ in staged.run.events] == ["connection-blocked"] * 2 + ["connection-unblocked"]

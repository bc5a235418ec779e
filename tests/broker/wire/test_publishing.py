from __future__ import annotations

import secrets
from typing import Any

import numpy as np
import pika
import pytest
from numpy.typing import NDArray

from loadtest.wire.connection.channel import Channel, Returned
from loadtest.wire.connection.connection import Connection
from tests.broker.wire.proxy import Proxy
from tests.broker.wire.recording import RecordingSink, cycle_for, publish, wait_until

pytestmark = pytest.mark.broker


class Confirms:
    """Keeps account of confirms as a publisher does."""

    def __init__(self, channel: Channel) -> None:
        self.acked: set[int] = set()
        self.nacked: set[int] = set()
        self._settled_to = 0
        channel.on_confirms = self.take

    def take(self, tags: NDArray[np.uint64], multiple: NDArray[np.bool_], nack: bool) -> None:
        """Settle tags."""
        for tag, is_multiple in zip(tags.tolist(), multiple.tolist(), strict=True):
            first = self._settled_to + 1 if is_multiple else tag
            known = self.acked | self.nacked if is_multiple else set()
            (self.nacked if nack else self.acked).update(set(range(first, tag + 1)) - known)
            if is_multiple:
                self._settled_to = tag


def test_every_message_is_confirmed(channel: Channel, queue: str) -> None:
    """Of 5,000 messages published in one go each is confirmed once, and all are in the queue."""
    confirms = Confirms(channel)
    channel.confirm_select()

    publish(channel, cycle_for(channel, [queue]), 5000)
    wait_until(lambda: len(confirms.acked) == 5000)

    assert set(range(1, 5001)) == confirms.acked
    assert 5000 == channel.queue_declare(queue, passive=True).message_count


def test_lone_confirms_come_without_arrays(channel: Channel, queue: str) -> None:
    """With `on_confirm` set, acks that come alone are handed over as numbers."""
    lone: list[tuple[int, bool]] = []
    channel.on_confirm = lambda tag, multiple: lone.append((tag, multiple))
    channel.confirm_select()
    cycle = cycle_for(channel, [queue])

    for seq in range(3):
        publish(channel, cycle, 1, seq)
        wait_until(lambda: len(lone) > seq)  # noqa: B023 (waited for before seq changes)

    assert [1, 2, 3] == [tag for tag, _ in lone]


def test_refused_messages_are_nacked(channel: Channel) -> None:
    """A full queue that rejects publishes nacks them; acks and nacks together are all messages."""
    name = f"wire-{secrets.token_hex(6)}"
    channel.queue_declare(name, exclusive=True, arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    confirms = Confirms(channel)
    channel.confirm_select()
    cycle = cycle_for(channel, [name])

    publish(channel, cycle, 1)
    wait_until(lambda: confirms.acked)
    publish(channel, cycle, 200, 1)
    wait_until(lambda: len(confirms.acked) + len(confirms.nacked) == 201)

    assert set(range(1, 202)) == confirms.acked | confirms.nacked
    assert not confirms.acked & confirms.nacked
    assert len(confirms.nacked) > 100


@pytest.mark.parametrize(
    "place, body", [("headers", b"Hello World!"), ("body", bytes(100)), ("headers", b"L" * 300_000)]
)
def test_mandatory_messages_come_back(connection: Connection, place: Any, body: bytes) -> None:
    """Unroutable mandatory messages are returned with their stamps, before they are confirmed."""
    channel = connection.open_channel()
    confirms = Confirms(channel)
    returned: list[Returned] = []
    channel.on_returned = returned.append
    channel.confirm_select()

    publish(channel, cycle_for(channel, ["nowhere-to-go"], [body], mandatory=True, stamp=place), 20)
    wait_until(lambda: len(confirms.acked) == 20)

    assert list(range(20)) == [message.stamp.seq for message in returned if message.stamp is not None]
    assert (312, "NO_ROUTE", "nowhere-to-go") == (
        returned[0].reply_code,
        returned[0].reply_text,
        returned[0].routing_key,
    )


@pytest.mark.parametrize(
    "place, size",
    [(place, size) for place in ("headers", "body") for size in (24, 4_087, 131_064, 131_065, 1_000_000)]
    + [("headers", 0), ("headers", 1)],
)
def test_bodies_of_all_sizes_arrive_whole(channel: Channel, queue: str, place: Any, size: int) -> None:
    """Bodies from nothing to eight frames arrive as they were sent, got and consumed."""
    body = secrets.token_bytes(size)
    publish(channel, cycle_for(channel, [queue], [body], stamp=place), 6)
    wait_until(lambda: channel.queue_declare(queue, passive=True).message_count == 6)

    got = channel.basic_get(queue, auto_ack=True)
    sink = RecordingSink([body] if place == "headers" else ())
    channel.basic_consume(queue, sink, auto_ack=True)
    wait_until(lambda: len(sink.tags) == 5)

    assert got is not None
    assert got.stamp is not None
    assert (0, 5, queue) == (got.stamp.seq, got.message_count, got.routing_key)
    assert body == (got.body if place == "headers" else got.body[:0] + body[:24] + got.body[24:])
    assert (list(range(1, 6)), 0, 5 * size) == (sink.seqs, sink.corrupted, sink.n_bytes)


def test_a_cycle_of_keys_and_bodies_reaches_its_queues(channel: Channel) -> None:
    """Message seq goes by key seq mod keys with body seq mod bodies, through a direct exchange."""
    exchange = f"wire-{secrets.token_hex(6)}"
    bodies = [b"a" * 30, b"b" * 3000]
    channel.exchange_declare(exchange, "direct", auto_delete=True)
    queues = [channel.queue_declare("", exclusive=True).queue for _ in range(3)]
    for number, name in enumerate(queues):
        channel.queue_bind(name, exchange, f"key-{number}")
    sinks = [RecordingSink(bodies) for _ in queues]
    for name, sink in zip(queues, sinks, strict=True):
        channel.basic_consume(name, sink, auto_ack=True)

    publish(channel, cycle_for(channel, [f"key-{number}" for number in range(3)], bodies, exchange=exchange), 6000)
    wait_until(lambda: sum(len(sink.seqs) for sink in sinks) == 6000)

    assert [list(range(number, 6000, 3)) for number in range(3)] == [sink.seqs for sink in sinks]
    assert 6000 - 6 <= sum(sink.fast for sink in sinks)
    assert 0 == sum(sink.corrupted for sink in sinks)


def test_unsent_bytes_stay_bounded_while_the_reader_stalls(parameters: pika.ConnectionParameters) -> None:
    """While the peer does not read, `wait_writable` holds the publisher back, and lets go when it reads again."""
    with Proxy(parameters) as proxy:
        connection = Connection.open(proxy.parameters)
        channel = connection.open_channel()
        cycle = cycle_for(channel, ["nowhere"], [b"x" * 10_000])
        proxy.is_held = True
        written = 0
        while connection.wait_writable(0.2):
            channel.write(cycle.encode(written, 20, 0, 0))
            written += 20
        most = connection.unsent_bytes
        proxy.is_held = False
        is_writable = connection.wait_writable(10)
        connection.close()

    assert is_writable
    assert connection.high_water_bytes < most < connection.high_water_bytes + 20 * 10_200

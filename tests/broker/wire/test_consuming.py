from __future__ import annotations

import secrets

import numpy as np
import pytest
from pika import exceptions

from loadtest.wire.connection.channel import Channel
from loadtest.wire.connection.connection import Connection
from loadtest.wire.frames.ack_frames import encode_acks
from tests.broker.wire.recording import RecordingSink, cycle_for, publish, wait_until

pytestmark = pytest.mark.broker


def test_all_deliveries_come_once_in_order_and_by_template(connection: Connection, queue: str) -> None:
    """Of 20,000 messages each arrives once, in order, all but a few without pika's decoder."""
    sink = RecordingSink([b"Hello World!"])
    connection.open_channel().basic_consume(queue, sink, auto_ack=True)
    channel = connection.open_channel()

    publish(channel, cycle_for(channel, [queue]), 20_000)
    wait_until(lambda: len(sink.seqs) >= 20_000)

    assert list(range(20_000)) == sink.seqs
    assert list(range(1, 20_001)) == sink.tags
    assert sink.fast > 19_900


def test_unstamped_messages_come_fast_too(channel: Channel, queue: str) -> None:
    """Messages without a stamp that equal a verified one are handed on as such."""
    sink = RecordingSink()
    channel.basic_consume(queue, sink, auto_ack=True)

    publish(channel, cycle_for(channel, [queue], stamp="none"), 1000)
    wait_until(lambda: len(sink.tags) == 1000)

    assert ([], True, 12_000) == (sink.seqs, sink.fast > 900, sink.n_bytes)


def test_prefetch_and_acks_every_fifty(channel: Channel, queue: str) -> None:
    """With a prefetch of 200 and an ack of all up to each fiftieth, everything is taken and acknowledged."""
    publish(channel, cycle_for(channel, [queue]), 2000)
    unacked = []

    def acknowledge(tag: int) -> None:
        unacked.append(tag)
        if tag % 50 == 0:
            channel.basic_ack(tag, multiple=True)

    sink = RecordingSink(acknowledge=acknowledge)
    channel.basic_qos(prefetch_count=200)
    consumer_tag = channel.basic_consume(queue, sink)
    wait_until(lambda: len(sink.seqs) == 2000)
    channel.basic_ack(2000, multiple=False) if sink.tags[-1] % 50 else None
    channel.basic_cancel(consumer_tag)

    assert list(range(2000)) == sink.seqs
    assert channel.queue_declare(queue, passive=True).message_count == 0


def test_acks_in_a_run(connection: Connection, channel: Channel, queue: str) -> None:
    """Acks written in one go acknowledge each delivery; what was not acknowledged comes again, marked redelivered."""
    publish(channel, cycle_for(channel, [queue]), 100)
    sink = RecordingSink()
    channel.basic_consume(queue, sink)
    wait_until(lambda: len(sink.tags) == 100)
    channel.write(encode_acks(channel.channel_number, np.arange(1, 100, 2, dtype=np.uint64), multiple=False))
    channel.close()

    again = RecordingSink()
    connection.open_channel().basic_consume(queue, again, auto_ack=True)
    wait_until(lambda: len(again.tags) == 50)

    assert list(range(1, 100, 2)) == again.seqs
    assert 50 == again.redelivered


def test_nack_and_reject_requeue(channel: Channel, queue: str) -> None:
    """Refused deliveries go back to the queue or away, as asked."""
    publish(channel, cycle_for(channel, [queue]), 4)
    tags = []
    while (got := channel.basic_get(queue)) is not None:
        tags.append(got.delivery_tag)
    channel.basic_nack(tags[1], multiple=True, requeue=True)
    channel.basic_reject(tags[2], requeue=False)
    channel.basic_reject(tags[3], requeue=True)

    assert 3 == channel.queue_purge(queue)


def test_gets_until_empty(channel: Channel, queue: str) -> None:
    """A thousand gets say 999 … 0 messages left, then the queue is empty."""
    publish(channel, cycle_for(channel, [queue]), 1000)
    wait_until(lambda: channel.queue_declare(queue, passive=True).message_count == 1000)
    got = []
    while (message := channel.basic_get(queue, auto_ack=True)) is not None:
        got.append(message)

    assert list(range(999, -1, -1)) == [message.message_count for message in got]
    assert list(range(1000)) == [message.stamp.seq for message in got if message.stamp is not None]
    assert {(b"Hello World!", "", queue, False)} == {
        (message.body, message.exchange, message.routing_key, message.redelivered) for message in got
    }


def test_many_channels_and_consumers_on_a_connection(connection: Connection) -> None:
    """Forty consumers on twenty channels of one connection each get exactly their queue's messages."""
    publisher = connection.open_channel()
    queues = [publisher.queue_declare("", exclusive=True).queue for _ in range(40)]
    channels = [connection.open_channel() for _ in range(20)]
    sinks = [RecordingSink([b"Hello World!"]) for _ in queues]
    for number, (name, sink) in enumerate(zip(queues, sinks, strict=True)):
        channels[number % 20].basic_consume(name, sink, auto_ack=True)

    publish(publisher, cycle_for(publisher, queues), 8000)
    wait_until(lambda: sum(len(sink.seqs) for sink in sinks) >= 8000)

    assert [list(range(number, 8000, 40)) for number in range(40)] == [sink.seqs for sink in sinks]
    assert sum(sink.fast for sink in sinks) > 7000


def test_a_stream_queue_is_read_from_its_beginning(channel: Channel) -> None:
    """A consumer of a stream gets all messages, with an offset that changes from one to the next."""
    name = f"wire-{secrets.token_hex(6)}"
    channel.queue_declare(name, durable=True, arguments={"x-queue-type": "stream"})
    try:
        channel.confirm_select()
        publish(channel, cycle_for(channel, [name]), 500)
        sink = RecordingSink(acknowledge=channel.basic_ack)
        channel.basic_qos(prefetch_count=100)
        channel.basic_consume(name, sink, arguments={"x-stream-offset": "first"})
        wait_until(lambda: len(sink.seqs) >= 500)

        assert list(range(500)) == sink.seqs
    finally:
        channel.queue_delete(name)


def test_cancelling_leaves_nothing_behind(channel: Channel, queue: str) -> None:
    """What is delivered until the broker has confirmed the cancel reaches the sink: nothing is lost under auto-ack."""
    cycle = cycle_for(channel, [queue])
    publish(channel, cycle, 3000)
    sink = RecordingSink()
    consumer_tag = channel.basic_consume(queue, sink, auto_ack=True)
    channel.basic_cancel(consumer_tag)
    left = channel.queue_declare(queue, passive=True).message_count

    assert 3000 == len(sink.seqs) + left
    again = RecordingSink()
    channel.basic_consume(queue, again, auto_ack=True, consumer_tag=consumer_tag)
    wait_until(lambda: len(again.seqs) == left)
    assert list(range(3000)) == sink.seqs + again.seqs


def test_a_consumer_whose_queue_goes_is_told(connection: Connection, channel: Channel, queue: str) -> None:
    """Deleting the queue cancels the consumer; the channel stays usable."""
    cancelled: list[str] = []
    channel.on_cancelled = cancelled.append
    consumer_tag = channel.basic_consume(queue, RecordingSink())

    connection.open_channel().queue_delete(queue)
    wait_until(lambda: cancelled)

    assert [consumer_tag] == cancelled
    assert channel.queue_declare("", exclusive=True).queue


def test_a_tag_in_use_is_refused(channel: Channel, queue: str) -> None:
    """Two consumers of a channel cannot have one tag."""
    channel.basic_consume(queue, RecordingSink(), consumer_tag="mine")

    with pytest.raises(ValueError, match="'mine' is in use"):
        channel.basic_consume(queue, RecordingSink(), consumer_tag="mine")


def test_a_channel_closed_by_the_broker_says_why(connection: Connection, channel: Channel) -> None:
    """A call that the broker answers by closing the channel raises reply code and text; the connection lives on."""
    closed: list[Exception] = []
    channel.on_closed = closed.append

    with pytest.raises(exceptions.ChannelClosedByBroker) as caught:
        channel.queue_declare("no-such-queue", passive=True)

    assert (404, True) == (caught.value.reply_code, "no-such-queue" in caught.value.reply_text)
    assert [caught.value] == closed == [channel.closed_by]
    with pytest.raises(exceptions.ChannelClosedByBroker):
        channel.basic_ack(1)
    assert connection.open_channel().queue_declare("", exclusive=True).queue


def test_a_get_from_nowhere_says_why(connection: Connection) -> None:
    """A get that the broker answers by closing the channel raises the reason."""
    with pytest.raises(exceptions.ChannelClosedByBroker, match="NOT_FOUND"):
        connection.open_channel().basic_get("no-such-queue")


def test_publishing_to_nowhere_closes_the_channel(connection: Connection) -> None:
    """Publishing to an exchange that does not exist closes the channel with 404."""
    channel = connection.open_channel()

    publish(channel, cycle_for(channel, ["key"], exchange="no-such-exchange"), 10)
    wait_until(lambda: channel.closed_by is not None)

    assert isinstance(channel.closed_by, exceptions.ChannelClosedByBroker)
    assert 404 == channel.closed_by.reply_code

"""The null broker against a real connection of ours, over a socket."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pika
import pytest

from loadtest.calibration.null_broker import NullBroker
from loadtest.calibration.null_session import Counts, read_counts
from loadtest.stamp import STAMP_DTYPE, STAMP_STRUCT, run_publisher_word
from loadtest.wire.connection.connection import Connection
from loadtest.wire.frames.publish_template import PublishTemplate


class Taken:
    """A sink that counts."""

    def __init__(self) -> None:
        self.seqs: list[int] = []

    def on_run(self, *columns: Any) -> None:
        """Take a run."""
        self.seqs += columns[1].view(STAMP_DTYPE)["seq"].tolist()

    def on_one(self, *columns: Any) -> None:
        """Take one."""
        self.seqs.append(STAMP_STRUCT.unpack(columns[1])[2])

    def on_unstamped(self, *columns: Any) -> None:
        """Never: all are stamped."""
        raise AssertionError

    def on_message(self, *parts: Any) -> bool:
        """Take the first, which has seq 0."""
        self.seqs.append(0)
        return True


@pytest.fixture
def counts_file(tmp_path: Path) -> Path:
    """Return where the null broker counts."""
    return tmp_path / "counts"


@pytest.fixture
def connection(counts_file: Path) -> Iterator[Connection]:
    """Give a connection of ours to a null broker in a thread."""
    broker = NullBroker(Counts(counts_file))
    thread = threading.Thread(target=broker.serve)
    thread.start()
    try:
        with gevent.Timeout(30):
            connection = Connection.open(pika.ConnectionParameters("127.0.0.1", broker.port), timeout_s=20)
            yield connection
            connection.close()
    finally:
        broker.is_stopped = True
        thread.join()
        broker.close()


def cycle_for(connection: Connection, channel: Any) -> PublishTemplate:
    """Return the messages of a publisher on *channel*."""
    return PublishTemplate(
        channel_number=channel.channel_number,
        frame_max=connection.frame_max,
        exchange="",
        routing_keys=("q",),
        bodies=(b"Hello World!",),
        properties=pika.BasicProperties(),
        mandatory=False,
        stamp="headers",
        run_publisher=run_publisher_word(1, 0),
    )


def wait_until(done: Any) -> None:
    """Let the hub run until *done*; the fixture's time limit ends it."""
    while not done():
        gevent.sleep(0.005)


def test_publishes_are_confirmed_and_counted(connection: Connection, counts_file: Path) -> None:
    """Every publish of a channel in confirm mode is acked, in bulk, and counted."""
    channel = connection.open_channel()
    tags: list[int] = []
    channel.on_confirms = lambda run, _, __: tags.extend(run.tolist())
    channel.on_confirm = lambda tag, _: tags.append(tag)
    channel.queue_declare("q")
    channel.confirm_select()
    cycle = cycle_for(connection, channel)
    for first in range(0, 1000, 100):
        channel.write(cycle.encode(first, 100, 0, 0))
    wait_until(lambda: tags and max(tags) == 1000)
    wait_until(lambda: read_counts(counts_file)[0] == 1000)

    assert tags == sorted(tags)
    assert len(tags) < 1000


def test_deliveries_are_replayed(connection: Connection, counts_file: Path) -> None:
    """A consumer gets the first published message again and again, its seqs counting on."""
    channel = connection.open_channel()
    taken = Taken()
    channel.basic_consume("q", taken, auto_ack=True)
    channel.write(cycle_for(connection, channel).encode(0, 1, 0, 0))
    wait_until(lambda: len(taken.seqs) > 5000 and read_counts(counts_file)[1] > 5000)

    assert list(range(5000)) == taken.seqs[:5000]
    assert read_counts(counts_file)[0] == 1

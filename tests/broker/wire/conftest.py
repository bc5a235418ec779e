from __future__ import annotations

import secrets
from collections.abc import Iterator

import gevent
import pika
import pytest

from loadtest.broker.endpoint import Endpoint
from loadtest.wire.connection.channel import Channel
from loadtest.wire.connection.connection import Connection


@pytest.fixture
def parameters(broker_endpoint: Endpoint) -> pika.ConnectionParameters:
    """How to reach the broker under test."""
    return broker_endpoint.pika_parameters()


@pytest.fixture
def connection(parameters: pika.ConnectionParameters) -> Iterator[Connection]:
    """An open connection, closed after the test; the test fails if it takes longer than a minute."""
    with gevent.Timeout(60):
        opened = Connection.open(parameters)
        yield opened
        opened.close()


@pytest.fixture
def channel(connection: Connection) -> Channel:
    """An open channel."""
    return connection.open_channel()


@pytest.fixture
def queue(parameters: pika.ConnectionParameters) -> Iterator[str]:
    """A durable queue of the test's own, deleted after it."""
    name = f"wire-{secrets.token_hex(6)}"
    keeper = Connection.open(parameters)
    keeper.open_channel().queue_declare(name, durable=True)
    yield name
    if keeper.closed_by is None:
        keeper.open_channel().queue_delete(name)
        keeper.close()

from __future__ import annotations

import secrets
import ssl
import subprocess
import time
from pathlib import Path

import gevent
import pika
import pytest
from pika import exceptions

from loadtest.broker.monitor.management import ManagementApi
from loadtest.wire.connection.connection import Connection
from tests.broker.wire.proxy import Proxy
from tests.broker.wire.recording import RecordingSink, cycle_for, publish, wait_until

pytestmark = pytest.mark.broker


def test_the_broker_says_who_it_is(connection: Connection) -> None:
    """Product and version come from the handshake, and the limits are negotiated."""
    assert connection.server_properties["product"] == "RabbitMQ"
    assert 4096 <= connection.frame_max <= 131_072


def test_wrong_credentials_are_refused(parameters: pika.ConnectionParameters) -> None:
    """A wrong password is an AMQPConnectionError with the broker's words."""
    parameters.credentials = pika.PlainCredentials("guest", "wrong")

    with pytest.raises(exceptions.ProbableAuthenticationError, match="ACCESS_REFUSED"):
        Connection.open(parameters)


def test_a_missing_vhost_is_refused(parameters: pika.ConnectionParameters) -> None:
    """A virtual host that does not exist is an AMQPConnectionError that names it."""
    parameters.virtual_host = "no-such-vhost"

    with pytest.raises(exceptions.ProbableAccessDeniedError, match="no-such-vhost"):
        Connection.open(parameters)


def test_a_connection_closed_by_the_operator_says_why(
    parameters: pika.ConnectionParameters, management: ManagementApi
) -> None:
    """Closed through the management API, a connection and its channels have reply code and text."""
    name = f"wire-{secrets.token_hex(6)}"
    parameters.client_properties = {"connection_name": name}
    connection = Connection.open(parameters)
    channel = connection.open_channel()
    closed: list[Exception] = []
    connection.on_closed = channel.on_closed = closed.append

    def listed() -> list[str]:
        return [
            entry["name"]
            for entry in management.connections()
            if entry.get("client_properties", {}).get("connection_name") == name
        ]

    wait_until(listed)
    management.close_connection(listed()[0], "told to by a test")
    wait_until(lambda: len(closed) == 2)

    error = connection.closed_by
    assert isinstance(error, exceptions.ConnectionClosedByBroker)
    assert (320, True) == (error.reply_code, "told to by a test" in error.reply_text)
    assert [error, error] == closed
    with pytest.raises(exceptions.ConnectionClosedByBroker):
        channel.queue_declare("")


def test_heartbeats_keep_an_idle_connection(parameters: pika.ConnectionParameters) -> None:
    """With a heartbeat of one second, four idle seconds do not end the connection."""
    parameters.heartbeat = 1
    connection = Connection.open(parameters)
    channel = connection.open_channel()
    gevent.sleep(4)

    assert connection.closed_by is None
    assert channel.queue_declare("", exclusive=True).queue
    connection.close()


def test_heartbeats_pass_under_load(parameters: pika.ConnectionParameters, queue: str) -> None:
    """Publishing and consuming at full speed for seconds with a heartbeat of one loses neither connection."""
    parameters.heartbeat = 1
    publisher, consumer = Connection.open(parameters), Connection.open(parameters)
    channel = publisher.open_channel()
    sink = RecordingSink()
    consumer.open_channel().basic_consume(queue, sink, auto_ack=True)
    cycle = cycle_for(channel, [queue])
    published = 0
    until = time.monotonic() + 2.5
    while time.monotonic() < until:
        publish(channel, cycle, 200, published)
        published += 200
        gevent.sleep(0)
    wait_until(lambda: len(sink.seqs) >= published)

    assert list(range(published)) == sink.seqs[:published]
    assert (None, None) == (publisher.closed_by, consumer.closed_by)
    publisher.close()
    consumer.close()


def test_a_dead_peer_is_noticed_by_its_heartbeat(parameters: pika.ConnectionParameters) -> None:
    """When no byte has come since the last check, pika's heartbeat checker ends the connection."""
    parameters.heartbeat = 60
    connection = Connection.open(parameters)
    checker = connection._adapter._heartbeat_checker
    # The checker's timer is what calls this, after 65 seconds.
    checker._update_counters()
    checker._check_heartbeat()
    wait_until(lambda: connection.closed_by is not None)

    assert isinstance(connection.closed_by, exceptions.AMQPHeartbeatTimeout)


def test_a_connection_cut_in_mid_run_is_lost(parameters: pika.ConnectionParameters, queue: str) -> None:
    """A connection cut while deliveries flow ends with StreamLostError; what came before is whole and in order."""
    filler = Connection.open(parameters)
    channel = filler.open_channel()
    publish(channel, cycle_for(channel, [queue]), 50_000)
    with Proxy(parameters) as proxy:
        connection = Connection.open(proxy.parameters)
        sink = RecordingSink()
        consuming = connection.open_channel()
        consuming.basic_consume(queue, sink, auto_ack=True)
        wait_until(lambda: len(sink.seqs) > 1000)
        proxy.cut()
        wait_until(lambda: connection.closed_by is not None)

    assert isinstance(connection.closed_by, exceptions.StreamLostError)
    assert connection.closed_by is consuming.closed_by
    assert list(range(len(sink.seqs))) == sink.seqs
    filler.close()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a throwaway CA and a certificate for localhost."""
    folder = tmp_path_factory.mktemp("certificates")
    for arguments in (
        "req -x509 -newkey rsa:2048 -nodes -days 2 -keyout ca.key -out ca.pem -subj /CN=throwaway",
        "req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=localhost",
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.pem",
    ):
        (folder / "names").write_text("subjectAltName=DNS:localhost")
        subprocess.run(["openssl", *arguments.split()], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture
def server_tls(certificates: Path) -> ssl.SSLContext:
    """What the TLS-terminating proxy shows to clients."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
    return context


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_messages_pass_through_tls(
    parameters: pika.ConnectionParameters,
    certificates: Path,
    server_tls: ssl.SSLContext,
    queue: str,
    version: ssl.TLSVersion,
) -> None:
    """Over TLS, with the certificate verified, small and large messages arrive whole and in order."""
    context = ssl.create_default_context(cafile=str(certificates / "ca.pem"))
    context.minimum_version = context.maximum_version = version
    bodies = [b"Hello World!", b"L" * 500_000]
    with Proxy(parameters, server_tls) as proxy:
        proxy.parameters.ssl_options = pika.SSLOptions(context, "localhost")
        connection = Connection.open(proxy.parameters)
        channel = connection.open_channel()
        sink = RecordingSink(bodies)
        channel.basic_consume(queue, sink, auto_ack=True)
        publish(channel, cycle_for(channel, [queue], bodies), 40)
        publish(channel, cycle_for(channel, [queue], bodies[:1]), 5000, 40)
        wait_until(lambda: len(sink.seqs) == 5040)
        connection.close()

    assert (list(range(5040)), 0) == (sink.seqs, sink.corrupted)
    assert sink.fast > 4000


@pytest.mark.parametrize(
    "trusts, hostname, said",
    [
        pytest.param(
            False, "localhost", "self-signed certificate in certificate chain|unable to get local issuer", id="CA"
        ),
        pytest.param(True, "elsewhere.test", "Hostname mismatch", id="name"),
    ],
)
def test_certificates_are_verified(
    parameters: pika.ConnectionParameters,
    certificates: Path,
    server_tls: ssl.SSLContext,
    trusts: bool,
    hostname: str,
    said: str,
) -> None:
    """A certificate of an unknown CA or for another name is an AMQPConnectionError that says so."""
    context = ssl.create_default_context(cafile=str(certificates / "ca.pem") if trusts else None)
    with Proxy(parameters, server_tls) as proxy:
        proxy.parameters.ssl_options = pika.SSLOptions(context, hostname)
        with pytest.raises(exceptions.AMQPConnectionError, match=said):
            Connection.open(proxy.parameters)


def test_tls_to_a_plain_port_is_an_error(parameters: pika.ConnectionParameters) -> None:
    """A TLS handshake with a port that speaks plain AMQP fails at once with an AMQPConnectionError."""
    parameters.ssl_options = pika.SSLOptions(ssl.create_default_context(), "localhost")

    with pytest.raises(exceptions.AMQPConnectionError, match="TLS"):
        Connection.open(parameters)


def test_plain_to_a_tls_port_is_an_error(parameters: pika.ConnectionParameters, server_tls: ssl.SSLContext) -> None:
    """Plain AMQP to a port that wants TLS fails without waiting for the time-out."""
    with Proxy(parameters, server_tls) as proxy, pytest.raises(exceptions.AMQPError):
        Connection.open(proxy.parameters)


def test_many_connections_open_and_close(parameters: pika.ConnectionParameters) -> None:
    """A hundred connections, opened by as many greenlets, work and close."""

    def use() -> str:
        connection = Connection.open(parameters)
        name = str(connection.open_channel().queue_declare("", exclusive=True).queue)
        connection.close()
        return name

    greenlets = [gevent.spawn(use) for _ in range(100)]

    assert 100 == len({greenlet.get() for greenlet in greenlets})

"""The address that is scraped: who is answered, what is refused, and the last scrape."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import gevent
import pytest
from gevent import socket as gevent_socket

from loadtest.errors import UsageError
from loadtest.metrics.exporter import Exporter
from tests.unit.metrics.scraping import feed, samples, samples_of
from tests.unit.result.staged_run import orders

TIMEOUT_S = 5.0
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@pytest.fixture
def exporter() -> Iterator[Exporter]:
    """An exporter at a free port, which tells of a run."""
    exporter = Exporter("127.0.0.1", 0)
    feed(exporter.standing, orders())
    yield exporter
    exporter.close()


def scrape(exporter: Exporter, accept: str = "*/*", method: str = "GET") -> tuple[str, str]:
    """Return head and body of an answer, on the hub that serves it."""
    with gevent_socket.create_connection(("127.0.0.1", exporter.port), TIMEOUT_S) as connection:
        request = f"{method} /metrics HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nConnection: close\r\n\r\n"
        connection.sendall(request.encode())
        answer = b"".join(iter(lambda: connection.recv(65_536), b"")).decode()
    head, _, body = answer.partition("\r\n\r\n")
    return head, body


def test_a_scrape_tells_of_the_run(exporter: Exporter) -> None:
    """The answer is what the run came to."""
    head, body = scrape(exporter)

    assert head.startswith("HTTP/1.1 200")
    assert samples_of(body) == samples(orders())
    assert exporter.url == f"http://127.0.0.1:{exporter.port}/metrics"


def test_openmetrics_is_to_be_had(exporter: Exporter) -> None:
    """Who asks for it gets it."""
    head, body = scrape(exporter, OPENMETRICS)

    assert "openmetrics-text" in head
    assert body.endswith("# EOF\n")


def test_who_reads_slowly_holds_up_nobody(exporter: Exporter) -> None:
    """Connections that ask half a question, or do not read the answer, do not keep others waiting."""
    with (
        gevent_socket.create_connection(("127.0.0.1", exporter.port), TIMEOUT_S) as half,
        gevent_socket.create_connection(("127.0.0.1", exporter.port), TIMEOUT_S) as idle,
    ):
        half.sendall(b"GET /metrics HT")
        idle.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        with gevent.Timeout(TIMEOUT_S):
            _, body = scrape(exporter)

    assert samples_of(body) == samples(orders())


def test_the_last_scrape_is_one_that_begins_after_the_end(exporter: Exporter) -> None:
    """A scrape before does not count; waiting ends with the next one, when it has been answered."""
    scrape(exporter)
    waiting = gevent.spawn(exporter.wait_scraped, TIMEOUT_S)
    gevent.sleep(0)
    scrape(exporter, method="POST")
    assert not waiting.ready()
    scrape(exporter)

    assert waiting.get(timeout=TIMEOUT_S) is True


def test_waiting_for_a_scrape_that_does_not_come_ends(exporter: Exporter) -> None:
    """There is a time by which it is given up."""
    assert exporter.wait_scraped(0.001) is False


def test_a_port_that_is_taken_is_an_error() -> None:
    """It names the port and what the system says, once."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError) as raised:
            Exporter("127.0.0.1", port)

    assert str(raised.value) == f"--prometheus-port {port}: cannot listen at 127.0.0.1: Address already in use"


@pytest.mark.parametrize("port", [-1, 65_536])
def test_a_port_that_is_none_is_an_error(port: int) -> None:
    """It says which there are."""
    with pytest.raises(UsageError, match="a port is 0 to 65,535"):
        Exporter("127.0.0.1", port)


def test_an_address_that_is_none_of_ours_is_an_error() -> None:
    """192.0.2.0/24 is for documentation (RFC 5737), and nobody's."""
    with pytest.raises(UsageError, match=r"cannot listen at 192\.0\.2\.1: "):
        Exporter("192.0.2.1", 0)


def test_an_address_of_ipv6_can_be_scraped() -> None:
    """The URL has it in brackets, as RFC 3986 says."""
    exporter = Exporter("::1", 0)
    exporter.close()

    assert exporter.url == f"http://[::1]:{exporter.port}/metrics"

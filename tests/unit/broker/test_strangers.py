"""`probe` against what is not a broker: sockets that are silent, closed, or speak something else."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress

import pytest

from loadtest.broker.admin.reach import probe
from loadtest.broker.endpoint import Endpoint
from loadtest.errors import BrokerError

TIMEOUT_S = 0.15
AT_EASE_S = 3.0
"""For what comes at once, but for a machine that is busy."""
Serve = Callable[[socket.socket], None]
Stranger = Callable[[Serve], int]


@pytest.fixture
def stranger() -> Iterator[Stranger]:
    """A function that starts a server, gives each of its connections to *serve*, and returns its port."""
    servers: list[socket.socket] = []
    connections: list[socket.socket] = []

    def start(serve: Serve) -> int:
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    connections.append(connection)
                    serve(connection)

        threading.Thread(target=accept, daemon=True).start()
        return int(server.getsockname()[1])

    yield start
    for opened in servers + connections:
        with suppress(OSError):
            opened.shutdown(socket.SHUT_RDWR)
        opened.close()


def failure(url: str, timeout_s: float = AT_EASE_S) -> str:
    """Return what `probe` says of *url*, which it must say in time, in a line and without the password."""
    begin = time.monotonic()
    with pytest.raises(BrokerError) as caught:
        probe(Endpoint.parse(url), timeout_s)

    assert time.monotonic() - begin < timeout_s + 10
    assert "\n" not in str(caught.value)
    assert "SECRET" not in str(caught.value)
    assert caught.value.exit_code == 3
    return str(caught.value)


SPEAKERS = {
    "ssh": (b"SSH-2.0-OpenSSH_9.2\r\n", "something else than AMQP answers there, with 'SSH-2.0-OpenSSH_9.2'"),
    "http": (
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        "something else than AMQP answers there, with 'HTTP/1.1 400 Bad Request'",
    ),
    "bytes": (b"\x00\xff\xfe", "something else than AMQP answers there, with '\\x00\\xff\\xfe'"),
    "amqp-1.0": (b"AMQP\x00\x01\x00\x00", "it speaks AMQP 1.0.0 there, not 0-9-1"),
    "tls-alert": (b"\x15\x03\x01\x00\x02\x02\x46", "it speaks TLS there: use amqps://"),
    "no-frame": (b"\x01\x00\x00\x00\x00\x00\x04\xff\xff\xff\xff\xce", "it sends what is no frame"),
    "bad-end": (b"\x01\x00\x00\x00\x00\x00\x01x!", "it sends what is no frame"),
}


@pytest.mark.parametrize("said, fault", SPEAKERS.values(), ids=SPEAKERS.keys())
def test_speaks_something_else(said: bytes, fault: str, stranger: Stranger) -> None:
    """Who answers with something else is told by what it says."""
    port = stranger(lambda connection: connection.sendall(said))

    assert fault in failure(f"amqp://ann:SECRET@127.0.0.1:{port}")


def test_silent(stranger: Stranger) -> None:
    """A port that takes connections and says nothing is given up in time."""
    port = stranger(lambda _: None)

    assert "it took the connection and says nothing within 0.15 s: is this the port for AMQP?" in failure(
        f"amqp://ann:SECRET@127.0.0.1:{port}", TIMEOUT_S
    )
    # Reading the machine's certificates counts, and takes longer than 0.15 s on a busy machine.
    assert "TLS: no answer within 2 s; is this the port for TLS?" in failure(f"amqps://ann:SECRET@127.0.0.1:{port}", 2)


def test_dripping(stranger: Stranger) -> None:
    """A port that sends a byte now and then does not extend the time."""

    def serve(connection: socket.socket) -> None:
        with suppress(OSError):
            for byte in b"\x01\x00\x00\x00\x00\x10\x00" * 100:
                connection.sendall(bytes([byte]))
                time.sleep(0.02)

    assert "says nothing within 0.15 s" in failure(f"amqp://127.0.0.1:{stranger(serve)}", TIMEOUT_S)


def test_closes(stranger: Stranger) -> None:
    """A port that closes without a word may be that for TLS."""
    url = f"amqp://127.0.0.1:{stranger(socket.socket.close)}"

    told = failure(url, AT_EASE_S)
    assert "closed it without a word: is this the port for TLS, or the port of something else?" in told


def test_plain_port_asked_for_tls(stranger: Stranger) -> None:
    """A plain AMQP port answers TLS with its own header and closes, which OpenSSL calls a wrong version."""

    def serve(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"AMQP\x00\x00\x09\x01")
        connection.close()

    assert "this port does not speak TLS; use amqp://" in failure(f"amqps://127.0.0.1:{stranger(serve)}", AT_EASE_S)


def test_nothing_listens() -> None:
    """A port on which nothing listens is told at once."""
    with closing(socket.socket()) as bound:
        bound.bind(("127.0.0.1", 0))
        said = failure(f"amqp://ann:SECRET@127.0.0.1:{bound.getsockname()[1]}")

    assert "connection refused: nothing listens there" in said


def test_unknown_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that nobody knows is told as such."""

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    assert "unknown host nix.invalid (Name or service not known)" in failure("amqp://nix.invalid")


def test_slow_resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's resolver, which cannot be interrupted, is not waited for beyond the time."""
    ended = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: ended.wait(5))

    assert "the look-up of host slow.invalid takes more than" in failure("amqp://slow.invalid")
    ended.set()

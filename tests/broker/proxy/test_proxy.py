"""The proxy as a process, between plain sockets: what passes, how, and what happens when links are harmed."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtest.broker.endpoint import Endpoint
from loadtest.broker.faults.network import Network
from loadtest.broker.proxy.shaper import Shape
from loadtest.clock import NS_PER_MS, NS_PER_S
from loadtest.errors import BrokerError

LONG_S = 20.0
SHORT_S = 0.1  # to see that nothing comes
MB = 1_000_000
TRIES = 5  # of what is exact where a processor is free, on a machine that may be busy


class Links:
    """Two links of one proxy, each to a socket that listens."""

    def __init__(self) -> None:
        self.servers = [socket.create_server(("127.0.0.1", 0), backlog=256) for _ in range(2)]
        nodes = [Endpoint("127.0.0.1", server.getsockname()[1]) for server in self.servers]
        self._opened = contextlib.ExitStack()
        self.network = self._opened.enter_context(Network.start(nodes, os.environ))
        for server in self.servers:
            self._opened.enter_context(server)
            server.settimeout(LONG_S)

    def dial(self, link: int = 0) -> socket.socket:
        """Return a client's connection to the proxy."""
        endpoint = self.network.endpoints[link]
        client = socket.create_connection((endpoint.host, endpoint.port), LONG_S)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._opened.enter_context(client)

    def connect(self, link: int = 0) -> tuple[socket.socket, socket.socket]:
        """Return a client's connection and the server's end of it."""
        client = self.dial(link)
        server, _ = self.servers[link].accept()
        server.settimeout(LONG_S)
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return client, self._opened.enter_context(server)

    def close(self) -> None:
        """Close everything."""
        self._opened.close()


@pytest.fixture
def links() -> Iterator[Links]:
    """A proxy of the test's own."""
    made = Links()
    yield made
    made.close()


def receive(sock: socket.socket, count: int) -> bytes:
    """Return exactly so many bytes."""
    taken = bytearray()
    while len(taken) < count:
        piece = sock.recv(min(1 << 18, count - len(taken)))
        assert piece, f"ended after {len(taken)} bytes"
        taken += piece
    return bytes(taken)


def round_trip_s(client: socket.socket, server: socket.socket) -> float:
    """Return how long a byte takes there and back."""
    began = time.perf_counter()
    client.sendall(b"a")
    server.sendall(receive(server, 1))
    receive(client, 1)
    return time.perf_counter() - began


def break_off(sock: socket.socket) -> None:
    """Close with a RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def is_silent(sock: socket.socket) -> bool:
    """Return whether nothing comes for a moment."""
    sock.settimeout(SHORT_S)
    try:
        sock.recv(1)
    except TimeoutError:
        return True
    finally:
        sock.settimeout(LONG_S)
    return False


def send_in_thread(sock: socket.socket, data: bytes) -> threading.Thread:
    """Begin to send; an error ends it."""

    def send() -> None:
        with contextlib.suppress(OSError):
            sock.sendall(data)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    return thread


def received_s(sock: socket.socket, count: int) -> float:
    """Return how long so many bytes take from the first to the last."""
    left = count - len(sock.recv(1))
    began = time.perf_counter()
    while left:
        # Not kept: copying 100 MB takes a twentieth of a second.
        left -= len(sock.recv(min(1 << 18, left)))
    return time.perf_counter() - began


@pytest.mark.parametrize(
    "shape",
    [
        Shape(),
        Shape(latency_ns=2 * NS_PER_MS, jitter_ns=2 * NS_PER_MS),
        Shape(latency_ns=NS_PER_MS, jitter_ns=NS_PER_MS, bandwidth_bytes_per_s=100 * MB),
    ],
    ids=["plain", "jitter", "bandwidth"],
)
def test_bytes_keep_their_order(links: Links, shape: Shape) -> None:
    """50 MB each way at the same time, in pieces of all sizes, come out as they went in."""
    links.network.slow([0], shape)
    client, server = links.connect()
    data = random.Random(1).randbytes(50 * MB)
    threads = [send_in_thread(client, data), send_in_thread(server, data[::-1])]
    back: list[bytes] = []
    reader = threading.Thread(target=lambda: back.append(receive(client, len(data))))
    reader.start()
    there = receive(server, len(data))
    for thread in (*threads, reader):
        thread.join(LONG_S)

    assert hashlib.sha256(there).digest() == hashlib.sha256(data).digest()
    assert hashlib.sha256(back[0]).digest() == hashlib.sha256(data[::-1]).digest()


@pytest.mark.parametrize("latency_ms", [1, 20])
def test_latency_is_added_in_each_direction(links: Links, latency_ms: int) -> None:
    """A round trip takes twice as long, never less; and not three times, at the quickest, whatever else is at work."""
    client, server = links.connect()
    links.network.slow([0], Shape(latency_ns=latency_ms * NS_PER_MS))
    took_s = [round_trip_s(client, server) for _ in range(50)]

    assert 2 * latency_ms / 1000 <= min(took_s) < 3 * latency_ms / 1000


def test_a_connection_takes_its_time_to_be_made(links: Links) -> None:
    """There, back, and there again with the first byte, as on a real link of that length."""
    links.network.slow([0], Shape(latency_ns=20 * NS_PER_MS))
    began = time.perf_counter()
    client, server = links.connect()
    client.sendall(b"a")
    receive(server, 1)

    assert 0.06 <= time.perf_counter() - began < LONG_S


@pytest.mark.alone
@pytest.mark.parametrize(
    "mb_per_s", [20, pytest.param(1, marks=pytest.mark.long), pytest.param(100, marks=pytest.mark.long)]
)
def test_bandwidth_is_kept(links: Links, mb_per_s: int) -> None:
    """A second's bytes take a second, to two percent, besides the time that they take without a limit."""
    plain_s = sent_s(links, mb_per_s * MB)
    links.network.slow([0], Shape(bandwidth_bytes_per_s=mb_per_s * MB))
    took_s = [sent_s(links, mb_per_s * MB)]
    while min(took_s) > 1.02 + plain_s and len(took_s) < TRIES:
        took_s.append(sent_s(links, mb_per_s * MB))

    assert 0.98 <= min(took_s) <= 1.02 + plain_s


def sent_s(links: Links, count: int) -> float:
    """Return how long so many bytes take on a connection of their own."""
    client, server = links.connect()
    send_in_thread(client, bytes(count))
    return received_s(server, count)


def test_connections_share_the_link(links: Links) -> None:
    """Two that send as much as they can get half of it each."""
    links.network.slow([0], Shape(bandwidth_bytes_per_s=20 * MB))
    pairs = [links.connect() for _ in range(2)]
    links.network.hold([0])
    for client, _ in pairs:
        send_in_thread(client, bytes(4 * MB))
    links.network.restore([0], slow=False)
    received = dict.fromkeys((server for _, server in pairs), 0)
    while sum(received.values()) < 4 * MB:
        for server in select.select(list(received), [], [], LONG_S)[0]:
            received[server] += len(server.recv(1 << 14))

    assert 0.4 < min(received.values()) / sum(received.values()) <= 0.5


def test_who_waited_goes_on_when_the_link_is_free(links: Links) -> None:
    """A slow link that is restored in the middle of much is at once as quick as it was."""
    links.network.slow([0], Shape(bandwidth_bytes_per_s=10_000))
    client, server = links.connect()
    data = random.Random(2).randbytes(8 * MB)
    send_in_thread(client, data)
    first = receive(server, 100)
    links.network.restore([0])

    assert first + receive(server, len(data) - 100) == data
    assert round_trip_s(client, server) < LONG_S


@pytest.mark.parametrize("seed", range(3))
def test_nothing_stands_still_for_good(links: Links, seed: int) -> None:
    """Slowed, cut and restored at random under way, eight connections still bring every byte, both ways."""
    chance = random.Random(seed)
    pairs = [links.connect() for _ in range(8)]
    data = chance.randbytes(4 * MB)
    received = {end: bytearray() for pair in pairs for end in pair}
    for end in received:
        send_in_thread(end, data)

    deadline = time.monotonic() + LONG_S
    while any(len(got) < len(data) for got in received.values()) and time.monotonic() < deadline:
        harm(links.network, chance)
        for end in select.select(list(received), [], [], 0.002)[0]:
            received[end] += end.recv(chance.choice([100, 5_000, 20_000]))
    links.network.restore([0])
    for end, got in received.items():
        got.extend(receive(end, len(data) - len(got)))

    assert all(got == data for got in received.values())


def harm(network: Network, chance: random.Random) -> None:
    """Do something to the first link, or undo it, but leave it alone mostly."""
    deed = chance.random()
    if deed < 0.02:
        network.hold([0])
    elif deed < 0.1:
        network.restore([0], slow=chance.random() < 0.5)
    elif deed < 0.2:
        latency_ns = chance.choice([0, NS_PER_MS // 10, 5 * NS_PER_MS])
        bandwidth = chance.choice([None, 5 * MB, 200 * MB])
        network.slow([0], Shape(latency_ns, latency_ns // 2, bandwidth))


def test_links_are_apart(links: Links) -> None:
    """What is done to one link does nothing to the other."""
    links.network.slow([0], Shape(latency_ns=10 * NS_PER_S))
    links.network.reset([0])

    assert round_trip_s(*links.connect(1)) < 10


def test_half_a_close_is_half_a_close(links: Links) -> None:
    """A client that has said all still hears the answer; then both are through."""
    client, server = links.connect()
    client.sendall(b"question")
    client.shutdown(socket.SHUT_WR)
    heard = receive(server, 8), server.recv(1)
    server.sendall(b"answer")
    server.close()

    assert heard == (b"question", b"")
    assert (receive(client, 6), client.recv(1)) == (b"answer", b"")
    assert wait_for(links, connections=0)


def wait_for(links: Links, connections: int) -> bool:
    """Return whether the first link comes to have so many connections."""
    deadline = time.monotonic() + LONG_S
    while links.network.count()[0][0] != connections and time.monotonic() < deadline:
        os.sched_yield()
    return links.network.count()[0][0] == connections


@pytest.mark.parametrize("latency_ms", [0, 5])
def test_a_reset_is_passed_on_behind_what_was_said(links: Links, latency_ms: int) -> None:
    """The last words of a broker that hangs up reach the client, and then the reset."""
    links.network.slow([0], Shape(latency_ns=latency_ms * NS_PER_MS))
    client, server = links.connect()
    server.sendall(b"last words")
    heard = receive(client, 10)
    break_off(server)

    assert heard == b"last words"
    with pytest.raises(ConnectionResetError):
        client.recv(1)


def test_a_client_that_is_gone(links: Links) -> None:
    """The server is told."""
    client, server = links.connect()
    break_off(client)

    with pytest.raises(ConnectionResetError):
        server.recv(1)


def test_a_node_that_is_down(links: Links) -> None:
    """A client is reset at once, so that it goes on to the next node."""
    links.servers[0].close()

    with pytest.raises(ConnectionResetError):  # noqa: PT012  # whichever sees it first
        client = links.dial()
        client.recv(1)


def test_reset(links: Links) -> None:
    """Both sides of every connection are reset; whoever comes next is let through."""
    pairs = [links.connect() for _ in range(100)]
    links.network.reset([0])
    for end in (end for pair in pairs for end in pair):
        with pytest.raises(ConnectionResetError):
            end.recv(1)

    assert round_trip_s(*links.connect()) < LONG_S


def test_reset_and_refused(links: Links) -> None:
    """Nothing listens until the link is restored; nobody else has got the port meanwhile."""
    client, _ = links.connect()
    links.network.reset([0], refuses=True)
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    for _ in range(3):
        with pytest.raises(ConnectionRefusedError):
            links.dial()
    links.network.restore([0])

    assert round_trip_s(*links.connect()) < LONG_S


def test_black_hole(links: Links) -> None:
    """Nothing passes and nobody is told; then what was sent meanwhile goes on, in order, both ways."""
    client, server = links.connect()
    round_trip_s(client, server)
    links.network.hold([0])
    client.sendall(b"to ")
    server.sendall(b"fro ")
    late = links.dial()
    late.sendall(b"late")
    silent = [is_silent(end) for end in (client, server, late)]
    client.sendall(b"and")
    server.sendall(b"too")
    links.network.restore([0])

    assert silent == [True] * 3
    assert (receive(server, 6), receive(client, 7)) == (b"to and", b"fro too")
    with links.servers[0].accept()[0] as accepted:
        assert receive(accepted, 4) == b"late"


def test_a_black_hole_swallows_the_end_too(links: Links) -> None:
    """A client does not hear that its connection was closed, nor reset, before the link is restored."""
    (closed, closing), (reset, resetting) = links.connect(), links.connect()
    links.network.hold([0])
    closing.close()
    break_off(resetting)
    silent = [is_silent(end) for end in (closed, reset)]
    links.network.restore([0])

    assert silent == [True, True]
    assert closed.recv(1) == b""
    with pytest.raises(ConnectionResetError):
        reset.recv(1)


def test_what_was_under_way_when_it_was_cut(links: Links) -> None:
    """It is held, and comes when the link is restored and not before."""
    client, server = links.connect()
    links.network.slow([0], Shape(latency_ns=20 * NS_PER_MS))
    client.sendall(b"a")
    links.network.hold([0])
    silent = is_silent(server)
    links.network.restore([0])

    assert silent
    assert receive(server, 1) == b"a"


def test_cut_and_slow_end_by_themselves(links: Links) -> None:
    """A link that is no longer cut is still slow, until that is undone as well."""
    client, server = links.connect()
    links.network.slow([0], Shape(latency_ns=20 * NS_PER_MS))
    links.network.hold([0])
    links.network.restore([0], slow=False)
    slow_s = round_trip_s(client, server)
    links.network.restore([0])

    assert slow_s >= 0.04
    assert min(round_trip_s(client, server) for _ in range(20)) < 0.04


@pytest.mark.parametrize("latency_s", [0, 60], ids=["plain", "slow"])
def test_memory_is_bounded(links: Links, latency_s: int) -> None:
    """A reader that does not read, or is far away, holds its writer up: no more than a window is kept."""
    links.network.slow([0], Shape(latency_ns=latency_s * NS_PER_S))
    pairs = [links.connect() for _ in range(8)]
    before = memory_bytes(links.network.pid)
    for client, _ in pairs:
        client.settimeout(SHORT_S)
        with pytest.raises(TimeoutError):
            client.sendall(bytes(64 * MB))
    held = links.network.count()[1][0]

    assert held <= 70 * MB
    assert memory_bytes(links.network.pid) - before < 100 * MB
    # Orders are still taken.
    links.network.reset([0])
    assert links.network.count()[0][0] == 0


def memory_bytes(pid: int) -> int:
    """Return the resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


PARENT = """
import os, sys, time
from loadtest.broker.endpoint import Endpoint
from loadtest.broker.faults.network import Network
network = Network.start([Endpoint("127.0.0.1", 1)], os.environ)
print(network.pid, flush=True)
time.sleep(60)
"""


def test_it_dies_with_whoever_started_it() -> None:
    """Even by kill -9."""
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        descriptor = os.pidfd_open(int(parent.stdout.readline()))
        parent.send_signal(signal.SIGKILL)

    deadline = time.monotonic() + LONG_S
    with pytest.raises(ProcessLookupError):  # noqa: PT012  # until it is gone
        while time.monotonic() < deadline:
            signal.pidfd_send_signal(descriptor, 0)  # asks, and sends nothing
    os.close(descriptor)


def test_a_proxy_that_is_gone_is_told_of(links: Links) -> None:
    """An order to it is an error in a line."""
    os.kill(links.network.pid, signal.SIGKILL)

    with pytest.raises(BrokerError, match=r"^the network proxy does not answer: "):
        links.network.reset([0])


def test_a_proxy_that_fails_says_why(links: Links) -> None:
    """A fault of its own is answered with, and ends it."""
    with pytest.raises(BrokerError, match=r"^the network proxy: it has failed: KeyError\('dance'\)$"):
        links.network._ask({"do": "dance"})
    with pytest.raises(BrokerError, match=r"^the network proxy does not answer: "):
        links.network.reset([0])


def test_an_unknown_host() -> None:
    """It is told in a line, and no process is left."""
    with pytest.raises(BrokerError, match=r"^the network proxy: "):
        Network.start([Endpoint("no-such-host.invalid")], os.environ)


def test_the_broker_is_no_business_of_the_proxy() -> None:
    """Its environment holds no URL, and so no password."""
    environ = os.environ | {"LOADTEST_BROKER": "amqp://u:secret@h", "AMQP_URL": "amqp://u:secret@h"}
    with Network.start([Endpoint("127.0.0.1", 1, password="secret")], environ) as network:
        words = Path(f"/proc/{network.pid}/environ").read_bytes() + Path(f"/proc/{network.pid}/cmdline").read_bytes()

    assert b"secret" not in words

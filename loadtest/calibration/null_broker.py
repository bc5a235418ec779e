"""
A broker that costs next to nothing: what a generator could do if the broker were free.

`python -m loadtest.calibration.null_broker --counts FILE` prints its port and serves until it is terminated. It shakes
hands by pika's own frames, swallows publishes at the speed of the socket, acks them in bulk where the channel is in
confirm mode, and replays one block of deliveries, made of the first message that was published, to every consumer for
ever. Queues,
routing, prefetch and flow control there are none. Its counters are in a file of two numbers, mapped into memory.
"""

from __future__ import annotations

import argparse
import selectors
import signal
import socket
import sys
from pathlib import Path
from types import FrameType
from typing import Final

from loadtest.calibration.null_frames import DeliveryBlock
from loadtest.calibration.null_session import Counts, NullSession

READ_BYTES: Final = 1 << 20
# A replay of this many bytes is one write: more would only make the first read of a consumer later.
_BLOCK_BYTES: Final = 1 << 18
_MOST_BLOCK_MESSAGES: Final = 2000
# A consumer that keeps up must not hold up the other connections.
_WRITES_A_TURN: Final = 8
_LOOPBACK: Final = "127.0.0.1"


class Connection:
    """A client's socket with its session, and the deliveries under way to its consumers."""

    def __init__(self, sock: socket.socket, counts: Counts) -> None:
        sock.setblocking(False)  # noqa: FBT003 (the standard library's signature)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self.session = NullSession(counts)
        self._counts = counts
        self._blocks: dict[tuple[int, str], DeliveryBlock] = {}
        self._sending: memoryview | None = None
        self._turn = 0

    def read(self) -> bool:
        """Take what has come; False if the client is gone."""
        try:
            received = self.sock.recv(READ_BYTES)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self.session.take(received)
        return bool(received)

    def write(self, published: bytes | None) -> bool:
        """
        Send what there is, deliveries last; False if the client is gone.

        Args:
            published: The message to deliver, None as long as nothing was published.
        """
        try:
            for _ in range(_WRITES_A_TURN):
                self._sending = self._sending or self._next(published)
                if self._sending is None:
                    return not self.session.is_over
                self._sending = self._sending[self.sock.send(self._sending) :] or None
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True

    def has_more(self, published: bytes | None) -> bool:
        """Return whether something waits to be sent."""
        return bool(self._sending or self.session.outgoing or (published is not None and self.session.consumers))

    def _next(self, published: bytes | None) -> memoryview | None:
        session = self.session
        if session.outgoing:
            data, session.outgoing = memoryview(bytes(session.outgoing)), bytearray()
            return data
        if published is None or not session.consumers:
            return None
        self._turn = (self._turn + 1) % len(session.consumers)
        key = session.consumers[self._turn]
        block = self._blocks.get(key)
        if block is None:
            messages = max(1, min(_MOST_BLOCK_MESSAGES, _BLOCK_BYTES // len(published)))
            block = self._blocks[key] = DeliveryBlock(published, key[0], key[1], messages)
        else:
            block.advance()
        self._counts.delivered += block.messages
        return block.view


class NullBroker:
    """The listening socket and all connections, on one selector."""

    def __init__(self, counts: Counts, port: int = 0) -> None:
        self._counts = counts
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server((_LOOPBACK, port), backlog=1024)
        self._listener.setblocking(False)  # noqa: FBT003 (the standard library's signature)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._published: bytes | None = None
        self.port: int = self._listener.getsockname()[1]
        self.is_stopped = False

    def serve(self) -> None:
        """Serve until `is_stopped`."""
        while not self.is_stopped:
            for key, events in self._selector.select(0.1):
                if key.data is None:
                    self._accept()
                else:
                    self._serve(key.data, events)
            self._counts.show()

    def close(self) -> None:
        """Close all sockets."""
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        self._selector.close()

    def _accept(self) -> None:
        sock, _ = self._listener.accept()
        self._selector.register(sock, selectors.EVENT_READ, Connection(sock, self._counts))

    def _serve(self, connection: Connection, events: int) -> None:
        alive = True
        if events & selectors.EVENT_READ:
            alive = connection.read()
            if self._published is None and connection.session.first is not None:
                self._published = connection.session.first
                self._look_again()
        if alive:
            alive = connection.write(self._published)
        if not alive:
            self._selector.unregister(connection.sock)
            connection.sock.close()
            return
        self._watch(connection)

    def _look_again(self) -> None:
        for key in list(self._selector.get_map().values()):
            if key.data is not None:
                self._watch(key.data)

    def _watch(self, connection: Connection) -> None:
        more = selectors.EVENT_WRITE if connection.has_more(self._published) else 0
        self._selector.modify(connection.sock, selectors.EVENT_READ | more, connection)


def main() -> int:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(
        prog="python -m loadtest.calibration.null_broker", description="A broker that costs nothing."
    )
    parser.add_argument("--counts", type=Path, required=True, help="file of two counters, to be made")
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    options = parser.parse_args()
    broker = NullBroker(Counts(options.counts), options.port)

    def stop(_: int, __: FrameType | None) -> None:
        broker.is_stopped = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    sys.stdout.write(f"{broker.port}\n")
    sys.stdout.flush()
    broker.serve()
    broker.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())

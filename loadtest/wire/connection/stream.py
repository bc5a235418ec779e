"""
A byte stream on the gevent hub: reads by watcher callback, writes at once.

Owns the socket, its two watchers and the unsent bytes. Knows nothing of AMQP. A read costs no greenlet switch: the hub
calls `_on_readable`, which reads into the hub's buffer and hands it on. All callbacks run on the hub and must not
block.
"""

from __future__ import annotations

import _socket
from collections import deque
from typing import TYPE_CHECKING, Final, Protocol

import gevent

from loadtest.clock import monotonic_ns
from loadtest.wire.connection.read_coalescing import ReadCoalescing
from loadtest.wire.connection.receive_buffer import RECEIVE_BYTES, hub_buffer

if TYPE_CHECKING:
    from loadtest.wire.connection.receive_buffer import ReceiveBuffer
    from loadtest.wire.connection.tls_layer import TlsLayer

_READABLE: Final = 1
_WRITABLE: Final = 2
_CIPHERTEXT_BYTES: Final = 1 << 16
# A turn of the loop writes no more of a stream than it reads of one: with large bodies the kernel takes megabytes at
# once, consumers would fall behind, and the broker would be measured with a backlog of our making.
_TURN_BYTES: Final = RECEIVE_BYTES


class StreamHandler(Protocol):
    """Who uses a stream."""

    def on_received(self, buffer: ReceiveBuffer, end: int) -> int:
        """Take from ``buffer[:end]`` and return how many bytes are done with; the rest comes again, with more."""

    def on_lost(self, error: Exception | None) -> None:
        """Hear that the peer has closed (None) or the socket has failed. Called once, and not after `close`."""

    def on_drained(self) -> None:
        """Hear that fewer bytes are unsent than before."""

    def on_failed(self, error: Exception) -> None:
        """Hear that one of the other callbacks raised."""


class Stream:
    """
    One connected socket.

    Attributes:
        unsent_bytes: Bytes that the kernel has not taken yet.
        received_bytes: Bytes read so far, as they came from the socket.
        sent_bytes: Bytes handed to `write` so far.
        read_ns: Instant of the last read (CLOCK_MONOTONIC).
    """

    def __init__(self, sock: _socket.socket, handler: StreamHandler, tls: TlsLayer | None = None) -> None:
        """Own *sock*, which is connected; with *tls*, a session that has shaken hands on it."""
        self._sock = sock
        sock.setblocking(False)  # noqa: FBT003 (the standard library's signature)
        self._handler = handler
        self._tls = tls
        self._buffer = hub_buffer()
        self._rest = b""
        self._unsent: deque[memoryview] = deque()
        self._write_error: OSError | None = None
        self.unsent_bytes = 0
        self.received_bytes = 0
        self.sent_bytes = 0
        self.read_ns = monotonic_ns()
        self.is_closed = False
        loop = gevent.get_hub().loop
        self._loop = loop
        self._gathering = ReadCoalescing(sock, self)
        self._readable = loop.io(sock.fileno(), _READABLE)
        self._writable = loop.io(sock.fileno(), _WRITABLE)

    def start(self) -> None:
        """Begin to read."""
        self._readable.start(self._on_readable)
        if self._tls is not None:
            # The handshake may have read more than its own records.
            self._loop.run_callback(self._decrypt, self._tls)

    def gather(self, waited_ns: int) -> None:
        """Let reads wait for more bytes, if the messages just read have waited so long that they do not mind."""
        if not self.is_closed:
            self._gathering.allow(waited_ns)

    def read_now(self) -> None:
        """Read what there is, without being told that there is something."""
        self._on_readable()

    def write(self, plaintext: bytes | memoryview, *, borrowed: bool = False) -> None:
        """
        Hand bytes to the socket now; what the kernel does not take is sent as it can.

        That is copied, unless it is *borrowed*: then the caller leaves the bytes alone until none are unsent.

        A socket that fails says so through `on_lost`, after what the peer said before is read.
        """
        if self.is_closed or self._write_error is not None:
            return
        self.sent_bytes += len(plaintext)
        if self._tls is None:
            self._send(plaintext, borrowed=borrowed)
            return
        try:
            self._send(self._tls.encrypt(plaintext), borrowed=True)
        except OSError as error:
            self._fail_writing(error)

    def _send(self, data: bytes | memoryview, *, borrowed: bool) -> None:
        sent = 0
        if not self._unsent:
            try:
                sent = self._sock.send(data if len(data) <= _TURN_BYTES else memoryview(data)[:_TURN_BYTES])
            except BlockingIOError:
                pass
            except OSError as error:
                self._fail_writing(error)
                return
            if sent == len(data):
                return
            self._writable.start(self._on_writable)
        self._unsent.append(memoryview(data)[sent:] if borrowed else memoryview(bytes(data[sent:])))
        self.unsent_bytes += len(data) - sent

    def close(self) -> None:
        """Close the socket at once; unsent bytes are dropped and no callback comes any more."""
        if self.is_closed:
            return
        self._gathering.stop()
        self.is_closed = True
        self._readable.stop()
        self._writable.stop()
        self._readable.close()
        self._writable.close()
        self._sock.close()
        self._unsent.clear()
        self.unsent_bytes = 0

    def _on_readable(self) -> None:
        if self.is_closed:
            return
        try:
            end = self._receive() if self._tls is None else self._receive_ciphertext(self._tls)
        except BlockingIOError:
            if self._write_error is not None:
                self._lose(self._write_error)
            return
        except OSError as error:
            self._lose(error)
            return
        if not end:
            self._lose(self._write_error)
        elif self._tls is None:
            self._hand_on(end)
        else:
            self._decrypt(self._tls)

    def _receive(self) -> int:
        """Read once, behind what was left, and return where the valid bytes end; 0 at the end of the stream."""
        rest = self._rest
        buffer = self._buffer
        if not rest:
            count = end = self._sock.recv_into(buffer.memory)
        else:
            self._put_back_rest()
            count = self._sock.recv_into(buffer.view[len(rest) :])
            end = count and len(rest) + count
        self.received_bytes += count
        self.read_ns = monotonic_ns()
        return end

    def _put_back_rest(self) -> None:
        # At least as much room as is kept already: for a message larger than the buffer it doubles until it fits.
        self._buffer.ensure(2 * len(self._rest))
        self._buffer.memory[: len(self._rest)] = self._rest

    def _receive_ciphertext(self, tls: TlsLayer) -> int:
        ciphertext = self._sock.recv(_CIPHERTEXT_BYTES)
        self.received_bytes += len(ciphertext)
        self.read_ns = monotonic_ns()
        tls.take_ciphertext(ciphertext)
        return len(ciphertext)

    def _decrypt(self, tls: TlsLayer) -> None:
        while not self.is_closed:
            self._put_back_rest()
            kept = len(self._rest)
            try:
                count = tls.decrypt_into(self._buffer.view[kept:])
                answer = tls.encrypt(b"")
                if answer:  # to a key update
                    self._send(answer, borrowed=True)
            except OSError as error:
                self._lose(error)
                return
            if count is None:
                return
            if count == 0:
                self._lose(self._write_error)
                return
            self._hand_on(kept + count)

    def _hand_on(self, end: int) -> None:
        buffer = self._buffer
        try:
            done = self._handler.on_received(buffer, end)
        # Whatever goes wrong in there ends this connection with that error; the hub would only print it.
        except Exception as error:  # noqa: BLE001
            self._handler.on_failed(error)
            return
        self._rest = b"" if done == end else bytes(buffer.view[done:end])

    def _on_writable(self) -> None:
        unsent, left = self._unsent, _TURN_BYTES
        try:
            while unsent and left:
                data = unsent[0][:left]
                sent = self._sock.send(data)
                self.unsent_bytes -= sent
                left -= sent
                if sent == len(unsent[0]):
                    unsent.popleft()
                    continue
                unsent[0] = unsent[0][sent:]
                if sent < len(data):
                    break
        except BlockingIOError:
            pass
        except OSError as error:
            self._fail_writing(error)
            return
        if not unsent:
            self._writable.stop()
        try:
            self._handler.on_drained()
        except Exception as error:  # noqa: BLE001 (as in _on_readable)
            self._handler.on_failed(error)

    def _fail_writing(self, error: OSError) -> None:
        # The broker's last word (Connection.Close with its reason) may still be unread: read on until the end.
        self._write_error = error
        self._writable.stop()
        self._unsent.clear()
        self.unsent_bytes = 0
        self._loop.run_callback(self._on_readable)

    def _lose(self, error: Exception | None) -> None:
        if not self.is_closed:
            self.close()
            self._handler.on_lost(error)

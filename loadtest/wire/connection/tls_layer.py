"""
TLS between the socket and the frames, in memory.

Works on `ssl.MemoryBIO`, so that the socket stays the stream's own non-blocking one, and any `ssl.SSLContext` serves,
monkey-patched or not. Knows nothing of sockets' readiness or of AMQP.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_RECORD_BYTES: Final = 1 << 14


class TlsLayer:
    """One TLS session as the client. Ciphertext goes through `take_ciphertext` and `encrypted`."""

    def __init__(self, context: ssl.SSLContext, server_hostname: str | None) -> None:
        """Prepare a session; nothing is sent before `handshake`."""
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._session = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_hostname)

    def handshake(self, send: Callable[[bytes], None], receive: Callable[[], bytes]) -> None:
        """
        Shake hands through blocking calls.

        Raises:
            ssl.SSLError: If the peer cannot be verified, or does not speak TLS.
            ConnectionError: If the peer hangs up meanwhile.
        """
        while True:
            try:
                self._session.do_handshake()
            except ssl.SSLWantReadError:
                self._send_pending(send)
                received = receive()
                if not received:
                    raise ConnectionError("the peer closed the connection during the TLS handshake") from None
                self._incoming.write(received)
            except ssl.SSLError:
                # The alert that tells the peer why.
                self._send_pending(send)
                raise
            else:
                self._send_pending(send)
                return

    def encrypt(self, plaintext: memoryview | bytes) -> bytes:
        """Return the records that carry *plaintext*, and whatever else the session has to say."""
        if len(plaintext):
            self._session.write(plaintext)
        return self._outgoing.read()

    def take_ciphertext(self, received: bytes) -> None:
        """Put what the socket gave; `decrypt_into` then yields it."""
        self._incoming.write(received)

    def decrypt_into(self, target: memoryview) -> int | None:
        """
        Write plaintext to the start of *target* and return its length.

        Returns:
            0 at the end of the session; None if the rest of a record has to come first.
        """
        count = 0
        while count < len(target):
            try:
                taken = self._session.read(len(target) - count, target[count:])
            except ssl.SSLWantReadError:
                return count or None
            except ssl.SSLZeroReturnError:
                return count
            if not taken:
                return count
            count += int(taken)
        return count

    def _send_pending(self, send: Callable[[bytes], None]) -> None:
        pending = self._outgoing.read()
        if pending:
            send(pending)

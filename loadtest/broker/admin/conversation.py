"""
An AMQP connection for questions before and after a run: it is opened, asked, answered and closed.

Not the wire of the traffic: frames are pika's, one at a time, on a blocking socket. It exists beside pika's
BlockingConnection for two reasons: what stands on the other side is seen in its first bytes, so that each kind of
failure has its own line, and questions go out on several channels at once (1,000 durable queues: 0.5 s on 16
channels, 1.8 s on one; RabbitMQ 3.10, two cores). Specification: AMQP 0-9-1, sections 2.2.4 and 4.2.
"""

from __future__ import annotations

import contextlib
import ssl
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import pika.exceptions
import pika.frame
from pika import spec

from loadtest.broker.admin.transport import Deadline, connect, tls_fault
from loadtest.broker.endpoint import Endpoint
from loadtest.broker.private.boot import PROTOCOL_HEADER
from loadtest.errors import BrokerError

# 6 s for a connection leave a tool that has to start up room to report within 10 s; a declaration may wait for an
# election of quorum queues' leaders.
OPEN_TIMEOUT_S: Final = 6.0
ANSWER_TIMEOUT_S: Final = 20.0
LANES: Final = 16

_READ_BYTES: Final = 65_536
_SHOWN_BYTES: Final = 24
_METHOD_FRAME: Final = b"\x01"
_TLS_RECORDS: Final = {b"\x15\x03", b"\x16\x03"}
_ACCESS_REFUSED: Final = 403
_NOT_ALLOWED: Final = 530

# authentication_failure_close: the broker says that it refuses the credentials, instead of dropping the connection.
_CAPABILITIES: Final = {"authentication_failure_close": True, "connection.blocked": True}


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the broker says in closing a channel: reply code and text, such as 404 and `NOT_FOUND - no queue …`."""

    code: int
    text: str

    def __str__(self) -> str:
        return f"{self.code} {self.text}"


class ConnectionClosedError(Exception):
    """The broker closed the whole connection, with this refusal."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


class Conversation:
    """
    An open connection; as a context manager it is closed at the end.

    Attributes:
        server_properties: What the broker says of itself in Connection.Start: product, version, platform,
            cluster_name, capabilities.
    """

    def __init__(self, endpoint: Endpoint, timeout_s: float = OPEN_TIMEOUT_S, client_name: str = "loadtest") -> None:
        self.endpoint: Final = endpoint
        self.server_properties: dict[str, Any] = {}
        self._buffer = b""
        self._channel_max = 0
        self._open: set[int] = set()
        self._opening: set[int] = set()
        self._asked: dict[int, int] = {}
        deadline = Deadline(timeout_s)
        self._socket = connect(endpoint, deadline)
        try:
            self._greet(client_name, deadline)
            self._enter(deadline)
        except BaseException:
            self._socket.close()
            raise

    def ask(self, questions: Sequence[Any], *, lanes: int = LANES) -> list[Any | Refusal]:
        """
        Send each method and return the answers in the same order: a method, or the Refusal that closed its channel.

        Args:
            questions: Methods that have an answer, such as `spec.Queue.Declare`.
            lanes: On how many channels at once; on one, each is asked after the one before it is answered.

        Raises:
            ConnectionClosedError: If the broker closes the connection.
            BrokerError: If it does not answer or the connection is lost.
        """
        answers: list[Any] = [None] * len(questions)
        waiting = iter(range(len(questions)))
        self._asked.clear()
        for channel in range(1, min(lanes, len(questions), self._channel_max) + 1):
            if channel in self._open:
                self._ask_next(channel, questions, waiting)
            else:
                self._send(channel, spec.Channel.Open())
                self._opening.add(channel)
        while self._asked or self._opening:
            channel, method = self._receive(Deadline(ANSWER_TIMEOUT_S))
            if isinstance(method, spec.Channel.OpenOk):
                self._opening.discard(channel)
                self._open.add(channel)
            elif isinstance(method, spec.Channel.Close):
                answers[self._asked.pop(channel)] = Refusal(method.reply_code, method.reply_text)
                self._send(channel, spec.Channel.CloseOk())
                self._send(channel, spec.Channel.Open())
                self._opening.add(channel)
                continue
            else:
                answers[self._asked.pop(channel)] = method
            self._ask_next(channel, questions, waiting)
        return answers

    def close(self) -> None:
        """Say good-bye and close; the answer is not waited for."""
        with contextlib.suppress(BrokerError):
            self._send(0, spec.Connection.Close(200, "done", 0, 0))
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def asked(self) -> list[int]:
        """The positions of the questions that are open, after an error those that it hit."""
        return sorted(self._asked.values())

    def _ask_next(self, channel: int, questions: Sequence[Any], waiting: Iterator[int]) -> None:
        position = next(waiting, None)
        if position is not None:
            self._asked[channel] = position
            self._send(channel, questions[position])

    def _greet(self, client_name: str, deadline: Deadline) -> None:
        """Exchange protocol header, credentials and limits."""
        # If the other side has closed already, what it said before that is still to be read.
        with contextlib.suppress(OSError):
            self._socket.sendall(PROTOCOL_HEADER)
        self._read_more(deadline)
        self._demand_amqp()
        start = self._expect(spec.Connection.Start, deadline)
        self.server_properties = dict(start.server_properties)
        mechanisms = start.mechanisms.decode(errors="replace")
        if "PLAIN" not in mechanisms.split():
            raise self.fault(f"it does not take user names and passwords (PLAIN), only {mechanisms}")
        properties = {"product": "loadtest", "connection_name": client_name, "capabilities": _CAPABILITIES}
        response = f"\0{self.endpoint.username}\0{self.endpoint.password}"
        self._send(0, spec.Connection.StartOk(properties, "PLAIN", response, "en_US"))
        try:
            tune = self._expect(spec.Connection.Tune, deadline)
        except ConnectionClosedError as error:
            refused = f"it refuses user {self.endpoint.username} or the password ({error.refusal})"
            raise self.fault(refused if error.refusal.code == _ACCESS_REFUSED else str(error.refusal)) from error
        self._channel_max = tune.channel_max or LANES
        self._send(0, spec.Connection.TuneOk(tune.channel_max, tune.frame_max, 0))

    def _enter(self, deadline: Deadline) -> None:
        """Open the virtual host."""
        vhost, user = self.endpoint.vhost, self.endpoint.username
        self._send(0, spec.Connection.Open(vhost))
        try:
            self._expect(spec.Connection.OpenOk, deadline)
        except ConnectionClosedError as error:
            text = error.refusal.text
            if error.refusal.code == _NOT_ALLOWED and "not found" in text:
                raise self.fault(f"it has no vhost {vhost} ({error.refusal})") from error
            if error.refusal.code == _NOT_ALLOWED and "refused for user" in text:
                raise self.fault(f"user {user} may not use vhost {vhost} ({error.refusal})") from error
            raise self.fault(str(error.refusal)) from error

    def _demand_amqp(self) -> None:
        """Refuse who speaks something else, by the first bytes; of another AMQP it is a header (4.2.2)."""
        first = self._buffer
        if first.startswith(b"AMQP"):
            raise self.fault(f"it speaks AMQP {'.'.join(map(str, first[5:8]))} there, not 0-9-1")
        if first[:1] == _METHOD_FRAME:
            return
        if first[:2] in _TLS_RECORDS:
            raise self.fault("it speaks TLS there: use amqps:// or the port for plain AMQP (5672)")
        shown = repr(first[:_SHOWN_BYTES].split(b"\r")[0]).removeprefix("b")
        raise self.fault(f"something else than AMQP answers there, with {shown}")

    def _expect(self, kind: type, deadline: Deadline) -> Any:
        """Return the method of *kind* that is due on channel 0."""
        _, method = self._receive(deadline)
        if not isinstance(method, kind):
            raise self.fault(f"it sends {method.NAME} where {kind.__name__} is due")
        return method

    def _receive(self, deadline: Deadline) -> tuple[int, Any]:
        """Return the channel and method of the next frame that is meant for us."""
        while True:
            frame = self._decode()
            if frame is None:
                self._read_more(deadline)
            elif not isinstance(frame, pika.frame.Method):
                continue
            elif isinstance(frame.method, spec.Connection.Close):
                with contextlib.suppress(BrokerError):
                    self._send(0, spec.Connection.CloseOk())
                refusal = Refusal(frame.method.reply_code, frame.method.reply_text)
                raise ConnectionClosedError(refusal)
            elif not isinstance(frame.method, spec.Connection.Blocked | spec.Connection.Unblocked):
                return frame.channel_number, frame.method

    def _decode(self) -> Any:
        """Take a whole frame off the buffer, if it holds one."""
        try:
            used, frame = pika.frame.decode_frame(self._buffer)
        except (pika.exceptions.AMQPError, KeyError, ValueError, struct.error) as error:
            raise self.fault("something else than AMQP answers there: it sends what is no frame") from error
        self._buffer = self._buffer[used:]
        return frame

    def _read_more(self, deadline: Deadline) -> None:
        try:
            self._socket.settimeout(deadline.left_s())
            read = self._socket.recv(_READ_BYTES)
        except TimeoutError as error:
            hint = "" if self.server_properties else ": is this the port for AMQP?"
            silence = f"it took the connection and says nothing within {deadline.timeout_s:g} s{hint}"
            raise self.fault(silence) from error
        except OSError as error:
            is_alert = isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError)
            raise self.fault(tls_fault(error, deadline) if is_alert else self._closed()) from error
        if not read:
            raise self.fault(self._closed())
        self._buffer += read

    def _closed(self) -> str:
        """Return what it means that the other side closed: before its greeting, that it speaks something else."""
        if self.server_properties:
            return "it closed the connection"
        if self.endpoint.tls is None:
            guess = "is this the port for TLS, or the port of something else?"
        elif self.endpoint.tls.certfile is None:
            guess = "does it ask for a client certificate (certfile=…), or is this the port of something else?"
        else:
            guess = "is this the port of something else?"
        return f"it took the connection and closed it without a word: {guess}"

    def _send(self, channel: int, method: Any) -> None:
        try:
            self._socket.sendall(pika.frame.Method(channel, method).marshal())
        except (pika.exceptions.AMQPError, TypeError, ValueError, AssertionError) as error:
            raise self.fault(f"{method.NAME} cannot be sent: {error or type(error).__name__}") from error
        except OSError as error:
            raise self.fault(self._closed()) from error

    def fault(self, fault: str) -> BrokerError:
        """Return the error that says what is wrong with this broker."""
        return BrokerError(f"broker {self.endpoint.redacted}: {fault}")

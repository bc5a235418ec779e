"""
AMQP frames as they went over the wire, counted: the witness that neither the tool nor its journal is.

Written from the specification alone (AMQP 0-9-1, sections 2.3.5 and 4.2, and RabbitMQ's Basic.Nack); no code of the
tool or of pika takes part. What comes in is each direction of each connection as timed pieces, from a capture of
tshark or from `tap`.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
METHOD, HEADER = 1, 2
STAMP_FIELD = b"\x02ltx\x00\x00\x00\x18"
STAMP_BYTES = 24
USER = re.compile(rb"connection_nameS.{4}loadtest (\w+/\d+)", re.DOTALL)
"""A user's name in the client's properties: group and number. Connections of the run itself have no number."""

OPEN_OK = (20, 11)
SELECT = (85, 10)
PUBLISH, RETURN, DELIVER = (60, 40), (60, 50), (60, 60)
GET_OK, GET_EMPTY, ACK, REJECT, NACK = (60, 71), (60, 72), (60, 80), (60, 90), (60, 120)

Piece = tuple[float, bytes]
"""When bytes went by, in s of the monotonic clock, and the bytes."""


@dataclass(frozen=True)
class Stream:
    """One connection: what went to the broker, what came from it, and the broker's port where that is known."""

    to_broker: list[Piece]
    from_broker: list[Piece]
    port: int = 0


@dataclass(frozen=True)
class Connected:
    """A user that opened a connection: to which port, and when."""

    user: str
    port: int
    at_s: float


@dataclass(frozen=True)
class Frame:
    """A frame, and when the last of it went by."""

    at_s: float
    is_sent: bool
    kind: int
    channel: int
    payload: bytes

    @property
    def method(self) -> tuple[int, ...]:
        """Class and method, of a method frame."""
        return struct.unpack_from(">HH", self.payload)


@dataclass
class Wire:
    """
    What the frames of the users' connections say, all taken together.

    Attributes:
        connected: Users with their connections, in the order in which they were opened.
        answers_s: When the answers to publishes came, in order.
        sent_s: By stamp without its lateness, when the message went to the broker.
        came_s: The same, when it was delivered.
    """

    connected: list[Connected] = field(default_factory=list)
    published: int = 0
    confirmed: int = 0
    nacked: int = 0
    returned: int = 0
    delivered: int = 0
    got: int = 0
    get_empty: int = 0
    acked: int = 0
    refused: int = 0
    answers_s: list[float] = field(default_factory=list)
    sent_s: dict[bytes, float] = field(default_factory=dict)
    came_s: dict[bytes, float] = field(default_factory=dict)

    @property
    def longest_gap_s(self) -> float:
        """The longest time between two answers."""
        times = sorted(self.answers_s)
        return max((later - earlier for earlier, later in pairwise(times)), default=0.0)

    def users_on(self, ports: Collection[int], at_s: float) -> set[str]:
        """Return the users whose connection at that time, their last one till then, is to one of *ports*."""
        last = {each.user: each.port for each in self.connected if each.at_s < at_s}
        return {user for user, port in last.items() if port in ports}

    def latencies_s(self) -> list[float]:
        """Return how long each message that came was under way, sorted."""
        return sorted(self.came_s[stamp] - self.sent_s[stamp] for stamp in self.came_s.keys() & self.sent_s.keys())


@dataclass
class _Channel:
    """What is open on one channel: publishes without an answer, and deliveries without one."""

    is_confirming: bool = False
    published: int = 0
    unanswered: set[int] = field(default_factory=set)
    delivered: set[int] = field(default_factory=set)


def read_wire(streams: Iterable[Stream]) -> Wire:
    """Return what went over the connections whose `connection_name` is that of a user."""
    wire = Wire()
    for stream in streams:
        head = b"".join(content for _, content in stream.to_broker)[:4096]
        named = USER.search(head)
        if named is not None:
            wire.connected.append(Connected(named[1].decode(), stream.port, stream.to_broker[0][0]))
            _read(stream, wire)
    wire.connected.sort(key=lambda each: each.at_s)
    return wire


def _read(stream: Stream, wire: Wire) -> None:
    channels: dict[int, _Channel] = {}
    under_way: dict[tuple[bool, int], tuple[int, ...]] = {}
    for frame in _in_order(stream):
        channel = channels.setdefault(frame.channel, _Channel())
        way = (frame.is_sent, frame.channel)
        if frame.kind == METHOD:
            under_way[way] = frame.method
            if frame.method == OPEN_OK:  # the number may have been used before
                channels[frame.channel] = _Channel()
            elif frame.is_sent:
                _take_sent(wire, channel, frame.method, frame.payload)
            else:
                _take_came(wire, channel, frame)
        elif frame.kind == HEADER:
            _note_stamp(wire, under_way.get(way), frame)


def _in_order(stream: Stream) -> list[Frame]:
    return sorted([*frames(stream.to_broker, is_sent=True), *frames(stream.from_broker)], key=lambda each: each.at_s)


def frames(pieces: list[Piece], *, is_sent: bool = False) -> Iterator[Frame]:
    """Yield the frames of one direction, each with when the last of it went by."""
    content = b"".join(piece for _, piece in pieces)
    ends: list[tuple[int, float]] = []
    total = 0
    for at_s, piece in pieces:
        total += len(piece)
        ends.append((total, at_s))
    at = len(PROTOCOL_HEADER) if content.startswith(b"AMQP") else 0
    place = 0
    while len(content) - at >= 8:
        kind, channel, size = struct.unpack_from(">BHI", content, at)
        end = at + 8 + size
        if end > len(content):  # cut off with its connection
            return
        assert content[end - 1] == 0xCE, f"no frame at byte {at}"
        while ends[place][0] < end:
            place += 1
        yield Frame(ends[place][1], is_sent, kind, channel, content[at + 7 : end - 1])
        at = end


def _take_sent(wire: Wire, channel: _Channel, method: tuple[int, ...], payload: bytes) -> None:
    if method == SELECT:
        channel.is_confirming = True
    elif method == PUBLISH:
        wire.published += 1
        channel.published += 1
        if channel.is_confirming:
            channel.unanswered.add(channel.published)
    elif method in (ACK, NACK, REJECT):
        answered = _settled(channel.delivered, payload, is_single=method == REJECT)
        if method == ACK:
            wire.acked += answered
        else:
            wire.refused += answered


def _take_came(wire: Wire, channel: _Channel, frame: Frame) -> None:
    method, payload = frame.method, frame.payload
    if method in (ACK, NACK):
        answered = _settled(channel.unanswered, payload)
        wire.answers_s.append(frame.at_s)
        if method == ACK:
            wire.confirmed += answered
        else:
            wire.nacked += answered
    elif method == RETURN:
        wire.returned += 1
    elif method == DELIVER:
        wire.delivered += 1
        channel.delivered.add(struct.unpack_from(">Q", payload, 5 + payload[4])[0])
    elif method == GET_OK:
        wire.got += 1
        channel.delivered.add(struct.unpack_from(">Q", payload, 4)[0])
    elif method == GET_EMPTY:
        wire.get_empty += 1


def _settled(open_tags: set[int], payload: bytes, *, is_single: bool = False) -> int:
    """Take the tags that an answer settles out of those that are open, and return how many they were."""
    tag, bits = struct.unpack_from(">QB", payload, 4)
    is_multiple = bits & 1 and not is_single
    tags = {each for each in open_tags if each <= tag} if is_multiple else {tag} & open_tags
    open_tags -= tags
    return len(tags)


def _note_stamp(wire: Wire, method: tuple[int, ...] | None, frame: Frame) -> None:
    found = frame.payload.find(STAMP_FIELD)
    if found < 0:
        return
    stamp = frame.payload[found + len(STAMP_FIELD) :][:STAMP_BYTES]
    message = stamp[:4] + stamp[8:16]  # who sent it, and which one it is
    if method == PUBLISH:
        wire.sent_s.setdefault(message, frame.at_s)
    elif method == DELIVER:
        wire.came_s.setdefault(message, frame.at_s)


def assert_wire(wire: Wire, result: dict[str, Any]) -> None:
    """
    Fail unless a result of a run whose connections were lost fits its frames.

    What was written and never left, and what came and was never read, is the difference.
    """
    totals = result["totals"]
    written, doubted = totals["published"] + totals["republished"], totals["in_doubt"] + totals["republished"]
    assert wire.published <= written, (wire.published, totals)
    for name in ("confirmed", "nacked", "delivered", "got", "get_empty"):
        assert totals[name] <= getattr(wire, name), (name, getattr(wire, name), totals)
    # Lost with their connections: no more than was in doubt, or published again, or was delivered again.
    assert written - wire.published <= doubted, (wire.published, totals)
    assert wire.confirmed - totals["confirmed"] <= doubted, (wire.confirmed, totals)

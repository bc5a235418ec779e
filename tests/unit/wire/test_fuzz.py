"""
Spoilt streams: whatever a peer sends, its reader has pika's events up to the damage and then a protocol error.

`test_reader` has single damaged bytes and garbage; here whole frames are cut, doubled, moved, put in and lied about,
and a connection with a channel meets a peer that sends such.
"""

from __future__ import annotations

import random
import struct
import time

import pika
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pika import exceptions, frame, spec

from tests.unit.wire.frames import (
    FRAME_MAX,
    RecordingHandler,
    ack,
    content,
    deliver,
    events_by_pika,
    feed,
    method_frame,
    stamp_bytes,
)
from tests.unit.wire.peer import Peer, wait_closed, with_channel

FUZZ = settings(
    derandomize=True, deadline=None, database=None, max_examples=600, suppress_health_check=list(HealthCheck)
)
MOST_CPU_S = 10.0
SIZES = (0, 1, 3, 4, 5, 12, 13, FRAME_MAX - 8, FRAME_MAX - 7, FRAME_MAX, 2**16, 2**24, 2**31, 2**32 - 1)
METHODS = (
    spec.Basic.Nack(5, True, False),
    spec.Basic.Cancel("c1"),
    spec.Basic.GetEmpty(),
    spec.Basic.Ack(7, True),
    spec.Channel.Close(406, "no", 0, 0),
    spec.Channel.CloseOk(),
    spec.Channel.Flow(False),
    spec.Connection.Blocked("memory"),
    spec.Connection.Close(320, "gone", 0, 0),
    spec.Connection.Tune(0, 0, 0),
    spec.Queue.DeclareOk("q", 1, 2),
    spec.Basic.ConsumeOk("c1"),
)
HEADED = pika.BasicProperties(headers={"lt": stamp_bytes(), "n": [1, None, {"a": -1}]}, delivery_mode=2, priority=3)


def frames_of(stream: bytes) -> list[bytes]:
    """Return the frames of a valid stream."""
    frames, at = [], 0
    while at < len(stream):
        stop = at + 8 + struct.unpack_from(">I", stream, at + 3)[0]
        frames.append(stream[at:stop])
        at = stop
    return frames


def valid_frames(draw: random.Random) -> list[bytes]:
    """Return the frames of a valid stream: deliveries and acks in runs, gets, returns and methods."""
    parts: list[bytes] = []
    for _ in range(draw.randint(1, 6)):
        kind, channel, body = draw.randrange(6), draw.randint(1, 2), draw.choice([b"", b"hi" * 9, b"L" * 5000])
        first = draw.choice([1, 2, 2**32, 2**63])
        if kind == 0:
            parts += [deliver(first + n, channel=channel, stamp=stamp_bytes(seq=n), body=body) for n in range(8)]
        elif kind == 1:
            parts += [ack(first + n, channel=channel, multiple=draw.random() < 0.3) for n in range(20)]
        elif kind == 2:
            parts.append(content(channel, spec.Basic.GetOk(first, False, "ex", "key", 3), HEADED, body))
        elif kind == 3:
            parts.append(content(channel, spec.Basic.Return(312, "NO_ROUTE", "ex", "key"), HEADED, body))
        elif kind == 4:
            parts.append(frame.Heartbeat().marshal())
        else:
            parts.append(method_frame(draw.choice(METHODS), draw.randint(0, 2)))
    return frames_of(b"".join(parts))


def spoil(frames: list[bytes], draw: random.Random) -> None:
    """Change one thing in a list of frames."""
    place, other, how = draw.randrange(len(frames)), draw.randrange(len(frames)), draw.randrange(9)
    victim = frames[place]
    if how == 0 and len(frames) > 1:
        del frames[place]
    elif how == 1:
        frames.insert(other, victim)
    elif how == 2:
        frames[place], frames[other] = frames[other], victim
    elif how == 3 and victim:
        frames[place] = victim[: draw.randrange(len(victim))]
    elif how == 4 and len(victim) >= 8:
        frames[place] = victim[:3] + struct.pack(">I", draw.choice(SIZES)) + victim[7:]
    elif how == 5 and len(victim) >= 8:  # of the same length, so that only what is in it is wrong
        payload = draw.randbytes(len(victim) - 8)
        frames[place] = victim[:7] + payload + victim[-1:]
    elif how == 6 and victim:
        at = draw.randrange(len(victim))
        frames[place] = victim[:at] + bytes([draw.randrange(256)]) + victim[at + 1 :]
    elif how == 7 and len(victim) >= 8:
        frames[place] = (
            struct.pack(">BH", draw.choice([0, 1, 2, 3, 4, 8, 65, 255]), draw.choice([0, 1, 2, 9, 65535])) + victim[3:]
        )
    else:
        frames.insert(
            place, draw.choice([b"AMQP\0\0\x09\x01", b"AMQP", b"HTTP/1.1 400 \r\n\r\n", bytes(9), b"\xce" * 3])
        )


def spoilt_stream(draw: random.Random) -> bytes:
    """Return a stream with one to three things wrong."""
    frames = valid_frames(draw)
    for _ in range(draw.choice([1, 1, 2, 3])):
        spoil(frames, draw)
    return b"".join(frames)


def left_by_pika(stream: bytes) -> bytes:
    """Return what follows the last whole frame of a stream that pika can read."""
    while len(stream) >= 8:
        size = 0 if stream.startswith(b"AMQP") else struct.unpack_from(">I", stream, 3)[0]
        if 8 + size > len(stream):
            break
        stream = stream[8 + size :]
    return stream


def ended(stream: bytes) -> bytes:
    """Return a stream whose last frame, if it is cut off, is filled up: what is wrong with it, pika then sees too."""
    left = left_by_pika(stream)
    size = struct.unpack_from(">I", left, 3)[0] if len(left) >= 8 and left[:1] in {b"\1", b"\2", b"\3"} else 0
    missing = size + 8 - len(left)
    return stream if not size or size > FRAME_MAX or missing < 1 else stream + bytes(missing - 1) + b"\xce"


def check(stream: bytes, cuts: list[int]) -> None:
    """Fail unless a reader sees what pika sees, up to an error or the wait for more."""
    expected, fails = events_by_pika(stream)
    if not fails:  # the oracle wants eight bytes to see that something is no frame, the reader one
        fails = left_by_pika(stream)[:1] not in {b"", b"\1", b"\2", b"\3", b"\x08", b"A"}
    handler = RecordingHandler()
    begin_s = time.process_time()

    rest, failed = b"", False
    try:
        rest = feed(handler, stream, cuts)
    except exceptions.ProtocolSyntaxError:
        failed = True

    assert time.process_time() - begin_s < MOST_CPU_S
    assert expected[: len(handler.events)] == handler.events
    if failed and not fails:  # the reader has seen by the begin of a frame what pika sees with its end
        fails = events_by_pika(ended(stream))[1]
    assert fails or (not failed and expected == handler.events)
    assert not fails or failed or rest


@FUZZ
@given(st.randoms(use_true_random=False), st.lists(st.integers(0, 10**6), max_size=8))
def test_a_spoilt_stream_gives_pikas_events_or_an_error(draw: random.Random, cuts: list[int]) -> None:
    """However it is cut, nothing is made up, nothing that is whole is passed over, and damage is a protocol error."""
    check(spoilt_stream(draw), cuts)


def test_an_error_may_be_seen_before_the_frame_has_ended() -> None:
    """A message within another's content is refused by its first bytes, as no end of it can mend that."""
    begun = method_frame(spec.Basic.Deliver("c1", 1, False, "ex", "key"))

    check(begun + begun[:-3], [])
    with pytest.raises(exceptions.UnexpectedFrameError):
        feed(RecordingHandler(), begun + begun[:-3])


@pytest.mark.long
@pytest.mark.timeout(900)
@settings(FUZZ, max_examples=50_000)
@given(st.randoms(use_true_random=False), st.lists(st.integers(0, 10**6), max_size=8))
def test_spoilt_streams_at_length(draw: random.Random, cuts: list[int]) -> None:
    """The same, with as many as minutes allow."""
    check(spoilt_stream(draw), cuts)


@pytest.mark.parametrize("seed", range(120))
def test_a_connection_ends_by_a_spoilt_stream(seed: int, capfd: pytest.CaptureFixture[str]) -> None:
    """A peer that talks nonsense and hangs up leaves a closed connection with an error of AMQP, and nothing printed."""
    stream = spoilt_stream(random.Random(seed))

    def play(peer: Peer) -> None:
        peer.sock.sendall(stream)
        peer.sock.close()

    with with_channel(play) as (connection, _):
        reason = wait_closed(connection)

    assert isinstance(reason, exceptions.AMQPError), repr(reason)
    assert capfd.readouterr() == ("", "")

"""
The hot paths as functions to be timed: what each does to so many messages, with nothing else around it.

Built from the product's own classes; only who takes what is read (a sink, a handler) is made here.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final

import numpy as np
import pika
from numpy.typing import NDArray
from pika import frame, spec

from bench.micro_sinks import NoSink, RecordingSink, SinkHandler
from loadtest.clients.deliveries.delivery_verifier import DeliveryVerifier
from loadtest.clients.outstanding import Outstanding
from loadtest.measure import Histogram, Ledger, Recorder
from loadtest.measure.window import Window
from loadtest.stamp import STAMP_DTYPE, STAMP_STRUCT, STAMP_VOID, run_publisher_word, run_words
from loadtest.wire.frames.acks import ack_head
from loadtest.wire.frames.publish_template import PublishTemplate
from loadtest.wire.frames.reader import FrameReader

RUN_TAG: Final = 7
BODY: Final = b"Hello World!"
RUN: Final = 1000
# What one wake-up brings at saturation, so runs are recorded in pieces of this many.
WAKE_UP: Final = 24
_NOW_NS: Final = 1_000_000_000_000
# Deliveries that are marshalled once, to be read again and again: some hundred times what is read at once.
_SOURCE: Final = 20_000


@dataclass(frozen=True, slots=True)
class Case:
    """A function to be timed; one call is *messages* messages."""

    name: str
    messages: int
    call: Callable[[], object]


def all_cases() -> list[Case]:
    """Return every case, in the order in which a message meets them."""
    return [
        encode_case(),
        deliver_run_case(recorded=False),
        deliver_run_case(recorded=True),
        deliver_wake_up_case(),
        deliver_lone_case(recorded=False),
        deliver_lone_case(recorded=True),
        ack_run_case(),
        confirmed_case(),
        histogram_case(),
        recorder_case(),
        ledger_case(),
    ]


def encode_case() -> Case:
    """Return the making of a block of stamped messages of 12 bytes."""
    cycle = PublishTemplate(
        channel_number=1,
        frame_max=131072,
        exchange="",
        routing_keys=("saturate",),
        bodies=(BODY,),
        properties=pika.BasicProperties(),
        mandatory=False,
        stamp="headers",
        run_publisher=run_publisher_word(RUN_TAG, 0),
        max_block_bytes=64 * 1024,
    )
    count = cycle.max_batch
    intended = np.full(count, _NOW_NS, np.int64)
    return Case("encode", count, lambda: cycle.encode(0, count, intended, _NOW_NS + 5000))


def deliver_run_case(*, recorded: bool) -> Case:
    """Return the reading of a thousand deliveries of one shape, alone or with all that is recorded of them."""
    return Case("deliver in a run, recorded" if recorded else "deliver in a run", RUN, _feeder(RUN, recorded=recorded))


def deliver_wake_up_case() -> Case:
    """Return the reading and recording of what one read brings at saturation."""
    return Case(f"deliver {WAKE_UP} a read, recorded", WAKE_UP, _feeder(WAKE_UP, recorded=True))


def deliver_lone_case(*, recorded: bool) -> Case:
    """Return the reading of one delivery that came alone; recorded, it is settled with those before it as in a run."""
    return Case("lone delivery, recorded" if recorded else "lone delivery", 1, _feeder(1, recorded=recorded))


def ack_run_case() -> Case:
    """Return the reading of a thousand confirms that came together."""
    memory = bytearray(b"".join(ack_head(1) + struct.pack(">QBB", tag, 0, 0xCE) for tag in range(1, RUN + 1)))
    received = np.frombuffer(memory, np.uint8)
    reader = FrameReader(SinkHandler(NoSink()))
    return Case("ack run", RUN, lambda: reader.feed(memory, received, len(memory)))


def confirmed_case() -> Case:
    """Return what a publisher does with a confirm of 192 messages: settle it and record the latencies."""
    count = 192
    outstanding = Outstanding(count)
    recorder = Recorder("bench", {"in": "publisher"}, closed_groups=["in"]).publisher("in", 0)
    intended = np.full(count, _NOW_NS, np.int64)

    def confirm() -> None:
        outstanding.add(count, intended, _NOW_NS)
        first = outstanding.lowest
        settled = outstanding.settle_through(outstanding.next_tag - 1)
        recorder.confirmed_run(first - 1, count, settled.intended_ns, settled.sent_ns, _NOW_NS + 90_000)

    return Case("confirm of 192, recorded", count, confirm)


def histogram_case() -> Case:
    """Return the recording of 8,192 latencies between 0.1 and 1 ms, as many as are settled at a time."""
    histogram = Histogram()
    values = np.random.default_rng(1).integers(100_000, 1_000_000, 8192)
    return Case("histogram record", len(values), lambda: histogram.record(values))


def recorder_case() -> Case:
    """Return the recording of deliveries a wake-up at a time, settled some 8,000 at a time, with order and seqs."""
    recorder = Recorder("bench", {"out": "consumer"}, ours=run_words(RUN_TAG, 1))
    deliver = _recorded_by(recorder)
    calls = 8192 // WAKE_UP

    def record() -> None:
        for _ in range(calls):
            deliver()

    return Case(f"recorder, {WAKE_UP} a call", calls * WAKE_UP, record)


def ledger_case() -> Case:
    """Return the taking of a window of some 65,000 deliveries as it comes from a worker: read, and merged."""
    recorder = Recorder("bench", {"out": "consumer"}, ours=run_words(RUN_TAG, 1))
    deliver = _recorded_by(recorder)
    calls = 65_536 // WAKE_UP
    for _ in range(calls):
        deliver()
    record = recorder.cut(_NOW_NS, _NOW_NS + 1, "measure", {}).to_record()
    return Case(
        "ledger update of a window",
        calls * WAKE_UP,
        lambda: Ledger({0: None}).take(Window.from_record(record).ledger),
    )


def deliveries(count: int) -> bytes:
    """Return the frames of *count* stamped deliveries as the broker sends them."""
    parts = []
    for seq in range(count):
        properties = pika.BasicProperties(headers={"lt": _stamp(seq)})
        parts += [
            frame.Method(1, spec.Basic.Deliver("c1", seq + 1, False, "", "saturate")).marshal(),  # noqa: FBT003
            frame.Header(1, len(BODY), properties).marshal(),
            frame.Body(1, BODY).marshal(),
        ]
    return b"".join(parts)


def _stamp(seq: int) -> bytes:
    return STAMP_STRUCT.pack(run_publisher_word(RUN_TAG, 0), 3, seq, _NOW_NS + seq)


def _feeder(messages: int, *, recorded: bool) -> Callable[[], None]:
    """
    Return a function that has a reader read the next *messages* deliveries of an endless sequence.

    They are copied to where the reader reads, as a socket would do it; seqs count on, so none comes twice.
    """
    source = bytearray(deliveries(_SOURCE))
    stride = len(source) // _SOURCE
    seqs: NDArray[np.uint64] = np.ndarray((_SOURCE,), ">u8", source, source.index(_stamp(0)) + 8, (stride,))
    size = messages * stride
    memory = bytearray(size)
    received = np.frombuffer(memory, np.uint8)
    reader = FrameReader(SinkHandler(_recording_sink() if recorded else NoSink()))
    at = 0

    def feed() -> None:
        nonlocal at
        if at + size > len(source):
            seqs.__iadd__(np.uint64(at // stride))
            at = 0
        memory[:] = source[at : at + size]
        at += size
        reader.feed(memory, received, size)

    feed()  # The first comes through pika and is learned; it is not what is timed.
    return feed


def _recording_sink() -> RecordingSink:
    publishers: Mapping[int, Any] = {0: SimpleNamespace(publisher_id=0, bodies=(BODY,), stamp="headers")}
    recorder = Recorder("bench", {"out": "consumer"}, ours=run_words(RUN_TAG, 1))
    run: Any = SimpleNamespace(run_tag=RUN_TAG, publishers=publishers, recorder=recorder, add_taker=lambda _: None)
    spec: Any = SimpleNamespace(group="out", user=0)
    # What is recorded is cut as in a run, once a second or so: else it would grow, and slow down, without end.
    return RecordingSink(
        DeliveryVerifier(run, spec, "saturate"),
        lambda: recorder.cut(_NOW_NS, _NOW_NS + 1, "measure", {}),
        _NOW_NS + 900_000,
    )


def _recorded_by(recorder: Recorder) -> Callable[[], None]:
    """Return a function that records the next wake-up's deliveries."""
    delivery = recorder.delivery("out", "saturate")
    stamps = np.zeros(WAKE_UP, STAMP_DTYPE)
    stamps["run_publisher"], stamps["lateness_us"], stamps["intended_ns"] = run_publisher_word(RUN_TAG, 0), 3, _NOW_NS
    stamps["seq"] = np.arange(WAKE_UP)
    opaque = stamps.view(STAMP_VOID)

    def deliver() -> None:
        delivery.delivered_run(opaque, _NOW_NS + 250_000, 12 * WAKE_UP)
        stamps["seq"] += WAKE_UP

    return deliver


__all__ = ["Case", "all_cases", "deliveries"]

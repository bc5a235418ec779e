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
from loadtest.measure import Histogram, Ledger, Recorder
from loadtest.measure.window import Window
from loadtest.traffic.intake import Intake
from loadtest.traffic.outstanding import Outstanding
from loadtest.wire.acks import ack_head
from loadtest.wire.publishing import PublishCycle
from loadtest.wire.reader import FrameReader
from loadtest.wire.stamp import run_publisher_word

RUN_TAG: Final = 7
BODY: Final = b"Hello World!"
RUN: Final = 1000
# What one wake-up brings at saturation, so runs are recorded in pieces of this many.
WAKE_UP: Final = 24
_NOW_NS: Final = 1_000_000_000_000


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
    cycle = PublishCycle(
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
    return Case("encode", count, lambda: cycle.encode(0, intended, _NOW_NS + 5000))


def deliver_run_case(*, recorded: bool) -> Case:
    """Return the reading of a thousand deliveries of one shape, alone or with all that is recorded of them."""
    memory = bytearray(deliveries(RUN))
    feed = _feeder(memory, RUN, recorded=recorded)
    return Case("deliver in a run, recorded" if recorded else "deliver in a run", RUN, lambda: feed(len(memory)))


def deliver_wake_up_case() -> Case:
    """Return the reading and recording of what one read brings at saturation."""
    memory = bytearray(deliveries(WAKE_UP))
    feed = _feeder(memory, WAKE_UP, recorded=True)
    return Case(f"deliver {WAKE_UP} a read, recorded", WAKE_UP, lambda: feed(len(memory)))


def deliver_lone_case(*, recorded: bool) -> Case:
    """Return the reading of one delivery that came alone; recorded, it is settled with those before it as in a run."""
    memory = bytearray(deliveries(1))
    feed = _feeder(memory, 1, recorded=recorded)
    return Case("lone delivery, recorded" if recorded else "lone delivery", 1, lambda: feed(len(memory)))


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
    multiple = np.ones(1, np.bool_)

    def confirm() -> None:
        outstanding.add(intended, _NOW_NS)
        settled = outstanding.settle(np.array([outstanding.next_tag - 1]), multiple)
        recorder.confirmed(settled.tags - 1, settled.intended_ns, settled.sent_ns, _NOW_NS + 90_000)

    return Case("confirm of 192, recorded", count, confirm)


def histogram_case() -> Case:
    """Return the recording of 8,192 latencies between 0.1 and 1 ms, as many as are settled at a time."""
    histogram = Histogram()
    values = np.random.default_rng(1).integers(100_000, 1_000_000, 8192)
    return Case("histogram record", len(values), lambda: histogram.record(values))


def recorder_case() -> Case:
    """Return the recording of deliveries a wake-up at a time, settled some 8,000 at a time, with order and seqs."""
    recorder = Recorder("bench", {"out": "consumer"})
    deliver = _recorded_by(recorder)
    calls = 8192 // WAKE_UP

    def record() -> None:
        for _ in range(calls):
            deliver(WAKE_UP)

    return Case(f"recorder, {WAKE_UP} a call", calls * WAKE_UP, record)


def ledger_case() -> Case:
    """Return the taking of a window of some 65,000 deliveries as it comes from a worker: read, and merged."""
    recorder = Recorder("bench", {"out": "consumer"})
    deliver = _recorded_by(recorder)
    calls = 65_536 // WAKE_UP
    for _ in range(calls):
        deliver(WAKE_UP)
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
        stamp = struct.pack(">IIQq", run_publisher_word(RUN_TAG, 0), 3, seq, _NOW_NS + 1000 * seq)
        properties = pika.BasicProperties(headers={"lt": stamp})
        parts += [
            frame.Method(1, spec.Basic.Deliver("c1", seq + 1, False, "", "saturate")).marshal(),  # noqa: FBT003
            frame.Header(1, len(BODY), properties).marshal(),
            frame.Body(1, BODY).marshal(),
        ]
    return b"".join(parts)


def _feeder(memory: bytearray, messages: int, *, recorded: bool) -> Callable[[int], int]:
    received = np.frombuffer(memory, np.uint8)
    reader = FrameReader(SinkHandler(_recording_sink(messages) if recorded else NoSink()))
    # The first comes through pika and is learned; it is not what is timed.
    reader.feed(memory, received, len(memory))
    return lambda end: reader.feed(memory, received, end)


def _recording_sink(feed: int) -> RecordingSink:
    publishers: Mapping[int, Any] = {0: SimpleNamespace(publisher_id=0, bodies=(BODY,), stamp="headers")}
    run: Any = SimpleNamespace(run_tag=RUN_TAG, publishers=publishers)
    recorder = Recorder("bench", {"out": "consumer"})
    # What is recorded is cut as in a run, once a second or so: else it would grow, and slow down, without end.
    return RecordingSink(
        Intake(run, recorder.delivery("out", "saturate")),
        lambda: recorder.cut(_NOW_NS, _NOW_NS + 1, "measure", {}),
        _NOW_NS + 900_000,
        feed,
    )


def _recorded_by(recorder: Recorder) -> Callable[[int], None]:
    delivery = recorder.delivery("out", "saturate")
    seqs: NDArray[np.int64] = np.arange(WAKE_UP, dtype=np.int64)
    intended = np.full(WAKE_UP, _NOW_NS, np.int64)
    lateness = np.full(WAKE_UP, 3, np.uint32)
    at = 0

    def deliver(count: int) -> None:
        nonlocal at
        delivery.delivered(0, seqs + at, intended, lateness, _NOW_NS + 250_000, 12 * count)
        at += count

    return deliver


__all__ = ["Case", "all_cases", "deliveries"]

"""`DeliveryVerifier`: whose message it is, whether it is whole, and where it is recorded."""

from __future__ import annotations

import numpy as np
import pika
import pytest

from loadtest.clients.deliveries.delivery_verifier import DeliveryVerifier
from loadtest.clock import monotonic_ns
from loadtest.measure.window import Window
from loadtest.scenario.plan import ConsumerSpec, GetterSpec
from loadtest.stamp import STAMP_DTYPE, STAMP_HEADER, STAMP_STRUCT, STAMP_VOID, run_publisher_word
from loadtest.wire.frames.gets import GetOk
from tests.unit.run.staged import RUN_TAG, StagedRun

TEXT = """
topology: {queues: {q: {}}}
publishers:
  in: {routing_key: q, body: {text: hello}, messages: 10, users: 2}
  body: {routing_key: q, body: {size: 40B}, stamp: body, messages: 10}
  none: {routing_key: q, body: {text: plain}, stamp: none, messages: 10}
consumers: {out: {queue: q, ack: auto}}
getters: {got: {queue: q, ack: auto, messages: 5}}
"""
OURS, SECOND, IN_BODY = (run_publisher_word(RUN_TAG, number) for number in (0, 1, 2))
OTHER_RUN, NO_SUCH = run_publisher_word(RUN_TAG + 1, 0), run_publisher_word(RUN_TAG, 4)


class StagedIntake:
    """An intake, and what it has recorded."""

    def __init__(self, group: str = "out") -> None:
        self.staged = StagedRun(TEXT)
        plan = self.staged.run.plan
        specs: tuple[ConsumerSpec | GetterSpec, ...] = (*plan.consumers, *plan.getters)
        spec = next(each for each in specs if each.group == group)
        self.verifier = DeliveryVerifier(self.staged.run, spec, "q")
        self.group = group

    def message(self, body: bytes, word: int | None = OURS, seq: int = 0, *, redelivered: bool = False) -> bool:
        """Take one message, stamped in its headers unless *word* is None."""
        headers = None if word is None else {STAMP_HEADER: STAMP_STRUCT.pack(word, 0, seq, 1)}
        return self.verifier.take_message(pika.BasicProperties(headers=headers), body, 5, redelivered)

    def run(self, words: list[int], *, redelivered: bool = False) -> None:
        """Take a run of five-byte messages of these publishers, with seqs from 0."""
        stamps = np.zeros(len(words), STAMP_DTYPE)
        stamps["run_publisher"], stamps["seq"], stamps["intended_ns"] = words, np.arange(len(words)), 1
        self.verifier.take_run(stamps.view(STAMP_VOID), 5, 5 * len(words), redelivered)

    def window(self) -> Window:
        """Return what was recorded."""
        return self.staged.recorder.cut(0, monotonic_ns(), "measured", {})

    def counters(self) -> dict[str, int]:
        """Return the group's counters but for bytes."""
        counters = dict(self.window().groups[self.group].counters)
        counters.pop("bytes_delivered", None)
        return counters


@pytest.mark.parametrize(
    "body, word, is_whole, counters",
    [
        (b"hello", OURS, True, {"delivered": 1}),
        (b"hellO", OURS, False, {"delivered": 1, "corrupted": 1}),
        (b"hello", OTHER_RUN, False, {"delivered": 1, "foreign": 1}),
        (b"hello", NO_SUCH, False, {"delivered": 1, "foreign": 1}),
        (b"hello", None, False, {"delivered": 1, "foreign": 1}),
        (b"plain", None, True, {"delivered": 1, "foreign": 1}),
    ],
    ids=["ours", "corrupted", "another run", "no publisher of ours", "unstamped", "unstamped of ours"],
)
def test_one_message(body: bytes, word: int | None, is_whole: bool, counters: dict[str, int]) -> None:
    """Each kind is counted as what it is, and only what this run sends whole may be taken in runs."""
    staged = StagedIntake()

    assert staged.message(body, word) is is_whole
    assert staged.counters() == counters


def test_a_stamp_in_the_body_is_not_compared() -> None:
    """The rest of the body is."""
    staged = StagedIntake()
    sent = staged.staged.plan.publishers[2].bodies[0]
    stamp = STAMP_STRUCT.pack(IN_BODY, 3, 0, 1)

    assert staged.verifier.take_message(pika.BasicProperties(), stamp + sent[24:], 5, redelivered=False)
    assert not staged.verifier.take_message(pika.BasicProperties(), stamp + sent[24:-1] + b"\0", 5, redelivered=False)
    assert staged.counters() == {"delivered": 2, "corrupted": 1}


@pytest.mark.parametrize(
    "words, counters",
    [
        ([OURS] * 4, {"delivered": 4, "redelivered": 4}),
        ([OTHER_RUN] * 3, {"delivered": 3, "foreign": 3, "redelivered": 3}),
        ([OURS, SECOND, OURS], {"delivered": 3, "redelivered": 3}),
        ([OURS, OTHER_RUN, NO_SUCH, SECOND], {"delivered": 4, "foreign": 2, "redelivered": 4}),
        ([OTHER_RUN, NO_SUCH], {"delivered": 2, "foreign": 2, "redelivered": 2}),
    ],
    ids=["one publisher", "foreign", "two publishers", "mixed", "all foreign"],
)
def test_runs(words: list[int], counters: dict[str, int]) -> None:
    """Of a run of any mixture each message is counted once, by its publisher or as foreign, redelivered ones too."""
    staged = StagedIntake()

    staged.run(words, redelivered=True)

    window = staged.window()
    counted = dict(window.groups["out"].counters)
    assert counted.pop("bytes_delivered") == 5 * len(words)
    assert counted == counters


def test_the_ledger_knows_publishers_apart() -> None:
    """A mixed run reaches the ledger by publisher and seq."""
    staged = StagedIntake()

    staged.run([OURS, SECOND, OTHER_RUN, SECOND])

    keys, seqs = staged.window().ledger.delivered.values()
    assert sorted(zip(keys.tolist(), seqs.tolist(), strict=True)) == [(0, 0), (1, 1), (1, 3)]


def test_a_lone_delivery() -> None:
    """One at a time it is the same."""
    staged = StagedIntake()

    for word in (OURS, OTHER_RUN):
        staged.verifier.take_one(STAMP_STRUCT.pack(word, 0, 7, 1), 5, 5, redelivered=True)

    assert staged.counters() == {"delivered": 2, "foreign": 1, "redelivered": 2}


@pytest.mark.parametrize(
    "word, body, counters",
    [
        (OURS, b"hello", {"got": 1}),
        (OURS, b"hallo", {"got": 1, "corrupted": 1}),
        (OTHER_RUN, b"hello", {"got": 1, "foreign": 1}),
    ],
)
def test_a_message_got(word: int, body: bytes, counters: dict[str, int]) -> None:
    """The message count of each Get-Ok is kept, whoever sent the message."""
    staged = StagedIntake("got")
    properties = pika.BasicProperties(headers={STAMP_HEADER: STAMP_STRUCT.pack(word, 0, 0, 1)})

    staged.verifier.take_got(GetOk(1, False, "", "q", 41, properties, body), 5, 3)

    group = staged.window().groups["got"]
    assert {name: count for name, count in group.counters.items() if name != "bytes_delivered"} == counters
    assert group.series["message_counts"] == {"q": [[41, 1, 0]]}
    assert group.histogram("get").count == 1

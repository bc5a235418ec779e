"""
The books of a run kept a second time: from the raw journal, and from what the broker still holds.

Nothing here is the tool's own code: the journal is taken apart by hand into plain sets, and the broker is asked by
pika. So the rows of `result.json` are held against two witnesses, message by message.
"""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pika
from pyroaring import BitMap64

Json = dict[str, Any]
Message = tuple[int, int]
"""Publisher and seq."""

_STAMP = struct.Struct(">IIQq")
_PUBLISHER_BITS = 20
NOT_FOUND = 404


@dataclass
class Told:
    """What a run says in its journal, as plain sets."""

    published: set[Message] = field(default_factory=set)
    confirmed: set[Message] = field(default_factory=set)
    nacked: set[Message] = field(default_factory=set)
    returned: set[Message] = field(default_factory=set)
    cut_off: set[Message] = field(default_factory=set)  # without an answer when the connection was lost
    delivered: dict[str, set[Message]] = field(default_factory=dict)
    received: Counter[str] = field(default_factory=Counter)
    redelivered: int = 0
    rejected: int = 0
    requeued: int = 0

    @property
    def in_doubt(self) -> set[Message]:
        """What got no answer at all."""
        return self.cut_off - self.confirmed - self.nacked


@dataclass(frozen=True)
class Held:
    """A message that the broker still has."""

    message: Message
    body: bytes
    deaths: tuple[tuple[str, str], ...]


def read_told(journal: Path) -> Told:
    """Return what *journal* says."""
    told = Told()
    for line in journal.read_text().splitlines():
        record = json.loads(line)
        if record["type"] != "window":
            continue
        ledger = record["ledger"]
        if "zlib" in ledger:
            ledger = json.loads(zlib.decompress(base64.b64decode(ledger["zlib"])))
        _add_window(told, ledger)
        for group in record["groups"].values():
            counters = group.get("counters", {})
            told.rejected += counters.get("rejected", 0)
            told.requeued += counters.get("requeued", 0)
    return told


def _add_window(told: Told, ledger: Json) -> None:
    for name, table in (
        ("published", told.published),
        ("confirmed", told.confirmed),
        ("nacked", told.nacked),
        ("returned", told.returned),
        ("in_doubt", told.cut_off),
    ):
        table |= {(publisher, seq) for publisher, _, seq in _rows(ledger.get(name, {}))}
    for name, repeats in (("delivered", "repeats"), ("flagged", "flagged_repeats")):
        for publisher, place, seq in _rows(ledger.get(name, {})):
            sink = ledger["sinks"][place]
            told.delivered.setdefault(sink, set()).add((publisher, seq))
            told.received[sink] += 1
        for place, _, count in ledger.get(repeats, []):
            told.received[ledger["sinks"][place]] += count
    told.redelivered += sum(ledger.get("redelivered", {}).values())


def _rows(table: Json) -> Iterator[tuple[int, int, int]]:
    """Yield publisher, place of the sink and seq of each message in a table."""
    places = table.get("sink") or [0] * len(table.get("publisher", []))
    for publisher, place, first, count, step in zip(
        table.get("publisher", []),
        places,
        table.get("first", []),
        table.get("count", []),
        table.get("step", []),
        strict=True,
    ):
        for number in range(count):
            yield publisher, place, first + number * step
    for publisher, *sink, text in table.get("bitmaps", []):
        for seq in BitMap64.deserialize(base64.b64decode(text)):
            yield publisher, sink[0] if sink else 0, seq


def drain(url: str, queue: str) -> list[Held]:
    """Return what stands in a queue, and take it out; nothing where there is no such queue."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    try:
        channel = connection.channel()
        held = []
        for method, properties, body in channel.consume(queue, auto_ack=True, inactivity_timeout=0.5):
            if method is None:
                break
            word, _, seq, _ = _STAMP.unpack(properties.headers["lt"])
            deaths = tuple((str(each["queue"]), str(each["reason"])) for each in properties.headers.get("x-death", []))
            held.append(Held((word & (1 << _PUBLISHER_BITS) - 1, seq), body, deaths))
        return held
    except pika.exceptions.ChannelClosedByBroker as error:
        if error.reply_code != NOT_FOUND:
            raise
        return []
    finally:
        connection.close()


@dataclass(frozen=True)
class Truth:
    """
    The books as they must be.

    Attributes:
        told: What the run says.
        queue: The consumed queue's name.
        standing: What the broker still holds in it.
        copies: What it holds in a queue that got a copy of everything and that nobody took from, by that queue's name.
        is_audited: Whether that queue was not harmed, so that it is a witness of what was accepted.
        dead: The dead letters that it holds.
        body: What every message must carry.
    """

    told: Told
    queue: str
    standing: list[Held]
    copies: tuple[str, list[Held]]
    is_audited: bool
    dead: list[Held]
    body: bytes

    def assert_all(self, result: Json) -> None:
        """Fail unless the rows of a result, the journal and the broker agree."""
        self.assert_rows(result)
        self.assert_broker_agrees()

    def assert_rows(self, result: Json) -> None:
        """Fail unless every row of a result's ledger is what the journal and the broker say."""
        assert result["ledger"]["imbalances"] == []
        self._assert_published(result["totals"])
        self._assert_taken(result["totals"])
        self._assert_fates(result)
        self._assert_publishers(result)

    @property
    def came(self) -> set[Message]:
        """What was delivered from the consumed queue."""
        return self.told.delivered.get(self.queue, set())

    def _assert_published(self, totals: Json) -> None:
        told = self.told
        answered = told.confirmed | told.nacked | told.returned | told.cut_off
        rows = {
            "published": told.published,
            "confirmed": told.confirmed,
            "nacked": told.nacked,
            "returned": told.returned,
            "in_doubt": told.in_doubt,
            "returned_only": told.returned - told.confirmed - told.nacked - told.in_doubt,
            "unconfirmed": told.published - answered,
        }
        assert {name: totals[name] for name in rows} == {name: len(messages) for name, messages in rows.items()}

    def _assert_taken(self, totals: Json) -> None:
        told = self.told
        everywhere = sum(told.received.values())

        assert totals["delivered"] + totals["got"] == everywhere
        assert totals["duplicates"] == everywhere - sum(len(messages) for messages in told.delivered.values())
        assert totals["duplicates_unflagged"] <= totals["duplicates"] <= totals["redelivered"] + totals["republished"]
        assert totals["redelivered"] == told.redelivered
        assert (totals["rejected"], totals["requeued"]) == (told.rejected, told.requeued)
        assert [totals[name] for name in ("corrupted", "foreign", "unexpected", "unpublished")] == [0, 0, 0, 0]

    def _assert_fates(self, result: Json) -> None:
        """Fail unless what did not come is where the broker has it, or is said to be gone."""
        told, totals = self.told, result["totals"]
        standing, died = ({each.message for each in held} for held in (self.standing, self.dead))
        due = told.published - told.returned
        answered = told.confirmed | told.nacked | told.returned | told.cut_off
        missing = (told.confirmed & due) - self.came - died

        assert totals["remaining"] == len(missing & standing)
        # Of the queue that nobody takes from, what was confirmed and is not there is lost, too.
        lost = {self.queue: missing - standing, self.copies[0]: (told.confirmed & due) - {*self._copied}}
        assert totals["lost"] + totals["expired"] + totals["overflowed"] == sum(map(len, lost.values()))
        assert [totals[name] for name in ("unknown", "unread", "delivery_limit")] == [0, 0, 0]
        assert totals["vanished"] == len(told.in_doubt - self.came - standing - died)
        assert totals["undelivered"] == len(due - self.came - died - answered)
        assert totals["dead_lettered"] == len(died)
        if totals["expired"] == totals["overflowed"] == 0:
            self._assert_examples(result, lost)

    def assert_broker_agrees(self) -> None:
        """Fail unless what the broker holds fits what the run says that it published, and what was confirmed."""
        told = self.told
        for held in (self.standing, self.copies[1], self.dead):
            assert {each.message for each in held} <= told.published
            assert {each.body for each in held} <= {self.body}
        assert self.came <= told.published
        if self.is_audited:
            accepted = {*self._copied}
            # What was confirmed is there; what is there and was not confirmed is in doubt, or was promised nothing.
            assert told.confirmed - told.returned <= accepted
            unsure = told.in_doubt | (told.published - told.confirmed - told.nacked - told.returned - told.cut_off)
            assert accepted - told.confirmed <= unsure | told.nacked
            assert self.came - accepted <= unsure | told.nacked

    @property
    def _copied(self) -> set[Message]:
        return {each.message for each in self.copies[1]}

    def _assert_examples(self, result: Json, lost: dict[str, set[Message]]) -> None:
        """Fail unless the lost messages that are named are those that are lost, with when they were sent."""
        examples = result["ledger"]["lost_examples"]

        assert len(examples) == min(sum(map(len, lost.values())), 100)
        for each in examples:
            assert (each["publisher"], each["seq"]) in lost[each["sink"]]
            assert 0 <= each["sent_from_s"] <= each["confirmed_to_s"]

    def _assert_publishers(self, result: Json) -> None:
        """Fail unless the books of the publishers add up to those of the run."""
        books = result["ledger"]["publishers"]
        for name in ("published", "confirmed", "nacked", "returned", "returned_only", "in_doubt", "lost"):
            assert sum(book[name] for book in books) == result["totals"][name], name
        for book in books:
            mine = {seq for publisher, seq in self.told.published if publisher == book["publisher"]}
            assert book["published"] == len(mine)

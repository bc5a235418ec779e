"""
What changed in the ledger in one window of one worker.

Fields of the record; what is empty is left out:

`published`, `confirmed`, `nacked`, `returned`, `in_doubt`: tables of the seqs to which that happened, by publisher.
`sinks` [name, …]: those with deliveries here; `sink` below is a place in this list.
`delivered`, `flagged`, `corrupted`: tables of the seqs that came, by sink and publisher: without the redelivered flag,
with it, and with another body than was sent.
`repeats`, `flagged_repeats`, `out_of_order` [[sink, publisher, n], …]: deliveries whose seq came before in this window,
without and with the flag; deliveries out of order.
`deaths` [[queue, reason], …]: of the dead letters told here. `dead_letters`: a table of the seqs, where `sink` is a
place in `deaths`.
`standing`: a table of the seqs that stood in a sink's queue after the drain, by sink and publisher.
`foreign`, `redelivered` {sink name: n}.
`offsets` {sink name: [[first, last], …]}: of a stream's sink, the offsets that its consumers were given one after the
other.

A table is {`publisher`: […], (`sink`: […],) `first`: […], `count`: […], `step`: […]}: row i is the seqs first, first +
step, … (count of them). Where a publisher's seqs are too irregular for that, `bitmaps` has [publisher, (sink,) base64
of a 64-bit Roaring bitmap]. A record of many rows is instead {`zlib`: base64 of the compressed JSON of the above}.

Deltas merge by union and addition. A delivery is a duplicate if its seq is in another window, or more than once in
this one (`repeats`); which one came first does not matter to the count.
"""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import dataclass, field
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from loadtest.measure.ledger.bitmap import bitmap_of, bitmap_of_text, numbers_of, text_of
from loadtest.measure.ledger.dead_letter_sets import Death
from loadtest.measure.ledger.seq_ranges import SeqRanges, of_ascending, united
from loadtest.stamp import MAX_PUBLISHER_ID, PUBLISHER_ID_BITS

PUBLISHER_BITS: Final = PUBLISHER_ID_BITS
PUBLISHER_MASK: Final = MAX_PUBLISHER_ID
PUBLISHER_TABLES: Final = ("published", "confirmed", "nacked", "returned", "in_doubt")
DELIVERY_TABLES: Final = ("delivered", "flagged", "corrupted", "dead_letters", "standing")
COUNT_LISTS: Final = ("repeats", "flagged_repeats", "out_of_order")
# From so many rows of one key on, a bitmap is smaller than the rows as JSON.
_BITMAP_ROWS: Final = 32
# From so many rows on, a record is packed: below, people can read it.
_PACKED_ROWS: Final = 64
# Ten times what a window of a second can be; a file that says more is no journal, and would take all memory.
_MOST_UNPACKED_BYTES: Final = 1 << 26
_MOST_MESSAGES: Final = 1 << 26
_MOST_SINKS: Final = 1 << 32
_MAX_SEQ: Final = 1 << 53


_NOTHING: Final = SeqRanges.empty()


@dataclass(frozen=True, slots=True)
class LedgerDelta:
    """
    The changes of one window.

    Publisher tables have the publisher id as key. Delivery tables and the lists of counts have `sink << 20 |
    publisher`, with `sink` a place in `sinks`; `dead_letters` one in `deaths`.
    """

    published: SeqRanges = field(default_factory=SeqRanges.empty)
    confirmed: SeqRanges = field(default_factory=SeqRanges.empty)
    nacked: SeqRanges = field(default_factory=SeqRanges.empty)
    returned: SeqRanges = field(default_factory=SeqRanges.empty)
    in_doubt: SeqRanges = field(default_factory=SeqRanges.empty)
    sinks: tuple[str, ...] = ()
    delivered: SeqRanges = field(default_factory=SeqRanges.empty)
    flagged: SeqRanges = field(default_factory=SeqRanges.empty)
    corrupted: SeqRanges = field(default_factory=SeqRanges.empty)
    deaths: tuple[Death, ...] = ()
    dead_letters: SeqRanges = field(default_factory=SeqRanges.empty)
    standing: SeqRanges = field(default_factory=SeqRanges.empty)
    repeats: dict[int, int] = field(default_factory=dict)
    flagged_repeats: dict[int, int] = field(default_factory=dict)
    out_of_order: dict[int, int] = field(default_factory=dict)
    foreign: dict[str, int] = field(default_factory=dict)
    redelivered: dict[str, int] = field(default_factory=dict)
    offsets: dict[str, list[tuple[int, int]]] = field(default_factory=dict)

    def to_record(self) -> dict[str, Any]:
        """Return the JSON form; its fields are in the module's docstring."""
        record: dict[str, Any] = {name: _table(getattr(self, name), with_sink=False) for name in PUBLISHER_TABLES}
        record |= {name: _table(getattr(self, name), with_sink=True) for name in DELIVERY_TABLES}
        record |= {name: _counts(getattr(self, name)) for name in COUNT_LISTS}
        record["deaths"] = [list(death) for death in self.deaths]
        record |= {"sinks": list(self.sinks), "foreign": self.foreign, "redelivered": self.redelivered}
        record["offsets"] = {sink: [list(span) for span in spans] for sink, spans in self.offsets.items()}
        record = {name: value for name, value in record.items() if value}
        rows = sum(len(getattr(self, name)) for name in PUBLISHER_TABLES + DELIVERY_TABLES)
        if rows <= _PACKED_ROWS:
            return record
        # Level 1: a tenth of the time of the default level for a few per cent more.
        packed = zlib.compress(json.dumps(record, separators=(",", ":")).encode(), level=1)
        return {"zlib": base64.b64encode(packed).decode("ascii")}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Self:
        """
        Return the delta from its JSON form.

        Raises:
            KeyError, TypeError, ValueError: If a field is malformed.
        """
        if "zlib" in record:
            try:
                record = json.loads(_unpacked(base64.b64decode(record["zlib"], validate=True)))
            except (zlib.error, RecursionError) as error:
                raise ValueError(f"packed ledger: {error}") from error
        tables: dict[str, Any] = {name: _of_table(record.get(name)) for name in PUBLISHER_TABLES + DELIVERY_TABLES}
        tables |= {name: _of_counts(record.get(name, ())) for name in COUNT_LISTS}
        return cls(
            **tables,
            sinks=tuple(record.get("sinks", ())),
            deaths=tuple((str(queue), str(reason)) for queue, reason in record.get("deaths", ())),
            foreign=dict(record.get("foreign", {})),
            redelivered=dict(record.get("redelivered", {})),
            offsets={
                sink: [(first, last) for first, last in spans] for sink, spans in record.get("offsets", {}).items()
            },
        )


def _unpacked(packed: bytes) -> bytes:
    unpacked = zlib.decompressobj()
    text = unpacked.decompress(packed, _MOST_UNPACKED_BYTES)
    if not unpacked.eof:
        raise ValueError(f"packed ledger: cut off, or of more than {_MOST_UNPACKED_BYTES} bytes")
    return text


def _table(rows: SeqRanges, *, with_sink: bool) -> dict[str, Any]:
    if not len(rows):
        return {}
    keys, counts = np.unique(rows.key, return_counts=True)
    irregular = np.isin(rows.key, keys[counts > _BITMAP_ROWS])
    regular = rows.select(~irregular)
    table: dict[str, Any] = {"publisher": (regular.key & PUBLISHER_MASK).tolist()}
    if with_sink:
        table["sink"] = (regular.key >> PUBLISHER_BITS).tolist()
    table |= {name: getattr(regular, name).tolist() for name in ("first", "count", "step")}
    bitmaps = []
    for key in keys[counts > _BITMAP_ROWS].tolist():
        text = text_of(bitmap_of(rows.select(rows.key == key).values()[1]))
        bitmaps.append([key & PUBLISHER_MASK, key >> PUBLISHER_BITS, text] if with_sink else [key, text])
    return table | {"bitmaps": bitmaps} if bitmaps else table


def _of_table(table: dict[str, Any] | None) -> SeqRanges:
    if table is None:
        return _NOTHING
    if "bitmaps" not in table and len(table["publisher"]) == 1:
        return _of_row(table)
    key = _bounded(table["publisher"], PUBLISHER_MASK)
    if "sink" in table:
        key |= _bounded(table["sink"], _MOST_SINKS) << PUBLISHER_BITS
    pieces = [SeqRanges(key, *(_column(table[name]) for name in ("first", "count", "step")))]
    if len({len(column) for column in (key, pieces[0].first, pieces[0].count, pieces[0].step)}) != 1:
        raise ValueError("the columns of a table differ in length")
    _check_rows(pieces[0])
    for publisher, *sink, text in table.get("bitmaps", ()):
        bitmap = bitmap_of_text(text)
        if len(bitmap) > _MOST_MESSAGES or (len(bitmap) and bitmap.max() > _MAX_SEQ):
            raise ValueError("a bitmap of more messages than a window has")
        numbers = numbers_of(bitmap)
        irregular = int(_bounded([publisher], PUBLISHER_MASK)[0])
        irregular |= int(_bounded(sink or [0], _MOST_SINKS)[0]) << PUBLISHER_BITS
        pieces.append(of_ascending(np.full(len(numbers), irregular, dtype=np.int64), numbers))
    return united(pieces)


def _of_row(table: dict[str, Any]) -> SeqRanges:
    """Return a table of one row, as most are: in a tenth of the time that arrays of one number take."""
    columns = (table["publisher"], table.get("sink", (0,)), *(table[name] for name in ("first", "count", "step")))
    if any(len(column) != 1 for column in columns):
        raise ValueError("the columns of a table differ in length")
    publisher, sink, first, count, step = (column[0] for column in columns)
    if not (0 <= publisher <= PUBLISHER_MASK and 0 <= sink <= _MOST_SINKS):
        raise ValueError("a number of a publisher or sink that is not within the possible")
    if first < 0 or not 1 <= count <= _MOST_MESSAGES or step < 1 or first + count * step > _MAX_SEQ:
        raise ValueError("rows that no window can have")
    return SeqRanges(*(_column([number]) for number in (sink << PUBLISHER_BITS | publisher, first, count, step)))


def _check_rows(rows: SeqRanges) -> None:
    """Refuse what would not fit: seqs beyond `_MAX_SEQ`, and more messages than a window has."""
    if not len(rows):
        return
    smallest = min(int(column.min()) for column in (rows.first, rows.count - 1, rows.step - 1))
    last = (rows.first.astype(float) + rows.count.astype(float) * rows.step).max()
    if smallest < 0 or last > _MAX_SEQ or rows.count.astype(float).sum() > _MOST_MESSAGES:
        raise ValueError("rows that no window can have")


def _bounded(numbers: list[int], largest: int) -> NDArray[np.int64]:
    """Return a column of places; what is beyond could have arrays made that fill all memory."""
    column = _column(numbers)
    if len(column) and not 0 <= column.min() <= column.max() <= largest:
        raise ValueError(f"a number of a publisher or sink that is not within 0..{largest}")
    return column


def _column(numbers: list[int]) -> NDArray[np.int64]:
    return np.array(numbers, dtype=np.int64)


def _counts(counts: dict[int, int]) -> list[list[int]]:
    return [[key >> PUBLISHER_BITS, key & PUBLISHER_MASK, count] for key, count in counts.items()]


def _of_counts(rows: list[list[int]]) -> dict[int, int]:
    for sink, publisher, _ in rows:
        _bounded([publisher], PUBLISHER_MASK)
        _bounded([sink], _MOST_SINKS)
    return {sink << PUBLISHER_BITS | publisher: count for sink, publisher, count in rows}

"""How figures are written: the columns of a work's table, for the terminal and for docs/benchmarks.md alike. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from bench.summary import Row, Spread

NONE: Final = "–"
LATENCIES: Final = ("lateness", "confirm", "end_to_end")
# Below it a spread is shown in tenths of a percent.
_SMALL_SHARE: Final = 0.02
# Below it, bytes a second say nothing that messages a second do not.
_VOLUME_FROM_BYTES: Final = 1000


@dataclass(frozen=True, slots=True)
class Column:
    """A heading, and what a row says under it."""

    heading: str
    text: Callable[[Row], str]


def columns_of(rows: Sequence[Row]) -> list[Column]:
    """Return the columns that say something of *rows*, which are of one work."""
    if rows and rows[0].work.measure == "exit":
        return [_plain("wall s", "wall_s", 2), _plain("CPU s", "cpu_s", 2), _plain("peak MB", "peak_mb", 0)]
    columns = [
        Column("delivered/s", lambda row: spread_text(row.figures.get("delivered_per_s"), _digits(row))),
        Column("published/s", lambda row: spread_text(row.figures.get("published_per_s"), _digits(row))),
        *_columns_of_kind(rows),
        _plain("µs/event", "cpu_us_per_event", 2),
        Column("µs ÷", lambda row: ratio_text(row.cpu_ratio)),
        _plain("cores", "generator_cores", 2),
        _plain("broker", "broker_cores", 2),
        _plain("peak MB", "peak_mb", 0),
    ]
    if any("grown_mb_per_hour" in row.figures for row in rows):
        columns.append(_plain("MB grown an hour", "grown_mb_per_hour", 2))
    shown = [name for name in LATENCIES if any(f"{name}_p50_us" in row.printed for row in rows)]
    return columns + [_latency_column(name) for name in shown if rows[0].work.rate_per_s]


def _columns_of_kind(rows: Sequence[Row]) -> list[Column]:
    columns = []
    if any(row.work.body_bytes >= _VOLUME_FROM_BYTES for row in rows):
        columns.append(Column("MB/s", _volume))
    if any(row.work.rate_per_s for row in rows):
        columns.append(Column("of asked", _achieved))
    else:
        columns.append(Column("rate ÷", lambda row: ratio_text(row.rate_ratio)))
    return columns


def _latency_column(name: str) -> Column:
    return Column(f"{name} p50 / p99 µs", lambda row: _latency(row, name))


def _digits(row: Row) -> int:
    return 1 if row.work.rate_per_s else 0


def spread_text(spread: Spread | None, digits: int) -> str:
    """Return a median, and half of what lies between least and largest as its share, where that can be seen."""
    if spread is None:
        return NONE
    text = f"{spread.median:,.{digits}f}"
    if f"{spread.least:,.{digits}f}" == f"{spread.largest:,.{digits}f}" or not spread.median:
        return text
    return f"{text} ±{(spread.largest - spread.least) / 2 / spread.median:.{_share_digits(spread)}%}"


def _share_digits(spread: Spread) -> int:
    return 1 if spread.largest - spread.least < _SMALL_SHARE * spread.median else 0


def ratio_text(spread: Spread | None) -> str:
    """Return a ratio with its spread."""
    return NONE if spread is None else f"{spread_text(spread, 2)} ×"


def _plain(heading: str, name: str, digits: int) -> Column:
    return Column(heading, lambda row: spread_text(row.figures.get(name), digits))


def _achieved(row: Row) -> str:
    rate = row.figures.get("published_per_s")
    return NONE if rate is None or not row.work.rate_per_s else f"{rate.median / row.work.rate_per_s:.2%}"


def _volume(row: Row) -> str:
    return NONE if row.rate is None else f"{row.rate.median * row.work.body_bytes / 1e6:,.0f}"


def _latency(row: Row, name: str) -> str:
    p50, p99 = row.printed.get(f"{name}_p50_us"), row.printed.get(f"{name}_p99_us")
    return NONE if p50 is None or p99 is None else f"{p50.median:,.0f} / {p99.median:,.0f}"

"""
Quantities as people read them: times, rates, sizes and counts, each with its unit.

The one place where a number becomes text; findings, checks and every report use it, so that a figure reads the same
everywhere. Knows nothing of runs. Figures are rounded to three significant digits, which is what the histograms hold.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

NOTHING: Final = "–"
"""Shown where there is no figure: never 0, which would be one."""

SIGNIFICANT_DIGITS: Final = 3
RATE_DIGITS: Final = 5

_TIME_UNITS: Final = ((1, "ns"), (1_000, "µs"), (1_000_000, "ms"), (1_000_000_000, "s"))
# Decimal, as the scenario grammar reads KB and MB, and as networks count.
_SIZE_UNITS: Final = ((1, "B"), (1_000, "KB"), (1_000_000, "MB"), (1_000_000_000, "GB"), (1_000_000_000_000, "TB"))
_NS_PER_S: Final = 1_000_000_000
_S_PER_MIN: Final = 60
_S_PER_HOUR: Final = 3_600
_ALL: Final = "100"


def count_text(count: int | None) -> str:
    """Return *count* with thousands separators: ``1,234,567``."""
    return NOTHING if count is None else f"{count:,}"


def messages_text(count: int) -> str:
    """Return *count* as the subject of a sentence in the past: ``1 message was``, ``2,000 messages were``."""
    return f"{count_text(count)} {'message was' if count == 1 else 'messages were'}"


def values_text(count: int) -> str:
    """Return *count* values: ``1 value``, ``2,000 values``."""
    return f"{count_text(count)} {'value' if count == 1 else 'values'}"


def time_text(time_ns: float | None) -> str:
    """Return a latency or another short time in ns as ns, µs, ms or s with three significant digits: ``1.23 ms``."""
    return NOTHING if time_ns is None else _scaled(time_ns, _TIME_UNITS)


_ROUGH_S: Final = 20
_ROUGH_STEP_S: Final = 5
_FEW_MIN_S: Final = 600


def span_text(span_s: float | None) -> str:
    """Return how long something went on, *span_s* in seconds: ``2.31 s``, ``2 min 05 s``, ``1 h 02 min``."""
    if span_s is None:
        return NOTHING
    if span_s < 2 * _S_PER_MIN:
        return time_text(span_s * _NS_PER_S)
    whole_s = round(span_s)
    if whole_s < 2 * _S_PER_HOUR:
        return f"{whole_s // _S_PER_MIN} min {whole_s % _S_PER_MIN:02} s"
    return f"{whole_s // _S_PER_HOUR} h {whole_s % _S_PER_HOUR // _S_PER_MIN:02} min"


def rough_text(span_s: float) -> str:
    """Return how long something will take, which nobody knows better: ``8 s``, ``65 s``, ``3 min``, ``1 h 10 min``."""
    step = 1 if span_s < _ROUGH_S else _ROUGH_STEP_S if span_s < _FEW_MIN_S else _S_PER_MIN
    whole_s = max(1, round(span_s / step) * step)
    if whole_s < 2 * _S_PER_MIN:
        return f"{whole_s} s"
    hours, minutes, seconds = whole_s // _S_PER_HOUR, whole_s % _S_PER_HOUR // _S_PER_MIN, whole_s % _S_PER_MIN
    if whole_s >= 2 * _S_PER_HOUR:
        return f"{hours} h {minutes:02} min"
    return f"{whole_s // _S_PER_MIN} min" + (f" {seconds:02} s" if seconds else "")


def rate_text(rate_per_s: float | None) -> str:
    """
    Return a rate in events a second: ``81,234/s``, ``2,000/s``, ``1,999.8/s``, ``0.25/s``.

    Digits after the point are kept up to 10,000/s (five significant ones), because an asked and an achieved rate differ
    there.
    """
    if rate_per_s is None:
        return NOTHING
    return f"{_grouped(rate_per_s, RATE_DIGITS)}/s"


def size_text(size_bytes: float | None) -> str:
    """Return *size_bytes* in B, KB (1,000 B), MB, GB or TB with three significant digits."""
    return NOTHING if size_bytes is None else _scaled(size_bytes, _SIZE_UNITS)


def throughput_text(bytes_per_s: float | None) -> str:
    """Return bytes a second: ``2.05 MB/s``."""
    return NOTHING if bytes_per_s is None else f"{size_text(bytes_per_s)}/s"


def share_text(share: float | None) -> str:
    """Return a share (1 is all) in percent: ``99.9%``; never rounded up to ``100%`` nor down to ``0%``."""
    if share is None:
        return NOTHING
    percent = share * 100
    text = _grouped(percent, SIGNIFICANT_DIGITS)
    if text == _ALL and share < 1:
        # 99.996 % of the messages is not all of them.
        text = f"{math.floor(percent * 100) / 100:g}"
    return f"{text}%"


def cores_text(cores: float | None) -> str:
    """Return processor time: below one core in percent of it, ``80.5%``, from there on ``1.5 cores``."""
    if cores is None:
        return NOTHING
    return share_text(cores) if cores < 1 else f"{_grouped(cores, SIGNIFICANT_DIGITS)} core{'' if cores == 1 else 's'}"


def number_text(number: float | None) -> str:
    """Return a bare number with up to five significant digits and thousands separators."""
    return NOTHING if number is None else _grouped(number, RATE_DIGITS)


def _scaled(value: float, units: Sequence[tuple[int, str]]) -> str:
    """Return *value* in the largest unit of which there is at least one after rounding."""
    rounded = _rounded(value, SIGNIFICANT_DIGITS)
    factor, unit = units[0]
    for next_factor, next_unit in units:
        if abs(rounded) >= next_factor:
            factor, unit = next_factor, next_unit
    if factor == 1 and float(value).is_integer():
        return f"{int(value):,} {unit}"
    return f"{_fixed(value / factor, SIGNIFICANT_DIGITS)} {unit}"


def _rounded(value: float, digits: int) -> float:
    if value == 0 or not math.isfinite(value):
        return value
    return round(value, digits - 1 - math.floor(math.log10(abs(value))))


def _fixed(value: float, digits: int) -> str:
    """Return *value* with *digits* significant digits, zeros kept: 1.20, 12.0, 120, 1,200."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(_rounded(value, digits)))))
    return f"{value:,.{decimals}f}"


def _grouped(value: float, digits: int) -> str:
    """Return *value* with *digits* significant digits, all of its whole part and no trailing zeros after the point."""
    text = f"{value:,.0f}" if abs(value) >= 10**digits else _fixed(value, digits)
    return text.rstrip("0").rstrip(".") if "." in text else text

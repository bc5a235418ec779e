"""
Quantities as they are written in a scenario: a number with its unit.

Everything here is exact: a quantity becomes an integer (ns, bytes) or a fraction (per second), and is written back in
the largest unit in which it is a whole number. Sizes follow SI and IEC: 1KB is 1000 bytes, 1KiB is 1024.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Final

NS_PER_S: Final = 1_000_000_000
MAX_DURATION_NS: Final = 366 * 24 * 3600 * NS_PER_S
# RabbitMQ 3.10 takes messages up to 128 MiB unless told otherwise (max_message_size); later versions take less.
MAX_SIZE_BYTES: Final = 128 * 1024 * 1024
MAX_RATE_PER_S: Final = 10_000_000
RATE_DECIMALS: Final = 9
MAX_MEMORY_BYTES: Final = 1 << 60
MAX_BANDWIDTH_BYTES_PER_S: Final = 10**12

DURATION_ALLOWED: Final = "a time with its unit (ns, us, ms, s, m, h or d), such as 20ms"
SIZE_ALLOWED: Final = "a size with its unit (B, KB, KiB, MB or MiB), such as 1KB"
RATE_ALLOWED: Final = "a rate with its unit (/s, /m or /h), such as 2000/s"
SHARE_ALLOWED: Final = "a share in percent, such as 99.9%"
MEMORY_ALLOWED: Final = "a size with its unit (B, KB, KiB, MB, MiB, GB, GiB, TB or TiB), such as 1GB"
BANDWIDTH_ALLOWED: Final = "a bandwidth with its unit (B/s, KB/s, MB/s, GB/s, kbit/s, Mbit/s or Gbit/s), such as 1MB/s"
CORES_ALLOWED: Final = "a share of one core in percent, such as 80%, or cores, such as 1.5 cores"

DURATION_PATTERN: Final = r"^[0-9]{1,18}(\.[0-9]{1,9})? ?(ns|us|µs|ms|s|m|h|d)$"
SIZE_PATTERN: Final = r"^[0-9]{1,18}(\.[0-9]{1,9})? ?(B|KB|KiB|MB|MiB)$"
RATE_PATTERN: Final = r"^[0-9]{1,18}(\.[0-9]{1,9})? ?/ ?(s|m|h)$"
SHARE_PATTERN: Final = r"^[0-9]{1,18}(\.[0-9]{1,9})? ?%$"
MEMORY_PATTERN: Final = r"^[0-9]{1,18}(\.[0-9]{1,9})? ?(B|KB|KiB|MB|MiB|GB|GiB|TB|TiB)$"
BANDWIDTH_PATTERN: Final = r"^[0-9]{1,18}(\.[0-9]{1,9})? ?(B|KB|MB|GB|kbit|Mbit|Gbit) ?/ ?s$"
CORES_PATTERN: Final = r"^[0-9]{1,18}(\.[0-9]{1,9})? ?(%|cores?)$"

_NS: Final = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": NS_PER_S,
    "m": 60 * NS_PER_S,
    "h": 3600 * NS_PER_S,
    "d": 24 * 3600 * NS_PER_S,
}
_BYTES: Final = {"B": 1, "KB": 1_000, "KiB": 1_024, "MB": 1_000_000, "MiB": 1_048_576}
_MEMORY_BYTES: Final = {**_BYTES, "GB": 10**9, "GiB": 1 << 30, "TB": 10**12, "TiB": 1 << 40}
_BITS: Final = {"B": 8, "KB": 8_000, "MB": 8 * 10**6, "GB": 8 * 10**9, "kbit": 1_000, "Mbit": 10**6, "Gbit": 10**9}
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600}


class QuantityError(ValueError):
    """A text is not a quantity of the kind that is asked for; the text of the error is what is allowed."""


def parse_duration(text: str) -> int:
    """Return a time in ns, from 0 to `MAX_DURATION_NS`."""
    number, unit = _split(text, DURATION_PATTERN, DURATION_ALLOWED)
    value = number * _NS[unit]
    if value.denominator != 1 or value > MAX_DURATION_NS:
        raise QuantityError("a whole number of nanoseconds, at most 366d")
    return int(value)


def parse_size(text: str) -> int:
    """Return a size in bytes, from 0 to `MAX_SIZE_BYTES`."""
    number, unit = _split(text, SIZE_PATTERN, SIZE_ALLOWED)
    value = number * _BYTES[unit]
    if value.denominator != 1 or value > MAX_SIZE_BYTES:
        raise QuantityError("a whole number of bytes, at most 128MiB")
    return int(value)


def parse_memory(text: str) -> int:
    """Return an amount of memory or disk space in bytes, from 0 to `MAX_MEMORY_BYTES`."""
    number, unit = _split(text, MEMORY_PATTERN, MEMORY_ALLOWED)
    value = number * _MEMORY_BYTES[unit]
    if value.denominator != 1 or value > MAX_MEMORY_BYTES:
        raise QuantityError("a whole number of bytes, at most 1EiB")
    return int(value)


def parse_bandwidth(text: str) -> int:
    """Return a bandwidth in bytes per second, from 0 to `MAX_BANDWIDTH_BYTES_PER_S`; `8Mbit/s` is `1MB/s`."""
    number, unit = _split(text, BANDWIDTH_PATTERN, BANDWIDTH_ALLOWED)
    value = number * _BITS[unit] / 8
    if value.denominator != 1 or value > MAX_BANDWIDTH_BYTES_PER_S:
        raise QuantityError("a whole number of bytes per second, at most 1000GB/s")
    return int(value)


def parse_cores(text: str) -> Fraction:
    """Return processor time as a number of cores; `80%` is four fifths of one."""
    number, unit = _split(text, CORES_PATTERN, CORES_ALLOWED)
    return number / 100 if unit == "%" else number


def parse_rate(text: str) -> Fraction:
    """Return a rate per second, from 0 to `MAX_RATE_PER_S`."""
    number, unit = _split(text, RATE_PATTERN, RATE_ALLOWED)
    value = number / _SECONDS[unit]
    if value > MAX_RATE_PER_S:
        raise QuantityError(f"a rate of at most {MAX_RATE_PER_S}/s")
    return value


def parse_share(text: str) -> Fraction:
    """Return a share as a fraction of 1; `99.9%` is 999/1000."""
    number, _ = _split(text, SHARE_PATTERN, SHARE_ALLOWED)
    return number / 100


def format_duration(value_ns: int) -> str:
    """Return the shortest writing of a time that `parse_duration` reads back."""
    return _in_largest_unit(value_ns, {unit: ns for unit, ns in _NS.items() if unit != "µs"}, zero="0ms")


def format_size(value_bytes: int) -> str:
    """Return the writing of a size in the largest unit of which it is a whole number."""
    return _in_largest_unit(value_bytes, _BYTES, zero="0B")


def format_bandwidth(bytes_per_s: int) -> str:
    """Return the writing of a bandwidth in the largest unit of which it is a whole number."""
    units = {unit: bits // 8 for unit, bits in _BITS.items() if unit.endswith("B")}
    return _in_largest_unit(bytes_per_s, units, zero="0B") + "/s"


def format_rate(per_s: Fraction) -> str:
    """
    Return the writing of a rate that `parse_rate` reads back.

    Raises:
        ValueError: If the rate has no finite decimal per second, minute or hour; none that was read is like that.
    """
    for unit, seconds in _SECONDS.items():
        text = _decimal(per_s * seconds)
        if text is not None:
            return f"{text}/{unit}"
    raise ValueError(f"{per_s} per second cannot be written as a decimal")


def format_share(share: Fraction) -> str:
    """
    Return the writing of a share that `parse_share` reads back.

    Raises:
        ValueError: If it has no finite decimal; none that was read is like that.
    """
    text = _decimal(share * 100)
    if text is None:
        raise ValueError(f"{share} cannot be written in percent")
    return f"{text}%"


def _split(text: str, pattern: str, allowed: str) -> tuple[Fraction, str]:
    match = re.fullmatch(pattern, text, re.ASCII)
    if match is None:
        raise QuantityError(allowed)
    number = re.match(r"[0-9.]+", text, re.ASCII)
    unit = match.group(match.lastindex) if match.lastindex and match.lastindex > 1 else ""
    return Fraction(number.group() if number else 0), unit


def _in_largest_unit(value: int, units: Mapping[str, int], zero: str) -> str:
    if value == 0:
        return zero
    unit = max((name for name, factor in units.items() if value % factor == 0), key=lambda name: units[name])
    return f"{value // units[unit]}{unit}"


def _decimal(value: Fraction) -> str | None:
    scaled = value * 10**9
    if scaled.denominator != 1:
        return None
    whole, rest = divmod(int(scaled), 10**9)
    return f"{whole}.{rest:09d}".rstrip("0").rstrip(".")

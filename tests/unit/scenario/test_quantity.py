"""Quantities: exact, with units, and written as they are read."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.scenario.grammar.quantity import (
    MAX_BANDWIDTH_BYTES_PER_S,
    MAX_DURATION_NS,
    MAX_SIZE_BYTES,
    QuantityError,
    format_bandwidth,
    format_duration,
    format_rate,
    format_size,
    parse_bandwidth,
    parse_duration,
    parse_rate,
    parse_share,
    parse_size,
)

FIXED = settings(derandomize=True, deadline=None)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("20ms", 20_000_000),
        ("5s", 5_000_000_000),
        ("2m", 120_000_000_000),
        ("1h", 3_600_000_000_000),
        ("0.5us", 500),
        ("1 s", 1_000_000_000),
        ("10d", 864_000_000_000_000),
        ("7ns", 7),
    ],
)
def test_times(text: str, expected: int) -> None:
    """A time is a whole number of ns."""
    assert parse_duration(text) == expected


@pytest.mark.parametrize(
    "text, expected",
    [("12B", 12), ("1KB", 1000), ("1KiB", 1024), ("1.5KB", 1500), ("2MB", 2_000_000), ("1MiB", 1_048_576), ("0B", 0)],
)
def test_sizes(text: str, expected: int) -> None:
    """KB is 1000 bytes, as in SI; KiB is 1024."""
    assert parse_size(text) == expected


@pytest.mark.parametrize(
    "text, expected",
    [("2000/s", Fraction(2000)), ("100/m", Fraction(5, 3)), ("1/h", Fraction(1, 3600)), ("0.1/s", Fraction(1, 10))],
)
def test_rates(text: str, expected: Fraction) -> None:
    """A rate is an exact fraction per second."""
    assert parse_rate(text) == expected


def test_shares() -> None:
    """A share is an exact fraction of 1."""
    assert parse_share("99.9%") == Fraction(999, 1000)


@pytest.mark.parametrize(
    "text", ["", "5", "s", "-5s", "5 parsecs", "1e3s", "5s ", "٣s", "1..5s", "0.5ns", "367d", "9" * 19 + "s", "5S"]
)
def test_what_is_no_time(text: str) -> None:
    """No unit, another unit, a sign, an exponent, fractions of a ns and more than a year are refused."""
    with pytest.raises(QuantityError):
        parse_duration(text)


@FIXED
@given(st.integers(0, MAX_DURATION_NS))
def test_times_are_written_as_they_are_read(value: int) -> None:
    """Writing and reading a time gives it back."""
    assert parse_duration(format_duration(value)) == value


@FIXED
@given(st.integers(0, MAX_SIZE_BYTES))
def test_sizes_are_written_as_they_are_read(value: int) -> None:
    """Writing and reading a size gives it back."""
    assert parse_size(format_size(value)) == value


@FIXED
@given(st.integers(0, 10**9), st.sampled_from(["s", "m", "h"]))
def test_rates_are_written_as_they_are_read(thousandths: int, unit: str) -> None:
    """Writing and reading a rate gives it back, whatever unit it was given in."""
    rate = parse_rate(f"{thousandths // 1000}.{thousandths % 1000:03d}/{unit}")

    assert parse_rate(format_rate(rate)) == rate


@pytest.mark.parametrize(
    "text, expected",
    [
        ("1MB/s", 1_000_000),
        ("100 Mbit/s", 12_500_000),
        ("0.5 GB / s", 500_000_000),
        ("8kbit/s", 1_000),
        ("300B/s", 300),
    ],
)
def test_bandwidths(text: str, expected: int) -> None:
    """A bandwidth is a whole number of bytes per second; eight bits are one."""
    assert parse_bandwidth(text) == expected


@pytest.mark.parametrize("text", ["1MB", "1/s", "1 MBit/s", "1b/s", "1MiB/s", "0.5B/s", "1001GB/s", ""])
def test_no_bandwidths(text: str) -> None:
    """Without its unit, by another one, in parts of bytes or beyond all networks."""
    with pytest.raises(QuantityError):
        parse_bandwidth(text)


@FIXED
@given(st.integers(1, MAX_BANDWIDTH_BYTES_PER_S))
def test_bandwidths_are_read_as_written(bytes_per_s: int) -> None:
    """Writing and reading gives the same bandwidth."""
    assert parse_bandwidth(format_bandwidth(bytes_per_s)) == bytes_per_s

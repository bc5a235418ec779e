from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.result.units import (
    NOTHING,
    count_text,
    number_text,
    rate_text,
    share_text,
    size_text,
    span_text,
    throughput_text,
    time_text,
)


@pytest.mark.parametrize(
    "time_ns,expected",
    [
        (None, NOTHING),
        (0, "0 ns"),
        (999, "999 ns"),
        (1_000, "1.00 µs"),
        (12_345, "12.3 µs"),
        (999_499, "999 µs"),
        (999_600, "1.00 ms"),
        (1_234_567, "1.23 ms"),
        (999_999_999, "1.00 s"),
        (98_041_855_000, "98.0 s"),
        (1_234_000_000_000, "1,234 s"),
        (-5_000, "-5.00 µs"),
        (0.25, "0.250 ns"),
    ],
)
def test_time_is_in_the_unit_of_which_there_is_at_least_one(time_ns: float | None, expected: str) -> None:
    """A time has three significant digits in the largest unit that fits, also where rounding lifts it to the next."""
    assert time_text(time_ns) == expected


@pytest.mark.parametrize(
    "rate,expected",
    [
        (None, NOTHING),
        (0, "0/s"),
        (0.25, "0.25/s"),
        (1_999.8, "1,999.8/s"),
        (2_000, "2,000/s"),
        (9_999.96, "10,000/s"),
        (81_234.4, "81,234/s"),
        (1_234_567, "1,234,567/s"),
    ],
)
def test_rate_keeps_the_digits_that_tell_asked_from_achieved(rate: float | None, expected: str) -> None:
    """A rate below 10,000/s shows fractions, larger ones the whole number."""
    assert rate_text(rate) == expected


@pytest.mark.parametrize(
    "share,expected",
    [
        (None, NOTHING),
        (0, "0%"),
        (0.5, "50%"),
        (0.999, "99.9%"),
        (0.99996, "99.99%"),
        (0.99999999, "99.99%"),
        (1, "100%"),
    ],
)
def test_share_short_of_all_never_reads_as_all(share: float | None, expected: str) -> None:
    """What is not all of it does not round up to 100%."""
    assert share_text(share) == expected


@given(st.floats(min_value=0, max_value=1, exclude_max=True))
def test_no_share_below_one_reads_as_100_percent(share: float) -> None:
    """Any share below 1 is told from 1."""
    assert share_text(share) != "100%"


@pytest.mark.parametrize(
    "span_s,expected",
    [
        (None, NOTHING),
        (0.0123, "12.3 ms"),
        (2.31, "2.31 s"),
        (119.9, "120 s"),
        (125, "2 min 05 s"),
        (7_199, "119 min 59 s"),
        (90_000, "25 h 00 min"),
    ],
)
def test_span_of_minutes_and_hours_is_said_in_them(span_s: float | None, expected: str) -> None:
    """From two minutes on nobody reads seconds."""
    assert span_text(span_s) == expected


def test_sizes_and_counts_are_grouped_and_scaled() -> None:
    """Counts have separators, sizes decimal units, and nothing is a dash."""
    assert count_text(1_234_567) == "1,234,567"
    assert count_text(None) == NOTHING
    assert size_text(1_000) == "1.00 KB"
    assert size_text(12) == "12 B"
    assert throughput_text(2_050_000.4) == "2.05 MB/s"
    assert throughput_text(None) == NOTHING
    assert number_text(0.98765432) == "0.98765"
    assert number_text(None) == NOTHING


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e18, max_value=1e18))
def test_every_finite_time_can_be_read_back_within_its_digits(time_ns: float) -> None:
    """The text of a time is within half a unit of its third significant digit."""
    number, unit = time_text(time_ns).split(" ")
    factor = {"ns": 1, "µs": 1e3, "ms": 1e6, "s": 1e9}[unit]
    expected = pytest.approx(time_ns, rel=0.0051, abs=1e-300)

    assert float(number.replace(",", "")) * factor == expected

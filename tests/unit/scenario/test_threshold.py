"""Thresholds: what their text means, and when they hold."""

from __future__ import annotations

from fractions import Fraction

import pytest

from loadtest.scenario import Metric, Threshold, parse_threshold

PARSED = [
    (
        "shop.confirm.p99 < 20ms",
        Threshold("shop.confirm.p99 < 20ms", Metric("latency", "shop", "confirm", "p99"), "<", Fraction(20_000_000)),
    ),
    (
        " billing.end_to_end.p99.9<=1.5s ",
        Threshold(
            "billing.end_to_end.p99.9<=1.5s",
            Metric("latency", "billing", "end_to_end", "p99.9"),
            "<=",
            Fraction(1_500_000_000),
        ),
    ),
    ("lost == 0", Threshold("lost == 0", Metric("total", None, "lost"), "==", Fraction(0))),
    ("g.got != 7", Threshold("g.got != 7", Metric("total", "g", "got"), "!=", Fraction(7))),
    (
        "published_rate >= 99.9% of offered",
        Threshold(
            "published_rate >= 99.9% of offered",
            Metric("rate", None, "published_rate"),
            ">=",
            Fraction(999, 1000),
            of_offered=True,
        ),
    ),
    (
        "shop.confirmed_rate > 100/m",
        Threshold("shop.confirmed_rate > 100/m", Metric("rate", "shop", "confirmed_rate"), ">", Fraction(5, 3)),
    ),
]


@pytest.mark.parametrize("text, expected", PARSED, ids=[text for text, _ in PARSED])
def test_thresholds_are_read(text: str, expected: Threshold) -> None:
    """Metric, comparison and limit come out of the text, the limit in the metric's unit."""
    assert parse_threshold(text) == expected


@pytest.mark.parametrize(
    "text, value, offered, expected",
    [
        ("shop.confirm.p99 < 20ms", 19_999_999, None, True),
        ("shop.confirm.p99 < 20ms", 20_000_000, None, False),
        ("lost == 0", 0, None, True),
        ("lost == 0", 1, None, False),
        ("published_rate >= 99.9% of offered", 999.0, 1000.0, True),
        ("published_rate >= 99.9% of offered", 998.9, 1000.0, False),
        ("published_rate >= 5/s", 5.0, None, True),
    ],
)
def test_thresholds_hold_or_not(text: str, value: float, offered: float | None, expected: bool) -> None:
    """A value passes by the exact comparison with the limit."""
    assert parse_threshold(text).holds(value, offered) is expected


def test_a_share_needs_an_offered_rate() -> None:
    """Without an offered rate a share of it cannot be judged."""
    with pytest.raises(ValueError, match="no offered rate"):
        parse_threshold("published_rate >= 99% of offered").holds(1.0)


def test_percentiles_are_numbers() -> None:
    """The percentile of a statistic is a number from 0 to 100; mean has none."""
    assert Metric("latency", "g", "get", "p99.99").percentile == 99.99
    assert Metric("latency", "g", "get", "mean").percentile is None

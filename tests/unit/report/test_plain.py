from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.report.text.plain import ascii_only, plain_line


@pytest.mark.parametrize(
    "text,expected",
    [
        ("orders", "orders"),
        ("[bold red]orders[/]", "[bold red]orders[/]"),
        ("\x1b[2Jgone", r"\x1b[2Jgone"),
        ("\x9b31mred", r"\x9b31mred"),
        ("a\rPASS", r"a\rPASS"),
        ("two\nlines", "two lines"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("zero\u200bwidth", r"zero\u200bwidth"),
        ("naïve 队列 µ", "naïve 队列 µ"),
    ],
)
def test_what_would_not_be_seen_is_written_as_an_escape(text: str, expected: str) -> None:
    """Control and direction characters show as escapes; everything visible stays."""
    assert plain_line(text) == expected


@given(st.text())
def test_no_control_character_survives(text: str) -> None:
    """Whatever comes in, what goes out is one line of visible characters."""
    kinds = {unicodedata.category(character) for character in plain_line(text)}

    assert not kinds & {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def test_ascii_terminal_gets_likenesses() -> None:
    """A terminal without Unicode shows units and signs in ASCII."""
    assert ascii_only("1.23 µs · 999 … 0 ≠ 队") == "1.23 us | 999 ... 0 != ?"

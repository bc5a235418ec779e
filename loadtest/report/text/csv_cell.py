"""
Texts in tables for spreadsheets.

A spreadsheet takes a cell that begins with =, +, -, @, a tab or a carriage return for a formula (OWASP, "CSV
Injection"); a quote before it makes it a text. Numbers are written as they are.
"""

from __future__ import annotations

from typing import Final

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def text_cell(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    line = text.replace("\r", " ")  # a line's end to some readers, whatever is around it
    return f"'{line}" if text.startswith(_FORMULA) else line

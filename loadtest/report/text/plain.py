"""
Text from outside, made safe to print.

Names, descriptions and reply texts come from scenarios and brokers. Printed as they are they could move the cursor,
colour the screen, turn the direction of writing round or add lines that look like the tool's own. Knows nothing of what
the text means. Rich's markup is no danger here: reports build `rich.text.Text` objects, which are never parsed.
"""

from __future__ import annotations

import unicodedata
from typing import Final

# Control, format (bidirectional overrides, zero width), surrogate, private use, line and paragraph separators: Unicode
# categories.
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_TO_ASCII: Final = str.maketrans(
    {"µ": "u", "–": "-", "…": "...", "·": "|", "≥": ">=", "≤": "<=", "×": "x", "─": "-", "≠": "!=", "→": "->"}
)


def plain_line(text: str) -> str:
    r"""Return *text* as one line with every character that would not be seen written as an escape: ``\x1b``."""
    return "".join(
        _escaped(character) if unicodedata.category(character) in _UNSEEN else character for character in text
    )


def ascii_only(text: str) -> str:
    """Return *text* for a terminal that knows ASCII alone; what has no likeness there becomes ``?``."""
    return text.translate(_TO_ASCII).encode("ascii", "replace").decode("ascii")


def _escaped(character: str) -> str:
    if character == "\n":
        return " "
    return character.encode("unicode_escape").decode("ascii")

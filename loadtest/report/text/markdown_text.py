"""
Text from outside as GitHub-flavoured Markdown that shows what it is, and does nothing.

Names, texts of brokers and lines of scenarios must not end a table, become HTML, a link, a picture, a formula or an
emoji, nor call people by ``@name``. Knows nothing of runs.

Source: GitHub Flavored Markdown Spec 0.29: 6.3 (in a code span nothing else is looked for), 4.5 (a fence closes a block
only if it is as long as the one that opened it), 4.10 (a pipe in a cell has to be escaped), 6.2 (an entity is never
structure). Mentions and references are not looked for inside `<code>` and `<pre>`.
"""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from loadtest.report.text.plain import plain_line
from loadtest.result.units import NOTHING

MAX_CODE_LENGTH: Final = 200
MAX_SENTENCE_BYTES: Final = 1_500
"""What is longer is no name, and no sentence that anybody reads."""

# Characters and patterns by which GitHub would make something else of a word than its letters.
_ACTIVE: Final = re.compile(
    r"[`*~\[\]|\\$@#]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|://|www\.|gh-\d|:[\w+-]+:", re.IGNORECASE
)
_NEEDS_ENTITIES: Final = re.compile(r"[`|]")
_BACKTICKS: Final = re.compile("`+")
_NO_ENTITY: Final = re.compile(r"[^A-Za-z0-9 ]")
_BRACKETS_AND_STOPS: Final = "()\"',;:.!?"


def code(text: str) -> str:
    """Return *text* as inline code, in a table or out of it."""
    line = plain_line(text).strip()
    if not line:
        return NOTHING
    if _NEEDS_ENTITIES.search(line):
        cut = _cut(line, MAX_CODE_LENGTH // 2)
        return f"<code>{_NO_ENTITY.sub(lambda match: f'&#{ord(match.group())};', cut)}</code>"
    return f"`{_cut(line, MAX_CODE_LENGTH)}`"


def sentence(text: str) -> str:
    """Return *text* as one line of prose, for a place where a line has begun; words that could do something as code."""
    words: list[str] = []
    room = MAX_SENTENCE_BYTES
    for word in plain_line(text).split():
        shown = _word(word)
        room -= len(shown.encode()) + 1
        if room < 0:
            words.append("…")
            break
        words.append(shown)
    return " ".join(words)


def _word(word: str) -> str:
    if not _ACTIVE.search(word):
        return html.escape(word, quote=False)
    inner = word.strip(_BRACKETS_AND_STOPS)
    if not _ACTIVE.search(inner):
        return code(word)
    before, _, after = word.partition(inner)
    return f"{before}{code(inner)}{after}"


def figure(text: str) -> str:
    """Return a number of `result.units`, which may carry a mark ``*``."""
    return text.replace("*", "\\*")


def table_head(titles: Sequence[str], left: Collection[int] = (0,)) -> list[str]:
    """Return the two lines that open a table; columns in places of *left* are aligned left, the others right."""
    rule = [":--" if place in left else "--:" for place in range(len(titles))]
    return [table_row(titles), table_row(rule)]


def table_row(cells: Iterable[str]) -> str:
    """Return the line of a table."""
    return f"| {' | '.join(cells)} |"


def fenced(lines: Sequence[str], language: str) -> list[str]:
    """Return *lines* as a block of code, whatever is in them."""
    plain = [plain_line(line) for line in lines]
    fence = fence_of(plain)
    return [f"{fence}{language}", *plain, fence]


def fence_of(lines: Iterable[str]) -> str:
    """Return a fence that no line of *lines* can close."""
    longest = max((len(run) for line in lines for run in _BACKTICKS.findall(line)), default=0)
    return "`" * max(3, longest + 1)


def folded(title: str, lines: Iterable[str]) -> list[str]:
    """Return *lines* under a title that opens them."""
    return [f"<details><summary>{title}</summary>", "", *lines, "", "</details>", ""]


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"

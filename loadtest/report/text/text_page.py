"""
A page of text of a given width: sentences that wrap, items that stay whole, tables that fit.

Knows nothing of runs. A table that is too wide leaves columns out rather than wrap. Widths are counted in cells of the
terminal, so that wide characters keep columns straight. Lines carry no spaces at their end. Text is never parsed as
markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from rich.cells import cell_len, chop_cells, set_cell_size
from rich.text import Text

from loadtest.report.text.plain import plain_line

ELLIPSIS: Final = "…"
GAP: Final = 2
"""Cells between two columns."""

MIN_FIRST_COLUMN: Final = 10
"""The first column, which holds names, is shortened to this before any other column suffers."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A word of a table with its style (rich's words: ``bold red``)."""

    text: str
    style: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column; the first holds names. Where space is short the highest *spare* is left out first, 0 never."""

    title: str
    is_left: bool = False
    spare: int = 0


@dataclass(frozen=True, slots=True)
class Span:
    """A row of a table that is one text over all columns."""

    text: str
    style: str = ""


Row: TypeAlias = Sequence[Cell] | Span


class Page:
    """Lines of styled text, none wider than *width* cells."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.lines: list[Text] = []

    def blank(self) -> None:
        """Put an empty line, but not twice and not first."""
        if self.lines and self.lines[-1].plain:
            self.lines.append(Text())

    def sentence(self, text: str, *, style: str = "", mark: Cell | None = None, indent: int = 0) -> None:
        """Put *text*, wrapped between words; *mark* stands before it, and all its lines are indented by *indent*."""
        self._hang(mark, indent, plain_line(text).split(), " ", style)

    def items(self, label: Cell, items: Iterable[str], *, separator: str, indent: int, style: str = "") -> None:
        """Put *items* behind *label*, joined by *separator* and broken only between two of them."""
        self._hang(label, indent, [plain_line(item) for item in items], separator, style)

    def table(self, columns: Sequence[Column], rows: Sequence[Row]) -> None:
        """Put a table with its head; columns are left out, then names shortened, so that it fits."""
        widths = _widths(columns, rows)
        kept = _kept(columns, widths, self.width)
        excess = _total(widths, kept) - self.width
        if excess > 0:
            widths[0] = max(MIN_FIRST_COLUMN, widths[0] - excess)
        head = [Cell(column.title, "bold") for column in columns]
        for row in [head, *rows]:
            if isinstance(row, Span):
                self.lines.append(Text(_fitted(plain_line(row.text), self.width), style=row.style))
            else:
                line = _aligned(columns, row, widths, kept)
                line.truncate(self.width, overflow="ellipsis")
                self.lines.append(line)

    def text(self) -> Text:
        """Return the whole page."""
        return Text("\n").join(self.lines)

    def _hang(self, mark: Cell | None, indent: int, items: Sequence[str], separator: str, style: str) -> None:
        line = Text(mark.text.ljust(indent) if mark else " " * indent, style="")
        if mark is not None:
            line.stylize(mark.style, 0, len(mark.text))
        # Where a line breaks, the separator stays at its end without its space: room for that is kept.
        room = self.width - cell_len(separator.rstrip())
        for number, item in enumerate(_no_wider(items, room - indent)):
            joint = separator if number else ""
            if number and line.cell_len + cell_len(joint) + cell_len(item) > room:
                line.append(joint.rstrip(), style=style)
                self._put(line)
                line, joint = Text(" " * indent), ""
            line.append(joint + item, style=style)
        self._put(line)

    def _put(self, line: Text) -> None:
        line.rstrip()
        self.lines.append(line)


def _no_wider(items: Iterable[str], width: int) -> list[str]:
    """Return *items*, those wider than a line cut into pieces."""
    return [piece for item in items for piece in (chop_cells(item, width) if cell_len(item) > width else [item])]


def _kept(columns: Sequence[Column], widths: Sequence[int], room: int) -> list[int]:
    """Return the places of the columns that fit; columns that are equally spare stay or go together."""
    kept = list(range(len(columns)))
    for spare in sorted({column.spare for column in columns if column.spare}, reverse=True):
        if _total(widths, kept) <= room:
            break
        kept = [index for index in kept if columns[index].spare != spare]
    return kept


def _widths(columns: Sequence[Column], rows: Sequence[Row]) -> list[int]:
    widths = [cell_len(column.title) for column in columns]
    for row in rows:
        if not isinstance(row, Span):
            widths = [max(width, cell_len(plain_line(cell.text))) for width, cell in zip(widths, row, strict=True)]
    return widths


def _total(widths: Sequence[int], kept: Sequence[int]) -> int:
    return sum(widths[index] for index in kept) + GAP * (len(kept) - 1)


def _aligned(columns: Sequence[Column], row: Sequence[Cell], widths: Sequence[int], kept: Sequence[int]) -> Text:
    line = Text()
    for index in kept:
        text = _fitted(plain_line(row[index].text), widths[index])
        space = " " * (widths[index] - cell_len(text))
        if index:
            line.append(" " * GAP)
        is_left = columns[index].is_left or index == 0
        line.append("" if is_left else space)
        line.append(text, style=row[index].style)
        line.append(space if is_left else "")
    line.rstrip()
    return line


def _fitted(text: str, width: int) -> str:
    return text if cell_len(text) <= width else set_cell_size(text, width - 1).rstrip() + ELLIPSIS

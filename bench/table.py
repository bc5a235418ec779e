"""The tables as people see them in the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bench.cells import columns_of
from bench.summary import Row


def render(rows: Iterable[Row]) -> Group:
    """Return a table for each work."""
    parts: list[RenderableType] = []
    for work, found in groupby(rows, key=lambda row: row.work):
        of_work = list(found)
        errors = [Text(f"{row.generator} failed: {error}") for row in of_work for error in row.errors]
        parts += [_table(work.title, work.goal, of_work), *errors, Text()]
    return Group(*parts)


def _table(title: str, goal: str, rows: Sequence[Row]) -> Table:
    table = Table(title=title, caption=f"goal: {goal}" if goal else None, title_justify="left", caption_justify="left")
    table.add_column("generator")
    columns = columns_of(rows)
    for column in columns:
        table.add_column(column.heading, justify="right")
    for row in rows:
        table.add_row(row.generator, *(column.text(row) for column in columns))
    return table

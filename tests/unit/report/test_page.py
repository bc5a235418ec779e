from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from loadtest.report.text.text_page import Cell, Column, Page, Span

COLUMNS = (Column("Name"), Column("kind", is_left=True, spare=1), Column("count"), Column("mean", spare=2))


def test_table_aligns_names_left_and_numbers_right() -> None:
    """The first column and those asked for are left-aligned; lines have no spaces at their end."""
    page = Page(60)

    page.table(
        COLUMNS,
        [[Cell("shop"), Cell("a"), Cell("1,000"), Cell("1.0")], Span("over all"), [Cell("x")] + [Cell("–")] * 3],
    )

    assert page.text().plain.split("\n") == [
        "Name  kind  count  mean",
        "shop  a     1,000   1.0",
        "over all",
        "x     –         –     –",
    ]


def test_narrow_table_leaves_out_the_most_spare_column_then_shortens_names() -> None:
    """Columns go by their spareness; only when none is left to spare are names cut."""
    row = [Cell("a-very-long-name-of-a-group"), Cell("publisher"), Cell("1,000"), Cell("1.0")]
    wide, narrow, narrowest = Page(45), Page(44), Page(25)
    for page in (wide, narrow, narrowest):
        page.table(COLUMNS, [row])

    assert wide.lines[1].plain == "a-very-long-name-of-a-group  publisher  1,000"
    assert narrow.lines[1].plain == "a-very-long-name-of-a-group  1,000"
    assert narrowest.lines[1].plain == "a-very-long-name-…  1,000"


def test_items_are_broken_only_between_each_other() -> None:
    """An item with spaces stays on one line, and further lines hang under the first item."""
    page = Page(24)

    page.items(Cell("Ledger"), ["published 1", "confirmed 1", "lost 0"], separator=" · ", indent=8)

    assert page.text().plain.split("\n") == ["Ledger  published 1 ·", "        confirmed 1 ·", "        lost 0"]


def test_blank_lines_do_not_pile_up() -> None:
    """A page does not begin with a blank line and never has two in a row."""
    page = Page(20)
    page.blank()
    page.sentence("one")
    page.blank()
    page.blank()
    page.sentence("two")

    assert page.text().plain == "one\n\ntwo"


@given(st.text(max_size=200), st.integers(min_value=20, max_value=60))
def test_no_line_is_wider_than_the_page(text: str, width: int) -> None:
    """Whatever text comes, wide characters and words without spaces included, lines fit."""
    page = Page(width)
    page.sentence(text, mark=Cell("!"), indent=2)
    page.items(Cell("label"), [text, text], separator=" · ", indent=8)
    page.table((Column("a"), Column("b")), [[Cell(text), Cell("1")], Span(text)])

    assert max(cell_len(line.plain) for line in page.lines) <= width

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from loadtest.clock import NS_PER_S
from loadtest.report.run.terminal import print_summary, render
from loadtest.report.text.plain import plain_line
from loadtest.result.run.build import build_result
from tests.unit.result.staged_run import (
    START_NS,
    StagedRun,
    broker_lost,
    cut_off,
    flood,
    never_begun,
    nothing,
    orders,
)

FOLDER = Path("results/2026-03-01T120000Z-flood")


def summary(run: StagedRun, width: int = 80) -> str:
    """Return the summary of a run as plain text."""
    return render(build_result(run.collector()), width=width, folder=FOLDER).plain


EVERY = {
    "passed": flood,
    "lost": lambda: flood(lose=7),
    "nothing": nothing,
    "cut off": cut_off,
    "never begun": never_begun,
    "broker lost": broker_lost,
    "open model": orders,
}


@pytest.mark.parametrize("run", [make() for make in EVERY.values()], ids=EVERY.keys())
@pytest.mark.parametrize("width", [20, 60, 80, 100, 120, 300])
def test_no_line_is_wider_than_the_page_nor_has_spaces_at_its_end(run: StagedRun, width: int) -> None:
    """From 60 to 120 cells the page is as wide as asked; below and above it is not narrower or wider."""
    lines = summary(run, width).split("\n")

    assert max(cell_len(line) for line in lines) <= min(max(width, 60), 120)
    assert [line for line in lines if line != line.rstrip()] == []


class Terminal(io.StringIO):
    """A terminal, as far as rich asks."""

    def isatty(self) -> bool:
        """Say yes."""
        return True


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the tester's own terminal out of the tests."""
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def test_output_to_a_file_is_plain() -> None:
    """Where there is no terminal there are no escapes, and the text is the page of 80 cells."""
    file = io.StringIO()
    run = flood()
    print_summary(build_result(run.collector()), folder=FOLDER, file=file)

    assert file.getvalue() == summary(run) + "\n"


def test_terminal_gets_colour_and_its_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal the verdict is coloured and the page uses the width there is."""
    monkeypatch.setenv("COLUMNS", "110")
    file = Terminal()
    print_summary(build_result(flood().collector()), file=file)

    assert "\x1b[1;32mPASS\x1b[0m" in file.getvalue()
    assert "p99.99" in file.getvalue()


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    """With NO_COLOR a terminal gets no colours."""
    monkeypatch.setenv("NO_COLOR", "1")
    file = Terminal()
    print_summary(build_result(flood().collector()), file=file)

    assert "\x1b[1;32m" not in file.getvalue()
    assert "PASS" in file.getvalue()


def test_terminal_without_unicode_gets_ascii() -> None:
    """An ASCII terminal shows 'us' and '...' and raises nothing."""
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="ascii")
    print_summary(build_result(flood().collector()), file=file)
    file.flush()

    assert b"200 us" in raw.getvalue()
    assert b"999 ... 0" in raw.getvalue()


HOSTILE = "[bold red]x[/] :smile: \x1b[2J\x1b]0;title\x07\r\nPASS (exit code 0)\u202eelif\u200b \x9b31m"


def hostile() -> StagedRun:
    """Return a run in which every text that comes from outside is hostile."""
    run = flood(lose=1, name=HOSTILE, description=HOSTILE, overrides=[HOSTILE])
    run.records[0]["broker"] = {"product": HOSTILE, "version": HOSTILE, "endpoints": [HOSTILE]}
    run.records.insert(1, {"type": "event", "at_ns": START_NS, "code": HOSTILE, "text": HOSTILE})
    run.records.insert(2, {"type": "event", "at_ns": START_NS, "code": "connection-lost", "text": HOSTILE})
    run.records.insert(-1, {"type": "queue", "sink": HOSTILE, "left": 3})
    return run


def test_text_from_outside_cannot_move_the_cursor_nor_forge_lines() -> None:
    """Markup is shown as it is, control characters as escapes, and no line of the page is the attacker's."""
    file = io.StringIO()
    print_summary(build_result(hostile().collector()), file=file)
    text = file.getvalue()

    assert "[bold red]x[/] :smile:" in text
    assert not any(character in text for character in "\x1b\x07\r\x9b\u202e\u200b")
    assert [line for line in text.split("\n") if line.startswith("PASS")] == []


def test_text_from_outside_adds_no_escape_on_a_terminal() -> None:
    """In colour, too, the only escapes are the tool's own."""
    file = Terminal()
    print_summary(build_result(hostile().collector()), file=file)

    assert "\x1b[2J" not in file.getvalue()
    assert "\x1b]0;" not in file.getvalue()


@settings(max_examples=30)
@given(st.text(max_size=60))
def test_any_name_and_text_keeps_the_page_whole(text: str) -> None:
    """Whatever a scenario is called and a broker says, lines fit and every character can be seen."""
    run = nothing()
    run.records[0]["scenario"] |= {"name": text, "description": text}
    run.records.insert(1, {"type": "event", "at_ns": START_NS, "code": "x", "text": text})
    lines = summary(run).split("\n")

    assert max(cell_len(line) for line in lines) <= 80
    assert [line for line in lines if line != plain_line(line)] == []


def test_long_lists_are_cut_short_and_counted() -> None:
    """A hundred events and queues do not push the verdict off the screen."""
    run = StagedRun({"taker": ("getter", "closed")})
    run.phase("measured", 0)
    for number in range(100):
        run.recorder().delivery("taker", f"queue-{number}").foreign(1, 12, message_counts=0, get_ns=1_000)
        run.event(NS_PER_S, "x", "again")
    run.cut(NS_PER_S, "measured")
    run.end(NS_PER_S)
    lines = summary(run).split("\n")

    assert len(lines) < 50
    assert any("and 97 more queues" in line for line in lines)
    assert any("and 90 more, in result.json" in line for line in lines)


@pytest.mark.parametrize("connections,is_shown", [(19, False), (20, True)])
def test_connecting_is_shown_where_enough_connections_were_opened(connections: int, is_shown: bool) -> None:
    """The time to connect has a line only if its median rests on ten values beyond it."""
    run = nothing()
    for _ in range(connections):
        run.recorder().latency("taker", "connect", NS_PER_S)
    end = run.records.pop()
    run.cut(2 * NS_PER_S, "measured")
    run.records.append(end)

    assert ("  connect" in summary(run)) is is_shown

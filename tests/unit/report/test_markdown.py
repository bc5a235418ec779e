from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from loadtest.clock import NS_PER_S
from loadtest.report.run.markdown import MAX_BYTES, summary_md
from loadtest.report.run.terminal import render
from loadtest.report.text.markdown_text import code, fenced, sentence, table_head, table_row
from loadtest.result.run.build import build_result
from loadtest.result.run.document import RunResult
from tests.unit.result.staged_run import START_NS, StagedRun, broker_lost, cut_off, flood, never_begun, nothing, orders

# What GitHub makes HTML of, but for its mentions, which no library knows.
PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
EVERY = {
    "✅ **PASS** `flood`": flood,
    "❌ **FAIL** `flood`": lambda: flood(lose=7),
    "❌ **ERROR** `broker-killed`": broker_lost,
    "⚠️ **NOTHING MEASURED** `staged`": nothing,
    "⚠️ **INCONCLUSIVE** `orders`": cut_off,
}
HOSTILE = (
    "| x | `y` ``z` <img src=x onerror=alert(1)> @octocat #1 [a](http://b) ![c](d) \\| **e** $f$ :g: ~~h~~ www.i.j"
    "\n\n# k"
)
OWN_HTML = re.compile(r"</?code>|(<details><summary>[A-Z][a-z ]+</summary>|</details>)\n")


def result_of(run: StagedRun) -> RunResult:
    """Return the result of a run."""
    return build_result(run.collector())


def tokens_of(text: str) -> Iterator[Token]:
    """Yield every token of a page, those inside of others too."""
    for token in PARSER.parse(text):
        yield token
        yield from token.children or ()


def structure_of(text: str) -> list[str]:
    """Return the blocks of a page, without what is in them."""
    return [token.type for token in PARSER.parse(text)]


def assert_harmless(text: str) -> None:
    """Fail if a page holds HTML, a link or a picture that is not the tool's own, or calls somebody."""
    tokens = list(tokens_of(text))

    assert {token.type for token in tokens} & {"link_open", "image", "heading_open", "s_open", "em_open"} == set()
    html = [token.content for token in tokens if token.type in {"html_block", "html_inline"}]
    assert [each for each in html if not OWN_HTML.fullmatch(each)] == []
    in_code = False
    for token in tokens:
        in_code = {"<code>": True, "</code>": False}.get(token.content, in_code)
        if token.type == "text" and not in_code:
            assert not re.search(r"@|#\d|\$|://|www\.", token.content), token.content


@pytest.mark.parametrize("begin,run", EVERY.items(), ids=EVERY.keys())
def test_verdict_is_the_first_line(begin: str, run: Callable[[], StagedRun]) -> None:
    """Mark, scenario, exit code and the sentence that explains it, whatever the verdict."""
    result = result_of(run())
    first = summary_md(result).split("\n")[0]

    assert first.startswith(f"{begin} (exit code {result.verdict.exit_code}): ")
    assert first.endswith(sentence(result.verdict.reason))


def test_figures_are_those_of_the_terminal() -> None:
    """Every figure of the tables stands in the terminal's summary, to the letter."""
    result = result_of(orders(thresholds=["shop.confirm.p99 < 1ms", "lost == 0"]))
    shown = render(result).plain
    cells = [cell.strip().replace("\\*", "*") for line in summary_md(result).split("\n") for cell in line.split("|")]
    figures = {cell for cell in cells if re.fullmatch(r"[\d.,]+( ?[\wµ/]+)?\*?", cell)}

    assert {"3.00 ms*", "40.0 µs", "1,000/s", "4,000", "1.00 MB/s"} <= figures
    assert [figure for figure in figures if figure not in shown] == []


def test_failed_thresholds_stand_first() -> None:
    """What failed is on the screen without scrolling, with value, limit and the note that weakens it."""
    text = summary_md(result_of(orders(thresholds=["lost == 0", "shop.confirm.p99.9 < 1ms"])))
    rows = [line for line in text.split("\n") if line.startswith(("| ✅", "| ❌"))]

    assert rows[0].startswith("| ❌ | `shop.confirm.p99.9 < 1ms` | 3.00 ms | &lt; 1.00 ms | p99.9 of 3,000 values ")
    assert rows[1].startswith("| ✅ | `lost == 0` | 0 | == 0 |")


def test_run_without_thresholds_and_groups_has_no_empty_tables() -> None:
    """A run in which nothing was done still has a page."""
    text = summary_md(result_of(never_begun()))

    assert [title for title in ("| threshold |", "| latency |", "**Findings**") if title in text] == []
    assert text.startswith("⚠️ **NOTHING MEASURED** `staged` (exit code 4): ")


def test_lost_messages_and_broken_books_are_told() -> None:
    """The ledger's fold has its totals, and the first of what is missing."""
    text = summary_md(result_of(flood(lose=7)))

    assert "| `lost` | 7 |" in text
    assert text.count("- lost: publisher 0 seq ") == 5


def hostile() -> StagedRun:
    """Return a run in which every text that comes from outside is hostile."""
    run = flood(
        lose=1, name=HOSTILE, description=HOSTILE, overrides=[HOSTILE], text=f"a: |\n  ```\n{HOSTILE}\n</details>"
    )
    run.records[0]["broker"] = {"product": HOSTILE, "version": HOSTILE, "endpoints": [HOSTILE], HOSTILE: HOSTILE}
    run.records.insert(1, {"type": "event", "at_ns": START_NS, "code": "connection-lost", "text": HOSTILE})
    run.records.insert(-1, {"type": "queue", "sink": HOSTILE, "left": 3})
    return run


def test_text_from_outside_is_shown_and_does_nothing() -> None:
    """The page has the same blocks as one without such text: no table ends early, no fence, no fold."""
    text = summary_md(result_of(hostile()))

    assert_harmless(text)
    tame = hostile()
    tame.records[0]["scenario"]["text"] = "name: tame"
    assert structure_of(text) == structure_of(summary_md(result_of(tame)))
    tables = [token for token in tokens_of(text) if token.type == "table_open"]
    assert len(tables) == 3
    assert "octocat" in text


@settings(max_examples=200)
@given(
    st.text(st.sampled_from("ab 1|`\\<>&*_~[]()!@#$:/.-+\n\r\t\x00\u202e\ud7ff"), max_size=30) | st.text(max_size=30)
)
def test_any_text_stays_in_its_place(text: str) -> None:
    """Whatever a text is, it is one cell of its table, one line of its list, and shows nothing but characters."""
    page = "\n".join(
        [
            f"- a: {sentence(text)}",
            f"- {code(text)}",
            "",
            *table_head(("a", "b", "c")),
            table_row((code(text), sentence(text) or "x", "end")),
            "",
            *fenced(text.split("\n"), "yaml"),
            "after",
        ]
    )

    assert_harmless(page)
    tokens = PARSER.parse(page)
    blocks = [token.type.removesuffix("_open") for token in tokens if token.level == 0 and token.nesting >= 0]
    assert blocks == ["bullet_list", "table", "fence", "paragraph"]
    cells = [tokens[place + 1].content for place, token in enumerate(tokens) if token.type == "td_open"]
    assert len(cells) == 3
    assert cells[-1] == "end"
    assert sum(token.type == "list_item_open" for token in tokens) == 2


@pytest.mark.parametrize("text", ["a|b", "``", "`a", "a\\|b", "<b>"])
def test_code_shows_the_text_itself(text: str) -> None:
    """What is shown as code are the characters of the text, in a table too."""
    tokens = list(tokens_of("\n".join([*table_head(("a",)), table_row([code(text)])])))
    shown = "".join(token.content for token in tokens if token.type in {"text", "code_inline"})

    assert shown == f"a{text}"


@pytest.mark.parametrize(
    "text",
    ["x: y\n" * 30_000, "y" * 200_000, "`" * 70_000, "a: " + "\u202e" * 50_000 + "\nb: c\n", "é\n" * 50_000],
    ids=["many lines", "one line", "backticks", "escapes", "two bytes each"],
)
def test_long_scenario_is_cut_at_a_line_that_says_so(text: str) -> None:
    """The page stays under its limit, and what was left out is counted."""
    page = summary_md(result_of(flood(text=text)))

    assert len(page.encode()) <= MAX_BYTES
    assert re.search(r"^# … and [\d,]+ more lines, in scenario\.yaml$", page, re.MULTILINE)
    assert page.endswith("</details>\n")
    assert structure_of(page)[-1] == "html_block"


def test_page_of_a_monstrous_run_is_small_enough() -> None:
    """A thousand thresholds, groups and overrides, each long and hostile, leave a page that can be posted."""
    groups = {f"{HOSTILE}{number}": ("publisher", "closed") for number in range(300)}
    run = StagedRun(
        groups,  # type: ignore[arg-type]
        name=HOSTILE * 50,
        overrides=[HOSTILE * 50] * 1_000,
        thresholds=["lost == 0"] * 1_000,
        text=HOSTILE * 2_000,
    )
    run.records[0]["broker"] = {"product": "|" * 9_000, "version": "@" * 9_000, "x": "`" * 100_000}
    run.records.insert(1, {"type": "event", "at_ns": START_NS, "code": "connection-lost", "text": "|🙂@ " * 9_000})
    run.phase("measured", 0)
    for group in groups:
        run.recorder().latency(group, "connect", 1_000)
    run.cut(NS_PER_S, "measured")
    run.end(NS_PER_S)
    page = summary_md(result_of(run))

    assert len(page.encode()) <= MAX_BYTES
    assert "more, in `result.json`" in page
    assert_harmless(page)

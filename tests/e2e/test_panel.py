"""The AMQP page in a real browser, with runs made up for it: what is wrong, what is lost, hours, phones, restarts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from loadtest.clock import NS_PER_S
from loadtest.measure.histogram.histogram import Histogram
from loadtest.measure.ledger.ledger_delta import LedgerDelta
from loadtest.measure.window import GroupWindow, Window
from loadtest.report.run.write import regenerate
from loadtest.scenario.grammar.threshold import parse_threshold
from tests.e2e.chromium import chromium
from tests.e2e.legibility import FAINT
from tests.e2e.processes import wait_until
from tests.e2e.staged_page import StagedPage, served
from tests.unit.result.staged_run import START_NS, StagedRun, broker_lost, orders

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("panel")]

S = NS_PER_S
HOSTILE = "</script><img src=x onerror=\"window.owned=1\"><b onmouseover='window.owned=1'>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start one browser for the file."""
    with chromium() as started:
        yield started


@pytest.fixture
def staged(tmp_path: Path) -> StagedPage:
    """Return a page whose run a test tells."""
    return StagedPage(tmp_path)


class Opened:
    """A window of the browser, with what it printed."""

    def __init__(self, browser: Browser, address: str, *, width: int = 1440, dark: bool = False) -> None:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light"
        )
        self.page: Page = context.new_page()
        self.said: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.goto(address)

    def js(self, expression: str) -> Any:
        """Return the value of an expression in the page; `panel` is the panel, `root` its inside."""
        panel = "document.querySelector('loadtest-panel')"
        return self.page.evaluate(
            f"(() => {{ const panel = {panel}, root = panel.shadowRoot; return {expression}; }})()"
        )

    def see_charts(self, count: int) -> None:
        """Scroll down until so many charts are drawn."""

        def are_drawn() -> bool:
            self.page.mouse.wheel(0, 500)
            return bool(self.js("root.querySelectorAll('canvas').length") >= count)

        wait_until(are_drawn, 15, f"{count} charts")


def test_a_run_from_first_to_last(browser: Browser, staged: StagedPage) -> None:
    """Idle, connecting, warm-up, measured with time left, a threshold that fails, and the verdict in the end."""
    with served(staged) as address:
        window = Opened(browser, address)
        expect(window.page.get_by_text("No run in this process yet.")).to_be_visible()
        thresholds = ["shop.confirm.p50 < 1ms", "billing.delivered_rate > 10/s", "lost == 0"]
        checks = [parse_threshold(text) for text in thresholds]
        run = orders(5, thresholds=thresholds)
        records = staged.follow(run, planned_s=5.0, drain_s=30.0, thresholds=checks, faults=[(3.5, "kill-node 1")])
        staged.tell(records[:3])
        phase = window.page.locator(".stand")
        expect(phase).to_contain_text("warm-up1 s of 5 s4 s left")
        staged.tell(records[3:6])
        expect(phase).to_contain_text("measured part3 s of 5 s2 s left")
        table = window.page.get_by_role("table", name="Thresholds")
        expect(table.get_by_role("row", name=re.compile("p50 < 1ms"))).to_have_class("wrong")
        states = [row.get_by_role("cell").nth(2).inner_text() for row in table.get_by_role("row").all()[1:]]
        assert states == ["failing", "ok", "open"]
        expect(window.page.get_by_text("planned kill-node 1")).to_be_visible()
        assert window.page.get_by_role("progressbar").get_attribute("aria-valuenow") == "60"
        staged.tell(records[6:])
        staged.finish()
        expect(window.page.locator(".verdict")).to_contain_text("Failed")
        expect(phase).to_contain_text("ended")
        window.see_charts(4)

    assert window.said == []


def test_what_is_wrong_is_red_and_said_in_words(browser: Browser, staged: StagedPage) -> None:
    """A reader who sees no colours is told, too; blocked time and events are there."""
    with served(staged) as address:
        window = Opened(browser, address)
        staged.tell(staged.follow(broker_lost()))
        row = window.page.get_by_role("table", name="Ledger").get_by_role("row", name="in doubt – wrong 50")
        expect(row).to_have_class("wrong")
        expect(window.page.get_by_role("row", name="published 1,000")).not_to_have_class("wrong")
        expect(window.page.locator("dl.tiles .wrong")).to_contain_text("blocked")
        expect(window.page.get_by_role("listitem")).to_contain_text("connection-lost")

    assert window.said == []


def test_texts_of_others_are_texts(browser: Browser, staged: StagedPage) -> None:
    """Whatever a scenario, a broker or an event says, nothing of it becomes a part of the page."""
    run = StagedRun({HOSTILE: ("publisher", "open")}, name=HOSTILE, description=HOSTILE, overrides=[HOSTILE])
    run.phase("measured", 0)
    run.event(S, HOSTILE, HOSTILE)
    intended = run.publish(HOSTILE, range(100), 0)
    run.confirm(HOSTILE, range(100), intended, 3_000_000)
    run.cut(S, "measured", HOSTILE)
    run.cut(S, "measured", "other")
    run.cut(S, "measured")
    with served(staged) as address:
        window = Opened(browser, address)
        staged.tell(staged.follow(run, faults=[(0.1, HOSTILE)], thresholds=[parse_threshold("lost == 0")]))
        expect(window.page.get_by_role("heading", name=HOSTILE, exact=True)).to_be_visible()
        window.see_charts(3)
        canvas = window.page.locator("canvas").first
        canvas.scroll_into_view_if_needed()
        canvas.hover()
        assert window.page.evaluate("window.owned") is None
        assert window.page.locator("img").count() == 0

    assert window.said == []


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_page_fits_its_screen(width: int, dark: bool, browser: Browser, staged: StagedPage) -> None:
    """Nothing makes a telephone scroll sideways; text stands out from its ground in light and dark."""
    run = orders(3, thresholds=["shop.confirm.p50 < 1ms"], overrides=["publishers.shop.properties.headers=" + "x" * 90])
    with served(staged) as address:
        window = Opened(browser, address, width=width, dark=dark)
        records = staged.follow(run, planned_s=3.0, thresholds=[parse_threshold("shop.confirm.p50 < 1ms")])
        staged.tell(records[:-2])
        expect(window.page.get_by_role("heading", name="orders")).to_be_visible()
        expect(window.page.locator("tr.wrong")).to_have_count(1)
        window.see_charts(4)
        assert window.page.evaluate("document.documentElement.scrollWidth") == width
        assert window.page.evaluate(FAINT) == []
        assert window.js("getComputedStyle(document.body).backgroundColor") == (
            "rgb(18, 22, 28)" if dark else "rgb(255, 255, 255)"
        )


def test_a_page_outlives_its_server(browser: Browser, tmp_path: Path) -> None:
    """It says that the connection is lost, tries again, and shows the run of the next process as from its beginning."""
    first, second = StagedPage(tmp_path), StagedPage(tmp_path)
    first.tell(first.follow(orders(4, name="before"))[:-2])
    with served(first) as address:
        window = Opened(browser, address)
        expect(window.page.get_by_role("heading", name="before")).to_be_visible()
        assert window.js("panel.points.length") == 4
        port = int(address.split(":")[2].split("/")[0])
    expect(window.page.get_by_text("Connection lost")).to_be_visible(timeout=15_000)
    expect(window.page.get_by_role("heading", name="before")).to_be_visible()

    second.tell(second.follow(orders(2, name="after"))[:-2])
    with served(second, port):
        expect(window.page.get_by_role("heading", name="after")).to_be_visible(timeout=20_000)
        expect(window.page.get_by_text("Connection lost")).not_to_be_visible()
        assert window.js("panel.points.length") == 2


def test_who_is_logged_out_is_told(browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A login that ended, as by a restart, is no lost connection: there is a link to the login page."""
    monkeypatch.setenv("LOADTEST_WEB_PASSWORD", "correct horse")
    staged = StagedPage(tmp_path, web_login=True)
    with served(staged) as address:
        window = Opened(browser, address)
        assert window.page.inner_text("body") == "log in"
        login: dict[str, str | float | bool] = {"username": "loadtest", "password": "correct horse"}
        window.page.request.post(address + "login", form=login)
        window.page.goto(address)
        expect(window.page.get_by_text("No run in this process yet.")).to_be_visible()
        staged.web_ui.app.secret_key = "another"
        expect(window.page.get_by_role("link", name="Log in")).to_be_visible(timeout=10_000)


@pytest.mark.long
def test_a_page_can_be_used_by_keyboard(browser: Browser, tmp_path: Path) -> None:
    """Two results are ticked and compared without a mouse; each thing that has the focus has a name."""
    staged = StagedPage(tmp_path)
    for name in ("2026-01-01T000000Z-a", "2026-01-02T000000Z-b"):
        run = orders(2, name=name[-1])
        (tmp_path / name).mkdir()
        run.journal(tmp_path / name)
        regenerate(tmp_path / name)
    with served(staged) as address:
        window = Opened(browser, address)
        page = window.page
        expect(page.get_by_role("checkbox")).to_have_count(2)
        for _ in range(10):
            page.keyboard.press("Tab")
            focused = window.js("(root.activeElement || document.activeElement).outerHTML")
            if 'type="checkbox"' in focused:
                assert "aria-label=" in focused
                page.keyboard.press("Space")
            if page.get_by_role("checkbox", checked=True).count() == 2:
                break
        button = page.get_by_role("button", name="Compare")
        expect(button).to_be_enabled()
        button.focus()
        with page.expect_popup() as compared:
            page.keyboard.press("Enter")
        expect(compared.value.get_by_role("heading", name="2 runs side by side")).to_be_visible(timeout=30_000)


def long_run(seconds: int) -> list[dict[str, Any]]:
    """Return the records of a run that goes on for so many seconds."""
    run = StagedRun({"shop": ("publisher", "open"), "billing": ("consumer", "open")}, name="long")
    run.phase("measured", 0)
    histogram = Histogram()
    for value in range(1_000_000, 30_000_000, 500_000):
        histogram.record_one(value)
    recorded = histogram.to_record()
    for second in range(seconds):
        groups = {
            "shop": GroupWindow(
                counters={"published": 1000, "confirmed": 1000, "offered": 1000},
                histograms={"confirm": recorded, "lateness": recorded},
            ),
            "billing": GroupWindow(counters={"delivered": 1000}, histograms={"end_to_end": recorded}),
        }
        gauges = {"cpu": 0.2, "outstanding": 10.0, "queue.depth": second % 50.0}
        window = ("w", second, START_NS + second * S, START_NS + (second + 1) * S, "measured")
        run.records.append(Window(*window, groups, LedgerDelta(), gauges).to_record())
    return run.records


@pytest.mark.long
def test_hours_do_not_make_a_page_slow(browser: Browser, staged: StagedPage) -> None:
    """After 3 h a page has 1,200 points at most, takes no longer for a second, and holds no more memory."""
    records = long_run(3 * 3600)
    run = StagedRun({})
    run.records = records
    staged.follow(run)
    with served(staged) as address:
        window = Opened(browser, address)
        staged.tell(records[:600])
        window.see_charts(5)
        spent, heap = {}, {}
        told = 600
        for until in (1_100, 3 * 3600 - 30):
            staged.tell(records[told:until])
            for number in range(until, until + 20):
                staged.tell(records[number : number + 1])
                window.page.wait_for_timeout(300)
            told = until + 20
            assert 500 < window.js("panel.points.length") <= 1_200
            spent[until] = window.js(SHOWING)
            heap[until] = window.js("performance.memory.usedJSHeapSize")
        (early, late), (small, large) = spent.values(), heap.values()

        assert late < 3 * early + 20, spent
        assert large < 3 * small, heap
    assert window.said == []


# How long it takes to show an answer again, in ms: what a second costs the page.
SHOWING = """(() => {
  const began = performance.now();
  for (let turn = 0; turn < 10; turn += 1) {
    for (const chart of panel.charts) if (chart.made) chart.made.setOption(chart.changing());
  }
  return (performance.now() - began) / 10;
})()"""

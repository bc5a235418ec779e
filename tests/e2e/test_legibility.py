"""Every page in a real browser, in light and dark: each text stands out from its ground, whatever the outcome."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, get_args

import pytest
from playwright.sync_api import Browser, expect

from loadtest.report.capacity.capacity_report import CAPACITY
from loadtest.report.compare.comparison_report import COMPARISON
from loadtest.report.run.write import regenerate
from loadtest.report.sweep.sweep_report import SWEEP
from loadtest.result.run.build import build_result
from loadtest.result.run.document import Outcome
from tests.e2e.chromium import chromium, look_at
from tests.e2e.legibility import FAINT
from tests.e2e.staged_page import StagedPage, served
from tests.unit.report.staged_capacity import capacity
from tests.unit.report.staged_comparison import comparison
from tests.unit.report.staged_sweep import sweep
from tests.unit.result.staged_run import orders

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("panel")]

OUTCOMES: Final[tuple[Outcome, ...]] = get_args(Outcome)
# What the head of a page is called: of a run by its outcome, of several runs by what their pages make of it.
HEADS: Final = (*OUTCOMES, "open", "neutral")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start one browser for the file."""
    with chromium() as started:
        yield started


def run_page(folder: Path) -> Path:
    """Write the page of a run with a check that failed, a finding and an event."""
    run = orders(4, thresholds=["lost == 0", "shop.confirm.p99 < 1us"], description="d")
    run.event(1, "connection-blocked", "shop/1: low on memory")
    run.journal(folder)
    regenerate(folder)
    return folder / "report.html"


PAGES: Final[dict[str, Callable[[Path], Path]]] = {
    "run": run_page,
    "compare": lambda folder: COMPARISON.write(folder, comparison()),
    "compare-interrupted": lambda folder: COMPARISON.write(folder, comparison(complete=False, fail=False)),
    "capacity": lambda folder: CAPACITY.write(folder, capacity()),
    "sweep": lambda folder: SWEEP.write(folder, sweep(gap=1, marked=2)),
}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("page", PAGES)
def test_each_text_of_a_page_can_be_read(page: str, dark: bool, browser: Browser, tmp_path: Path) -> None:
    """The page as written, and its head as each outcome has it."""
    looked = look_at(browser, PAGES[page](tmp_path), dark=dark)

    assert looked.js(FAINT) == []
    for head in HEADS:
        looked.js(f"document.querySelector('header.verdict').className = 'verdict {head}'")
        assert looked.js(FAINT) == [], head


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("outcome", OUTCOMES)
def test_the_verdict_of_the_live_page_can_be_read(
    outcome: Outcome, dark: bool, browser: Browser, tmp_path: Path
) -> None:
    """The page from which runs are started says each outcome legibly."""
    staged = StagedPage(tmp_path)
    staged.tell(staged.follow(orders(2)))
    result = build_result(staged.collector)
    verdict = result.verdict.model_copy(update={"outcome": outcome, "reason": "as it is"})
    staged.live.close(result.model_copy(update={"verdict": verdict}))
    staged.web_ui.environment.runner.state = "stopped"
    with served(staged) as address:
        context = browser.new_context(color_scheme="dark" if dark else "light")
        shown = context.new_page()
        shown.goto(address)
        expect(shown.get_by_text("as it is")).to_be_visible()

        assert shown.evaluate(FAINT) == []

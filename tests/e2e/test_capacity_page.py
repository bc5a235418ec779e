"""The page of a search for a capacity in a real browser, of a staged one with all that there is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from loadtest.report.capacity.capacity_report import CAPACITY
from tests.e2e.chromium import chromium, look_at
from tests.e2e.test_comparison_page import TEXTS_OUTSIDE
from tests.e2e.test_report_page import BLANK, HOSTILE
from tests.unit.report.staged_capacity import capacity

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start one browser for the file."""
    with chromium() as started:
        yield started


@pytest.mark.parametrize("width, dark", [(390, True), (1440, False)])
def test_a_capacity_fits_its_screen(browser: Browser, tmp_path: Path, width: int, dark: bool) -> None:
    """Charts are drawn, nothing is asked for or complained of, and neither page nor chart is wider than its place."""
    page = CAPACITY.write(tmp_path, capacity())
    looked = look_at(browser, page, width=width, dark=dark)

    assert looked.said == []
    assert looked.asked == [page.as_uri()]
    assert looked.js('document.querySelectorAll("#latency-charts .chart canvas").length') == 2
    assert looked.js(BLANK) == 0
    assert looked.js("document.documentElement.scrollWidth") == width
    assert looked.js(TEXTS_OUTSIDE) == []
    label = looked.page.locator("#latency-charts .chart").first.get_attribute("aria-label")
    assert label is not None
    assert "11 tries, 6 held. The knee is at 4,000/s." in label
    texts = looked.js(
        "loadtestCharts.drawn[0][0].getZr().storage.getDisplayList().map(each => each.style.text).filter(text => text)"
    )
    assert {"capacity", "knee", "in.confirm.p99 < 20ms"} <= set(texts)


def test_what_comes_from_outside_does_nothing(browser: Browser, tmp_path: Path) -> None:
    """Names and reasons with markup in them are shown as they are, also in tooltips; none of it runs."""
    looked = look_at(browser, CAPACITY.write(tmp_path, capacity(text=HOSTILE)))
    x, y = looked.js(
        "(([chart]) => { const {point, value} = chart.getOption().series.flatMap(each => each.data)"
        ".find(each => each.point && !each.point.is_held); return chart.convertToPixel('grid', value); })"
        "(loadtestCharts.drawn[0])"
    )
    looked.page.locator("#latency-charts canvas").first.hover(position={"x": x, "y": y})
    looked.wait("document.querySelector('#latency-charts').innerText.includes('not held')")

    assert looked.js("window.owned") is None
    assert looked.js("document.images.length") == 0
    assert looked.said == []

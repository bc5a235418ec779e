"""The page of a comparison in a real browser, of a real comparison and of a staged one with all that there is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from playwright.sync_api import Browser

from loadtest.report.compare.comparison_report import COMPARISON
from tests.e2e.chromium import chromium, look_at
from tests.e2e.processes import LOADTEST, Processes
from tests.e2e.test_report_page import BLANK, HOSTILE
from tests.unit.report.staged_comparison import comparison

pytestmark = pytest.mark.e2e

TEXTS_OUTSIDE = """
loadtestCharts.drawn.flatMap(([chart]) => chart.getZr().storage.getDisplayList()
  .filter(shape => shape.type === "tspan" || shape.type === "text")
  .map(shape => [shape.style.text, shape.getBoundingRect().clone(), shape.transform])
  .map(([text, box, to]) => { if (to) box.applyTransform(to); return [text, box.x, box.x + box.width]; })
  .filter(([text, from, to]) => text && (from < -2 || to > chart.getWidth() + 2)))
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start one browser for the file."""
    with chromium() as started:
        yield started


@pytest.mark.parametrize("width", [390, 1440])
def test_a_comparison_fits_its_screen(browser: Browser, tmp_path: Path, width: int) -> None:
    """Charts are drawn, nothing is asked for or complained of, and neither page nor chart is wider than its place."""
    page = COMPARISON.write(tmp_path, comparison(text="queue_leader_locator=balanced"))
    looked = look_at(browser, page, width=width)

    assert looked.said == []
    assert looked.asked == [page.as_uri()]
    assert looked.js('document.querySelectorAll(".chart canvas").length') == 7
    assert looked.js(BLANK) == 0
    assert looked.js("document.documentElement.scrollWidth") == width
    assert looked.js(TEXTS_OUTSIDE) == []
    label = looked.page.locator("#forest-0 .chart").get_attribute("aria-label")
    assert label is not None
    assert "in.confirmed_rate: +19.5% (+18.1% to +20.9%), better" in label


def test_a_narrow_window_has_the_layout_of_a_telephone(browser: Browser, tmp_path: Path) -> None:
    """The rows of the intervals are laid out anew where a window becomes narrow, and where it is printed."""
    looked = look_at(browser, COMPARISON.write(tmp_path, comparison()))
    height = 'document.querySelector("#forest-0 .chart").clientHeight'
    wide = looked.js(height)
    looked.page.set_viewport_size({"width": 390, "height": 900})
    looked.wait(f"{height} > {wide}")

    assert looked.js(TEXTS_OUTSIDE) == []
    looked.js("window.dispatchEvent(new Event('beforeprint'))")
    assert looked.said == []


def test_what_comes_from_outside_does_nothing(browser: Browser, tmp_path: Path) -> None:
    """Names with markup in them are shown as they are, also in tooltips; none of it runs."""
    looked = look_at(browser, COMPARISON.write(tmp_path, comparison([HOSTILE, f"2{HOSTILE}"], text=HOSTILE)))
    for place, x in (("#forest-0", 460), ("#forest-0", 640), ("#round-charts", 300)):
        looked.page.locator(f"{place} canvas").first.hover(position={"x": x, "y": 24 if place == "#forest-0" else 100})
    looked.wait(f"document.body.innerText.split({json.dumps(HOSTILE)}).length > 12")

    assert looked.js("window.owned") is None
    assert looked.js("document.images.length") == 0
    assert looked.said == []


@pytest.mark.long
def test_a_real_comparison_has_its_page(browser: Browser, processes: Processes, vhost_url: str) -> None:
    """`loadtest compare` leaves a page with curves and links; `loadtest report` of its folder makes it again."""
    command = [*LOADTEST, "compare", "flood-1000-direct", "--set", "publishers.flood.messages=1000", "--rounds", "2"]
    for name, durable in (("kept", "true"), ("passing", "false")):
        command += ["--variant", f"{name}=topology.queues.Queue111112.durable={durable}"]
        command += ["--broker", f"{name}={vhost_url}"]
    done = processes.run(command)
    assert done.exit_code in {0, 5}, done.printed
    (folder,) = (processes.folder / "results").iterdir()
    page = folder / "compare.html"
    looked = look_at(browser, page)
    links = looked.js('[...document.querySelectorAll("td a")].map(link => link.href)')
    curves = looked.js('document.querySelectorAll("#curve-charts canvas").length')

    assert done.stdout.rstrip().endswith("compare.html")
    assert (looked.said, looked.js(BLANK), len(looked.asked)) == ([], 0, 1)
    assert curves == 3
    assert len(links) == 10
    looked.page.click("td a")
    assert "exit code" in looked.page.inner_text("#verdict")
    suite = ET.fromstring((folder / "junit.xml").read_text())  # noqa: S314  # our own
    assert suite.attrib["tests"] == str(1 + len(json.loads((folder / "compare.json").read_text())["findings"]))
    before = page.read_bytes()
    page.unlink()
    again = processes.run([*LOADTEST, "report", str(folder)])
    assert again.exit_code == done.exit_code
    assert again.stdout.splitlines()[0] == "flood-1000-direct, compared"
    assert page.read_bytes() == before

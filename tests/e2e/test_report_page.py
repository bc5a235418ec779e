"""The page of a run in a real browser: drawn, legible, linked, harmless, and quick for an hour of seconds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser

from loadtest.clock import NS_PER_S
from loadtest.measure.histogram.histogram import Histogram
from loadtest.measure.records import end_record
from loadtest.report.run.write import regenerate
from tests.e2e.chromium import chromium, look_at
from tests.e2e.processes import LOADTEST, Processes, run_command
from tests.unit.result.staged_run import START_NS, StagedRun, orders

pytestmark = pytest.mark.e2e

HOSTILE = "</script><img src=x onerror=\"window.owned=1\"><b onmouseover='window.owned=1'>"
# Every canvas that is drawn has pixels of other colours than its ground.
BLANK = """
[...document.querySelectorAll(".chart canvas")].filter(canvas => {
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  for (let at = 3; at < pixels.length; at += 4) if (pixels[at]) return false;
  return true;
}).length
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start one browser for the file."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run with all that a page can show."""
    run = orders(30, description="Four words and a number: 1,000/s")
    for second in range(30):
        gauges = {"queue.depth": second % 5.0, "broker.memory_bytes": 1e8 + second * 1e6, "broker.cpu": 0.4}
        run.broker(second * NS_PER_S + 5, {**gauges, "broker.memory_alarm": float(second > 20)})
    run.event(12 * NS_PER_S, "connection-blocked", "shop/1: low on memory")
    path = tmp_path_factory.mktemp("run")
    run.journal(path)
    regenerate(path)
    return path


def test_charts_are_drawn_and_nothing_is_asked_for(browser: Browser, folder: Path) -> None:
    """There is no error on the console, no request but the file itself, and no chart is blank."""
    looked = look_at(browser, folder / "report.html")

    assert looked.said == []
    assert looked.asked == [(folder / "report.html").as_uri()]
    assert looked.js('document.querySelectorAll(".chart canvas").length') >= 10
    assert looked.js(BLANK) == 0


@pytest.mark.parametrize("width", [390, 1440])
def test_a_page_fits_its_screen(browser: Browser, folder: Path, width: int) -> None:
    """Nothing makes a telephone, or a wide screen, scroll sideways; the verdict is on the first screen."""
    looked = look_at(browser, folder / "report.html", width=width)

    assert looked.js("document.documentElement.scrollWidth") == width
    assert looked.js('document.getElementById("verdict").getBoundingClientRect().bottom') < 300


def test_dark_and_light_differ(browser: Browser, folder: Path) -> None:
    """Ground, text and charts follow what the reader's system prefers; printed it is light."""
    light = look_at(browser, folder / "report.html")
    dark = look_at(browser, folder / "report.html", dark=True)
    ground = "getComputedStyle(document.body).backgroundColor"
    line = "loadtestCharts.drawn[0][0].getOption().color[0]"

    assert light.js(ground) != dark.js(ground)
    assert light.js(line) != dark.js(line)
    dark.js("window.dispatchEvent(new Event('beforeprint'))")
    assert dark.js(line) == light.js(line)
    assert dark.js(ground) == light.js(ground)


def test_links_of_the_page_lead_to_its_sections(browser: Browser, folder: Path) -> None:
    """Each link in the page has its target, and takes the reader there."""
    looked = look_at(browser, folder / "report.html")
    targets = looked.js('[...document.querySelectorAll("a[href^=\\"#\\"]")].map(link => link.getAttribute("href"))')

    assert len(targets) >= 5
    assert [target for target in targets if not looked.js(f'!!document.querySelector("{target}")')] == []
    looked.page.click('a[href="#latency"]')
    looked.wait("Math.abs(document.getElementById('latency').getBoundingClientRect().top) < 120")


def test_a_zoom_is_one_of_all_charts_over_time(browser: Browser, folder: Path) -> None:
    """A drag across one chart zooms all of them to the same seconds; Escape shows the whole run again."""
    looked = look_at(browser, folder / "report.html")
    zoom_of = "[chart.getOption().dataZoom[0]].map(zoom => [zoom.start, zoom.end].map(Math.round).join())[0]"
    zooms = f"loadtestCharts.time.map(chart => {zoom_of})"
    whole = set(looked.js(zooms))
    box = looked.page.locator("#rates-charts canvas").first.bounding_box()
    assert box is not None

    looked.page.mouse.move(box["x"] + 300, box["y"] + 150)
    looked.page.mouse.down()
    looked.page.mouse.move(box["x"] + 600, box["y"] + 150, steps=5)
    looked.page.mouse.up()
    zoomed = set(looked.js(zooms))
    looked.page.keyboard.press("Escape")

    assert whole == {"0,100"}
    assert len(zoomed) == 1
    assert zoomed != whole
    assert set(looked.js(zooms)) == whole


def test_a_hover_tells_all_charts(browser: Browser, folder: Path) -> None:
    """The pointer over one chart opens a tooltip with figures and units, and others follow."""
    looked = look_at(browser, folder / "report.html")
    looked.page.locator("#rates-charts canvas").first.hover(position={"x": 400, "y": 150})
    looked.wait("document.body.innerText.includes('1,000/s')")
    tips = '[...document.querySelectorAll(".chart > div:not(:first-child)")].filter(tip => tip.innerText.trim()).length'

    looked.wait(f"{tips} > 2")


def test_what_comes_from_outside_does_nothing(browser: Browser, tmp_path: Path) -> None:
    """Names, texts and broker strings with markup in them are shown as they are, also in tooltips; none of it runs."""
    run = StagedRun(
        {HOSTILE: ("publisher", "open"), "out": ("consumer", "open")}, name=HOSTILE, description=HOSTILE, text=HOSTILE
    )
    run.records[0]["broker"] = {"product": HOSTILE, "version": HOSTILE, HOSTILE: HOSTILE}
    run.phase("measured", 0)
    run.recorder().active(HOSTILE, START_NS)
    for second in range(3):
        seqs = range(second * 10, second * 10 + 10)
        intended = run.publish(HOSTILE, seqs, second * NS_PER_S)
        run.confirm(HOSTILE, seqs, intended, 1_000_000)
        run.broker(second * NS_PER_S + 5, {f"queue.depth/{HOSTILE}": 1.0, "queue.depth/q": 1.0, "queue.depth": 2.0})
        run.cut((second + 1) * NS_PER_S, "measured")
    run.event(NS_PER_S, HOSTILE, HOSTILE)
    run.end(3 * NS_PER_S)
    run.journal(tmp_path)
    regenerate(tmp_path)
    looked = look_at(browser, tmp_path / "report.html")
    for chart in looked.page.locator(".chart").all():
        chart.hover(position={"x": 300, "y": 100})
    looked.page.wait_for_timeout(100)

    assert looked.js("window.owned") is None
    assert looked.js("document.images.length") == 0
    assert looked.said == []
    assert HOSTILE in looked.page.inner_text("h1")


@pytest.mark.first
def test_an_hour_is_small_and_drawn_in_proportion(browser: Browser, tmp_path: Path) -> None:
    """3,600 windows of two groups with all gauges: below 1.5 MB; ten times as many take at most ten times to draw."""
    pages = {}
    for seconds in (360, 3_600):
        folder = tmp_path / str(seconds)
        folder.mkdir()
        write_seconds(folder, seconds)
        regenerate(folder)
        pages[seconds] = folder / "report.html"
    # The best of three, in turns: other programs only ever add.
    rounds = [{seconds: drawn_ms(browser, page) for seconds, page in pages.items()} for _ in range(3)]
    least = {seconds: min(each[seconds] for each in rounds) for seconds in pages}

    assert pages[3_600].stat().st_size < 1_500_000
    assert least[3_600] <= 10 * least[360], rounds


def drawn_ms(browser: Browser, page: Path) -> int:
    """Return how long a page took to draw, from its first script to its last chart; at least a millisecond."""
    return max(1, int(look_at(browser, page).js("document.documentElement.dataset.drawnMs")))


def write_seconds(folder: Path, seconds: int) -> None:
    """Write the journal of a run whose figures are all different from second to second."""
    chance = np.random.default_rng(7)
    run = StagedRun({"shop": ("publisher", "open"), "billing": ("consumer", "open")}, name="hour")
    run.phase("measured", 0)
    for second in range(seconds):
        rate = int(20_000 + chance.normal(0, 300))
        confirm, end_to_end, lateness = (_latencies(chance, scale) for scale in (2e6, 3e6, 5e4))
        start_ns = START_NS + second * NS_PER_S
        active = [[start_ns, start_ns + NS_PER_S]]
        run.records.append(
            {
                "type": "window",
                "format": "loadtest.window/1",
                "worker": "w",
                "index": second,
                "start_ns": start_ns,
                "end_ns": start_ns + NS_PER_S,
                "phase": "measured",
                "groups": {
                    "shop": {
                        "active": active,
                        "counters": {"offered": 20_000, "published": rate, "confirmed": rate - int(chance.integers(9))},
                        "histograms": {"confirm": confirm, "confirm_uncorrected": confirm, "lateness": lateness},
                    },
                    "billing": {
                        "active": active,
                        "counters": {"delivered": rate + int(chance.integers(9))},
                        "histograms": {"end_to_end": end_to_end, "end_to_end_uncorrected": end_to_end},
                    },
                },
                "ledger": {},
                "gauges": {
                    "cpu": chance.uniform(0.3, 0.5),
                    "loop_lag_max_ns": chance.uniform(1e5, 9e6),
                    "memory_bytes": chance.uniform(1e8, 1.1e8),
                    "outstanding": float(chance.integers(256)),
                    "window_full_ns": chance.uniform(0, 1e6),
                    "blocked_ns": 0.0,
                    "users": 8.0,
                },
            }
        )
        run.broker(second * NS_PER_S + 5, _gauges(chance))
    run.records.append(end_record(START_NS + seconds * NS_PER_S, "2026-03-01T13:00:00+00:00", complete=True))
    (folder / "windows.jsonl").write_text("".join(f"{json.dumps(record)}\n" for record in run.records))


def _gauges(chance: np.random.Generator) -> dict[str, float]:
    return {
        "broker.cpu": chance.uniform(0.8, 1.2),
        "machine.cpu": chance.uniform(1.2, 1.9),
        "broker.memory_bytes": chance.uniform(1.2e8, 1.9e8),
        "broker.memory_limit_bytes": 8e8,
        "broker.disk_free_bytes": chance.uniform(5e10, 6e10),
        "broker.memory_alarm": 0.0,
        "broker.disk_alarm": 0.0,
        "broker.connections": 9.0,
        "broker.flow": float(chance.integers(2)),
        "broker.blocked": 0.0,
        "queue.depth": float(chance.integers(5_000)),
        "queue.unacked": float(chance.integers(500)),
    }


def _latencies(chance: np.random.Generator, scale_ns: float) -> dict[str, object]:
    histogram = Histogram()
    histogram.record(chance.lognormal(np.log(scale_ns), 0.5, 500).astype(np.int64))
    return histogram.to_record()


def test_a_real_run_has_its_page_and_runs_stand_side_by_side(
    browser: Browser, processes: Processes, vhost_url: str
) -> None:
    """`loadtest run` leaves a page that shows its verdict; `loadtest report A B` one with both, and what differs."""
    folders: list[Path] = []
    for rate in ("400/s", "800/s"):
        sets = ["run.duration=2s", "run.warm_up=0s", f"variables.rate={rate}", "thresholds=[lost == 0]"]
        run = processes.run(run_command("loadtest", "steady-1kb", "--broker", vhost_url, sets=sets))
        assert run.exit_code == 0, run.printed
        (folder,) = {path for path in (processes.folder / "results").iterdir() if path not in folders}
        folders.append(folder)
    looked = look_at(browser, folders[0] / "report.html")
    both = processes.run([*LOADTEST, "report", *map(str, folders), "--output", "both.html"])
    beside = look_at(browser, processes.folder / "both.html")

    assert "Passed" in looked.page.inner_text("#verdict")
    assert (looked.said, looked.js(BLANK)) == ([], 0)
    assert both.exit_code == 0, both.printed
    assert "+100%" in both.stdout
    assert both.stdout.rstrip().endswith("both.html")
    assert (beside.said, beside.js(BLANK), len(beside.asked)) == ([], 0, 1)
    assert "rate: 800/s" in beside.page.inner_text("#differs")
    twice = processes.run([*LOADTEST, "report", str(folders[0]), str(folders[0])])
    missing = processes.run([*LOADTEST, "report", str(folders[0]), "nowhere"])
    assert (twice.exit_code, missing.exit_code) == (2, 4)
    assert (twice.stderr.count("\n"), missing.stderr.count("\n")) == (1, 1)

"""`loadtest sweep` as it is typed: on real brokers, interrupted and gone on with; and its page in a real browser."""

from __future__ import annotations

import csv
import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from loadtest.report.sweep.sweep_report import SWEEP
from tests.e2e.chromium import chromium, look_at
from tests.e2e.processes import LOADTEST, Finished, Json, Processes, wait_until
from tests.e2e.test_comparison_page import TEXTS_OUTSIDE
from tests.e2e.test_report_page import BLANK, HOSTILE
from tests.unit.report.staged_sweep import SIZES, TYPES, USERS, sweep

pytestmark = pytest.mark.e2e

SHORT = ("--set", "run.duration=500ms", "--set", "warm_up=0ms", "--set", 'thresholds=["lost == 0"]')
GRID = ("--vary", "body.size=12B,1KB", "--vary", "publishers.in.users=1,2")


def command(*words: str) -> list[str]:
    """Return the command."""
    return [*LOADTEST, "sweep", *words]


def document(run: Finished) -> Json:
    """Return what a sweep wrote."""
    found: Json = json.loads((run.results_folder / "sweep.json").read_text())
    return found


def test_two_by_two_points_interrupted_and_gone_on_with(processes: Processes, vhost_url: str) -> None:
    """
    Sizes by users, by short paths, on the broker that is named; SIGTERM in the middle ends it with 130.

    `--resume` runs what is missing. A grid a metric, a row a run, a page; `loadtest report` makes the files again.
    """
    broker = {"LOADTEST_BROKER": vhost_url}
    running = processes.start(command("steady-1kb", *GRID, *SHORT), **broker)
    wait_until(lambda: "run 3 of 4" in running.stderr, 50.0, "the third run")
    running.send(signal.SIGTERM)
    interrupted = running.wait(20.0)
    folder, before = interrupted.results_folder, document(interrupted)

    assert interrupted.exit_code == 130, interrupted.printed
    assert "4 points, 5 runs: a warm-up, then one round of all in random order; about 18 s" in interrupted.stderr
    assert f"to go on: loadtest sweep --resume {folder.relative_to(interrupted.folder)}" in interrupted.stderr
    assert (before["complete"], before["reason"]) == (False, "not complete: 2 of 4 runs")

    resumed = processes.start(command("--resume", str(folder)), **broker).wait(100.0)
    after = document(resumed)

    assert resumed.exit_code == after["exit_code"] == 0, resumed.printed
    assert resumed.stderr.count("\nrun ") == 2
    assert "starting a private" not in interrupted.stderr + resumed.stderr
    assert [point["name"] for point in after["points"]][::3] == ["size=12B+users=1", "size=1KB+users=2"]
    assert all(point["figures"]["in.confirmed_rate"]["median"] > 0 for point in after["points"])
    assert "in.confirmed_rate\nsize \\ users" in resumed.stdout
    rows = list(csv.DictReader((folder / "sweep.csv").read_text().splitlines()))
    assert [(row["body.size_bytes"], row["publishers.in.users"]) for row in rows] == [
        ("12", "1"),
        ("12", "2"),
        ("1000", "1"),
        ("1000", "2"),
    ]
    assert all(float(row["out.end_to_end.p99_ns"]) > 0 for row in rows)
    assert_made_again(processes, folder, resumed)


def assert_made_again(processes: Processes, folder: Path, before: Finished) -> None:
    """Fail unless `loadtest report` makes the files of a sweep as they were, and says the same."""
    names = ("sweep.html", "sweep.csv", "summary.md")
    contents = {name: (folder / name).read_bytes() for name in names}
    for name in names:
        (folder / name).unlink()
    again = processes.run([*LOADTEST, "report", str(folder)])

    assert again.exit_code == 0, again.printed
    assert again.stdout.splitlines()[:-2] == before.stdout.splitlines()[:-2]
    assert {name: (folder / name).read_bytes() for name in names} == contents
    assert contents["sweep.html"].count(b'/report.html" aria-label') == 8


@pytest.mark.long
@pytest.mark.timeout(420)
def test_a_point_that_cannot_be_run_is_a_gap(processes: Processes, rabbitmq_server: Path) -> None:
    """On a private node: a queue that does not exist fails its point alone; the next time it alone is run again."""
    words = ("steady-1kb", "--vary", "queues.steady.passive=false,true", *SHORT, "--repeats", "2")
    run = processes.start(command(*words)).wait(200.0)
    found = document(run)
    resumed = processes.start(command("--resume", str(run.results_folder))).wait(200.0)

    assert run.exit_code == found["exit_code"] == 5, run.printed
    assert run.stderr.count("is up at") == 1
    assert [bool(point["figures"]) for point in found["points"]] == [True, False]
    assert [run["marks"] for run in found["points"][1]["runs"]] == [["failed"], ["failed"]]
    assert "DONE, WITH GAPS (exit code 5): 2 of 4 runs failed" in run.stdout
    assert resumed.stderr.count("passive true") == 2
    assert resumed.exit_code == 5


def test_a_broker_that_is_not_there(processes: Processes, refusing_port: int) -> None:
    """The warm-up says so, with the exit code of a broker that is gone, and without the password."""
    run = processes.run(
        command("steady-1kb", *GRID, *SHORT, "--broker", f"amqp://ann:hunter2@127.0.0.1:{refusing_port}/")
    )

    assert run.exit_code == 3, run.printed
    assert "size 12B, users 1 cannot be run" in run.stderr
    assert "hunter2" not in run.printed
    assert all("hunter2" not in path.read_text() for path in run.results_folder.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start one browser for the file."""
    with chromium() as started:
        yield started


def staged(folder: Path, *vary: str) -> Path:
    """Return the page of a staged sweep with a gap and a remark."""
    return SWEEP.write(folder, sweep(vary, repeats=3, gap=4 if len(vary) > 1 else 1, marked=2))


@pytest.mark.parametrize(
    "vary, charts, width",
    [((SIZES,), 3, 1440), ((SIZES, USERS), 6, 390), ((SIZES, USERS, TYPES), 6, 1440), ((TYPES,), 3, 390)],
    ids=["one axis", "two", "three", "categories"],
)
def test_the_page_fits_its_screen(
    browser: Browser, tmp_path: Path, vary: tuple[str, ...], charts: int, width: int
) -> None:
    """Charts are drawn, nothing is asked for or complained of, and neither page nor chart is wider than its place."""
    page = staged(tmp_path, *vary)
    looked = look_at(browser, page, width=width)

    assert looked.said == []
    assert looked.asked == [page.as_uri()]
    assert looked.js('document.querySelectorAll(".chart canvas").length') == charts
    assert looked.js(BLANK) == 0
    assert looked.js("document.documentElement.scrollWidth") == width
    assert looked.js(TEXTS_OUTSIDE) == []


def test_what_is_shown_along_which_axis_is_chosen(browser: Browser, tmp_path: Path) -> None:
    """Two axes can change places, and a third is held at a value that can be chosen; labels tell what is shown."""
    looked = look_at(browser, staged(tmp_path, SIZES, USERS, TYPES))
    label = 'document.querySelector("#metric-0 .chart").getAttribute("aria-label")'
    choices = looked.page.locator("#controls select")

    assert looked.js(label).startswith("p.confirmed_rate, heat map. type quorum; size 12B, users 1: 36,364/s; size 1KB")
    choices.nth(2).select_option(label="classic")
    assert looked.js(label).startswith("p.confirmed_rate. type classic; size 12B, users 1: 18,182/s; size 1KB")
    choices.nth(0).select_option(label="users")
    assert looked.js(label).startswith("p.confirmed_rate. type classic; users 1, size 12B: 18,182/s; users 2, size 12B")
    assert choices.nth(1).evaluate("select => select.selectedOptions[0].text") == "size"
    assert looked.said == []


def test_what_comes_from_outside_does_nothing(browser: Browser, tmp_path: Path) -> None:
    """Values with markup in them are shown as they are, also in tooltips and choices; none of it runs."""
    page = SWEEP.write(tmp_path, sweep((f"variables.x={HOSTILE},b", "variables.y=1,2"), scenario=HOSTILE))
    looked = look_at(browser, page)
    looked.page.locator("#metric-0 canvas").first.hover(position={"x": 200, "y": 60})
    looked.page.locator("#metric-0 canvas").nth(1).hover(position={"x": 200, "y": 100})

    assert looked.js("window.owned") is None
    assert looked.js("document.images.length") == 0
    assert looked.said == []

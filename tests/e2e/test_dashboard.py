"""Locust's page as people use it, in a real browser: a scenario is picked, watched, stopped, and another compared."""

from __future__ import annotations

import re
import secrets
import signal
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from loadtest.broker.endpoint import Endpoint
from loadtest.broker.monitor.management import ManagementApi
from loadtest.broker.private.ports import PortBlock
from tests.e2e.chromium import chromium
from tests.e2e.processes import LOCUST, LOCUSTFILE, Processes, Running, wait_until

pytestmark = pytest.mark.e2e

WAIT_MS: Final = 20_000.0
PASSWORD: Final = "correct horse"  # of a page that lives for a test


class Site:
    """A locust process with its page, and the browser's windows onto it."""

    def __init__(self, running: Running, port: int, browser: Browser) -> None:
        self.running = running
        self.url = f"http://127.0.0.1:{port}/"
        self._browser = browser
        self.said: list[str] = []

    def open(self, path: str = "", *, width: int = 1440, dark: bool = False) -> Page:
        """Open a page in a window of its own, as somebody who was never there."""
        context = self._browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light"
        )
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.goto(self.url + path)
        return page

    def is_up(self) -> bool:
        """Return whether the page is served."""
        assert self.running.process.poll() is None, self.running.stderr
        with requests.Session() as session, closing(session):
            session.trust_env = False
            try:
                return session.get(self.url, timeout=30).status_code < 500
            except requests.ConnectionError:
                return False


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start one browser for the file."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def vhost(broker_endpoint: Endpoint, management: ManagementApi) -> Iterator[str]:
    """The URL of a virtual host of the file's own."""
    name = f"test-{secrets.token_hex(6)}"
    management.create_vhost(name, broker_endpoint.username)
    yield broker_endpoint.with_vhost(name).url
    management.delete_vhost(name)


Serve = Callable[..., Any]


@pytest.fixture(scope="module")
def serve(browser: Browser, vhost: str, tmp_path_factory: pytest.TempPathFactory) -> Serve:
    """Return what starts a locust process with its page for a `with` block; Ctrl-C ends it in order."""

    @contextmanager
    def serving(
        *arguments: str, port: int | None = None, folder: Path | None = None, **settings: str
    ) -> Iterator[Site]:
        processes = Processes(folder or tmp_path_factory.mktemp("web"))
        with PortBlock.reserve() as own:
            port = port or own.free[0]
            command = [LOCUST, "-f", str(LOCUSTFILE), "--web-port", str(port), "--broker", vhost, *arguments]
            site = Site(processes.start(command, **settings), port, browser)
            wait_until(site.is_up, 20.0, "the page")
            yield site
            site.running.send(signal.SIGINT)
            site.running.wait(20.0)
            processes.end()

    return serving


@pytest.fixture(scope="module")
def site(serve: Serve) -> Iterator[Site]:
    """One process for the tests of the file that leave it as they find it: with no run under way."""
    with serve() as served:
        yield served


def fill(page: Page, scenario: str, *overrides: str, **fields: str) -> None:
    """Fill the start form in; opens it where a run went before."""
    new = page.get_by_role("button", name="New", exact=True)
    form = page.locator(".lt-start")
    form.or_(new).first.wait_for()
    if not form.count():
        new.click()
    page.get_by_label("Scenario").select_option(scenario)
    page.get_by_label("Overrides").fill("\n".join(overrides))
    for label, text in fields.items():
        page.get_by_label(label, exact=True).fill(text)
    page.get_by_role("button", name="Start", exact=True).click()


def begin(page: Page, scenario: str, *overrides: str, **fields: str) -> None:
    """Start a run and look at the AMQP tab."""
    fill(page, scenario, *overrides, **fields)
    page.get_by_role("tab", name="AMQP").click()
    expect(page.get_by_role("heading", name=scenario, exact=True)).to_be_visible(timeout=WAIT_MS)


def tile(page: Page, name: str) -> str:
    """Return a figure of the last second."""
    return page.locator("dl.tiles div", has=page.locator(f'dt:text-is("{name}")')).locator("dd").inner_text()


def ledger(page: Page, name: str) -> int:
    """Return a count of the ledger."""
    row = page.get_by_role("table", name="Ledger").get_by_role("row", name=re.compile(rf"^{name}\b"))
    text = row.get_by_role("cell").last.inner_text()
    return int(text.replace(",", "")) if text != "–" else -1


def wait_ended(page: Page) -> None:
    """Block until the verdict is there."""
    expect(page.locator(".verdict strong")).to_be_visible(timeout=30_000)


def test_a_visit(site: Site) -> None:
    """Choose, be told what is wrong, start, watch the numbers move, stop, run another, compare the two, download."""
    page = site.open()
    question = page.locator(".lt-start p").first
    page.get_by_label("Scenario").select_option("get-one-by-one")
    expect(question).to_have_text("What is in Queue111112, and how long does each Get take?")
    fill(page, "steady-1kb", "run.warm_up=0s", "publishers.in.rat=800/s", Users="4")
    expect(page.get_by_role("alert")).to_contain_text("override 2: publishers.in.rat")

    begin(page, "steady-1kb", "run.warm_up=0s", "publishers.in.rate=800/s")
    expect(page.locator(".stand strong")).to_have_text("measured part", timeout=WAIT_MS)
    wait_until(lambda: ledger(page, "published") > 0, 10, "messages")
    before = ledger(page, "published")
    wait_until(lambda: ledger(page, "published") > before, 5, "more messages")
    assert 400 < float(tile(page, "offered").removesuffix("/s")) < 1_000
    assert ledger(page, "lost") == -1
    assert page.get_by_role("button", name="Edit").count() == 0

    page.get_by_role("button", name="Stop").click()
    wait_ended(page)
    expect(page.locator(".verdict strong")).to_have_text("Inconclusive")
    assert ledger(page, "lost") == 0

    begin(page, "flood-1000-direct")
    wait_ended(page)
    expect(page.locator(".verdict strong")).to_have_text("Passed")
    assert ledger(page, "got") == 1_000
    look_at_results(page)
    assert site.said == [], site.said


def look_at_results(page: Page) -> None:
    """Compare the two runs of the visit, open a report, and download from Locust's own tab."""
    ticks = page.get_by_role("checkbox")
    expect(ticks).to_have_count(2)
    assert page.get_by_role("button", name="Compare").is_disabled()
    for number in range(2):
        ticks.nth(number).check()
    with page.expect_popup() as compared:
        page.get_by_role("button", name="Compare").click()
    expect(compared.value.get_by_role("heading", name="2 runs side by side")).to_be_visible(timeout=WAIT_MS)
    with page.expect_popup() as report:
        page.get_by_role("link", name="Open the report").click()
    expect(report.value.locator("#verdict")).to_contain_text("Passed")
    expect(report.value.locator("canvas").first).to_be_visible(timeout=WAIT_MS)
    page.get_by_role("tab", name="Download Data").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Last AMQP run: result.json").click()
    assert download.value.suggested_filename.endswith("-flood-1000-direct-result.json")
    assert '"loadtest.result/1"' in Path(download.value.path()).read_text()


@pytest.mark.long
@pytest.mark.parametrize("arguments", [(), ("--processes", "2")], ids=["one-process", "two-processes"])
def test_one_run_after_the_other(arguments: tuple[str, ...], serve: Serve) -> None:
    """Runs that end by themselves and runs that are stopped, with resets between, as often as one likes."""
    with serve(*arguments) as site:
        page = site.open()
        for turn in range(3):
            begin(page, "flood-1000-direct")
            wait_ended(page)
            expect(page.locator(".verdict strong")).to_have_text("Passed")
            page.get_by_role("button", name="Reset").click()
            begin(page, "steady-1kb", "run.warm_up=0s")
            wait_until(lambda: ledger(page, "published") > 0, 20, "messages")
            page.get_by_role("button", name="Reset").click()
            page.get_by_role("button", name="Stop").click()
            wait_ended(page)
            expect(page.locator(".verdict strong")).to_have_text("Inconclusive")
            expect(page.get_by_role("checkbox")).to_have_count(2 * turn + 2, timeout=WAIT_MS)
        workers = page.get_by_role("table", name="Processes of the generator").get_by_role("row")
        assert workers.count() == (3 if arguments else 0)
        assert site.said == [], site.said


@pytest.mark.long
def test_login(serve: Serve) -> None:
    """Nothing is there without a login; a wrong password is told; after the right one all goes as it does without."""
    with serve("--web-login", LOADTEST_WEB_PASSWORD=PASSWORD) as site:
        for path in ("", "loadtest/", "loadtest/live", "loadtest/results"):
            page = site.open(path)
            expect(page.get_by_role("button", name="Login")).to_be_visible(timeout=WAIT_MS)
            page.context.close()
        page = site.open()
        for password in ("wrong", PASSWORD):
            page.get_by_label("Username").fill("loadtest")
            page.locator("input[name=password]").fill(password)
            page.get_by_role("button", name="Login").click()
            if password == "wrong":
                expect(page.get_by_role("alert")).to_have_text("Wrong username or password", timeout=WAIT_MS)
        begin(page, "flood-1000-direct")
        wait_ended(page)
        page.goto(site.url + "loadtest/")
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_role("button", name="Login")).to_be_visible(timeout=WAIT_MS)


@pytest.mark.long
def test_a_page_outlives_the_process(serve: Serve, free_port: int, tmp_path: Path) -> None:
    """Killed in the middle of a run and started anew at the same port: windows that stay open show the next run."""
    with serve(port=free_port, folder=tmp_path) as site:
        page, watching = site.open(), site.open("loadtest/")
        begin(page, "steady-1kb", "run.warm_up=0s", "run.duration=300s")
        wait_until(lambda: ledger(watching, "published") > 0, 20, "messages")
        site.running.send(signal.SIGKILL)
    expect(watching.get_by_text("Connection lost")).to_be_visible(timeout=30_000)
    assert ledger(watching, "published") > 0
    with serve(port=free_port, folder=tmp_path):
        expect(watching.get_by_text("No run in this process yet.")).to_be_visible(timeout=30_000)
        expect(page.get_by_role("button", name="Start", exact=True)).to_be_visible(timeout=30_000)
        expect(watching.get_by_text("No result: it was cut off")).to_be_visible()
        begin(page, "flood-1000-direct")
        expect(watching.get_by_role("heading", name="flood-1000-direct")).to_be_visible(timeout=30_000)
        wait_ended(watching)

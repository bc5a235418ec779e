"""A real Chromium for the tests of pages: Debian's, headless, with what it says on its console."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, Page, sync_playwright

from tests.e2e.processes import wait_until

NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS: Final = (
    "--no-sandbox",  # in CI tests are root's
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def find_chromium() -> str:
    """Return the path of the browser; `make test` installs one where there is none."""
    found = os.environ.get("LOADTEST_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    assert found is not None, "there is no chromium: tools/chromium.sh installs it"
    return found


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start a browser that ends with the block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Looked:
    """A page in the browser, with what it printed and what it asked for."""

    page: Page
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def wait(self, expression: str, timeout_s: float = 20.0) -> None:
        """Block until an expression is true; asked from here, as the page forbids to evaluate text in it."""
        wait_until(lambda: bool(self.js(expression)), timeout_s, expression)

    def js(self, expression: str) -> Any:
        """Return the value of an expression in the page."""
        return self.page.evaluate(expression)


def look_at(browser: Browser, path: Path, *, width: int = 1440, dark: bool = False) -> Looked:
    """Open a file and wait until its charts are drawn."""
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light", device_scale_factor=1
    )
    looked = Looked(context.new_page())
    looked.page.on("console", lambda message: looked.said.append(message.text))
    looked.page.on("pageerror", lambda error: looked.said.append(str(error)))
    looked.page.on("request", lambda request: looked.asked.append(request.url))
    looked.page.goto(path.as_uri())
    drawn = "document.documentElement.dataset.drawnMs || document.documentElement.dataset.failed"
    looked.wait(drawn)
    assert looked.js("document.documentElement.dataset.failed") is None
    return looked

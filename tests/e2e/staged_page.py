"""
Our pages served without Locust and without a broker: a run that a test tells record by record, in a real browser.

What is shown is what the real collector and dashboard make of it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from werkzeug.serving import make_server

from loadtest.dashboard.live import Asked, Live
from loadtest.dashboard.web import Dashboard
from loadtest.measure import Collector
from loadtest.measure.records import Record
from loadtest.result.run.build import build_result
from tests.unit.dashboard.web_ui import FakeWebUI
from tests.unit.result.staged_run import StagedRun


class OneAtATime(Live):
    """A live document that nothing happens to while it is made: Locust has greenlets, this server threads."""

    lock = threading.RLock()

    def document(self, since: str, state: str, files: Sequence[str] = ()) -> str:
        """Return the document."""
        with self.lock:
            return super().document(since, state, files)


class StagedPage:
    """
    A page and the run that it shows.

    Attributes:
        now_ns: What the page takes for now.
    """

    def __init__(self, results: Path, **about: Any) -> None:
        self.web_ui = FakeWebUI(results=str(results), **about)
        self.now_ns = 0
        self.live = OneAtATime(clock=lambda: self.now_ns)
        dashboard = Dashboard()
        dashboard._live = self.live
        dashboard.install(cast("Any", self.web_ui), lambda _: 1, lambda _: None)
        self.collector = Collector()

    def follow(self, run: StagedRun, **asked: Any) -> list[Record]:
        """Begin a run; returns its records, for `tell`."""
        self.collector = Collector()
        self.live.follow(self.collector, Asked(**{"folder": "2026-staged", **asked}))
        self.web_ui.environment.runner.state = "running"
        return list(run.records)

    def tell(self, records: Sequence[Record]) -> None:
        """Have things happen."""
        for record in records:
            with self.live.lock:
                self.collector.take(record)
                self.live.take(record)
            self.now_ns = max(self.now_ns, record.get("end_ns", 0), record.get("at_ns", 0))

    def finish(self) -> None:
        """Close the books."""
        with self.live.lock:
            self.live.close(build_result(self.collector))
        self.web_ui.environment.runner.state = "stopped"


@contextmanager
def served(page: StagedPage, port: int = 0) -> Iterator[str]:
    """Serve *page* within; yields its address."""
    server = make_server("127.0.0.1", port, page.web_ui.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/loadtest/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

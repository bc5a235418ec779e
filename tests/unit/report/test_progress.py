"""The line that shows a run as it goes on."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.live import Live

from loadtest.measure.histogram.histogram import Histogram
from loadtest.measure.ledger.ledger_delta import LedgerDelta
from loadtest.measure.window import GroupWindow, Window
from loadtest.report.run.progress_line import Progress

NS = 10**9


class Terminal(io.StringIO):
    """A file that says that it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def _window(worker: str, index: int, published: int, latency_ns: int) -> Window:
    values = Histogram()
    values.record_one(latency_ns)
    group = GroupWindow(counters={"published": published}, histograms={"confirm": values.to_record()})
    start_ns = (index + 1) * NS
    return Window(worker, index, start_ns, start_ns + NS, "measured", {"in": group}, LedgerDelta(), {})


def test_rates_of_workers_add_up_and_the_slowest_counts() -> None:
    """The line has the rate of all workers together and the highest p99 of their newest windows."""
    progress = Progress(io.StringIO(), planned_s=9)
    for index in range(2):
        progress.take(_window("a", index, 100, 1_000_000))
        progress.take(_window("b", index, 50, 2_000_000 * (index + 1)))

    assert progress.line() == "2 of 9 s · measured · published 150/s · confirm p99 4.00 ms"


def test_live_line_is_drawn_once_a_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a hundred workers a terminal gets a line a second, not a hundred."""
    drawn: list[Any] = []
    monkeypatch.setattr(Live, "update", lambda _, text, **__: drawn.append(text))
    progress = Progress(Terminal())
    for index in range(3):
        for worker in range(100):
            progress.take(_window(f"w{worker}", index, 1, 1))

    assert len(drawn) == 3

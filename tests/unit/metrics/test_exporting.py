"""Waiting for a last scrape: when it is done, and what is said of it."""

from __future__ import annotations

from typing import Any

import pytest

from loadtest.run.metrics_export import MetricsExport


class FakeExporter:
    """An exporter that is scraped, or not, or in the middle of whose waiting somebody presses Ctrl-C."""

    def __init__(self, outcome: bool | type[BaseException]) -> None:
        self.waited_s: list[float] = []
        self._outcome = outcome

    def wait_scraped(self, timeout_s: float) -> bool:
        """Do not wait."""
        self.waited_s.append(timeout_s)
        if isinstance(self._outcome, bool):
            return self._outcome
        raise self._outcome


WAITING = "waiting up to 15 s for Prometheus to scrape the end of the run"


@pytest.mark.parametrize(
    "outcome, said",
    [(True, [WAITING]), (False, [WAITING, "it was not scraped"]), (KeyboardInterrupt, [WAITING, "it was not scraped"])],
    ids=["scraped", "not scraped", "ctrl-c"],
)
def test_what_came_of_waiting_is_said(outcome: Any, said: list[str]) -> None:
    """It ends with a scrape, with its time, or with Ctrl-C, after which the verdict is that of the run."""
    exporter, lines = FakeExporter(outcome), list[str]()
    MetricsExport(exporter, 15, lines.append).linger(0)  # type: ignore[arg-type]  # what it needs of an exporter

    assert exporter.waited_s == [15]
    assert lines == said


@pytest.mark.parametrize("linger_s, exit_code", [(0, 0), (15, 130)], ids=["not asked for", "interrupted run"])
def test_nobody_waits_who_did_not_ask_for_it(linger_s: float, exit_code: int) -> None:
    """Nor does one who has interrupted the run."""
    exporter, lines = FakeExporter(outcome=True), list[str]()
    MetricsExport(exporter, linger_s, lines.append).linger(exit_code)  # type: ignore[arg-type]  # what it needs of an exporter

    assert (exporter.waited_s, lines) == ([], [])


def test_without_a_port_there_is_nothing_to_wait_for() -> None:
    """A run that cannot be scraped ends at once."""
    lines: list[str] = []
    MetricsExport(None, 15, lines.append).linger(0)

    assert lines == []

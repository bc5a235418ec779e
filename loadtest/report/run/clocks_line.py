"""The line of the summary that says how far the clocks of the hosts were apart. Knows nothing of the rest of it."""

from __future__ import annotations

from collections.abc import Iterator

from loadtest.clock import NS_PER_S
from loadtest.report.text.text_page import Cell, Page
from loadtest.result.run.document import RunResult
from loadtest.result.units import span_text, time_text


def put_clocks(page: Page, result: RunResult, indent: int) -> None:
    """Put the clocks of other hosts against the master's; nothing of a run on one host."""
    items = list(clock_items(result))
    if items:
        page.items(Cell("Clocks", "bold"), items, separator=" · ", indent=indent)


def clock_items(result: RunResult) -> Iterator[str]:
    """Yield how far each other host's clock was ahead or behind, how exactly that is known, and how fast it drifted."""
    by_clock = {(worker.host, worker.offset_ns): worker for worker in result.workers if worker.has_own_clock}
    for worker in by_clock.values():
        way = "behind" if worker.offset_ns < 0 else "ahead"
        drift = "" if worker.drift_ppm is None else f", drift {worker.drift_ppm:+.1f} ppm"
        apart = span_text(abs(worker.offset_ns) / NS_PER_S)
        yield f"{worker.host or worker.worker} {apart} {way} ±{time_text(worker.bound_ns)}{drift}"

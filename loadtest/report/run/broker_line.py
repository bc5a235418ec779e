"""The line of the summary that says how the broker was. Knows nothing of the rest of it."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean
from typing import Final

from loadtest.report.text.text_page import Cell, Page
from loadtest.result.run.document import RunResult
from loadtest.result.run.evidence import MEASURED
from loadtest.result.units import count_text, number_text, size_text

_ALARMS: Final = {"broker.memory_alarm": "memory alarm", "broker.disk_alarm": "disk alarm"}


def put_broker(page: Page, result: RunResult, indent: int) -> None:
    """Put the broker's peaks over the run, its CPU in the measured part, and alarms; nothing where nothing is known."""
    items = list(broker_items(result))
    if items:
        page.items(Cell("Broker", "bold"), items, separator=" · ", indent=indent)


def broker_items(result: RunResult) -> Iterator[str]:
    """Yield the items of the line."""
    depths = _values(result, "queue.depth")
    if depths:
        yield f"peak queue depth {count_text(int(max(depths)))}"
    memory = _values(result, "broker.memory_bytes")
    if memory:
        yield f"peak memory {size_text(max(memory))}"
    used = _values(result, "broker.cpu", phase=MEASURED)
    if used:
        yield f"mean CPU {number_text(round(fmean(used), 2))} cores"
    for gauge, name in _ALARMS.items():
        alarmed = sum(1 for nodes in _values(result, gauge) if nodes)
        if alarmed:
            yield f"{name} in {count_text(alarmed)} {'second' if alarmed == 1 else 'seconds'}"


def _values(result: RunResult, gauge: str, *, phase: str | None = None) -> list[float]:
    points = [point for point in result.timeline if phase is None or point.phase == phase]
    return [point.gauges[gauge] for point in points if gauge in point.gauges]

"""
Several runs side by side: what each came to, and by how much the others differ from the first.

It shows and does not judge: one run beside another cannot tell a small difference from chance. Pure: results in, a page
of text out.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TextIO

from pydantic import JsonValue
from rich.text import Text

from loadtest.report.run.terminal import print_page
from loadtest.report.text.plain import plain_line
from loadtest.report.text.text_page import Cell, Column, Page, Row
from loadtest.result.run.document import GroupPart, LatencyPart, RunResult
from loadtest.result.units import NOTHING, count_text, rate_text, share_text, throughput_text, time_text

RATES: Final = ("offered", "published", "confirmed", "delivered", "got")
LATENCIES: Final = ("confirm", "end_to_end", "get", "lateness")
STATISTICS: Final = (("p50", "p50_ns"), ("p99", "p99_ns"), ("max", "max_ns"))
TOTALS: Final = ("published", "delivered", "got", "lost", "corrupted", "duplicates", "in_doubt")
_ALWAYS_SHOWN: Final = "lost"
_LEAST_CHANGE: Final = 0.0005
"""Below a twentieth of a percent nothing is shown: no figure here is known better."""


@dataclass(frozen=True, slots=True)
class NamedRun:
    """A run under a short name that tells it from the others, such as its folder's."""

    name: str
    result: RunResult


@dataclass(frozen=True, slots=True)
class Comparison:
    """
    A figure of several runs.

    Attributes:
        name: Of the figure, such as ``shop.confirm p99``.
        texts: One a run, with its unit.
        changes: One a run: how it differs from the first, ``+12.3%``; empty where nothing can be said.
    """

    name: str
    texts: list[str]
    changes: list[str]


def comparisons(runs: Sequence[NamedRun]) -> Iterator[Comparison]:
    """Yield the figures that at least one of *runs* has: verdict first, then rates, latencies and totals."""
    verdicts = [f"{run.result.verdict.outcome} ({run.result.verdict.exit_code})" for run in runs]
    yield Comparison("verdict", verdicts, [""] * len(runs))
    groups = list(dict.fromkeys(name for run in runs for name in run.result.groups))
    for group in groups:
        yield from _of_group(runs, group)
    for total in TOTALS:
        values: list[float | None] = [getattr(run.result.totals, total) for run in runs]
        if any(values) or total == _ALWAYS_SHOWN:
            yield _compared(total.replace("_", " "), values, lambda value: count_text(int(value)))


def _of_group(runs: Sequence[NamedRun], name: str) -> Iterator[Comparison]:
    parts = [run.result.groups.get(name) for run in runs]
    for rate in RATES:
        yield from _told(f"{name} {rate}", [_rate(part, f"{rate}_per_s") for part in parts], rate_text)
    yield from _told(f"{name} volume", [_rate(part, "bytes_per_s") for part in parts], throughput_text)
    for latency in LATENCIES:
        for statistic, field in STATISTICS:
            values = [_latency(part, latency, field) for part in parts]
            yield from _told(f"{name}.{latency} {statistic}", values, time_text)


def _rate(part: GroupPart | None, field: str) -> float | None:
    return None if part is None else getattr(part.rates, field)


def _latency(part: GroupPart | None, name: str, field: str) -> float | None:
    latency: LatencyPart | None = None if part is None else part.latency.get(name)
    return None if latency is None or (name == "lateness" and latency.model == "closed") else getattr(latency, field)


def _told(name: str, values: Sequence[float | None], text: Callable[[float], str]) -> Iterator[Comparison]:
    if any(value is not None for value in values):
        yield _compared(name, values, text)


def _compared(name: str, values: Sequence[float | None], text: Callable[[float], str]) -> Comparison:
    texts = [NOTHING if value is None else text(value) for value in values]
    return Comparison(name, texts, ["", *(_change(values[0], value) for value in values[1:])])


def _change(first: float | None, value: float | None) -> str:
    """Return by which share a value differs from the first; nothing where one is missing or the first is 0."""
    if first is None or value is None or not first or abs(value / first - 1) < _LEAST_CHANGE:
        return ""
    change = value / first - 1
    return f"{'+' if change > 0 else '−'}{share_text(abs(change))}"


def differences(runs: Sequence[NamedRun]) -> Iterator[tuple[str, list[str]]]:
    """Yield what differs in what was run and where: a name, and a text for each run."""
    yield from _different("broker", [_product(run.result) for run in runs])
    yield from _different("broker config", [_json(run.result.broker.get("config")) for run in runs])
    yield from _different("host", [_json(run.result.generator.get("host")) for run in runs])
    for key in ("cpu", "cores", "python", "versions"):
        yield from _different(key, [_json(run.result.generator.get(key)) for run in runs])
    yield from _different("set", [", ".join(run.result.scenario.overrides) or "nothing" for run in runs])
    yield from _different("scenario", [run.result.scenario.name for run in runs])


def _different(name: str, texts: list[str]) -> Iterator[tuple[str, list[str]]]:
    if len(set(texts)) > 1:
        yield name, texts


def _product(result: RunResult) -> str:
    return " ".join(str(result.broker.get(key) or NOTHING) for key in ("product", "version"))


def _json(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def scenario_diff(first: NamedRun, other: NamedRun) -> list[str]:
    """Return the lines by which the scenario of *other* as run differs from that of *first*, with a sign each."""
    old, new = (run.result.scenario.text.splitlines() for run in (first, other))
    return list(difflib.unified_diff(old, new, fromfile=first.name, tofile=other.name, lineterm="", n=1))


def print_side_by_side(runs: Sequence[NamedRun], file: TextIO | None = None) -> None:
    """Print the table, a run a column, and what differs in what was run."""
    print_page(lambda width: _page(runs, width), file)


def _page(runs: Sequence[NamedRun], width: int) -> Text:
    page = Page(width)
    page.sentence(f"{len(runs)} runs side by side", style="bold")
    for number, run in enumerate(runs, start=1):
        page.sentence(f"{run.name}: {run.result.scenario.name}", mark=Cell(f"{number}", "bold"), indent=3)
    page.blank()
    page.table([Column(""), *(Column(str(number)) for number in range(1, len(runs) + 1))], list(_rows(runs)))
    told = list(differences(runs))
    if told:
        page.blank()
        page.sentence("What differs", style="bold")
    for name, texts in told:
        for number, text in enumerate(texts, start=1):
            page.sentence(plain_line(text), mark=Cell(f"{name} {number}", "dim"), indent=16)
    return page.text()


def _rows(runs: Sequence[NamedRun]) -> Iterator[Row]:
    for comparison in comparisons(runs):
        yield [Cell(comparison.name), *(Cell(text) for text in comparison.texts)]
        if any(comparison.changes):
            yield [Cell(""), *(Cell(change, "dim") for change in comparison.changes)]

"""What a search for a capacity found, for people: in the terminal and as Markdown. Pure: the document in, text out."""

from __future__ import annotations

from typing import Final, TextIO

from rich.text import Text

from loadtest.report.page import Cell, Column, Page, Row
from loadtest.report.terminal import print_page
from loadtest.result.capacity import CapacityResult, ProbePart
from loadtest.result.units import NOTHING, rate_text, time_text

_COLUMNS: Final = (
    Column("Rate"),
    Column("published"),
    Column("latency", is_left=True, spare=1),
    Column("p50"),
    Column("p99"),
    Column("", is_left=True),
)


def print_capacity(result: CapacityResult, file: TextIO | None = None) -> None:
    """Print what was found."""
    print_page(lambda width: _page(result, width), file)


def _page(result: CapacityResult, width: int) -> Text:
    page = Page(width)
    page.sentence(f"{result.scenario}, capacity", style="bold")
    page.sentence(f"within {', '.join(result.slo)}, nothing lost, no backlog growing")
    page.blank()
    page.table(_COLUMNS, [_row(probe) for probe in sorted(result.probes, key=lambda probe: probe.rate_per_s)])
    page.blank()
    found = "none" if result.capacity_per_s is None else rate_text(result.capacity_per_s)
    at_least = "at least " if result.is_lower_bound else ""
    style = "bold green" if result.exit_code == 0 else "bold red"
    mark = Cell(f"{at_least}{found}", style)
    page.sentence(f"(exit code {result.exit_code}): {result.reason}", mark=mark, indent=len(mark.text) + 1)
    return page.text()


def headline(probe: ProbePart) -> tuple[str, dict[str, int | None]] | None:
    """Return the latency by which a probe is shown: of consumers, or else of confirms; None where there is none."""
    names = sorted(probe.latency, key=lambda name: (not name.endswith(".end_to_end"), name))
    return (names[0], probe.latency[names[0]]) if names else None


def _row(probe: ProbePart) -> Row:
    shown = headline(probe)
    name, latency = shown if shown is not None else ("", {})
    word, style = ("held", "green") if probe.is_held else (probe.bound or "", "red")
    return [
        Cell(rate_text(probe.rate_per_s)),
        Cell(NOTHING if probe.published_per_s is None else rate_text(probe.published_per_s)),
        Cell(name, "dim"),
        Cell(time_text(latency.get("p50_ns"))),
        Cell(time_text(latency.get("p99_ns"))),
        Cell(word, style),
    ]


def capacity_markdown(result: CapacityResult) -> str:
    """Return it as Markdown, for `summary.md`."""
    lines = [
        f"# {result.scenario}, capacity",
        "",
        f"Within {', '.join(f'`{each}`' for each in result.slo)}, nothing lost, no backlog growing.",
        "",
        f"**{result.reason}**",
        "",
        "| rate | published | latency | p50 | p99 | |",
        "|---:|---:|---|---:|---:|---|",
    ]
    for probe in sorted(result.probes, key=lambda each: each.rate_per_s):
        cells = [cell.text for cell in _row(probe)]  # type: ignore[union-attr]  # rows of cells
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])

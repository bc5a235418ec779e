"""What a search for a capacity found, for people: in the terminal and as Markdown. Pure: the document in, text out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TextIO

from rich.text import Text

from loadtest.errors import EXIT_PASSED
from loadtest.report.run.terminal import print_page
from loadtest.report.text.markdown_text import code, figure, sentence, table_head, table_row
from loadtest.report.text.text_page import Cell, Column, Page, Row
from loadtest.result.capacity.capacity_answer import answers
from loadtest.result.capacity.capacity_result import CapacityResult, Limiting, ProbePart, apart, is_precise
from loadtest.result.units import NOTHING, rate_text, share_text, time_text

LIMITS: Final[dict[Limiting, str]] = {
    "slo": "the SLO",
    "backlog": "a backlog that grows",
    "lost": "lost messages",
    "alarm": "the broker blocked publishers",
    "broker": "the broker did not take more",
    "generator": "the generator: the broker may do more",
    "failed": "runs that failed",
    "most": "--most: the broker may do more",
}
WORDS: Final = {
    "slo": "SLO", "backlog": "backlog", "lost": "lost", "alarm": "alarm", "broker": "broker", "generator": "generator",
    "failed": "failed",
}  # fmt: skip
_COLUMNS: Final = (
    Column("Rate"),
    Column("held for", spare=2),
    Column("published"),
    Column("latency", is_left=True, spare=1),
    Column("p50"),
    Column("p99"),
    Column("", is_left=True),
)
_LABEL: Final = 10


def print_capacity(result: CapacityResult, file: TextIO | None = None) -> None:
    """Print what was found."""
    print_page(lambda width: _page(result, width), file)


def _page(result: CapacityResult, width: int) -> Text:
    page = Page(width)
    page.sentence(f"{result.scenario}, capacity", style="bold")
    page.sentence(what_text(result))
    if result.broker:
        page.sentence(result.broker)
    page.blank()
    page.table(_COLUMNS, [_row(probe) for probe in by_rate(result)])
    page.blank()
    for label, text in facts(result):
        page.sentence(text, mark=Cell(label.ljust(_LABEL - 1), "bold"), indent=_LABEL)
    page.blank()
    sure = "bold yellow" if doubts(result) else "bold green"
    style = sure if result.exit_code == EXIT_PASSED else "bold red"
    mark = Cell(headline_text(result).upper() if result.capacity_per_s is None else headline_text(result), style)
    page.sentence(f"(exit code {result.exit_code}): {result.reason}", mark=mark, indent=len(mark.text) + 1)
    return page.text()


def what_text(result: CapacityResult) -> str:
    """Return within what the rate was looked for."""
    return f"within {', '.join(result.slo)}, nothing lost, no backlog growing"


def by_rate(result: CapacityResult) -> list[ProbePart]:
    """Return the tries by their rate, and in their order where it is the same."""
    return sorted(result.probes, key=lambda probe: probe.rate_per_s)


def found_text(result: CapacityResult) -> str:
    """Return the capacity: ``1,410/s``, ``at least 400/s``, ``none``."""
    if result.capacity_per_s is None:
        return "none" if result.complete else "not known"
    return f"{'at least ' if result.is_lower_bound else ''}{rate_text(result.capacity_per_s)}"


def headline_text(result: CapacityResult) -> str:
    """
    Return the capacity with what makes it doubtful, for the head of every report.

    ``1,410/s``; ``841 to 1,410/s (asked precision 20 % missed: 67.7 %); machine disturbed``.
    """
    return "; ".join([_capacity_text(result), *doubts(result)])


def _capacity_text(result: CapacityResult) -> str:
    share = apart(result)
    if result.capacity_per_s is None or is_precise(result):
        return found_text(result)
    part = result.uncertainty
    low = 0.0 if part is None or part.low_per_s is None else part.low_per_s
    if part is not None and part.high_per_s is not None:
        if not result.complete:
            return f"{rate_text(low).removesuffix('/s')} to {rate_text(part.high_per_s)}"
        missed = f"asked precision {percent_text(result.precision)} missed"
        missed += "" if share is None else f": {percent_text(share)}"
        return f"{rate_text(low).removesuffix('/s')} to {rate_text(part.high_per_s)} ({missed})"
    if low < result.capacity_per_s:
        return f"at least {rate_text(low)} (held at {rate_text(result.capacity_per_s)}, too, but not each time)"
    return found_text(result)


def doubts(result: CapacityResult) -> list[str]:
    """Return what makes a capacity doubtful besides a wide interval: tries beside which the machine did other work."""
    full = answers(result.probes)
    disturbed = [probe for probe in full if probe.disturbed]
    if not disturbed or result.capacity_per_s is None:
        return []
    share = "" if len(disturbed) == len(full) else f" in {len(disturbed)} of {len(full)} tries"
    return [f"machine disturbed{share}"]


def percent_text(share: float) -> str:
    """Return a share as a headline has it: ``20 %``, ``67.7 %``."""
    return share_text(share).replace("%", " %")


def facts(result: CapacityResult) -> Iterator[tuple[str, str]]:
    """Yield what is to be known of the capacity, each with its label: how surely, what the limit is, the knee."""
    if result.uncertainty is not None:
        yield "Capacity", f"{interval_text(result)}; {rests_on_text(result)}"
    causes = dict.fromkeys(text for probe in answers(result.probes) for text in probe.disturbed)
    if causes:
        first, *others = causes
        yield "Disturbed", f"{first}{f' (and {len(others)} more causes)' if others else ''}: search on a quiet machine"
    if result.limit is not None:
        yield "Limit", f"{LIMITS[result.limit.by]}: {result.limit.text}"
    for knee in result.knees:
        yield "Knee", f"p99 of {knee.latency} begins to rise at {rate_text(knee.rate_per_s)} ({time_text(knee.p99_ns)})"


def interval_text(result: CapacityResult) -> str:
    """Return between which rates the capacity lies, and how far they are apart."""
    share = apart(result)
    if share is None:
        return range_text(result)
    asked = f", {share_text(result.precision)} asked" if not is_precise(result) else ""
    return f"{range_text(result)}, {share_text(share)} apart{asked}"


def range_text(result: CapacityResult) -> str:
    """Return between which rates the capacity lies."""
    part = result.uncertainty
    if part is None:
        return NOTHING
    low = "0/s" if part.low_per_s is None else rate_text(part.low_per_s)
    return f"{low} or more" if part.high_per_s is None else f"between {low} and {rate_text(part.high_per_s)}"


def rests_on_text(result: CapacityResult) -> str:
    """Return how often the answer was held and the rate above it missed, and which tries contradict it."""
    part, low, high = result.uncertainty, result.capacity_per_s, result.missed_per_s
    if part is None or low is None:
        return NOTHING
    text = f"{rate_text(low)} was held {part.held} of {part.tries} times"
    if high is not None:
        text += f", {rate_text(high)} missed {part.missed} of {part.missed_tries}"
    if part.contradictions:
        tries = "1 try" if part.contradictions == 1 else f"{part.contradictions} tries"
        text += f"; {tries} at rates that were held another time failed, so the interval is wider than the last step"
    return text


def headline(probe: ProbePart) -> tuple[str, dict[str, int | None]] | None:
    """Return the latency by which a try is shown: one that is asked for, or of consumers, or else of confirms."""

    def place(name: str) -> tuple[bool, bool, str]:
        is_asked = any(check.startswith(f"{name}.") for check in probe.checks)
        return not is_asked, not name.endswith(".end_to_end"), name

    names = sorted(probe.latency, key=place)
    return (names[0], probe.latency[names[0]]) if names else None


def probe_text(probe: ProbePart) -> str:
    """Return what came of a try, in a line."""
    if not probe.is_held:
        return f"not held ({WORDS.get(probe.bound or '', '')}): {probe.why}"
    shown = headline(probe)
    if shown is None:
        return "held"
    name, latency = shown
    return f"held: {name} p50 {time_text(latency.get('p50_ns'))}, p99 {time_text(latency.get('p99_ns'))}"


def held_for_text(probe: ProbePart) -> str:
    """Return how long a rate was to be held; short tries say so."""
    return NOTHING if probe.hold_s is None else f"{probe.hold_s:.15g} s{', short' if probe.is_quick else ''}"


def _row(probe: ProbePart) -> Row:
    shown = headline(probe)
    name, latency = shown if shown is not None else ("", {})
    word, style = ("held", "green") if probe.is_held else (WORDS.get(probe.bound or "", ""), "red")
    return [
        Cell(rate_text(probe.rate_per_s)),
        Cell(held_for_text(probe)),
        Cell(NOTHING if probe.published_per_s is None else rate_text(probe.published_per_s)),
        Cell(name, "dim"),
        Cell(time_text(latency.get("p50_ns"))),
        Cell(time_text(latency.get("p99_ns"))),
        Cell(word, f"dim {style}" if probe.is_quick else style),
    ]


def capacity_markdown(result: CapacityResult) -> str:
    """Return it as Markdown, for `summary.md` and the summaries of CI."""
    lines = [
        f"# {sentence(result.scenario)}, capacity: {figure(headline_text(result))}",
        "",
        f"Within {', '.join(map(code, result.slo))}, nothing lost, no backlog growing.",
        *(["", sentence(result.broker)] if result.broker else []),
        "",
        f"**{sentence(result.reason)}**",
        "",
        *(f"- {label}: {sentence(text)}" for label, text in facts(result)),
        "",
        *table_head(["rate", "held for", "published", "latency", "p50", "p99", ""], left=(3, 6)),
    ]
    for probe in by_rate(result):
        cells = [cell.text for cell in _row(probe)]  # type: ignore[union-attr]  # rows of cells
        cells[3] = code(cells[3])
        lines.append(table_row(cells))
    return "\n".join([*lines, ""])

"""
The summary that a person reads when a run is over: what was asked, what came, what it means, where the files are.

Pure: a result in, a page out. Knows nothing of journals and folders. The verdict stands last, where the eye is when a
run ends.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TextIO

from rich.console import Console
from rich.text import Text

from loadtest import counters
from loadtest.report.run.broker_line import put_broker
from loadtest.report.run.clocks_line import put_clocks
from loadtest.report.run.figure_tables import put_latencies, put_rates
from loadtest.report.text.plain import ascii_only
from loadtest.report.text.text_page import Cell, Page
from loadtest.result.run.document import CheckPart, LedgerPart, LostPart, Outcome, RunResult, SeriesPart, TotalsPart
from loadtest.result.units import count_text, span_text

MIN_WIDTH: Final = 60
PLAIN_WIDTH: Final = 80
"""Where the output is a file or a pipe: the width that mails, logs of CI systems and diffs hold."""

MAX_WIDTH: Final = 120
"""Wider lines are not read faster; on a wider terminal the page stays at the left."""

MAX_LOST_SHOWN: Final = 5
MAX_SERIES_SHOWN: Final = 3
MAX_EVENTS_SHOWN: Final = 10

_LABEL: Final = 10
_VERDICTS: Final[dict[Outcome, Cell]] = {
    "pass": Cell("PASS", "bold green"),
    "fail": Cell("FAIL", "bold red"),
    "error": Cell("ERROR", "bold red"),
    "nothing-measured": Cell("NOTHING MEASURED", "bold red"),
    "inconclusive": Cell("INCONCLUSIVE", "bold yellow"),
}


def print_summary(result: RunResult, *, folder: Path | None = None, file: TextIO | None = None) -> None:
    """Print the summary to *file* (standard output): coloured and as wide as the terminal; elsewhere plain, 80 wide."""
    print_page(lambda width: render(result, width=width, folder=folder), file)


def print_page(page: Callable[[int], Text], file: TextIO | None = None) -> None:
    """Print what *page* makes of a width in cells; coloured on a terminal, elsewhere plain and 80 wide."""
    console = Console(file=file, highlight=False, emoji=False, markup=False, soft_wrap=True)
    width = console.width if console.is_terminal else PLAIN_WIDTH
    text = page(max(MIN_WIDTH, min(width, MAX_WIDTH)))
    if not console.encoding.startswith("utf"):
        text = _in_ascii(text)
    console.print(text)


def print_checks(result: RunResult, *, heading: str, file: TextIO | None = None) -> None:
    """Print how a run was judged anew: the checks, and the verdict by them; *heading* says what was judged."""
    print_page(lambda width: _checks_page(result, width, heading), file)


def _checks_page(result: RunResult, width: int, heading: str) -> Text:
    page = Page(width)
    page.sentence(heading, style="bold")
    _put_checks(page, result.verdict.checks)
    _put_verdict(page, result)
    return page.text()


def render(result: RunResult, *, width: int = PLAIN_WIDTH, folder: Path | None = None) -> Text:
    """Return the summary, no line wider than *width* (60 to 120) cells; *folder* is where the files of the run are."""
    page = Page(max(MIN_WIDTH, min(width, MAX_WIDTH)))
    _put_heading(page, result)
    put_rates(page, result)
    put_latencies(page, result)
    _put_ledger(page, result.totals, result.ledger)
    _put_series(page, result)
    put_broker(page, result, _LABEL)
    put_clocks(page, result, _LABEL)
    _put_events(page, result)
    _put_bound(page, result)
    _put_findings(page, result)
    _put_checks(page, result.verdict.checks)
    _put_verdict(page, result)
    if folder is not None:
        page.items(Cell("results", "bold"), [str(folder)], separator=" ", indent=_LABEL)
    return page.text()


def _put_heading(page: Page, result: RunResult) -> None:
    page.sentence(result.scenario.name, style="bold")
    if result.scenario.description:
        page.sentence(result.scenario.description)
    spans = f"measured {span_text(result.measured_s)}" if result.measured_s else "nothing measured"
    page.items(
        Cell(""),
        [*_broker_items(result), f"started {moment(result.started_at)}", spans],
        separator=" · ",
        indent=0,
        style="dim",
    )
    if result.scenario.overrides:
        page.items(Cell("set", "dim"), result.scenario.overrides, separator=" · ", indent=5, style="dim")


def _broker_items(result: RunResult) -> list[str]:
    product = " ".join(str(result.broker[key]) for key in ("product", "version") if result.broker.get(key))
    endpoints = result.broker.get("endpoints")
    addresses = [str(endpoint) for endpoint in endpoints] if isinstance(endpoints, list) else []
    if len(addresses) > 1:
        addresses = [f"{addresses[0]} and {len(addresses) - 1} more"]
    return [item for item in (product, *addresses) if item]


def moment(iso: str) -> str:
    """Return an instant of the document as people write it: ``2026-03-01 12:00:00 UTC``."""
    return datetime.fromisoformat(iso).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _put_ledger(page: Page, totals: TotalsPart, ledger: LedgerPart) -> None:
    page.blank()
    label = Cell("Ledger", "bold")
    if totals.published:
        page.items(label, publish_items(totals, ledger), separator=" ", indent=_LABEL)
        label = Cell("")
    taken = {"delivered": totals.delivered, "got": totals.got}
    shown = [f"{name} {count_text(count)}" for name, count in taken.items() if count] or ["nothing delivered or got"]
    counts = [(row.label, getattr(totals, row.name)) for row in counters.totals() if row.is_listed]
    shown += [f"{label} {count_text(count)}" for label, count in counts if count]
    page.items(label, shown, separator=" · ", indent=_LABEL)
    _put_lost(page, totals.lost, ledger)
    for imbalance in ledger.imbalances:
        page.sentence(imbalance, style="red", indent=_LABEL)


def _put_lost(page: Page, lost: int, ledger: LedgerPart) -> None:
    """Put the count of lost messages with the first of them; of a run that was cut off it is not the last word."""
    is_final = ledger.balanced is not None
    words = f"lost {count_text(lost)}" if is_final else f"lost {count_text(lost)}, as far as the journal goes"
    style = "bold red" if lost else "green" if is_final else ""
    page.items(Cell(""), [words], separator="", indent=_LABEL, style=style)
    shown = ledger.lost_examples[:MAX_LOST_SHOWN]
    for example in shown:
        page.sentence(lost_text(example), indent=_LABEL + 2)
    if shown and lost > len(shown):
        page.sentence(f"and {lost - len(shown):,} more", indent=_LABEL + 2)


def publish_items(totals: TotalsPart, ledger: LedgerPart) -> list[str]:
    """Return the publishers' side as an equation where they use confirms: ``published 9 = confirmed 7 + nacked 2``."""
    returned_only = sum(publisher.returned_only for publisher in ledger.publishers)
    ends = {
        "confirmed": totals.confirmed,
        "nacked": totals.nacked,
        "returned only": returned_only,
        "in doubt": totals.in_doubt,
    }
    terms = [f"{name} {count_text(count)}" for name, count in ends.items() if count or name == "confirmed"]
    published = f"published {count_text(totals.published)}"
    if not any(ends.values()):
        return [f"{published}, without confirms"]
    is_equal = totals.published == sum(ends.values())
    items = [published, f"{'=' if is_equal else '≠'} {terms[0]}", *(f"+ {term}" for term in terms[1:])]
    if totals.returned > returned_only:
        items.append(f"(returned {count_text(totals.returned)})")
    return items


def lost_text(lost: LostPart) -> str:
    """Return which message is lost, where, and when it was sent."""
    where = f" for {lost.sink}" if lost.sink is not None else ""
    sent = "" if lost.sent_from_s is None else f", sent {span_text(lost.sent_from_s)} to {span_text(lost.sent_to_s)} in"
    confirmed = ""
    if lost.confirmed_from_s is not None:
        confirmed = f", confirmed {span_text(lost.confirmed_from_s)} to {span_text(lost.confirmed_to_s)} in"
    return f"publisher {lost.publisher} seq {count_text(lost.seq)}{where}{sent}{confirmed}"


def _put_series(page: Page, result: RunResult) -> None:
    """Put what the Get-Oks said was left, sink by sink, and the Get-Empties of each group."""
    label = Cell("Series", "bold")
    for name, group in result.groups.items():
        shown = list(group.message_counts.items())[:MAX_SERIES_SHOWN]
        for sink, series in shown:
            page.items(
                label, [f"{name} {sink}", f"message_count {_series_text(series)}"], separator=" · ", indent=_LABEL
            )
            label = Cell("")
        if len(group.message_counts) > len(shown):
            page.sentence(f"{name} and {len(group.message_counts) - len(shown):,} more queues", indent=_LABEL)
        if group.totals.get("get_empty"):
            page.items(
                label, [f"{name} Get-Empty {count_text(group.totals['get_empty'])}"], separator="", indent=_LABEL
            )
            label = Cell("")


def _series_text(series: SeriesPart) -> str:
    """Return a series in brief: ``999 … 0``, with its stretches counted where it is not a single one."""
    if series.count == 1:
        return count_text(series.first)
    stretches = f" in {len(series.stretches):,} stretches" if len(series.stretches) > 1 else ""
    return f"{count_text(series.first)} … {count_text(series.last)} ({series.count:,} values{stretches})"


def _put_events(page: Page, result: RunResult) -> None:
    if result.events:
        page.blank()
        page.sentence("Events", style="bold")
    for event in result.events[:MAX_EVENTS_SHOWN]:
        page.sentence(f"{event.code}: {event.text}", mark=Cell(span_text(event.t_s)), indent=_LABEL)
    if len(result.events) > MAX_EVENTS_SHOWN:
        page.sentence(f"and {len(result.events) - MAX_EVENTS_SHOWN:,} more, in result.json", indent=_LABEL)


def _put_bound(page: Page, result: RunResult) -> None:
    """Put what limits the rates, where the data say so."""
    bound = result.verdict.bound
    if bound is None:
        return
    page.blank()
    who = {"schedule": "none", "unknown": "not known"}.get(bound.by, f"the {bound.by}")
    page.sentence(f"{who}: {bound.text}", mark=Cell("Bottleneck", "bold"), indent=_LABEL + 1)


def _put_findings(page: Page, result: RunResult) -> None:
    if result.verdict.findings:
        page.blank()
        page.sentence("Findings", style="bold")
    for finding in result.verdict.findings:
        page.sentence(f"{finding.code}: {finding.text}", mark=Cell("!", "bold yellow"), indent=2)


def _put_checks(page: Page, checks: tuple[CheckPart, ...]) -> None:
    if not checks:
        return
    page.blank()
    page.sentence("Thresholds", style="bold")
    width = max(len(check.check) for check in checks)
    for check in checks:
        mark = Cell("ok", "green") if check.ok else Cell("FAIL", "bold red")
        page.items(mark, [check.check.ljust(width), check.value or "no value"], separator="  ", indent=6)
        if check.note:
            page.sentence(check.note, indent=8, style="dim" if check.ok else "")


def _put_verdict(page: Page, result: RunResult) -> None:
    page.blank()
    verdict = _VERDICTS[result.verdict.outcome]
    words = f"(exit code {result.verdict.exit_code}): {result.verdict.reason}"
    page.sentence(words, mark=verdict, indent=len(verdict.text) + 1)


def _in_ascii(text: Text) -> Text:
    return Text("\n").join(Text(ascii_only(line.plain)) for line in text.split("\n", allow_blank=True))

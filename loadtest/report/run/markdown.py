"""
`summary.md`: what a pull request has to say about a run.

The verdict stands first, then what is needed to see why; all else is folded. Figures read as in the terminal's summary.
Never more than `MAX_BYTES`: each table has its share, and the scenario gets what is left. Pure: a result in, a text
out.

Source: a comment on GitHub holds 65,536 characters, a step's summary 1 MiB.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from loadtest.report.run.broker_line import broker_items
from loadtest.report.run.clocks_line import clock_items
from loadtest.report.run.figure_tables import (
    FEW_MARK,
    LATENCY_COLUMNS,
    ON_WIDE_PAGES,
    RATE_COLUMNS,
    latency_row,
    rate_row,
    says_more,
)
from loadtest.report.text.markdown_text import code, fence_of, fenced, figure, folded, sentence, table_head, table_row
from loadtest.report.text.plain import plain_line
from loadtest.result.run.document import CheckPart, Outcome, RunResult
from loadtest.result.units import count_text, span_text

FILE_NAME: Final = "summary.md"
MAX_BYTES: Final = 60_000

# Shares of it, so that a thousand thresholds do not push the rates out.
_TABLE_BYTES: Final = 7_000
_FINGERPRINT_BYTES: Final = 4_000
_MAX_LOST_SHOWN: Final = 5
_ALWAYS_SHOWN: Final = frozenset({"lost", "corrupted"})
_MAX_OVERRIDES_SHOWN: Final = 10
_FOLD_BYTES: Final = 200
"""Of what stands around the scenario, its fences left out."""

_VERDICTS: Final[dict[Outcome, str]] = {
    "pass": "✅ **PASS**",
    "fail": "❌ **FAIL**",
    "error": "❌ **ERROR**",
    "nothing-measured": "⚠️ **NOTHING MEASURED**",
    "inconclusive": "⚠️ **INCONCLUSIVE**",
}


def summary_md(result: RunResult) -> str:
    """Return the summary; the same result gives the same text."""
    lines = [
        *_verdict(result),
        *_thresholds(result.verdict.checks),
        *_rates(result),
        *_latencies(result),
        *_findings(result),
        *folded("Ledger", _ledger(result)),
        *_broker(result),
        *folded("Broker and generator", _fingerprint(result)),
    ]
    used = sum(map(_size, lines))
    return "\n".join([*lines, *folded("Scenario as run", _scenario(result, MAX_BYTES - used))]).rstrip() + "\n"


def _verdict(result: RunResult) -> Iterator[str]:
    verdict = result.verdict
    yield (
        f"{_VERDICTS[verdict.outcome]} {code(result.scenario.name)} "
        f"(exit code {verdict.exit_code}): {sentence(verdict.reason)}"
    )
    yield ""
    product = " ".join(str(result.broker[key]) for key in ("product", "version") if result.broker.get(key))
    started = datetime.fromisoformat(result.started_at).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    items = [
        sentence(product),
        f"started {started}",
        f"measured {span_text(result.measured_s)}" if result.measured_s else "nothing measured",
        *(f"set {code(override)}" for override in result.scenario.overrides[:_MAX_OVERRIDES_SHOWN]),
    ]
    yield " · ".join(filter(None, items))
    yield ""


def _thresholds(checks: Sequence[CheckPart]) -> Iterator[str]:
    if not checks:
        return
    # What failed first: there may be more thresholds than room.
    rows = [
        (
            "✅" if check.ok else "❌",
            code(check.check),
            sentence(check.value or "no value"),
            sentence(check.limit),
            sentence(check.note or ""),
        )
        for check in sorted(checks, key=lambda check: check.ok)
    ]
    width = 5 if any(check.note for check in checks) else 4
    yield from _table(
        ("", "threshold", "value", "limit", "note")[:width], [row[:width] for row in rows], left=(0, 1, 4)
    )


def _rates(result: RunResult) -> Iterator[str]:
    titles = [column.title.lower() for column in RATE_COLUMNS]
    rows = []
    for name, group in result.groups.items():
        cells = [figure(cell.text) for cell in rate_row(name, group)]
        rows.append([code(name), *cells[1:]])
    if rows:
        yield from _table(titles, rows, left=(0, 1))


def _latencies(result: RunResult) -> Iterator[str]:
    places = [place for place, column in enumerate(LATENCY_COLUMNS) if column.title not in ON_WIDE_PAGES]
    rows = []
    for name, group in result.groups.items():
        for latency, part in group.latency.items():
            if part.count and says_more(latency, part):
                cells = latency_row(latency, part)
                rows.append([code(f"{name}.{latency}"), *(figure(cells[place].text) for place in places[1:])])
    if not rows:
        return
    yield from _table([LATENCY_COLUMNS[place].title.lower() for place in places], rows)
    if any(FEW_MARK in cell for row in rows for cell in row[1:]):
        yield f"{figure(FEW_MARK)} too few values for this percentile: fewer than ten lie beyond it"
        yield ""


def _findings(result: RunResult) -> Iterator[str]:
    bound = result.verdict.bound
    if bound is not None:
        who = {"schedule": "none", "unknown": "not known"}.get(bound.by, f"the {bound.by}")
        yield f"**Bottleneck**: {who}: {sentence(bound.text)}"
        yield ""
    findings = result.verdict.findings
    if findings:
        yield "**Findings**"
        yield ""
        yield from _within([f"- {code(finding.code)}: {sentence(finding.text)}" for finding in findings])
        yield ""


def _ledger(result: RunResult) -> Iterator[str]:
    totals = result.totals.model_dump()
    shown = {name: count for name, count in totals.items() if count or name in _ALWAYS_SHOWN}
    yield from _table(("messages", "in all"), [(code(name), count_text(count)) for name, count in shown.items()])
    balanced = result.ledger.balanced
    yield "The books balance." if balanced else "The books do not balance." if balanced is False else "Nobody can tell."
    lost = result.ledger.lost_examples[:_MAX_LOST_SHOWN]
    examples = (f"lost: publisher {each.publisher} seq {each.seq} for {each.sink or 'some queue'}" for each in lost)
    texts = [f"- {sentence(text)}" for text in (*result.ledger.imbalances, *examples)]
    if texts:
        yield ""
        yield from _within(texts)


def _broker(result: RunResult) -> Iterator[str]:
    for label, items in (("Broker", [*broker_items(result)]), ("Clocks", [*clock_items(result)])):
        if items:
            yield f"**{label}**: {' · '.join(map(sentence, items))}"
            yield ""


def _fingerprint(result: RunResult) -> list[str]:
    told = {"broker": result.broker, "generator": result.generator, "scenario hash": result.scenario.hash}
    lines = json.dumps(told, indent=1, ensure_ascii=True).split("\n")
    return fenced(_whole_lines(lines, _FINGERPRINT_BYTES, "… and {} more lines, in result.json"), "json")


def _scenario(result: RunResult, room: int) -> list[str]:
    lines = result.scenario.text.rstrip("\n").split("\n")
    around = _FOLD_BYTES + 2 * len(fence_of(lines))
    return fenced(_whole_lines(lines, room - around, "# … and {} more lines, in scenario.yaml"), "yaml")


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]], left: Collection[int] = (0,)) -> Iterator[str]:
    yield from table_head(titles, left)
    yield from _within([table_row(row) for row in rows])
    yield ""


def _within(lines: Sequence[str]) -> Iterator[str]:
    """Yield as many lines as a table may take, then how many there are besides."""
    shown = list(_fitting(lines, _TABLE_BYTES))
    yield from shown
    if len(shown) < len(lines):
        yield ""
        yield f"… and {len(lines) - len(shown):,} more, in `result.json`"


def _whole_lines(lines: Sequence[str], room: int, rest: str) -> list[str]:
    plain = [plain_line(line) for line in lines]
    shown = list(_fitting(plain, room))
    return shown if len(shown) == len(lines) else [*shown, rest.format(f"{len(lines) - len(shown):,}")]


def _fitting(lines: Iterable[str], room: int) -> Iterator[str]:
    for line in lines:
        room -= _size(line)
        if room < 0:
            return
        yield line


def _size(line: str) -> int:
    return len(line.encode()) + 1

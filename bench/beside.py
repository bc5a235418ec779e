"""
Our figures and PerfTest's, each with its spread, as Markdown for the README and docs/benchmarks.md.

A figure is better in one of the two if it is better in every round. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from bench.cells import ratio_text, spread_text
from bench.document import Bench, section
from bench.summary import OURS, Row, Spread
from bench.works import WORKS

OTHER: Final = "PerfTest"
BEGIN: Final = "<!-- Written by `python -m bench --beside`, do not edit. -->"
END: Final = "<!-- End of the generated part. -->"
_NONE: Final = "–"
_NAMES: Final = {
    "delivered_per_s": "rate",
    "cpu_us_per_event": "CPU per event",
    "generator_cores": "CPU",
    "peak_mb": "memory",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """
    A figure that a row shows.

    Attributes:
        name: A figure of a trial, or one that the generator printed.
        form: Its text, with `{}` for the value and its spread.
        factor: From the figure's unit to that of the form.
        digits: After the point.
        is_more_better: None: a target rate, for which neither more nor less is better.
    """

    name: str
    form: str
    factor: float = 1.0
    digits: int = 0
    is_more_better: bool | None = False


RATE: Final = Shown("delivered_per_s", "{}/s", is_more_better=True)
ASKED: Final = Shown("published_per_s", "{}/s", digits=1, is_more_better=None)
COST: Final = Shown("cpu_us_per_event", "{} µs of CPU per event", digits=2)
CORES: Final = Shown("generator_cores", "{} cores", digits=2)
MEMORY: Final = Shown("peak_mb", "{} MB")
P50: Final = Shown("end_to_end_p50_us", "end to end p50 {} µs")
P99: Final = Shown("end_to_end_p99_us", "p99 {} µs")
VOLUME: Final = Shown("delivered_per_s", "{} MB/s", is_more_better=True)

ROWS: Final[Mapping[str, tuple[str, Sequence[Shown]]]] = {
    "saturation": ("no confirms, auto-ack", (RATE, COST)),
    "confirm": ("confirms (window 192), ack every 200", (RATE, COST)),
    "confirm-persistent": ("confirms, ack of each, persistent", (RATE, COST)),
    "paced-5000": ("target 5,000/s, confirms", (ASKED, COST, P50, P99)),
    "paced-20000": ("target 20,000/s, confirms", (ASKED, COST, P50, P99)),
    "end-to-end": ("target 1,000/s, no confirms", (ASKED, P50, P99)),
    "many-connections": ("2,000 connections, 1,000/s", (ASKED, CORES, MEMORY, P99)),
    "body-1mb": ("bodies of 1 MB, as fast as possible", (VOLUME,)),
}


def readme_block(bench: Bench, rows: Iterable[Row]) -> str:
    """Return the README's text between `BEGIN` and `END`: date, machine, a table, and which tool is better in what."""
    by_work = {name: {row.generator: row for row in found} for name, found in groupby(rows, lambda row: row.work.name)}
    version = bench.versions.get(OTHER, "")
    measured = (
        f"Measured on {bench.date}, RabbitMQ {bench.versions.get('RabbitMQ', _NONE)}, "
        f"{bench.machine.get('cores', '?')} cores for broker and generator: {bench.rounds} rounds, "
        f"{bench.pace.warm_up_s:g} s of warm-up and {bench.pace.window_s:g} s measured, load {bench.load[0]:.1f} to "
        f"{bench.load[1]:.1f}."
    )
    lines = [
        measured,
        "",
        f"| | {f'{OTHER} {version}'.strip()} | loadtest | rate, ours ÷ theirs |",
        "|---|---|---|---|",
    ]
    for name, (label, shown) in ROWS.items():
        ours, theirs = (by_work.get(name, {}).get(generator) for generator in (OURS, OTHER))
        ratio = theirs.rate_ratio if theirs is not None and RATE.name in {each.name for each in shown} else None
        lines.append(f"| {label} | {_cell(theirs, shown)} | {_cell(ours, shown)} | {ratio_text(ratio)} |")
    return "\n".join([*lines, "", *_better(by_work)])


def _cell(row: Row | None, shown: Sequence[Shown]) -> str:
    texts = [] if row is None else [_text(row, each) for each in shown]
    return ", ".join(text for text in texts if text) or _NONE


def _text(row: Row, shown: Shown) -> str:
    found = _spread(row, shown)
    if found is None:
        return ""
    value, gap, spread = spread_text(found, shown.digits).partition(" ")
    return f"{shown.form.format(value)}{gap}{spread}"


def _spread(row: Row, shown: Shown) -> Spread | None:
    found = row.figures.get(shown.name) or row.printed.get(shown.name)
    factor = shown.factor * (row.work.body_bytes / 1e6 if shown is VOLUME else 1)
    return None if found is None else Spread(found.median * factor, found.least * factor, found.largest * factor)


def _better(by_work: Mapping[str, Mapping[str, Row]]) -> Iterator[str]:
    """Yield the figures in which each tool is better in every round, and those in which neither is."""
    better: dict[str, list[str]] = {OTHER: [], OURS: [], "": []}
    for name, (label, shown) in ROWS.items():
        found = by_work.get(name, {})
        if OURS in found and OTHER in found:
            for each in shown:
                who = _who(found[OURS], found[OTHER], each)
                if who is not None:
                    better[who].append(f"{_name(each)} ({label})")
    for who, text in ((OTHER, f"Better in {OTHER}"), (OURS, f"Better in {OURS}"), ("", "Not decided by these rounds")):
        yield f"- {text}: {'; '.join(better[who]) or 'nothing'}."


def _who(ours: Row, theirs: Row, shown: Shown) -> str | None:
    """Return whose figure is better: empty if rounds disagree, None if the figure is not compared."""
    if shown.is_more_better is None:
        return None
    ratio = {RATE.name: theirs.rate_ratio, COST.name: theirs.cpu_ratio}.get(shown.name)
    if ratio is None:
        own, other = _spread(ours, shown), _spread(theirs, shown)
        if own is None or other is None or not other.least or not other.largest:
            return None
        ratio = Spread(own.median / other.median, own.least / other.largest, own.largest / other.least)
    if ratio.least > 1:
        return OURS if shown.is_more_better else OTHER
    if ratio.largest < 1:
        return OTHER if shown.is_more_better else OURS
    return ""


def _name(shown: Shown) -> str:
    return _NAMES.get(shown.name, shown.name.removesuffix("_us").replace("end_to_end_", "end to end "))


def with_block(readme: str, block: str) -> str:
    """
    Return the README with its generated part replaced by *block*.

    Raises:
        ValueError: If it has no such part.
    """
    begin, end = readme.index(BEGIN) + len(BEGIN), readme.index(END)
    return f"{readme[:begin]}\n\n{block}\n\n{readme[end:]}"


def with_sections(document: str, bench: Bench, rows: Iterable[Row]) -> str:
    """Return docs/benchmarks.md with the sections of *rows* replaced, each with date and settings; the others stay."""
    head, *parts = re.split(r"^(?=## )", document, flags=re.MULTILINE)
    sections = {found[1]: part.strip() for part in parts if (found := re.search(r"^`([\w-]+)`", part, re.MULTILINE))}
    for work, of_work in groupby(rows, key=lambda row: row.work):
        sections[work.name] = "\n".join(section(work, list(of_work), measured=bench.measured())).strip()
    order = [*WORKS, *sections]
    texts = (sections[name] for name in sorted(sections, key=order.index))
    return "\n\n".join([head.strip(), *texts]) + "\n"

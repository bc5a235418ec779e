"""
`report.html`: what happened in a run, on one page that needs nothing else.

The words and tables are made here and stand in the page itself; charts are drawn by report.js from data that the page
carries. Everything that comes from a scenario or a broker is text to the template, which escapes it, or data to the
script, which is packed. Pure: a result and its heat maps in, a text out, the same for the same run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final

from jinja2 import DictLoader, Environment, StrictUndefined
from pydantic import JsonValue

from loadtest import counters
from loadtest.report.html_page.charts import chart_data, fairness
from loadtest.report.html_page.heat_map import HeatMaps
from loadtest.report.html_page.packing import LIBRARY, asset, packed_json, packed_library
from loadtest.report.run.broker_line import broker_items
from loadtest.report.run.clocks_line import clock_items
from loadtest.report.run.figure_tables import FEW_MARK, LATENCY_COLUMNS, RATE_COLUMNS, latency_row, rate_row, says_more
from loadtest.report.run.terminal import lost_text, moment, publish_items
from loadtest.report.text.plain import plain_line
from loadtest.result.run.document import Outcome, RunResult
from loadtest.result.units import NOTHING, count_text, rate_text, share_text, span_text, time_text

FILE_NAME: Final = "report.html"
MAX_EVENTS: Final = 200
MAX_FINGERPRINT_LINES: Final = 400
WORDS: Final[dict[Outcome, str]] = {
    "pass": "Passed",
    "fail": "Failed",
    "error": "Error",
    "nothing-measured": "Nothing measured",
    "inconclusive": "Inconclusive",
}
_HEADLINES: Final = (("confirm", "confirm p99"), ("end_to_end", "end to end p99"), ("get", "get p99"))
_RATES: Final = (("published_per_s", "published"), ("delivered_per_s", "delivered"), ("got_per_s", "got"))


def report_html(result: RunResult, heat: HeatMaps) -> str:
    """Return the page of a run."""
    return render_page(
        "report.html.j2",
        chart_data(result, heat),
        result=result,
        word=WORDS[result.verdict.outcome],
        facts=list(_facts(result)),
        tiles=list(_tiles(result)),
        bottleneck=_bottleneck(result),
        rate_table=_rate_table(result),
        latency_table=_latency_table(result),
        few_mark=FEW_MARK,
        publishing=" ".join(publish_items(result.totals, result.ledger)) if result.totals.published else "",
        totals=list(_totals(result)),
        lost=[lost_text(example) for example in result.ledger.lost_examples],
        sharing=list(_sharing(result)),
        events=result.events[:MAX_EVENTS],
        more_events=max(0, len(result.events) - MAX_EVENTS),
        fingerprint={"Broker": _lines(result.broker), "Generator": _lines(result.generator)},
        broker=list(broker_items(result)),
        clocks=list(clock_items(result)),
    )


def render_page(template: str, data: Any, *, scripts: Sequence[str] = ("report.js",), **parts: Any) -> str:
    """
    Return a page made of *template*, with *data* for the charts, which *scripts* draw, after figures.js that all need.

    Its scripts run by a nonce that comes from all that is in the page, so that what slipped into it could not know it.
    """
    charts = packed_json(data)
    nonce = hashlib.sha256(charts.encode()).hexdigest()[:24]
    return (
        _environment()
        .get_template(template)
        .render(
            **parts,
            charts=charts,
            library=packed_library(),
            library_name=LIBRARY,
            nonce=nonce,
            style=asset("report.css"),
            script="\n".join(map(asset, ("figures.js", *scripts))),
        )
    )


@cache
def _environment() -> Environment:
    pages = ("report", "side_by_side", "comparison", "capacity", "sweep", "parts")
    names = [f"{page}.html.j2" for page in pages]
    environment = Environment(
        loader=DictLoader({name: asset(name) for name in names}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"count": count_text, "span": span_text, "line": plain_line, "words": _words}
    return environment


def _words(name: str) -> str:
    return name.replace("_", " ")


def _facts(result: RunResult) -> Iterator[str]:
    product = " ".join(str(result.broker[key]) for key in ("product", "version") if result.broker.get(key))
    if product:
        yield product
    if result.generator.get("host"):
        yield f"from {result.generator['host']}"
    yield f"started {moment(result.started_at)}"
    yield f"measured {span_text(result.measured_s)}" if result.measured_s else "nothing measured"


def _tiles(result: RunResult) -> Iterator[tuple[str, str, bool]]:
    """Yield name, figure and whether it is wrong of the few figures that most people want."""
    for field, name in _RATES:
        rates = [getattr(group.rates, field) for group in result.groups.values()]
        known = [rate for rate in rates if rate is not None]
        if known:
            yield name, rate_text(sum(known)), False
    for latency, name in _HEADLINES:
        values = [group.latency[latency].p99_ns for group in result.groups.values() if latency in group.latency]
        slowest = max((value for value in values if value is not None), default=None)
        if slowest is not None:
            yield name, time_text(slowest), False
    is_known = result.ledger.balanced is not None
    is_known = is_known and (result.totals.lost > 0 or not result.ledger.unknown)
    yield "lost", count_text(result.totals.lost) if is_known else "not known", bool(result.totals.lost)


def _bottleneck(result: RunResult) -> str:
    bound = result.verdict.bound
    if bound is None:
        return ""
    who = {"schedule": "none", "unknown": "not known"}.get(bound.by, f"the {bound.by}")
    return f"{who}: {bound.text}"


def _rate_table(result: RunResult) -> dict[str, Any]:
    rows = [[cell.text for cell in rate_row(name, group)] for name, group in result.groups.items()]
    return {"titles": [column.title for column in RATE_COLUMNS], "rows": rows}


def _latency_table(result: RunResult) -> dict[str, Any]:
    """Return the columns of the summary, with rows by group."""
    groups = []
    for name, group in result.groups.items():
        told = {latency: part for latency, part in group.latency.items() if part.count and says_more(latency, part)}
        if told:
            rows = [[cell.text for cell in latency_row(latency, part)] for latency, part in told.items()]
            groups.append({"name": name, "model": group.model, "rows": rows})
    return {"titles": [column.title for column in LATENCY_COLUMNS], "groups": groups}


def _totals(result: RunResult) -> Iterator[tuple[str, str, bool]]:
    """Yield name, count and whether it is wrong of the rows of the ledger that say something."""
    for row in counters.totals():
        count = getattr(result.totals, row.name)
        if count or row.is_headline:
            yield row.label, count_text(count), row.is_wrong and bool(count)


def _sharing(result: RunResult) -> Iterator[dict[str, str]]:
    """Yield how evenly the users of each group shared its messages."""
    for name, group in result.groups.items():
        shares = group.by_user
        if shares is None or len(shares) < 2 or not any(shares):  # noqa: PLR2004  # one user has all
            continue
        ordered, mean = sorted(shares), sum(shares) / len(shares)
        yield {
            "group": name,
            "users": count_text(len(shares)),
            "least": f"{count_text(ordered[0])} ({share_text(ordered[0] / mean)})",
            "middle": count_text(ordered[len(ordered) // 2]),
            "most": f"{count_text(ordered[-1])} ({share_text(ordered[-1] / mean)})",
            "fairness": f"{fairness(shares):.3f}",
        }


def _lines(fingerprint: dict[str, JsonValue]) -> list[tuple[str, str]]:
    """Return what is known of a machine as names and values, those of lists and mappings in JSON."""
    lines = []
    for key, value in fingerprint.items():
        if isinstance(value, str):
            text = value
        elif value is None:
            text = NOTHING
        else:
            text = json.dumps(value, indent=1, ensure_ascii=False)
        lines.append((key, "\n".join(text.split("\n")[:MAX_FINGERPRINT_LINES])))
    return lines

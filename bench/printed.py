"""What generators print, read: latencies in µs by name, and rates. Pure."""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, Final

Figures = dict[str, float]

_PERF_TEST_LINE: Final = re.compile(r"time (?P<at>[\d.]+) s, .*consumer latency")
# As in: min/median/75th/95th/99th/max consumer latency: 99/258/318/949/2951/4965 µs, confirm latency: …
_PERF_TEST_LATENCY: Final = re.compile(r"(?P<what>consumer|confirm) latency: (?P<values>[\d/]+) (?P<unit>µs|ms)")
_PERF_TEST_NAMES: Final = {"consumer": "end_to_end", "confirm": "confirm"}
_MEDIAN_PLACE: Final = 1
_P99_PLACE: Final = 4
# omq prints summaries of its Prometheus metrics with --print-all-metrics.
_OMQ_QUANTILE: Final = re.compile(
    r"omq_(?P<what>end_to_end|publishing)_latency_seconds\{.*?quantile=\"(?P<quantile>0\.5|0\.99)\".*?\} (?P<value>\S+)"
)
_OMQ_NAMES: Final = {"end_to_end": "end_to_end", "publishing": "confirm"}


def read_perf_test(text: str, skipped_s: float) -> Figures:
    """
    Return PerfTest's latencies: the medians of what it prints each second, from *skipped_s* on.

    Its own totals hold the seconds in which the JVM compiles, ours leave the warm-up out: so these do too.
    """
    found: dict[str, list[float]] = {}
    for line in text.splitlines():
        at = _PERF_TEST_LINE.search(line)
        # The line of second t is about the second before it.
        if at is None or float(at["at"]) < skipped_s + 1:
            continue
        for latency in _PERF_TEST_LATENCY.finditer(line):
            values = [float(value) for value in latency["values"].split("/")]
            factor = 1000 if latency["unit"] == "ms" else 1
            name = _PERF_TEST_NAMES[latency["what"]]
            found.setdefault(f"{name}_p50_us", []).append(values[_MEDIAN_PLACE] * factor)
            found.setdefault(f"{name}_p99_us", []).append(values[_P99_PLACE] * factor)
    return {name: statistics.median(values) for name, values in found.items()}


def read_omq(text: str) -> Figures:
    """Return omq's latencies from the summaries that `--print-all-metrics` prints; its last second's."""
    figures: Figures = {}
    for found in _OMQ_QUANTILE.finditer(text):
        value = float(found["value"])
        if value == value:  # noqa: PLR0124 (NaN: nothing in the last second)
            place = "p50" if found["quantile"] == "0.5" else "p99"
            figures[f"{_OMQ_NAMES[found['what']]}_{place}_us"] = value * 1e6
    return figures


def read_result(document: Mapping[str, Any]) -> Figures:
    """Return the latencies of a `result.json` of ours."""
    figures: Figures = {}
    for group in document["groups"].values():
        for name, latency in group["latency"].items():
            if name in {"lateness", "confirm", "end_to_end"}:
                figures[f"{name}_p50_us"] = latency["p50_ns"] / 1000
                figures[f"{name}_p99_us"] = latency["p99_ns"] / 1000
        offered = group["rates"].get("offered_per_s")
        if offered:
            figures["offered_per_s"] = offered
            figures["published_per_s"] = group["rates"]["published_per_s"]
    return figures


def read_locust(text: str) -> Figures:
    """Return the percentiles of Locust's `--json` table, over all its entries by name; whole ms, as it prints them."""
    figures: Figures = {}
    for entry in _json_of(text):
        times = {int(ms): count for ms, count in entry.get("response_times", {}).items()}
        if times:
            figures[f"{entry['name']}_p50_us"] = 1000.0 * _percentile(times, 0.5)
            figures[f"{entry['name']}_p99_us"] = 1000.0 * _percentile(times, 0.99)
    return figures


def _json_of(text: str) -> Sequence[Mapping[str, Any]]:
    start = text.find("[\n")
    try:
        found = json.loads(text[start:]) if start >= 0 else []
    except ValueError:
        return []
    return found if isinstance(found, list) else []


def _percentile(times: Mapping[int, int], share: float) -> int:
    rank, seen = share * sum(times.values()), 0
    for ms, count in sorted(times.items()):
        seen += count
        if seen >= rank:
            return ms
    return 0

"""Findings about the clocks of several hosts: how far latencies between them may be off, and where that shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from loadtest.result.document import FindingPart
from loadtest.result.evidence import Evidence
from loadtest.result.findings.finding import finding
from loadtest.result.units import share_text, time_text, values_text
from loadtest.result.workers import ACROSS

BOUND_LIMIT: Final = 0.1
"""Share of the median by which it may be off before a reader has to be told; what is noise in most tables."""


def clock_offset(evidence: Evidence) -> Iterator[FindingPart]:
    """Compare what the clocks may be off with the median that they show."""
    for name, group in evidence.groups.items():
        latency = group.latency.get(ACROSS[0])
        if latency is None or latency.clock_bound_ns is None or latency.p50_ns is None:
            continue
        bound_ns, median_ns = latency.clock_bound_ns, abs(latency.p50_ns)
        share = bound_ns / median_ns if median_ns else float(bound_ns)
        if share > BOUND_LIMIT:
            yield finding(
                "clock-offset",
                f"{name}'s end_to_end latencies lie between the clocks of two hosts, which are known to within "
                f"±{time_text(bound_ns)}: {share_text(share)} of the median of {time_text(latency.p50_ns)} (limit "
                f"{share_text(BOUND_LIMIT)})",
                "Take them for that much more or less; confirm latencies have one clock; put publishers and consumers "
                "on one host for exact ones",
                value=share,
                limit=BOUND_LIMIT,
                unit="share of the median",
                group=name,
            )


def negative_latency(evidence: Evidence) -> Iterator[FindingPart]:
    """Count values below zero, of all latencies."""
    parts = [part for group in evidence.groups.values() for part in group.latency.values() if part.negative]
    count = sum(part.negative for part in parts)
    if not count:
        return
    bound_ns = max((part.clock_bound_ns or 0 for part in parts), default=0)
    least_ns = min(part.min_ns for part in parts if part.min_ns is not None)
    if bound_ns and least_ns >= -bound_ns:
        known = f"their clocks are known to within ±{time_text(bound_ns)}, and no value is further below"
    elif bound_ns:
        known = f"the smallest is {time_text(least_ns)}, though the clocks are known to within ±{time_text(bound_ns)}"
    else:
        known = "their clocks differ"
    yield finding(
        "negative-latency",
        f"{values_text(count)} of latencies between hosts were below zero (limit 0): {known}",
        "Run publishers and consumers on one host, or read end-to-end latencies with that error",
        value=count,
        limit=0,
        unit="values",
    )

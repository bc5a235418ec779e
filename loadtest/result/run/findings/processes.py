"""Findings about runs over several processes and hosts: clocks that differ, and processes that were lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from loadtest.result.run.document import FindingPart
from loadtest.result.run.evidence import WORKER_LOST, WORKER_REPLACED, Evidence
from loadtest.result.run.findings.finding import finding
from loadtest.result.run.worker_parts import ACROSS
from loadtest.result.units import count_text, share_text, span_text, time_text, values_text

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


def worker_lost(evidence: Evidence) -> Iterator[FindingPart]:
    """Count processes that were lost, whether or not others took the place of their users."""
    lost = [event for event in evidence.events if event.code in {WORKER_LOST, WORKER_REPLACED}]
    if not lost:
        return
    is_replaced = all(event.code == WORKER_REPLACED for event in lost)
    what = "a worker was" if len(lost) == 1 else f"{count_text(len(lost))} workers were"
    doubts = evidence.totals.in_doubt + evidence.totals.vanished
    yield finding(
        "worker-lost",
        f"{what} lost (limit 0), {span_text(lost[0].t_s)} after the start: {lost[0].text}. What a lost worker had open "
        f"is in doubt and not lost: {count_text(doubts)} of the run's messages",
        "Read rates and latencies as those of a generator that did not do all that was asked"
        if is_replaced
        else "Look into that host's log for what killed it; --on-worker-lost continue goes on without it",
        value=len(lost),
        limit=0,
        unit="workers",
    )


def windows_missing(evidence: Evidence) -> Iterator[FindingPart]:
    """Count windows that did not come though later ones of the same worker did."""
    if evidence.missing_windows:
        yield finding(
            "windows-missing",
            f"{count_text(evidence.missing_windows)} of the workers' windows never arrived (limit 0): what was in them "
            "is in no figure",
            "Run it again; if it comes back, look into the logs of the workers and of the network between them",
            value=evidence.missing_windows,
            limit=0,
            unit="windows",
        )

"""Findings about the figures: was it the generator, was it what was asked, do percentiles have enough values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from loadtest.result.interference import interference_texts, others_cores, others_text
from loadtest.result.run.backlog import is_growing
from loadtest.result.run.bottleneck import BUSY_PROCESS, OFFERED_TOLERANCE, is_machine_full, more_processes
from loadtest.result.run.causes.scenario_faults import WITHOUT_FAULTS, FaultSpan, faults_text, measured_faults
from loadtest.result.run.document import FindingPart, GroupPart, LatencyPart
from loadtest.result.run.evidence import Evidence, got_no_confirm, named
from loadtest.result.run.findings.finding import finding
from loadtest.result.run.takers import BEHIND_TAKERS, BUSY_TAKERS, slowest_takers
from loadtest.result.run.unavailability import long_stalls, outage_s
from loadtest.result.samples import ONCE_A_CONNECTION, PERCENTILES, is_few, needed_values
from loadtest.result.units import count_text, rate_text, share_text, span_text, time_text, values_text
from loadtest.scenario.grammar.faults import QUEUE_FAULTS

LATENESS_P99_LIMIT_NS: Final = 2_000_000
"""Twice what pacing without timerfd gives on an idle machine (p99 1.08 ms); with it: 0.12 ms."""

SHOWN: Final = 3
"""Latencies named in one finding; the rest are counted."""

_NS_PER_S: Final = 1_000_000_000


def generator_bound(evidence: Evidence) -> Iterator[FindingPart]:
    """Say that the rates are the generator's own limit."""
    bound = evidence.bound
    if bound is not None and bound.by == "generator":
        yield finding(
            "generator-bound",
            f"the generator's busiest process used {share_text(bound.generator_cores)} of a core in the measured part "
            f"(limit {share_text(BUSY_PROCESS)}): the rates are its own limit, not the broker's",
            more_processes(evidence),
            value=bound.generator_cores,
            limit=BUSY_PROCESS,
            unit="cores",
        )


def broker_bound(evidence: Evidence) -> Iterator[FindingPart]:
    """Say that the rates are the broker's limit: what a closed model looks for, and an open one has to know."""
    bound = evidence.bound
    if bound is None or bound.by != "broker" or bound.broker_cores is None:
        return
    yield finding(
        "broker-bound",
        f"the broker was the limit: it used {bound.broker_cores:.2f} cores in the measured part, the generator's "
        f"busiest process {bound.generator_cores:.2f} (limit {BUSY_PROCESS:.2f})",
        "Take the rates for the broker's on this machine; for more give it more cores, or the generator a machine of "
        "its own",
        value=bound.broker_cores,
        limit=float(evidence.cores or 0),
        unit="cores",
    )


def consumers_bound(evidence: Evidence) -> Iterator[FindingPart]:
    """Say that those who take could do no more: whatever is published beyond that waits."""
    bound = evidence.bound
    slow = slowest_takers(evidence) if bound is not None and bound.by == "consumers" else None
    if slow is not None:
        limit = BEHIND_TAKERS if is_growing(evidence) else BUSY_TAKERS
        yield finding(
            "consumers-bound",
            f"{slow.text} (limit {share_text(limit)})",
            "Add users to the group, shorten its work, or lower the rate",
            value=slow.busy,
            limit=limit,
            unit="share of the time",
            group=slow.group,
        )


def lateness_high(evidence: Evidence) -> Iterator[FindingPart]:
    """Look at open models: in a closed one lateness is 0 by definition."""
    for name, group in evidence.groups.items():
        late_ns = group.latency["lateness"].p99_ns if "lateness" in group.latency else None
        if group.model == "open" and late_ns is not None and late_ns > LATENESS_P99_LIMIT_NS:
            yield finding(
                "lateness-high",
                f"{named(evidence, name)} sent late: lateness p99 {time_text(late_ns)} (limit "
                f"{time_text(LATENESS_P99_LIMIT_NS)}), which is part of every latency of its messages"
                f"{_why_late(evidence, name)}",
                "Compare with the uncorrected latency, which leaves it out",
                value=late_ns,
                limit=LATENESS_P99_LIMIT_NS,
                unit="ns",
                group=name,
            )


def _why_late(evidence: Evidence, group: str) -> str:
    """Return what explains that messages were sent late, as far as it is known."""
    reasons = []
    if faults := _publishers_faults(evidence):
        reasons.append(f"the likely cause is {faults_text(faults)}")
    if outage := outage_s(evidence, group):
        reasons.append(f"nothing could be sent in outages of {span_text(outage)}")
    if long_stalls(evidence):
        reasons.append("the generator stood still")
    if is_machine_full(evidence):
        others = others_text(others_cores(evidence))
        reasons.append("the machine had no processor time left" + (f", and {others}" if others else ""))
    elif interference := interference_texts(evidence):
        reasons += interference
    if full_s := sum(point.gauges.get("window_full_ns", 0.0) for point in evidence.timeline) / _NS_PER_S:
        reasons.append(f"full confirm windows held back what was due, for {span_text(full_s)} in all")
    return f": {'; '.join(reasons)}" if reasons else ""


def offered_not_achieved(evidence: Evidence) -> Iterator[FindingPart]:
    """Compare what each schedule asked with what its publishers sent."""
    for name, group in evidence.groups.items():
        offered, published = group.rates.offered_per_s, group.rates.published_per_s
        if group.kind != "publisher" or not offered or published is None:
            continue
        share = published / offered
        if abs(share - 1) > OFFERED_TOLERANCE:
            yield finding(
                "offered-not-achieved",
                f"{named(evidence, name)} was asked for {rate_text(offered)} and published {rate_text(published)}, "
                f"{share_text(share)} of it (limit {share_text(1 - OFFERED_TOLERANCE)})"
                f"{_blame(evidence)}",
                _how_to_achieve(evidence, name),
                value=share,
                limit=1 - OFFERED_TOLERANCE,
                unit="share of offered",
                group=name,
            )


def _publishers_faults(evidence: Evidence) -> tuple[FaultSpan, ...]:
    """Return the faults that may hold up publishers; what is done to a queue does not."""
    return tuple(span for span in measured_faults(evidence) if span.do not in QUEUE_FAULTS)


def _blame(evidence: Evidence) -> str:
    """Return what ends an observation: the scenario's faults, as its likely cause."""
    faults = _publishers_faults(evidence)
    return f"; the likely cause is {faults_text(faults)}" if faults else ""


def _how_to_achieve(evidence: Evidence, group: str) -> str:
    """Return what to do about a rate that was not reached; a lower one would not have helped where nothing went."""
    if evidence.broker_failure is not None or got_no_confirm(evidence.groups[group]):
        return "See the events for the reason, and the broker's log"
    if outage := outage_s(evidence, group):
        return f"Nothing could be published in outages of {span_text(outage)}: see the events at that time"
    if long_stalls(evidence):
        return "See why the generator stood still"
    if _publishers_faults(evidence):
        return WITHOUT_FAULTS
    if is_machine_full(evidence):
        return "Lower the rate, or give broker and generator more processor time: the machine had none left"
    return "Lower the rate until it is reached, or widen confirm_window and add users"


def too_few_samples(evidence: Evidence) -> Iterator[FindingPart]:
    """Look at p99 and p99.9 of the headline latencies; one finding for all, since one run is the cause."""
    weak: list[tuple[int, str]] = []
    for group_name, group in evidence.groups.items():
        for name, latency in _headline(group):
            short = [percentile for percentile in PERCENTILES[3:5] if is_few(percentile.percent, latency.count)]
            if short:
                names = " and ".join(percentile.name for percentile in short)
                weak.append((latency.count, f"{names} of {group_name}.{name} ({values_text(latency.count)})"))
    if not weak:
        return
    least = min(count for count, _ in weak)
    texts = [text for _, text in weak[:SHOWN]]
    if len(weak) > SHOWN:
        texts.append(f"{len(weak) - SHOWN} more")
    yield finding(
        "too-few-samples",
        f"too few values for {', '.join(texts)}: p99 needs {count_text(needed_values(99.0))}, "
        f"p99.9 {count_text(needed_values(99.9))}",
        "Read them as the largest values seen, or run longer",
        value=least,
        limit=needed_values(99.9),
        unit="values",
    )


def _headline(group: GroupPart) -> Iterator[tuple[str, LatencyPart]]:
    for name, latency in group.latency.items():
        is_told_apart = name != "lateness" or group.model == "open"
        if latency.count and name not in ONCE_A_CONNECTION and not name.endswith("_uncorrected") and is_told_apart:
            yield name, latency


def beyond_histogram(evidence: Evidence) -> Iterator[FindingPart]:
    """Count values beyond the range, of all latencies."""
    count = sum(part.saturated for group in evidence.groups.values() for part in group.latency.values())
    if count:
        yield finding(
            "beyond-histogram",
            f"{values_text(count)} of latencies lay beyond the histogram's range (limit 0); they rank above all others",
            "Look for what stood still for over an hour",
            value=count,
            limit=0,
            unit="values",
        )

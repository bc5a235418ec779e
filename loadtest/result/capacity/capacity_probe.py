"""What came of a rate that was tried: held, or what it was not held for. Knows the result of its run."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from loadtest.errors import EXIT_BROKER, EXIT_FAILED
from loadtest.result.capacity.capacity_result import Bound, CoresPart, ProbePart
from loadtest.result.run.bottleneck import processor_limit
from loadtest.result.run.evidence import MEASURED, OPERATION_REFUSED
from loadtest.result.units import rate_text, share_text

if TYPE_CHECKING:
    from loadtest.result.run.document import RunResult

LEAST_ACHIEVED: Final = 0.99
"""Share of the asked rate that has to be published, or else it was not that rate that was tried."""

GROWING: Final = 0.02
"""
Of the time that passes: a waiting time that grows by more is a queue that grows by as much of what is published. Twice
what may be missing of the rate, so that chance does not do it.
"""

LEAST_WINDOWS: Final = 3
_USABLE: Final = frozenset({0, 1})
_NS_PER_S: Final = 1_000_000_000


def probe_part(
    rate_per_s: float, result: RunResult | None, folder: str, last_words: str = "", **tried: Any
) -> ProbePart:
    """
    Return what came of a rate.

    Args:
        rate_per_s: That was asked for.
        result: Of its run; None where there is none.
        folder: Of its results, below the search's.
        last_words: Of a run without a result.
        tried: `stage`, `is_quick`, `hold_s` and `took_s`.
    """
    if result is None:
        return ProbePart(
            rate_per_s=rate_per_s, published_per_s=None, is_held=False, bound="failed", why=last_words, latency={},
            checks={}, folder=folder, **tried,
        )  # fmt: skip
    cores = _cores(result)
    reasons = list(_reasons(rate_per_s, result))
    bound, why = reasons[0] if reasons else (None, "")
    if bound in {"slo", "backlog", "broker"} and cores is not None and cores.limit == "generator":
        bound = "generator"
    return ProbePart(
        rate_per_s=rate_per_s,
        published_per_s=published_per_s(result),
        is_held=not reasons,
        bound=bound,
        why=why,
        latency={
            f"{name}.{latency}": {"p50_ns": part.p50_ns, "p99_ns": part.p99_ns, "max_ns": part.max_ns}
            for name, group in result.groups.items()
            for latency, part in group.latency.items()
            if latency in {"confirm", "end_to_end"} and part.count
        },
        checks={check.check: check.value for check in result.verdict.checks},
        folder=folder,
        cores=cores,
        flow=_flow(result),
        **tried,
    )


def published_per_s(result: RunResult) -> float:
    """Return the rate at which all publishers together published."""
    return sum(group.rates.published_per_s or 0.0 for group in result.groups.values() if group.kind == "publisher")


def _reasons(rate_per_s: float, result: RunResult) -> Iterator[tuple[Bound, str]]:
    """Yield why a rate was not held, the gravest first."""
    codes = {finding.code: finding for finding in result.verdict.findings}
    # What is refused at the first try is refused at every rate.
    is_refused = any(event.code == OPERATION_REFUSED for event in result.events)
    # A broker that blocks its publishers throughout may take a lower rate.
    is_blocked = {"nothing-done", "broker-blocked-publishers"} <= codes.keys()
    if is_refused or (result.verdict.exit_code not in _USABLE | {EXIT_BROKER} and not is_blocked):
        yield "failed", result.verdict.reason
    if result.totals.lost or result.totals.corrupted:
        yield "lost", f"{result.totals.lost:,} messages lost, {result.totals.corrupted:,} corrupted"
    has_failed = result.verdict.exit_code == EXIT_FAILED and all(check.ok for check in result.verdict.checks)
    if has_failed or result.verdict.exit_code == EXIT_BROKER:
        yield "broker", result.verdict.reason
    achieved = published_per_s(result)
    if achieved < LEAST_ACHIEVED * rate_per_s:
        is_generator = "generator-bound" in codes
        text = f"published {rate_text(achieved)} of {rate_text(rate_per_s)}"
        yield ("generator" if is_generator else "broker"), text
    if "broker-blocked-publishers" in codes:
        yield "alarm", codes["broker-blocked-publishers"].text
    if "backlog-growing" in codes:
        yield "backlog", codes["backlog-growing"].text
    yield from (("backlog", text) for text in _growing(result))
    for check in result.verdict.checks:
        if not check.ok:
            note = f" ({check.note})" if check.note else ""
            yield "slo", f"{check.check} came to {check.value or 'no value'}{note}"


def _growing(result: RunResult) -> Iterator[str]:
    """
    Yield which groups waited longer and longer, also of runs that are too short for the finding `backlog-growing`.

    Where more comes than is taken, each message waits longer than the one before: in a second by 1 - taken / published.
    """
    for name, group in result.groups.items():
        points = [
            (point.t_s, latency.p50_ns)
            for point in result.timeline
            if point.phase == MEASURED and name in point.groups
            for latency in (point.groups[name].latency.get("end_to_end"),)
            if latency is not None and latency.p50_ns is not None
        ]
        if group.kind == "publisher" or len(points) < LEAST_WINDOWS:
            continue
        third = max(1, len(points) // 3)
        first, last = points[:third], points[-third:]
        passed_s = median(t_s for t_s, _ in last) - median(t_s for t_s, _ in first)
        grown_s = (median(value for _, value in last) - median(value for _, value in first)) / _NS_PER_S
        if grown_s > GROWING * passed_s:
            yield f"end_to_end of {name} grew by {share_text(grown_s / passed_s)} of the time: less is taken than comes"


def _cores(result: RunResult) -> CoresPart | None:
    bound = result.verdict.bound
    if bound is None:
        return None
    told = result.generator.get("cores")
    cores = told if isinstance(told, int) else None
    limit = processor_limit(bound.generator_cores, bound.broker_cores, bound.machine_cores, cores)
    return CoresPart(
        generator=bound.generator_cores,
        broker=bound.broker_cores,
        machine=bound.machine_cores,
        cores=cores,
        limit=limit,
    )


def _flow(result: RunResult) -> float | None:
    told = [point.gauges["broker.flow"] for point in result.timeline if "broker.flow" in point.gauges]
    return sum(1 for value in told if value) / len(told) if told else None

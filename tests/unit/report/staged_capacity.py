"""A search for a capacity as it would be on a broker that is an M/M/1 queue; no broker is needed."""

from __future__ import annotations

import math

from loadtest.experiments.capacity.search import Search
from loadtest.result.capacity.capacity_answer import judge, knees_of, limit_of, missed_probe, uncertainty_of
from loadtest.result.capacity.capacity_result import Bound, CapacityResult, CoresPart, ProbePart

SERVICE_PER_S = 10_000.0
SLO = ("in.confirm.p99 < 20ms", "lost == 0")
LIMIT_NS = 20_000_000


def capacity(
    *, bound: Bound = "slo", complete: bool = True, text: str = "", most_per_s: float = 1e6, holds: bool = True
) -> CapacityResult:
    """
    Return what a search found.

    Args:
        bound: What rates are not held for.
        complete: False: interrupted before the answer was repeated.
        text: Put into all that comes from outside.
        most_per_s: No rate above it is tried.
        holds: False: no rate is.
    """
    search = Search(1_000, most_per_s)
    probes: list[ProbePart] = []
    while (step := search.next_step()) is not None and (complete or len(probes) < 8):
        probe = _probe(len(probes) + 1, step.rate_per_s, step.stage, bound, text, is_quick=step.is_quick, holds=holds)
        probes.append(probe)
        search.tell(probe.rate_per_s, is_held=probe.is_held, is_quick=probe.is_quick)
    low, high = search.low, search.high
    exit_code, reason = judge(probes, low, high, complete=complete)
    missed = missed_probe(probes, high)
    found = None if missed is None else missed.bound
    return CapacityResult(
        scenario=f"steady-1kb{text}",
        slo=SLO,
        precision=0.05,
        started_at="2026-03-01T12:00:00+00:00",
        ended_at="2026-03-01T12:05:00+00:00",
        complete=complete,
        capacity_per_s=low,
        missed_per_s=high,
        is_lower_bound=low is not None and (high is None or found == "generator"),
        bound=found,
        probes=tuple(probes),
        exit_code=exit_code,
        reason=reason,
        broker=f"RabbitMQ 3.10.8, private{text}",
        uncertainty=uncertainty_of(probes, low, high),
        limit=limit_of(probes, low, high),
        knees=knees_of(probes),
    )


def _probe(number: int, rate: float, stage: str, bound: Bound, text: str, *, is_quick: bool, holds: bool) -> ProbePart:
    busy = min(rate / SERVICE_PER_S, 1.0)
    median_ns, p99_ns = _percentile_ns(rate, 0.5), _percentile_ns(rate, 0.99)
    is_held = holds and p99_ns < LIMIT_NS
    limit = {"generator": "generator", "broker": "broker"}.get(bound) if not is_held else None
    return ProbePart.model_validate(
        {
            "rate_per_s": rate,
            "published_per_s": min(rate, SERVICE_PER_S),
            "is_held": is_held,
            "bound": None if is_held else bound,
            "why": "" if is_held else f"{SLO[0]} came to {p99_ns / 1e6:.3g} ms{text}",
            "latency": {
                name: {"p50_ns": round(times * median_ns), "p99_ns": round(times * p99_ns), "max_ns": round(3 * p99_ns)}
                for name, times in ((f"in.confirm{text}" if text else "in.confirm", 1), ("out.end_to_end", 1.4))
            },
            "checks": {SLO[0]: f"{p99_ns / 1e6:.3g} ms", SLO[1]: "0"},
            "folder": f"probes/{number:02}-1-{rate:g}-per-s",
            "stage": stage,
            "is_quick": is_quick,
            "hold_s": 3.0 if is_quick else 10.0,
            "took_s": 6.5 if is_quick else 13.5,
            "cores": CoresPart.model_validate(
                {"generator": 0.4, "broker": 1.5 * busy, "machine": 1.95 * busy, "cores": 2, "limit": limit}
            ),
            "flow": 0.0 if is_held else 0.6,
        },
        strict=False,
    )


def _percentile_ns(rate: float, share: float) -> float:
    """Return a percentile of the time in an M/M/1 queue; beyond its limit that of one that grew for ten seconds."""
    spare = max(SERVICE_PER_S - rate, 1.0)
    return -math.log(1 - share) / spare * 1e9

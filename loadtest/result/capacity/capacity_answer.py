"""What a search found: how surely, what limits it, where latency begins to rise. Pure: what came of each try in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf
from typing import Final

from loadtest.errors import EXIT_FAILED, EXIT_INCONCLUSIVE, EXIT_INTERRUPTED, EXIT_PASSED
from loadtest.result.capacity.capacity_result import CoresPart, KneePart, LimitPart, ProbePart, UncertaintyPart
from loadtest.result.capacity.knee import knee_of
from loadtest.result.run.bottleneck import PROCESSOR_TEXTS
from loadtest.result.units import rate_text, share_text

_IN_FLOW: Final = 0.1
"""Share of the seconds from which on flow control is told: it comes and goes by nature."""


def answers(probes: Sequence[ProbePart]) -> list[ProbePart]:
    """Return the tries that the answer rests on: held for the full time, and none that failed."""
    return [probe for probe in probes if not probe.is_quick and probe.bound != "failed"]


def uncertainty_of(probes: Sequence[ProbePart], low: float | None, high: float | None) -> UncertaintyPart | None:
    """
    Return between which rates the capacity lies, whatever the search made of it.

    Below the interval all that was tried was held, above it all was missed; tries that contradict each other lie
    within, and make it wider than the precision.
    """
    if low is None:
        return None
    full = answers(probes)
    held = [probe.rate_per_s for probe in full if probe.is_held]
    missed = [probe.rate_per_s for probe in full if not probe.is_held]
    first_missed, last_held = min(missed, default=inf), max(held, default=0.0)
    is_generator = any(probe.bound == "generator" for probe in full if probe.rate_per_s == high)
    return UncertaintyPart(
        low_per_s=max((rate for rate in held if rate < first_missed), default=None),
        high_per_s=None if is_generator else min((rate for rate in missed if rate > last_held), default=None),
        held=held.count(low),
        tries=held.count(low) + missed.count(low),
        missed=0 if high is None else missed.count(high),
        missed_tries=0 if high is None else held.count(high) + missed.count(high),
        contradictions=sum(1 for rate in missed if rate <= last_held),
    )


def missed_probe(probes: Sequence[ProbePart], high: float | None) -> ProbePart | None:
    """Return the last full try of the lowest rate that was not held; None if there is none."""
    found = [probe for probe in answers(probes) if probe.rate_per_s == high and not probe.is_held]
    return found[-1] if found else None


def limit_of(probes: Sequence[ProbePart], low: float | None, high: float | None) -> LimitPart | None:
    """Return what keeps the broker from the rate above the one that it holds."""
    if low is None:
        return None
    missed = missed_probe(probes, high)
    if missed is not None and missed.bound is not None:
        return LimitPart(by=missed.bound, text="; ".join(_limit_texts(missed)), cores=missed.cores)
    if high is not None:
        return None
    held = [probe for probe in answers(probes) if probe.rate_per_s == low and probe.is_held]
    return LimitPart(by="most", text="nothing above it was tried", cores=held[-1].cores if held else None)


def _limit_texts(probe: ProbePart) -> Iterator[str]:
    yield probe.why
    cores = probe.cores
    if cores is not None:
        used = used_text(cores)
        if cores.limit is not None:
            yield f"{PROCESSOR_TEXTS[cores.limit]} ({used})"
        elif cores.broker is None:
            yield f"the broker's processor time is not known ({used})"
        else:
            yield (
                f"nobody had used up its processor time ({used}): it may be a queue's one process, the disk, the "
                "network, or waiting for confirms"
            )
    if probe.flow is not None and probe.flow >= _IN_FLOW:
        yield (
            f"connections were in flow control in {share_text(probe.flow)} of the seconds: a queue, or what it writes "
            "to, did not keep up"
        )


def used_text(cores: CoresPart) -> str:
    """Return who used how much processor time: ``broker 1.52, generator 0.31, machine 1.97 of 2 cores``."""
    told = [("broker", cores.broker), ("generator", cores.generator), ("machine", cores.machine)]
    text = ", ".join(f"{name} {value:.2f}" for name, value in told if value is not None)
    return f"{text} of {cores.cores} cores" if cores.cores is not None else f"{text} cores"


def knees_of(probes: Sequence[ProbePart]) -> tuple[KneePart, ...]:
    """Return the knee of each latency that has one, by the p99 of full tries and of short ones."""
    names = dict.fromkeys(name for probe in probes for name in probe.latency)
    found = []
    for name in names:
        points = [
            (probe.published_per_s, float(value))
            for probe in probes
            if probe.published_per_s and (value := probe.latency.get(name, {}).get("p99_ns"))
        ]
        knee = knee_of(points)
        if knee is not None:
            found.append(KneePart(latency=name, rate_per_s=knee[0], p99_ns=knee[1]))
    return tuple(found)


def judge(
    probes: Sequence[ProbePart], low: float | None, high: float | None, *, complete: bool, is_settled: bool = True
) -> tuple[int, str]:
    """
    Return exit code and reason of a search.

    Args:
        probes: What was tried.
        low: The highest rate that was held.
        high: The lowest that was not.
        complete: False where it was interrupted.
        is_settled: Whether the answer was repeated as often as was asked for.
    """
    found = _found(probes, low, high)
    if not complete:
        return EXIT_INTERRUPTED, f"interrupted; so far {found}"
    if not is_settled:
        return EXIT_INCONCLUSIVE, f"after {len(probes)} tries no answer could be repeated; {found}"
    return (EXIT_FAILED if low is None else EXIT_PASSED), found


def _found(probes: Sequence[ProbePart], low: float | None, high: float | None) -> str:
    if low is None:
        reasons = [probe.why for probe in probes if not probe.is_held]
        return f"no rate was held: {reasons[-1]}" if reasons else "no rate was held for the full time"
    held = f"{rate_text(low)} is held"
    if high is None:
        return f"{held}, and nothing above it was tried: the broker may do more"
    missed = missed_probe(probes, high)
    limit = f"{rate_text(high)} is not: {missed.why}" if missed is not None else f"{rate_text(high)} is not"
    if missed is not None and missed.bound == "generator":
        return f"{held}; {limit}. That was the generator, so the broker may do more (--processes)"
    return f"{held}; {limit}"

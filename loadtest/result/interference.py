"""
Interference: what else took the processor time that generator and broker needed, and when it is worth a word.

Other programs on the machine, a quota of processor time (a container's), other guests of a virtual machine's host. The
limits are the same for a run, for the laps of a comparison and for the points of a sweep.
"""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING, Final

from loadtest.measure.timeline import ALL_CPU
from loadtest.result.run.evidence import MEASURED
from loadtest.result.units import share_text, span_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadtest.result.run.document import PointPart
    from loadtest.result.run.evidence import Evidence

OTHERS_CORES: Final = 0.5
"""Used by neither broker nor generator; the kernel's work for them takes up to about that much."""

THROTTLED_SHARE: Final = 0.01
"""Of the time: a quota stops a process for the rest of its period, 100 ms; ten of those in 100 s are a p99."""

STOLEN_SHARE: Final = 0.02
"""Of all processors: hosts with a core for each of their guests stay well below."""

_CORES: Final = ("machine.cpu", "broker.cpu", "cpu")


def others_cores(evidence: Evidence) -> float | None:
    """
    Return the cores that programs other than broker and generator used in the measured part; None if it is not known.

    Where that is too short for a reading it is that of all of the run that has one. With workers on other hosts it is
    not known, as their use is no part of what this machine used.
    """
    if any(worker.has_own_clock for worker in evidence.workers):
        return None
    told = [point for point in evidence.timeline if point.gauges.keys() >= set(_CORES)]
    measured = [point for point in told if point.phase == MEASURED]
    others = [_others(point) for point in measured or told]
    return fmean(others) if others else None


def others_text(cores: float | None) -> str | None:
    """Return that other programs used so much, where it is more than the kernel uses for a run; else None."""
    return f"other programs used {cores:.1f} cores" if cores is not None and cores > OTHERS_CORES else None


def taken_texts(
    throttled_share: float | None, passed_s: float, stolen_cores: float | None, cores: int
) -> tuple[str, ...]:
    """
    Return what of the processor time was not given in *passed_s* seconds, where it is more than can be passed over.

    Args:
        throttled_share: Of the time, in which a quota stopped this process; None where that is not known.
        passed_s: The time.
        stolen_cores: That other guests of the host had; None where the hypervisor does not tell.
        cores: That the machine has.
    """
    found = []
    if throttled_share is not None and throttled_share > THROTTLED_SHARE:
        stopped = span_text(throttled_share * passed_s)
        found.append(f"stopped by a quota of processor time for {stopped} of {span_text(passed_s)}")
    if stolen_cores is not None and stolen_cores / cores > STOLEN_SHARE:
        found.append(f"{share_text(stolen_cores / cores)} of the processors' time went to other guests of the host")
    return tuple(found)


def interference_texts(evidence: Evidence) -> tuple[str, ...]:
    """Return all that disturbed a run; empty if nothing is known to have."""
    points = [point for point in evidence.timeline if point.phase == MEASURED]
    others = others_text(others_cores(evidence))
    taken = taken_texts(
        _mean(points, "machine.throttled"),
        evidence.measured_s,
        _mean(points, "machine.stolen"),
        evidence.cores or 1,
    )
    return ((others,) if others else ()) + taken


def _others(point: PointPart) -> float:
    gauges = point.gauges
    return gauges["machine.cpu"] - gauges["broker.cpu"] - gauges.get(ALL_CPU, gauges["cpu"])


def _mean(points: Sequence[PointPart], gauge: str) -> float | None:
    values = [point.gauges[gauge] for point in points if gauge in point.gauges]
    return fmean(values) if values else None

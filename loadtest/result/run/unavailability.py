"""How long a run stood still: outages of the broker, and stretches in which the generator itself did nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from loadtest.result.run.document import OutagePart
    from loadtest.result.run.evidence import Evidence

OUTAGE_LIMIT_S: Final = 1.0
"""A shorter pause is in the latencies, and no outage to anybody who waits."""

Span = tuple[float, float]


def long_outages(evidence: Evidence, group: str) -> list[OutagePart]:
    """Return the outages of a group that are long enough to be told."""
    outages = evidence.groups[group].outages or ()
    return [outage for outage in outages if outage.end_s - outage.start_s >= OUTAGE_LIMIT_S]


def outage_s(evidence: Evidence, group: str) -> float:
    """Return how long the outages of a group lasted together, in s."""
    return sum(outage.end_s - outage.start_s for outage in long_outages(evidence, group))


def long_stalls(evidence: Evidence) -> dict[str, list[Span]]:
    """Return by process when it stood still for long enough to be told, in s after the start."""
    found = {}
    for name, stalls in evidence.stalls.items():
        if long := [each for each in stalls if _length(each) >= OUTAGE_LIMIT_S]:
            found[name] = long
    return found


def longest(stalls: Iterable[Span]) -> Span:
    """Return the longest of some spans, at least one."""
    return max(stalls, key=_length)


def _length(span: Span) -> float:
    return span[1] - span[0]

"""
The faults of the scenario that were in effect in the measured part: the first suspects of whatever went wrong there.

Read from the run's events, so that a journal of any version tells them. Knows no finding.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from loadtest.result.run.document import EventPart
from loadtest.result.run.evidence import CONNECTION_BLOCKED, FAULT, MEASURED, Evidence
from loadtest.result.units import count_text, span_text
from loadtest.scenario.grammar.faults import ALARMS, UNDONE_BY

HARMLESS: Final = frozenset({"purge-queue", *UNDONE_BY.values()})
"""What slows nothing down: it empties a queue, or ends another fault."""

AT_ONCE_S: Final = 1.0
"""A fault that does not last is told by when it was done; one shorter than this too."""

WITHOUT_FAULTS: Final = "Run it without these faults to see whether it is theirs"

_EVENT: Final = re.compile(r"(?P<do>[a-z-]+) (?P<what>.*?) \(it took (?P<took_s>[\d.]+) s\)", re.DOTALL)
"""The words of `broker.faults.fault_runner`."""

_REFUSED: Final = re.compile(r": reset$")
"""How the event of a reset ends that is over at once."""


@dataclass(frozen=True, slots=True)
class FaultSpan:
    """When a fault was in effect, in s after the start."""

    do: str
    start_s: float
    end_s: float


def measured_faults(evidence: Evidence, after_share: float = 0.0) -> tuple[FaultSpan, ...]:
    """
    Return the faults that were in effect at some time of the measured part, in the order in which they began.

    Args:
        evidence: Of the run.
        after_share: How much of the measured part to leave out at its begin: a fault that was over when that ended
            does not explain that later seconds were worse.
    """
    measured = [point.t_s for point in evidence.timeline if point.phase == MEASURED]
    if not measured:
        return ()
    first_s, last_s = min(measured), max(measured) + 1
    return faults_between(evidence, first_s + after_share * (last_s - first_s), last_s)


def faults_between(evidence: Evidence, start_s: float, end_s: float) -> tuple[FaultSpan, ...]:
    """Return the faults that were in effect at some time of a stretch, given in s after the start."""
    return tuple(span for span in _spans(evidence) if span.start_s < end_s and span.end_s > start_s)


def faults_text(spans: Sequence[FaultSpan]) -> str:
    """Return what the scenario did, and when, such as `slow-network from 5 s to 7.6 s`; *spans* is not empty."""
    by_name: dict[str, list[FaultSpan]] = {}
    for span in spans:
        by_name.setdefault(span.do, []).append(span)
    each = [_when(do, told) for do, told in by_name.items()]
    return f"the scenario's own fault{'s' if len(spans) > 1 else ''} {' and '.join(each)} after the start"


def likely_cause(spans: Sequence[FaultSpan]) -> str:
    """Return what a finding begins its explanation with: the faults, if there were any."""
    return f"the likely cause is {faults_text(spans)}; " if spans else ""


def _when(do: str, spans: Sequence[FaultSpan]) -> str:
    first = spans[0]
    if len(spans) > 1:
        return f"{do} {count_text(len(spans))} times from {span_text(first.start_s)} to {span_text(spans[-1].end_s)}"
    if first.end_s - first.start_s < AT_ONCE_S:
        return f"{do} at {span_text(first.start_s)}"
    return f"{do} from {span_text(first.start_s)} to {span_text(first.end_s)}"


def _spans(evidence: Evidence) -> Iterator[FaultSpan]:
    """Yield the faults; one that nothing undid lasted until the run ended."""
    told = [(event, found) for event in evidence.events if event.code == FAULT and (found := _EVENT.match(event.text))]
    ended_s = max((point.t_s + 1.0 for point in evidence.timeline), default=0.0)
    for place, (event, found) in enumerate(told):
        do = found["do"]
        if do in HARMLESS:
            continue
        start_s, end_s = event.t_s - float(found["took_s"]), event.t_s
        if do in UNDONE_BY and not _REFUSED.search(found["what"]):
            end_s = max(end_s, _undone_s(do, told[place + 1 :], ended_s))
        if do not in ALARMS or _blocks(evidence, do, start_s, end_s):
            yield FaultSpan(do, start_s, end_s)


def _blocks(evidence: Evidence, alarm: str, start_s: float, end_s: float) -> bool:
    """Return whether the broker blocked a connection for an alarm; one that blocks nobody slows nothing down."""
    resource = alarm.removesuffix("-alarm")
    blocked = [event for event in evidence.events if event.code == CONNECTION_BLOCKED]
    return any(start_s <= event.t_s <= end_s and resource in event.text for event in blocked)


def _undone_s(do: str, later: Sequence[tuple[EventPart, re.Match[str]]], ended_s: float) -> float:
    return next((event.t_s for event, found in later if found["do"] == UNDONE_BY[do]), ended_s)

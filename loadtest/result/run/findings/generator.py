"""Findings about what kept the generator from its work: other programs, or that its process stood still."""

from __future__ import annotations

from collections.abc import Iterator

from loadtest.result.interference import OTHERS_CORES, interference_texts, others_cores
from loadtest.result.run.document import FindingPart
from loadtest.result.run.evidence import Evidence
from loadtest.result.run.findings.finding import finding
from loadtest.result.run.unavailability import OUTAGE_LIMIT_S, long_stalls, longest
from loadtest.result.units import count_text, span_text


def disturbed(evidence: Evidence) -> Iterator[FindingPart]:
    """Say what else took processor time that generator and broker needed."""
    texts = interference_texts(evidence)
    if texts:
        yield finding(
            "disturbed",
            f"the run was disturbed: {'; '.join(texts)} (limit {OTHERS_CORES:g} cores of other programs). Rates and "
            "latencies are partly theirs",
            "End other programs, or give broker and generator machines of their own, and run it again",
            value=others_cores(evidence) or 0.0,
            limit=OTHERS_CORES,
            unit="cores",
        )


def generator_stalled(evidence: Evidence) -> Iterator[FindingPart]:
    """Say when a process of the generator did nothing at all; what was due meanwhile is no outage of the broker."""
    stalls = long_stalls(evidence)
    if not stalls:
        return
    everyone = [each for spans in stalls.values() for each in spans]
    begin_s, end_s = longest(everyone)
    if evidence.processes > 1:
        who = f"{count_text(len(stalls))} of {count_text(evidence.processes)} processes of the generator"
    else:
        who = "the generator"
    times = "once" if len(everyone) == 1 else f"{count_text(len(everyone))} times, the longest"
    yield finding(
        "generator-stalled",
        f"{who} stood still {times} for {span_text(end_s - begin_s)} (limit {span_text(OUTAGE_LIMIT_S)}), from "
        f"{span_text(begin_s)} to {span_text(end_s)} after the start: nothing was sent or read meanwhile, which is no "
        "outage of the broker, though connections may have been closed for missed heartbeats",
        "Look for what stopped the process: a signal, swapping, a suspended virtual machine, no free core",
        value=end_s - begin_s,
        limit=OUTAGE_LIMIT_S,
        unit="s",
    )

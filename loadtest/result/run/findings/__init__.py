"""
Findings: what a reader has to know before believing a figure. A closed set; docs/results.md lists it.

Each is an observation with its number, the limit from which on it is one, and the next step. Findings never change the
verdict: they say what it rests on. Knows no way of showing them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from loadtest.result.run.document import FindingPart
from loadtest.result.run.evidence import Evidence
from loadtest.result.run.findings import figure_findings, generator, messages, processes, steadiness
from loadtest.result.run.findings.finding import CODES

__all__ = ["CODES", "find"]

# In the order of CODES: what disturbed the run and what failed first, then what came of it.
_FINDERS: Final[tuple[Callable[[Evidence], Iterator[FindingPart]], ...]] = (
    generator.disturbed,
    generator.generator_stalled,
    figure_findings.generator_bound,
    processes.worker_lost,
    messages.connection_lost,
    messages.outage,
    messages.broker_blocked_publishers,
    messages.messages_nacked,
    messages.messages_returned,
    messages.messages_discarded,
    figure_findings.broker_bound,
    figure_findings.consumers_bound,
    messages.backlog_growing,
    figure_findings.lateness_high,
    figure_findings.offered_not_achieved,
    steadiness.unstable_over_time,
    figure_findings.too_few_samples,
    figure_findings.beyond_histogram,
    processes.clock_offset,
    processes.negative_latency,
    messages.messages_remaining,
    processes.windows_missing,
    messages.in_doubt,
    messages.nothing_done,
    messages.books_unbalanced,
    messages.undelivered,
    messages.unexpected_deliveries,
    messages.foreign_messages,
    messages.broker_unsampled,
)


def find(evidence: Evidence) -> tuple[FindingPart, ...]:
    """Return what was found, in the order of `CODES`."""
    return tuple(found for finder in _FINDERS for found in finder(evidence))

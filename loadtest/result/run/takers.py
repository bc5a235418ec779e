"""
How busy those who take messages were: consumers that work on each message, getters that ask at a rate or without rest.

Of consumers with a processing time, and of getters with a rate, the run record says the most that all users of the
group can take in a second. A getter without a rate asks all the time: it was busy unless the queue was empty.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from loadtest.result.run.backlog import is_growing
from loadtest.result.run.evidence import named
from loadtest.result.units import rate_text, share_text

if TYPE_CHECKING:
    from loadtest.result.run.document import GroupPart
    from loadtest.result.run.evidence import Evidence

BUSY_TAKERS: Final = 0.9
"""Share of the most that the group can take: what remains goes into waking up, between one message and the next."""

BEHIND_TAKERS: Final = 0.7
"""Where messages pile up at the same time: of short work, waking up is a larger share."""

EMPTY_SHARE: Final = 0.05
"""Of the answers to a getter without a rate: with more Get-Empty it was faster than what came."""


@dataclass(frozen=True, slots=True)
class Takers:
    """
    A group of consumers or getters that could do no more.

    Attributes:
        busy: Share of the most that it can take.
        text: That in a sentence, with the arithmetic.
    """

    group: str
    busy: float
    text: str


def slowest_takers(evidence: Evidence) -> Takers | None:
    """Return the busiest group of those that could do no more; None if none is known to be."""
    limit = BEHIND_TAKERS if is_growing(evidence) else BUSY_TAKERS
    found = (_takers(evidence, name, group) for name, group in evidence.groups.items())
    busy = [takers for takers in found if takers is not None and takers.busy >= limit]
    return max(busy, key=lambda takers: takers.busy, default=None)


def _takers(evidence: Evidence, name: str, group: GroupPart) -> Takers | None:
    if group.kind == "publisher":
        return None
    taken_per_s = (group.rates.delivered_per_s if group.kind == "consumer" else group.rates.got_per_s) or 0.0
    most_per_s, why = evidence.most_per_s.get(name, (0.0, ""))
    if most_per_s:
        busy = min(1.0, taken_per_s / most_per_s)
        return Takers(name, busy, f"{named(evidence, name)} was busy {share_text(busy)} of its time: {why}")
    if group.kind == "getter" and taken_per_s:
        answers = group.measured_counts.get("got", 0), group.measured_counts.get("get_empty", 0)
        if answers[1] <= EMPTY_SHARE * sum(answers) and is_growing(evidence):
            text = f"asked all the time and took {rate_text(taken_per_s)}, one message a Basic.Get"
            return Takers(name, 1.0, f"{named(evidence, name)} {text}")
    return None

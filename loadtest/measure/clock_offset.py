"""
How far another host's clock is ahead of ours: an interval that holds the truth, narrowed by every reading.

A reading is one question and one answer: asked at `asked_ns` and answered at `answered_ns` by our clock, while the
other clock stood at `there_ns`. It was read somewhere between the two, so that it is ahead by `there_ns - answered_ns`
at least and by `there_ns - asked_ns` at most: the width is the round trip, and nothing is assumed of how it divides
into the way there and the way back. Intervals of several readings are intersected, the older ones widened by what two
clocks may drift apart meanwhile. Knows no network.

Source: RFC 5905, section 8 (offset within half of the round trip), and K. Marzullo's intersection, which it builds on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

DRIFT_PPM: Final = 30
"""Millionths by which two clocks go apart at most: twice RFC 5905's PHI, the tolerance of one clock (15 ppm)."""

_MILLION: Final = 1_000_000


@dataclass(slots=True)
class ClockOffset:
    """
    What is known of one clock.

    Attributes:
        low_ns, high_ns: It was ahead of ours by at least and at most this at `at_ns`; negative: behind.
        at_ns: Our clock when the newest reading was asked for; it may have been read as early as that.
        round_trip_ns: The shortest so far.
        jumps: Readings that contradicted those before, as of a clock that was set or drifts faster than clocks should.
    """

    low_ns: int
    high_ns: int
    at_ns: int
    round_trip_ns: int
    jumps: int = field(default=0)

    @classmethod
    def of(cls, asked_ns: int, there_ns: int, answered_ns: int) -> ClockOffset:
        """Return what one reading tells."""
        return cls(there_ns - answered_ns, there_ns - asked_ns, asked_ns, answered_ns - asked_ns)

    @property
    def offset_ns(self) -> int:
        """The middle of the interval: no other value is closer to the truth in the worst case."""
        return (self.low_ns + self.high_ns) // 2

    def bound_ns(self, now_ns: int) -> int:
        """Return how far `offset_ns` may be off at *now_ns*."""
        return (self.high_ns - self.low_ns + 1) // 2 + drifted_ns(now_ns - self.at_ns)

    def take(self, asked_ns: int, there_ns: int, answered_ns: int) -> None:
        """Add a reading; one that contradicts what was known until now stands alone."""
        aged_ns = drifted_ns(answered_ns - self.at_ns)
        low_ns = max(self.low_ns - aged_ns, there_ns - answered_ns)
        high_ns = min(self.high_ns + aged_ns, there_ns - asked_ns)
        if low_ns > high_ns:
            self.jumps += 1
            low_ns, high_ns = there_ns - answered_ns, there_ns - asked_ns
        self.low_ns, self.high_ns, self.at_ns = low_ns, high_ns, asked_ns
        self.round_trip_ns = min(self.round_trip_ns, answered_ns - asked_ns)


def drifted_ns(elapsed_ns: int) -> int:
    """Return by how much two clocks may go apart in *elapsed_ns*."""
    return -(-max(0, elapsed_ns) * DRIFT_PPM // _MILLION)

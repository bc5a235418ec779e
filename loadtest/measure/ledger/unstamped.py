"""
Messages published without a stamp: how many should come at a sink, against how many came.

Nobody can tell them one from another, so only numbers are compared: what came of nobody's (foreign) may be theirs.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Unstamped:
    """
    What is due at one sink without a stamp.

    Attributes:
        confirmed: Messages by publisher.
        in_doubt: Of all publishers.
        unanswered: Published without confirms, of all publishers.
    """

    confirmed: Counter[int] = field(default_factory=Counter)
    in_doubt: int = 0
    unanswered: int = 0

    def add(self, publisher: int, confirmed: int, in_doubt: int, unanswered: int) -> None:
        """Add the messages of a publisher."""
        self.confirmed[publisher] += confirmed
        self.in_doubt += in_doubt
        self.unanswered += unanswered

    def short(self, came: int) -> dict[int, int]:
        """Return how many confirmed messages are missing where *came* came, off the publishers by their ids."""
        missing = {}
        for publisher, count in sorted(self.confirmed.items()):
            taken = min(count, came)
            came -= taken
            if count > taken:
                missing[publisher] = count - taken
        return missing

    def unpromised(self, came: int) -> tuple[int, int]:
        """Return how many of those in doubt, and of those without confirms, are missing where *came* came in all."""
        over = max(0, came - self.confirmed.total())
        vanished = max(0, self.in_doubt - over)
        return vanished, max(0, self.unanswered - max(0, over - self.in_doubt))

"""
What one consumer of a stream was given, by offset.

A stream numbers its messages from 0, and each delivery carries its offset (`x-stream-offset`). Source: RabbitMQ's
docs/streams.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

Span = tuple[int, int]
"""First and last offset of what a subscription was given, both included."""


@dataclass(frozen=True)
class StreamView:
    """
    A consumer's part of a stream.

    Attributes:
        spans: In any order; they may overlap, as where a consumer came back and began anew.
        before: Messages in the stream before the run.
        end: Messages in it after the run; None where nobody tells, or not yet.
        is_first: Whether the consumer began at the first message.
        is_filtered: Whether the broker filters for it, so that nobody knows what was due.
    """

    spans: Sequence[Span]
    before: int
    end: int | None
    is_first: bool = False
    is_filtered: bool = False

    @property
    def unread(self) -> int:
        """How many messages of the run lie before the consumer's start, and between two starts, at most."""
        if self.is_filtered or (not self._joined and not self.is_first):
            return self.end - self.before if self.end is not None else 0
        gaps, next_offset = 0, self._joined[0][0] if self.is_first and self._joined else self.before
        for first, last in self._joined:
            gaps += max(0, first - next_offset)
            next_offset = max(next_offset, last + 1)
        return gaps

    @property
    def ahead(self) -> int:
        """How many messages of the run the stream holds behind the last that was delivered."""
        if self.end is None:
            return 0
        last = self._joined[-1][1] if self._joined else -1
        return max(0, self.end - max(last + 1, self.before))

    @cached_property
    def _joined(self) -> list[Span]:
        """The spans, ascending, none of which touches the next."""
        return joined(self.spans)


def joined(spans: Iterable[Span]) -> list[Span]:
    """Return *spans*, ascending, where those that overlap or touch are one."""
    found: list[Span] = []
    for first, last in sorted(spans):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return found

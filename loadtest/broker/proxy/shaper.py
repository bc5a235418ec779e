"""
One direction of a link as arithmetic: when what enters it now comes out at the other end.

Knows instants and sizes, no sockets and no clock. A link is that of a network card: its bandwidth is shared by all
connections that go through it, and what is sent while it is busy waits its turn.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from loadtest.clock import NS_PER_MS, NS_PER_S

BACKLOG_NS: Final = 10 * NS_PER_MS
"""
How long what enters may have to wait for its turn; more is left with the sender, as TCP leaves it.

Long enough that a process that is woken late still keeps the link busy, which is what makes the bandwidth exact.
"""

CATCH_UP_NS: Final = 100 * NS_PER_MS
"""
How late may be let in what had waited for its turn, and still be taken to have entered in time.

A busy machine runs this process when it likes; a link would have gone on meanwhile. What had not waited is taken as it
comes.
"""

QUANTUM_NS: Final = NS_PER_MS
LEAST_QUANTUM_BYTES: Final = 1_500  # what an Ethernet frame carries
MOST_QUANTUM_BYTES: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Shape:
    """
    What a link does to bytes, in each direction.

    Attributes:
        latency_ns: Added to their way.
        jitter_ns: So much more or less of it, at most, evenly spread; not above `latency_ns`.
        bandwidth_bytes_per_s: Of all connections together, without the headers of TCP; None for no limit.
    """

    latency_ns: int = 0
    jitter_ns: int = 0
    bandwidth_bytes_per_s: int | None = None


PLAIN: Final = Shape()


class Shaper:
    """
    One direction of one link.

    Attributes:
        shape: What is done to what enters from now on.
        is_plain: Whether that is nothing.
        quantum_bytes: The most that one connection may enter at a time, so that others get their turn.
        is_awaited: Whether what enters now has waited for its turn.
    """

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._busy_since_ns = 0
        self._busy_bytes = 0
        self.is_awaited = False
        self.reshape(PLAIN, 0)

    def reshape(self, shape: Shape, now_ns: int) -> None:
        """Do *shape* to what enters from now on; what is under way keeps its instant."""
        self.shape = shape
        self.is_plain = shape == PLAIN
        self._busy_since_ns, self._busy_bytes = now_ns, 0
        per_turn = (shape.bandwidth_bytes_per_s or NS_PER_S * MOST_QUANTUM_BYTES) * QUANTUM_NS // NS_PER_S
        self.quantum_bytes = min(max(per_turn, LEAST_QUANTUM_BYTES), MOST_QUANTUM_BYTES)

    def enter(self, size_bytes: int, now_ns: int) -> int:
        """
        Return when the last of *size_bytes*, entered at *now_ns*, comes out.

        That is (end of what entered before, or *now_ns* if that is later) + size / bandwidth + latency ± jitter. The
        end is worked out from the bytes since the link was last idle, so that rounding does not add up.
        """
        shape = self.shape
        end_ns = now_ns
        if shape.bandwidth_bytes_per_s is not None:
            if now_ns > self.free_ns + (CATCH_UP_NS if self.is_awaited else 0):
                self._busy_since_ns, self._busy_bytes = now_ns, 0
            self._busy_bytes += size_bytes
            end_ns = self.free_ns
        if shape.jitter_ns:
            end_ns += self._chance.randint(-shape.jitter_ns, shape.jitter_ns)
        return end_ns + shape.latency_ns

    @property
    def free_ns(self) -> int:
        """The instant from which on nothing that has entered waits for its turn."""
        bandwidth = self.shape.bandwidth_bytes_per_s
        return self._busy_since_ns + (0 if bandwidth is None else self._busy_bytes * NS_PER_S // bandwidth)

    def has_room(self, now_ns: int) -> bool:
        """Return whether more may enter."""
        return self.shape.bandwidth_bytes_per_s is None or now_ns >= self.room_ns

    @property
    def room_ns(self) -> int:
        """The instant from which on more may enter, if nothing does meanwhile."""
        return self.free_ns - BACKLOG_NS


def describe(shape: Shape) -> str:
    """Return a shape as people write it: `+50 ms ±10 ms, 1 MB/s`."""
    parts = []
    if shape.latency_ns:
        jitter = f" ±{shape.jitter_ns / NS_PER_MS:.15g} ms" if shape.jitter_ns else ""
        parts.append(f"+{shape.latency_ns / NS_PER_MS:.15g} ms{jitter}")
    if shape.bandwidth_bytes_per_s is not None:
        parts.append(_rate(shape.bandwidth_bytes_per_s))
    return ", ".join(parts)


def _rate(bytes_per_s: int) -> str:
    factor, unit = next(
        ((factor, unit) for factor, unit in ((NS_PER_S, "GB"), (10**6, "MB"), (1_000, "KB")) if bytes_per_s >= factor),
        (1, "B"),
    )
    return f"{bytes_per_s / factor:.15g} {unit}/s"

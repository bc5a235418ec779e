"""The works: the workloads that all generators run. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

EXCHANGE: Final = "bench"
QUEUE: Final = "bench"
Measure = Literal["steady", "exit"]


@dataclass(frozen=True, slots=True)
class Work:
    """
    One workload.

    Attributes:
        title: Heading in the document.
        goal: Target for our figures, as text.
        confirm_window: Most messages without a confirm; 0: no confirms.
        prefetch: Of each consumer; 0 is unlimited.
        ack_every: The consumer acks with `multiple` after so many deliveries; 0: auto-ack.
        persistent: Whether messages outlive a restart of the broker (delivery mode 2).
        rate_per_s: Of all publishers together; None: as fast as possible.
        pairs: Publishers, and as many consumers, each pair with a queue of its own if there are several.
        messages: Published in total, then consumed; None: until time is up.
        measure: `steady`: within a window during the run; `exit`: from the start of the process to its end.
        on_null: Whether the broker is the null broker.
        publishes: Whether publishers are measured; if not, they publish a few, and the broker replays the first.
        consumes: Whether there are consumers.
        window_s: Overrides the bench's window.
    """

    name: str
    title: str
    goal: str = ""
    body_bytes: int = 12
    confirm_window: int = 0
    prefetch: int = 0
    ack_every: int = 0
    persistent: bool = False
    rate_per_s: int | None = None
    pairs: int = 1
    messages: int | None = None
    measure: Measure = "steady"
    on_null: bool = False
    publishes: bool = True
    consumes: bool = True
    window_s: float | None = None

    @property
    def queues(self) -> Sequence[str]:
        """The names of its queues, which are their routing keys too."""
        return [QUEUE] if self.pairs == 1 else [f"{QUEUE}-{number}" for number in range(1, self.pairs + 1)]


def _paced(rate_per_s: int, lateness: str) -> Work:
    return Work(
        f"paced-{rate_per_s}",
        f"{rate_per_s:,}/s, confirm 192, prefetch 200, ack every 200",
        f"within 0.1 % of the target{lateness}",
        confirm_window=192,
        prefetch=200,
        ack_every=200,
        rate_per_s=rate_per_s,
    )


def _body(name: str, size: int) -> Work:
    return Work(
        f"body-{name.replace(' ', '').lower()}",
        f"bodies of {name}, as fast as possible, no confirm, auto-ack",
        "bytes per second ≥ PerfTest's; memory bounded",
        body_bytes=size,
    )


WORKS: Final[Mapping[str, Work]] = {
    work.name: work
    for work in (
        Work(
            "saturation",
            "as fast as possible, 12 B, no confirm, auto-ack",
            "≥ 1.4 × PerfTest; ≤ 1.4 µs CPU per event",
        ),
        Work(
            "confirm",
            "as fast as possible, 12 B, confirm 192, prefetch 200, ack every 200",
            "≥ 1.4 × PerfTest; ≤ 2.5 µs CPU per event",
            confirm_window=192,
            prefetch=200,
            ack_every=200,
        ),
        Work(
            "confirm-persistent",
            "as fast as possible, 12 B, persistent, confirm 192, prefetch 200, ack of each message",
            confirm_window=192,
            prefetch=200,
            ack_every=1,
            persistent=True,
        ),
        Work(
            "saturation-2",
            "two pairs as fast as possible, 12 B, no confirm, auto-ack, in one process and in two",
            "two processes: CPU per event within 10 % of one's",
            pairs=2,
        ),
        Work(
            "confirm-2",
            "two pairs as fast as possible, 12 B, confirm 192, prefetch 200, ack every 200, in one process and in two",
            "two processes: CPU per event within 10 % of one's",
            confirm_window=192,
            prefetch=200,
            ack_every=200,
            pairs=2,
        ),
        _paced(1_000, "; lateness p99 ≤ 200 µs"),
        _paced(5_000, ""),
        _paced(20_000, "; lateness p99 ≤ 500 µs"),
        Work(
            "end-to-end",
            "1,000/s, 12 B, no confirm, auto-ack",
            "p50 ≤ 250 µs, p99 ≤ 750 µs",
            rate_per_s=1_000,
        ),
        Work(
            "many-connections",
            "1,000 publishers and 1,000 consumers on 1,000 queues, 1/s each",
            "1,000/s; ≤ 0.5 cores; ≤ 250 MB; lateness p99 ≤ 5 ms",
            confirm_window=10,
            rate_per_s=1_000,
            pairs=1_000,
        ),
        _body("1 KB", 1_000),
        _body("64 KB", 64_000),
        _body("1 MB", 1_000_000),
        Work(
            "flood",
            "1,000 messages with confirms, then consumed: from the start of the process to its end",
            "≤ 2 s",
            confirm_window=256,
            messages=1_000,
            measure="exit",
        ),
        Work("null-publish", "null broker: publishing as fast as possible", on_null=True, consumes=False),
        Work(
            "null-confirm",
            "null broker: publishing as fast as confirms allow, window 192",
            on_null=True,
            consumes=False,
            confirm_window=192,
        ),
        Work("null-consume", "null broker: consuming as fast as possible, auto-ack", on_null=True, publishes=False),
        Work(
            "soak",
            "20,000/s for five minutes, confirm 192, prefetch 200, ack every 200",
            "memory grows by < 1 MB an hour",
            confirm_window=192,
            prefetch=200,
            ack_every=200,
            rate_per_s=20_000,
            window_s=300,
        ),
    )
}
# The default: without the soak, which takes as long as all others together.
FULL: Final = tuple(name for name in WORKS if name != "soak")
# With PerfTest, three rounds of these take less than ten minutes.
BESIDE: Final = (
    "saturation", "confirm", "confirm-persistent", "paced-5000", "paced-20000", "end-to-end", "many-connections",
    "body-1mb",
)  # fmt: skip
QUICK: Final = ("saturation", "confirm", "paced-1000", "paced-20000", "flood", "null-publish", "null-consume")

"""What the bench asks of the plain pika generators, as it reaches their processes: one JSON text."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PikaOrder:
    """As `bench.generators.Order` and its work; `ack_every` 0 is auto-ack, `rate_per_s` None as fast as possible."""

    url: str
    body_bytes: int
    confirm: bool
    prefetch: int
    ack_every: int
    rate_per_s: int | None
    seconds: float

    @classmethod
    def from_environment(cls) -> PikaOrder:
        """Return the order that this process was started with."""
        return cls(**json.loads(os.environ["BENCH_PIKA"]))

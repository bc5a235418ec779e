"""
What the `x-death` header of a dead letter tells.

Source: RabbitMQ docs/dlx.md, "Dead-Lettered Effects on Messages".
"""

from __future__ import annotations

from collections.abc import Mapping

from loadtest.measure.dead_letters import Death
from loadtest.wire.gets import X_DEATH


def deaths_of(headers: Mapping[str, object] | None) -> list[Death]:
    """Return the queues that a message died in, with the reason, the last first; none if it did not."""
    told = headers.get(X_DEATH) if headers else None
    if not isinstance(told, list):
        return []
    return [
        (str(each["queue"]), str(each["reason"]))
        for each in told
        if isinstance(each, dict) and "queue" in each and "reason" in each
    ]

"""What was taken from a trial by a quota of processor time, or by other guests of the host."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from loadtest.result.interference import taken_texts

if TYPE_CHECKING:
    from loadtest.broker.monitor.machine_times import MachineTimes


def interference(before: MachineTimes, after: MachineTimes, cores: int | None = None) -> tuple[str, ...]:
    """Return what was taken in between, where it is more than can be passed over; *cores* is that of the machine."""
    passed_s = after.at_s - before.at_s
    if passed_s <= 0:
        return ()
    stolen_s = after.stolen_since(before)
    stolen_cores = None if stolen_s is None else stolen_s / passed_s
    throttled_share = after.throttled_since(before) / passed_s
    return taken_texts(throttled_share, passed_s, stolen_cores, cores or os.cpu_count() or 1)

"""
How many messages clients took from a queue, by its counters in the management API: Basic.Get shows no consumer.

The counters of a queue lag by up to the statistics interval of 5 s (`collect_statistics_interval`), and have only what
was counted while it existed. Source: /api/index.html, "message_stats": `get` and `get_no_ack` are Basic.Get with and
without acknowledgements, `deliver` and `deliver_no_ack` the same of consumers.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import gevent

from loadtest.errors import BrokerError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from loadtest.broker.monitor.management import ManagementApi

GETS: Final = ("get", "get_no_ack")
ALL: Final = (*GETS, "deliver", "deliver_no_ack")

MOST_ASKED: Final = 20
"""Queues. Each is a question of its own, some 5 ms."""

LAG_S: Final = 6.0
ASK_AGAIN_S: Final = 0.5


class TakeCounters:
    """
    Tells what was taken from queues since `begin`.

    Args:
        management: Whom to ask.
        vhost: Where the queues are.
        consumed: The queues whose deliveries to consumers are the run's own: of these only Basic.Get counts.
    """

    def __init__(self, management: ManagementApi, vhost: str, consumed: Iterable[str]) -> None:
        self._management = management
        self._vhost = vhost
        self._consumed = frozenset(consumed)
        self._before: dict[str, int] = {}

    def begin(self, queues: Sequence[str]) -> None:
        """Remember what was taken so far from queues that were there before; those of which nobody tells have none."""
        self._before = {queue: self._taken(queue) or 0 for queue in queues[:MOST_ASKED]}

    def since(self, queues: Sequence[str]) -> dict[str, int]:
        """Return by queue what was taken since, of the first `MOST_ASKED`; waits up to `LAG_S`, as counters lag."""
        waiting, found = list(queues[:MOST_ASKED]), dict[str, int]()
        deadline = time.monotonic() + LAG_S
        while waiting:
            counts = {queue: self._taken(queue) for queue in waiting}
            found |= {
                queue: count - self._before.get(queue, 0)
                for queue, count in counts.items()
                if count is not None and count > self._before.get(queue, 0)
            }
            waiting = [queue for queue, count in counts.items() if count is not None and queue not in found]
            if not waiting or time.monotonic() > deadline:
                break
            gevent.sleep(ASK_AGAIN_S)
        return found

    def _taken(self, queue: str) -> int | None:
        """Return what was ever taken; None where nobody tells, as of a queue that is gone."""
        try:
            stats = self._management.queue(self._vhost, queue).get("message_stats")
        except BrokerError:
            return None
        names = GETS if queue in self._consumed else ALL
        return sum(int(stats.get(name) or 0) for name in names) if isinstance(stats, dict) else 0

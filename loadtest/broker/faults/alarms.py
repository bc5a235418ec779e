"""
A node's resource alarms, raised and cleared at will: while one is on, publishers are blocked.

By changing the limit, as `rabbitmqctl set_vm_memory_high_watermark` and `set_disk_free_limit` do, so that the broker
does what it does in earnest. A connection is told (Connection.Blocked) only once it publishes. Source: docs/alarms.md
of RabbitMQ.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from loadtest.broker.private.node_server import NodeServer
from loadtest.broker.private.rabbitmqctl import evaluate
from loadtest.errors import BrokerError

# Bytes free that no disk has: 10^18, where RabbitMQ's own units end at GB.
_NO_DISK_IS_ENOUGH: Final = 10**18
_TERM: Final = re.compile(r"[\w{}.,+\- ]+")


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit below (or above) which a node raises an alarm, as Erlang reads, sets and configures it."""

    read: str
    write: str
    alarming: str
    setting: str


MEMORY: Final = Limit(
    read="vm_memory_monitor:get_vm_memory_high_watermark()",
    write="vm_memory_monitor:set_vm_memory_high_watermark({})",
    alarming="0",
    setting="vm_memory_high_watermark",
)
DISK: Final = Limit(
    read="rabbit_disk_monitor:get_disk_free_limit()",
    write="rabbit_disk_monitor:set_disk_free_limit({})",
    alarming=str(_NO_DISK_IS_ENOUGH),
    setting="disk_free_limit",
)


class Alarm:
    """One of a node's alarms; what was set before it was raised comes back when it is cleared."""

    def __init__(self, server: NodeServer, limit: Limit) -> None:
        self._server = server
        self._limit = limit
        # A limit that was changed is forgotten when the server ends, so it is kept by pid.
        self._before: tuple[int, str] | None = None

    def turn(self, *, on: bool) -> None:
        """
        Raise or clear it; nothing if it is raised already. It is in effect on return.

        Raises:
            BrokerError: If the node is down or paused, or refuses.
        """
        pid = self._server.pid
        before = self._before[1] if self._before is not None and self._before[0] == pid else None
        if on and before is None:
            old = f"Old = {self._limit.read}, ok = {self._limit.write.format(self._limit.alarming)}, Old."
            said = evaluate(self._server, old)
            if not _TERM.fullmatch(said):
                raise BrokerError(f"{self._server.order.called} answers {said[:100]!r} where a limit was expected")
            if not self._is_alarming(said):
                self._before = (pid, said)
        elif not on:
            # Raised by another run, which left it so, or not at all: what the config says.
            configured = f"element(2, application:get_env(rabbit, {self._limit.setting}))"
            evaluate(self._server, f"ok = {self._limit.write.format(before or configured)}.")
            self._before = None

    def _is_alarming(self, said: str) -> bool:
        """Return whether a limit that was read is the one that raises the alarm: another run set it, and left it."""
        try:
            return float(said) == float(self._limit.alarming)
        except ValueError:
            return False  # a tuple, such as {absolute,1000000}

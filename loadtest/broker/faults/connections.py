"""Connections that the broker closes on purpose: through the management API of any broker, or all of a private node."""

from __future__ import annotations

import contextlib
from typing import Final

from loadtest.broker.monitor.management import ManagementApi
from loadtest.broker.monitor.queue_depths import CLIENT_NAME
from loadtest.broker.private.node_server import NodeServer
from loadtest.broker.private.rabbitmqctl import control
from loadtest.errors import BrokerError

OURS: Final = "loadtest "
"""How the names of the connections of a run's users begin; tools beside a run are called otherwise."""


def close_connections(management: ManagementApi, reason: str, prefix: str = OURS) -> int:
    """
    Have the broker close the connections whose name begins with *prefix*, and return how many.

    Each gets Connection.Close 320 with *reason*. The sampler's is spared. The API tells a connection's name up to 5 s
    after it was opened; younger ones stay.

    Raises:
        BrokerError: If the API does not answer, or refuses.
    """
    closed = 0
    for connection in management.connections():
        name = str(connection.get("user_provided_name") or "")
        if name.startswith(prefix) and name != CLIENT_NAME:
            # Gone by itself meanwhile, or ended with its node: nothing to be closed any more.
            with contextlib.suppress(BrokerError):
                management.close_connection(connection["name"], reason)
                closed += 1
    return closed


def close_all_connections(server: NodeServer, reason: str) -> None:
    """
    Have a private node close all its connections, whoever's they are, however young.

    Raises:
        BrokerError: If the node is down or paused, or refuses.
    """
    control(server, "close_all_connections", reason)

"""
`AmqpUser`: AMQP for people who write their own locustfile.

    from locust import task
    from loadtest import AmqpUser

    class Shop(AmqpUser):
        broker = "amqp://guest:guest@127.0.0.1:5672/"

        @task
        def order(self):
            self.amqp.publish("orders", "new", b"...")

For more than a few thousand messages a second use a scenario.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, ClassVar, Final

from locust import User

from loadtest.broker.endpoint import resolve_endpoints
from loadtest.errors import BrokerError
from loadtest.locust_app.amqp_client import AmqpClient

if TYPE_CHECKING:
    from locust.env import Environment

# At INFO, which is Locust's level, pika writes six lines for each connection.
PIKA_LOGGER: Final = "pika"


class AmqpUser(User):
    """
    A Locust user with an AMQP connection, `self.amqp`: opened at its first call, closed when the user stops.

    Attributes:
        broker: AMQP URL; if it is empty, Locust's `--host`, then LOADTEST_BROKER, then AMQP_URL.
    """

    abstract = True
    broker: ClassVar[str] = ""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        pika_log = logging.getLogger(PIKA_LOGGER)
        if pika_log.level == logging.NOTSET:
            pika_log.setLevel(logging.WARNING)
        url = self.broker or self.host or ""
        endpoints = resolve_endpoints([url] if url else [], os.environ)
        if not endpoints:
            raise BrokerError("AmqpUser has no broker: set its attribute `broker`, or --host, to an AMQP URL")
        self.amqp = AmqpClient(environment, endpoints[0].pika_parameters())

    def on_stop(self) -> None:
        """Close the connection."""
        self.amqp.close()

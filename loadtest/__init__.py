"""
Load testing and benchmarking for RabbitMQ (AMQP 0-9-1).

Importing it loads no third-party package. `AmqpUser`, for locustfiles of one's own, comes with Locust when it is asked
for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loadtest.traffic.amqp_user import AmqpUser

__all__ = ["AmqpUser"]


def __getattr__(name: str) -> Any:
    if name == "AmqpUser":
        from loadtest.traffic.amqp_user import AmqpUser  # noqa: PLC0415  # pure rooms are used without Locust

        return AmqpUser
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

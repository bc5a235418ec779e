"""
Load testing and benchmarking for RabbitMQ (AMQP 0-9-1).

Importing it loads no third-party package. `AmqpUser` and its errors, for your own locustfiles, are loaded with Locust
when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loadtest.locust_app.amqp_client import ConsumeError, PublishError, RequestError
    from loadtest.locust_app.amqp_user import AmqpUser

__all__ = ["AmqpUser", "ConsumeError", "PublishError", "RequestError"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from loadtest.locust_app import amqp_client, amqp_user  # noqa: PLC0415  # pure rooms are used without Locust

        return getattr(amqp_user if name == "AmqpUser" else amqp_client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

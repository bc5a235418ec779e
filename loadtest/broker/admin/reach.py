"""Whether a broker can be reached, as the endpoint's user and at its vhost, and what it says of itself."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pika import spec

from loadtest.broker.admin.conversation import OPEN_TIMEOUT_S, Conversation, Refusal
from loadtest.broker.endpoint import Endpoint

_LOCKED: Final = 405
"""RESOURCE_LOCKED: the queue is there, and another connection's alone."""


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """
    What a broker says of itself when a connection opens; None where it does not say.

    Attributes:
        platform: `Erlang/OTP 25.2.3`.
        capabilities: Such as `basic.nack`, `consumer_priorities`; true where it has it.
    """

    product: str | None
    version: str | None
    platform: str | None
    cluster_name: str | None
    capabilities: Mapping[str, bool]


def probe(endpoint: Endpoint, timeout_s: float = OPEN_TIMEOUT_S) -> ServerInfo:
    """
    Open a connection, close it again, and return what the broker says of itself.

    Raises:
        BrokerError: In one line, without the password, and within *timeout_s*: unknown host, nothing or something
            else listens, no answer, TLS
            failed, user or password refused, no such vhost, no permission to use it.
        UsageError: If a TLS file cannot be used.
    """
    with Conversation(endpoint, timeout_s) as conversation:
        said = conversation.server_properties
    return ServerInfo(
        product=_text(said.get("product")),
        version=_text(said.get("version")),
        platform=_text(said.get("platform")),
        cluster_name=_text(said.get("cluster_name")),
        capabilities={name: bool(has) for name, has in (said.get("capabilities") or {}).items()},
    )


def is_same_broker(one: Endpoint, other: Endpoint) -> bool:
    """
    Return whether two endpoints are the same virtual host of the same broker: a queue declared at one is at the other.

    Raises:
        BrokerError: If one of them cannot be reached.
    """
    name = f"loadtest-same-{secrets.token_hex(8)}"
    with Conversation(one) as there, Conversation(other) as here:
        declared = there.ask([spec.Queue.Declare(queue=name, exclusive=True, auto_delete=True)])[0]
        if isinstance(declared, Refusal):
            return False
        seen = here.ask([spec.Queue.Declare(queue=name, passive=True)])[0]
    return not isinstance(seen, Refusal) or seen.code == _LOCKED


def _text(value: Any) -> str | None:
    return value.decode(errors="replace") if isinstance(value, bytes) else value

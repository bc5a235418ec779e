"""
Reply codes by which the broker refuses an operation, and a refusal in words.

Source: AMQP 0-9-1, "Reply codes"; RabbitMQ docs/channels.md, "Channel-level exceptions".
"""

from __future__ import annotations

from typing import Final, NamedTuple

import pika.exceptions

REFUSED: Final = "operation-refused"
"""The code of the event by which a run ends whose operation the broker refused."""

REFUSALS: Final = frozenset(
    {
        311,  # CONTENT_TOO_LARGE
        313,  # NO_CONSUMERS
        402,  # INVALID_PATH
        403,  # ACCESS_REFUSED
        404,  # NOT_FOUND
        405,  # RESOURCE_LOCKED
        406,  # PRECONDITION_FAILED
        530,  # NOT_ALLOWED
        540,  # NOT_IMPLEMENTED
        541,  # INTERNAL_ERROR
    }
)
"""
What is asked for is refused, and will be when it is asked for again.

Not 320 CONNECTION_FORCED, by which an operator or a node that stops closes connections; not 501 to 505, which are about
frames rather than about what they ask for; not 506 RESOURCE_ERROR, which passes.
"""


class Refusal(NamedTuple):
    """
    An operation of a group's that the broker refused.

    Attributes:
        at_ns: When.
        operation: The group, and what it asked for: the same of all its users.
        text: Who asked for what, with the broker's reply code and text.
    """

    at_ns: int
    operation: str
    text: str


def is_cut(error: BaseException) -> bool:
    """Return whether a connection was ended by the network, an operator or a node that stops, whoever it was of."""
    if isinstance(error, pika.exceptions.ConnectionClosedByBroker):
        return error.reply_code not in REFUSALS
    return isinstance(error, (pika.exceptions.StreamLostError, pika.exceptions.AMQPHeartbeatTimeout))


def reply(error: BaseException) -> str | None:
    """Return the broker's code and text where *error* says that it refused an operation; None otherwise."""
    closed = (pika.exceptions.ChannelClosedByBroker, pika.exceptions.ConnectionClosedByBroker)
    if not isinstance(error, closed) or error.reply_code not in REFUSALS:
        return None
    return f"{error.reply_code} {' '.join(error.reply_text.split())}"

"""
Why the broker closed a channel or connection: the method that it could not carry out.

pika keeps the reply code and text of a Close and drops the method that it names.
"""

from __future__ import annotations

from typing import Final

from pika import spec

CLOSES: Final = (spec.Channel.Close, spec.Connection.Close)


def failed_method(close: spec.Channel.Close | spec.Connection.Close) -> str | None:
    """
    Return the name of the method that a Close names, such as ``Basic.Publish``; None if it names none.

    Source: AMQP 0-9-1, `channel.close` and `connection.close`: class-id and method-id are those "of the method which
    was the cause of the exception", 0 where no method was.
    """
    method = spec.methods.get(close.class_id << 16 | close.method_id)
    return None if method is None else str(method.NAME)

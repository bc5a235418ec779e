"""
Why a connection or channel ended, in one line for people.

Knows pika's exceptions; adds nothing that the broker or the operating system did not say, and never shows credentials.
"""

from __future__ import annotations

import pika.exceptions


def describe(error: BaseException) -> str:
    """Return the reason in one line: the broker's reply code and text where it gave them."""
    if isinstance(error, pika.exceptions.ConnectionClosedByBroker):
        return f"the broker closed the connection: {error.reply_code} {_line(error.reply_text)}"
    if isinstance(error, pika.exceptions.ChannelClosedByBroker):
        return f"the broker closed the channel: {error.reply_code} {_line(error.reply_text)}"
    if isinstance(error, pika.exceptions.AMQPHeartbeatTimeout):
        return "the broker sent no heartbeat in time"
    if isinstance(error, pika.exceptions.StreamLostError):
        return f"the connection was lost: {_line(str(error.args[0]) if error.args else 'no reason given')}"
    text = _line(str(error))
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _line(text: str) -> str:
    return " ".join(text.split())

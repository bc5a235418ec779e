"""
Why a connection or channel ended, in one line for people.

Knows pika's exceptions; adds nothing that the broker or the operating system did not say, and never shows credentials.
"""

from __future__ import annotations

import re
from typing import Final

import pika.exceptions

# pika wraps the operating system's words: Stream connection lost: ConnectionResetError(104, 'Connection reset by peer')
_WRAPPED: Final = re.compile(r"""^Stream connection lost: (?:\w+\(\d+, ['"](?P<said>.*)['"]\)$)?""")


def describe(error: BaseException, method: str | None = None) -> str:
    """Return the reason in one line: the broker's reply code and text, and *method* where it gave them."""
    at = f" ({method})" if method else ""
    if isinstance(error, pika.exceptions.ConnectionClosedByBroker):
        return f"the broker closed the connection: {error.reply_code} {_line(error.reply_text)}{at}"
    if isinstance(error, pika.exceptions.ChannelClosedByBroker):
        return f"the broker closed the channel: {error.reply_code} {_line(error.reply_text)}{at}"
    if isinstance(error, pika.exceptions.AMQPHeartbeatTimeout):
        return "the broker sent no heartbeat in time"
    if isinstance(error, pika.exceptions.StreamLostError):
        text = _line(str(error.args[0]) if error.args else "no reason given")
        return f"the connection was lost: {_WRAPPED.sub(lambda match: match['said'] or '', text)}"
    if isinstance(error, pika.exceptions.ConsumerCancelled):
        return f"the broker cancelled its subscription {error.args[0]} (the queue was deleted or moved)"
    text = _line(str(error))
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def span_text(span_s: float) -> str:
    """Return how long something took, *span_s* in seconds, as a sentence has it: ``0.4 s``, ``61 s``."""
    return f"{span_s:.1f} s" if span_s < 10 else f"{span_s:.0f} s"  # noqa: PLR2004  # beyond it tenths say nothing


def _line(text: str) -> str:
    return " ".join(text.split())

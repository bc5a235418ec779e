"""
Between greenlets and the hub: a call that a greenlet waits for, and a callback that must not harm those after it.

Knows nothing of AMQP.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Generic, TypeVar

import gevent
from gevent.event import AsyncResult

AnswerT = TypeVar("AnswerT")


class Call(Generic[AnswerT]):
    """A call under way; the first answer counts, as a reply and the loss of the connection may come together."""

    __slots__ = ("_result",)

    def __init__(self) -> None:
        self._result = AsyncResult()

    def succeed(self, answer: AnswerT) -> None:
        """Answer, from the hub or any greenlet."""
        if not self._result.ready():
            self._result.set(answer)

    def fail(self, error: Exception) -> None:
        """Have `wait` raise *error*."""
        if not self._result.ready():
            self._result.set_exception(error)

    def wait(self, timeout_s: float | None = None) -> AnswerT:
        """
        Block the greenlet until answered.

        Raises:
            gevent.Timeout: After *timeout_s* without an answer.
        """
        answer: AnswerT = self._result.get(timeout=timeout_s)
        return answer


def tell(callback: Callable[[Exception], None] | None, reason: Exception) -> None:
    """Call back with *reason*; what that raises is printed by the hub, and does not keep others from being told."""
    if callback is None:
        return
    try:
        callback(reason)
    except Exception:  # noqa: BLE001
        gevent.get_hub().handle_error(callback, *sys.exc_info())

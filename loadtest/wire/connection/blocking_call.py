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
from gevent.hub import Waiter

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


class WakeUp:
    """
    Wakes the one greenlet that waits for it; costs a third of an Event with a time-out.

    A wake-up is not remembered: look whether there is still something to wait for, and wait at once, without yielding
    in between.
    """

    __slots__ = ("_loop", "_waiter")

    def __init__(self) -> None:
        """Belong to the current hub."""
        self._loop = gevent.get_hub().loop
        self._waiter: Waiter[None] | None = None

    def wait(self) -> None:
        """Block the greenlet until `set` is called."""
        waiter = self._waiter = Waiter()
        try:
            waiter.get()
        finally:
            self._waiter = None

    def set(self) -> None:
        """Wake who waits, soon; from the hub or any greenlet."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            # Not at once: what is being read is read to its end first, and all that it brings is one wake-up.
            self._loop.run_callback(waiter.switch, None)

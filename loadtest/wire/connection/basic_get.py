"""
Basic.Get on a channel: gets under way, answered in the order in which they were sent.

Knows nothing of the rest of the channel. A Get-Ok in one piece is read straight from its bytes; one of several body
frames, and Get-Empty, come through pika.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import gevent
from gevent.hub import Waiter
from pika import frame, spec

from loadtest.wire.frames.gets import GetOk, PropertyShapes, parse_get_ok

if TYPE_CHECKING:
    from collections.abc import Callable

    import pika


class Getting:
    """The gets of one channel."""

    def __init__(self, channel: pika.channel.Channel) -> None:
        self._pika = channel
        self._waiters: deque[Waiter[GetOk | None]] = deque()
        self._shapes = PropertyShapes()
        self._frames: dict[tuple[str, bool], bytes] = {}
        channel.add_callback(self._take_empty, [spec.Basic.GetEmpty], one_shot=False)

    def get(self, queue: str, write: Callable[[bytes], None], *, auto_ack: bool) -> GetOk | None:
        """Write a get, block the greenlet and return its answer, None for Get-Empty."""
        get = self._frames.get((queue, auto_ack))
        if get is None:
            get = frame.Method(self._pika.channel_number, spec.Basic.Get(queue=queue, no_ack=auto_ack)).marshal()
            self._frames[queue, auto_ack] = get
        self._expect_from_pika()
        write(get)
        # A bare Waiter: the hub switches to this greenlet while it reads, 3 µs sooner than through an AsyncResult. One
        # that was killed meanwhile still takes its turn, so that answers never go to the wrong get.
        waiter: Waiter[GetOk | None] = Waiter()
        self._waiters.append(waiter)
        answer: GetOk | None = waiter.get()
        return answer

    def take(self, message: bytes) -> bool:
        """Answer the oldest get with the frames of a Get-Ok; False if there is none, or they are not well formed."""
        got = parse_get_ok(message, self._shapes) if self._waiters else None
        if got is None:
            return False
        self._waiters.popleft().switch(got)
        return True

    def fail(self, error: Exception) -> None:
        """End all gets with *error*."""
        while self._waiters:
            # From the hub's loop: this may be called from a greenlet, which must not be left in the middle.
            gevent.get_hub().loop.run_callback(self._waiters.popleft().throw, error)

    def _expect_from_pika(self) -> None:
        # What pika's own basic_get sets; pika forgets it with each answer.
        self._pika._on_getok_callback = self._take_assembled

    def _take_assembled(
        self, _: object, method: spec.Basic.GetOk, properties: pika.BasicProperties, body: bytes
    ) -> None:
        self._answer(
            GetOk(
                method.delivery_tag,
                method.redelivered,
                method.exchange,
                method.routing_key,
                method.message_count,
                properties,
                body,
            )
        )

    def _take_empty(self, _: object) -> None:
        self._answer(None)

    def _answer(self, answer: GetOk | None) -> None:
        if len(self._waiters) > 1:
            self._expect_from_pika()
        if self._waiters:
            self._waiters.popleft().switch(answer)

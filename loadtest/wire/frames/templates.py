"""
The templates of one connection: which to try, how far to look, which to keep.

Owns prediction and bounds. Knows nothing of how a template compares. Sequences of shapes mostly repeat, so the
template that followed last time is tried before the book is searched, and no comparison looks further ahead than the
last run was long: interleaved shapes never cost more than the messages themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from loadtest.wire.frames.deliveries import MIN_VECTOR_RUN, DeliveryTemplate, template_key

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from loadtest.wire.sink import DeliverySink

MAX_TEMPLATES: Final = 256
# Above this, what pika's decoder costs is small beside copying the body.
MAX_TEMPLATE_BYTES: Final = 1 << 17
_MAX_BOOK_BYTES: Final = 1 << 22
# Bodies that never repeat would make learning (10 µs) pure loss: after so many useless ones, most are not learned.
_USELESS_BEFORE_PAUSE: Final = 64
_MAX_PAUSE: Final = 1024


class TemplateCache:
    """Templates by key, the least recently used going first. Not to be shared between connections."""

    def __init__(self) -> None:
        """Begin with no template."""
        # In order of learning; a template used since it was last looked at goes to the end instead of out.
        self._order: dict[DeliveryTemplate, None] = {}
        self._by_key: dict[bytes, list[DeliveryTemplate]] = {}
        self._bytes = 0
        self._current: DeliveryTemplate | None = None
        # Messages in a row that the current template has matched.
        self._streak = 0
        self._useless = 0
        self._pause = 0

    def __len__(self) -> int:
        """Return how many templates are known."""
        return len(self._order)

    def take(self, buffer: bytearray, received: NDArray[np.uint8], at: int, end: int) -> int:
        """Hand the longest known run at *at* to its sink and return its bytes, 0 if no template matches there."""
        current = self._current
        if current is None:
            return 0
        if not current.matches(buffer, at, end):
            following = self._following(current, buffer, at, end)
            if following is None:
                return 0
            current = following
        count = (end - at) // current.stride
        if count >= MIN_VECTOR_RUN:
            # As far as the last run went, then as far again as this one has come.
            count = min(count, max(current.last_run - self._streak, self._streak))
            if count >= MIN_VECTOR_RUN:
                count = current.count_matches(buffer, received, at, count)
                self._streak += count
                current.take_run(count)
                return count * current.stride
        self._streak += 1
        current.take_one(buffer, at)
        return current.stride

    def learn(self, raw: bytes, sink: DeliverySink) -> None:
        """Keep the shape of one verified delivery for *sink*; a shape that cannot be used is left alone."""
        if len(raw) > MAX_TEMPLATE_BYTES or self._is_pausing():
            return
        try:
            template = DeliveryTemplate(raw, sink)
        except ValueError:
            # pika decoded the frames: so this is a field type that pika knows and `stamp_offset` does not.
            return
        bucket = self._by_key.setdefault(template.key, [])
        if any(known.constants == template.constants for known in bucket):
            # It came the slow way while another channel's content was under way.
            return
        while self._order and (len(self._order) >= MAX_TEMPLATES or self._bytes + len(raw) > _MAX_BOOK_BYTES):
            self._drop_one()
        # Looked up again: the bucket may just have gone with the last of its templates.
        self._by_key.setdefault(template.key, []).append(template)
        self._order[template] = None
        self._bytes += template.stride
        self._switch_to(template, 1)

    def forget_all(self) -> None:
        """
        Drop every template, because a consumer is gone and its tag may come again with another sink.

        The other consumers' shapes are learned anew from a message each, which costs less than telling them apart here.
        """
        self._order.clear()
        self._by_key.clear()
        self._bytes = 0
        self._current = None

    def _following(self, current: DeliveryTemplate, buffer: bytearray, at: int, end: int) -> DeliveryTemplate | None:
        following = current.successor
        if following is None or not following.matches(buffer, at, end):
            key = template_key(buffer, at, end)
            following = (
                next((t for t in self._by_key.get(key, ()) if t.matches(buffer, at, end)), None) if key else None
            )
            if following is None:
                return None
        self._switch_to(following, 0)
        following.used = True
        return following

    def _switch_to(self, template: DeliveryTemplate, streak: int) -> None:
        current = self._current
        if current is not None:
            current.last_run = self._streak
            current.successor = template
            # A template's first message is the one it was learned from.
            current.used = current.used or self._streak > 1
        self._current = template
        self._streak = streak

    def _is_pausing(self) -> bool:
        if self._useless < _USELESS_BEFORE_PAUSE:
            return False
        self._pause = (self._pause + 1) % _MAX_PAUSE
        return self._pause != 0

    def _drop_one(self) -> None:
        while True:
            template = next(iter(self._order))
            del self._order[template]
            if not template.used:
                break
            template.used = False
            self._order[template] = None
            self._useless = max(self._useless - 1, 0)
        self._useless += 1
        self._bytes -= template.stride
        bucket = self._by_key[template.key]
        bucket.remove(template)
        if not bucket:
            del self._by_key[template.key]

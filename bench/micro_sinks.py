"""Who takes what the reader reads when it is timed: nobody, or the recorder as a consumer would have it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from pika import frame

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from loadtest.clients.deliveries.delivery_verifier import DeliveryVerifier
    from loadtest.wire.sink import DeliverySink

_CUT_EVERY: Final = 100_000


class NoSink:
    """Takes deliveries and forgets them."""

    def on_run(self, *columns: Any) -> None:
        """Take a run."""

    def on_one(self, *columns: Any) -> None:
        """Take one."""

    def on_unstamped(self, *columns: Any) -> None:
        """Take some without a stamp."""

    def on_message(self, *parts: Any) -> bool:  # noqa: ARG002 (as the reader calls it)
        """Take one that came through pika, and have it learned."""
        return True


class RecordingSink(NoSink):
    """Records deliveries as `loadtest.clients.consumer.Subscription` does, for a consumer with auto-ack."""

    def __init__(self, verifier: DeliveryVerifier, cut: Callable[[], object], read_ns: int) -> None:
        self._verifier = verifier
        self._cut = cut
        self._read_ns = read_ns
        self._uncut = 0

    def on_run(self, *columns: Any) -> None:
        """Record a run."""
        _, stamps, n_bytes, redelivered = columns
        self._verifier.take_run(stamps, self._read_ns, n_bytes, redelivered)
        self._count(len(stamps))

    def on_one(self, *columns: Any) -> None:
        """Record one."""
        _, stamp, n_bytes, redelivered = columns
        self._verifier.take_one(stamp, self._read_ns, n_bytes, redelivered)
        self._count(1)

    def _count(self, messages: int) -> None:
        self._uncut += messages
        if self._uncut >= _CUT_EVERY:
            self._uncut = 0
            self._cut()


class SinkHandler:
    """A reader's handler that verifies every delivery for one sink."""

    def __init__(self, sink: DeliverySink) -> None:
        self._sink = sink

    def on_frame(self, frame_value: frame.Frame | frame.ProtocolHeader) -> DeliverySink | None:
        """Verify a delivery with its body frame."""
        return self._sink if isinstance(frame_value, frame.Body) else None

    def on_get_ok(self, channel_number: int, message: bytes) -> bool:  # noqa: ARG002 (as the reader calls it)
        """Never: no Get-Ok is fed."""
        return False

    def on_ack(self, channel_number: int, tag: int, multiple: bool) -> None:  # noqa: FBT001 (as the reader calls it)
        """Take a confirm."""

    def on_acks(self, channel_number: int, tags: NDArray[np.uint64], multiple: NDArray[np.bool_]) -> None:
        """Take a run of confirms."""

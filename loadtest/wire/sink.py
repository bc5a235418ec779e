"""
Who takes deliveries: the one interface between the wire and a consumer.

Implemented by `loadtest.clients`. All methods are called on the gevent hub, between two reads of the socket: they must
not block, and an exception out of them closes the connection with that exception.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    import pika
    from numpy.typing import NDArray


class DeliverySink(Protocol):
    """
    The deliveries of one consumer, in the order in which they arrived.

    Delivery tags are big-endian and, as the stamps, views on what was received: valid during the call, to be copied if
    they are kept. The bodies of fast deliveries (`on_run`, `on_one`, `on_unstamped`) equal, but for a stamp in the
    body, one that `on_message` has verified. Whose the stamps are is not checked here.
    """

    def on_run(
        self,
        tags: NDArray[np.uint64],
        stamps: NDArray[np.void],
        n_bytes: int,
        redelivered: bool,  # noqa: FBT001 (a column)
    ) -> None:
        """Take a run of stamped deliveries of one shape; *n_bytes* counts their bodies."""

    def on_one(self, tag: int, stamp: bytes, n_bytes: int, redelivered: bool) -> None:  # noqa: FBT001 (a column)
        """Take one stamped delivery: what `on_run` says, without arrays (which would cost 3 µs)."""

    def on_unstamped(self, tags: NDArray[np.uint64], n_bytes: int, redelivered: bool) -> None:  # noqa: FBT001
        """Take deliveries without a stamp that equal a verified one byte by byte."""

    def on_message(
        self,
        tag: int,
        redelivered: bool,  # noqa: FBT001 (a column)
        properties: pika.BasicProperties,
        body: bytes,
        exchange: str,
        routing_key: str,
    ) -> bool:
        """
        Take one delivery that came the slow way, decoded by pika.

        Returns:
            Whether it was verified intact, so that its bytes may become the template of more like it. The stamp is then
            taken to be where `read_stamp` finds it.
        """

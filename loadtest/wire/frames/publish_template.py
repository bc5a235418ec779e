"""
A publisher's messages as bytes: marshalled once, stamped in bulk.

Owns the layout of a cycle of messages (routing keys and bodies that repeat) in one reused block. Knows nothing of
sockets, arrivals or confirms. The frames are pika's own marshalling; only the 24 bytes of the stamp are written here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from loadtest.stamp import MAX_LATENESS_US, STAMP_BYTES, STAMP_DTYPE, STAMP_STRUCT, STAMP_VOID
from loadtest.wire.frames.message_parts import MessageParts
from loadtest.wire.frames.stamp_position import StampPlace

if TYPE_CHECKING:
    import pika
    from numpy.typing import NDArray

# A batch is written to the socket at once; beyond this the fixed cost of an encode (about 12 µs) is below 3 ns a
# message.
MAX_BATCH: Final = 4096
DEFAULT_BLOCK_BYTES: Final = 1 << 20
# A cycle is laid out only if the block then holds a batch of this many messages from any of its steps.
_MIN_LAID_OUT_BATCH: Final = 16
# A longer cycle is laid out only once it has gone round a few times: a thousand publishers at one message a second
# must not hold a thousand messages each.
_SHORT_CYCLE_STEPS: Final = 16
_ROUNDS_THAT_PAY: Final = 4
_MAX_LAID_OUT_STEPS: Final = 1 << 16
# Up to here one by one is cheaper (0.6 µs a message) than arrays (7 µs a batch). Paced publishers mostly send one.
_SCALAR_BATCH: Final = 8
_NOT_LATE: Final = np.int64(0)
_LATEST: Final = np.int64(MAX_LATENESS_US)


class PublishTemplate:
    """
    The messages of one publisher: message *seq* has routing key ``seq % len(keys)`` and body ``seq % len(bodies)``.

    Ordinarily the whole cycle (their least common multiple) lies in the block, several times over if batches ask for
    it, and an encode only patches stamps (below 20 ns a message). A cycle too long for the block is copied together
    for each batch (about 2 µs a message). Memory grows with the batches asked for, up to the bound.

    Attributes:
        max_batch: How many messages one `encode` takes at most, from any position in the cycle.
    """

    def __init__(  # noqa: PLR0913, PLR0917 (the shape of a message has this many parts)
        self,
        channel_number: int,
        frame_max: int,
        exchange: str,
        routing_keys: Sequence[str],
        bodies: Sequence[bytes],
        properties: pika.BasicProperties,
        mandatory: bool,  # noqa: FBT001 (as in the method's arguments)
        stamp: StampPlace,
        run_publisher: int,
        max_block_bytes: int = DEFAULT_BLOCK_BYTES,
    ) -> None:
        """
        Marshal the parts.

        Args:
            channel_number: The channel that publishes.
            frame_max: As negotiated, in bytes with the frame's overhead; 0 means no limit.
            exchange: Name, empty for the default exchange.
            routing_keys: At least one.
            bodies: At least one.
            properties: Of every message; `stamp` "headers" adds its header field to a copy.
            mandatory: As in Basic.Publish.
            stamp: Where the stamp goes.
            run_publisher: First word of the stamp, see `run_publisher_word`.
            max_block_bytes: Bound of the block; one message always fits, however large.

        Raises:
            ValueError: If there is no routing key or body, or a body is too short for its stamp.
        """
        self._parts = MessageParts(
            channel_number=channel_number,
            frame_max=frame_max,
            exchange=exchange,
            routing_keys=routing_keys,
            bodies=bodies,
            properties=properties,
            mandatory=mandatory,
            stamp=stamp,
        )
        self._steps = self._parts.steps
        self._is_stamped = stamp != "none"
        self._run_publisher = run_publisher
        self._laid_out_batch = self._batch_that_can_be_laid_out(max_block_bytes)
        copied_batch = min(MAX_BATCH, max(1, max_block_bytes // self._parts.largest_bytes))
        self.max_batch = self._laid_out_batch or copied_batch
        # Messages a batch may hold from any step without laying out anew; 0 while batches are copied together.
        self._room = 0
        self._copied = 0
        # Of the rows that are laid out, none yet.
        self._starts: list[int] = [0]
        self._stamp_at: list[int] = []
        self._stamp_at_array = np.zeros(0, np.intp)
        self._rows = np.zeros(0, STAMP_VOID)
        self._allocate(0, 0)

    def encode(self, first_seq: int, count: int, intended_ns: NDArray[np.int64] | int, sent_ns: int) -> memoryview:
        """
        Return the frames of *count* messages from *first_seq* on.

        The bytes are valid until the next call.

        Args:
            first_seq: The first message's seq.
            count: At most `max_batch`.
            intended_ns: An instant for each, or one for all.
            sent_ns: Their lateness is the difference to this.

        Raises:
            ValueError: If there are more than `max_batch` messages.
        """
        if count == 0:
            return self._view[:0]
        row = first_seq % self._steps if count <= self._room else self._make_room(first_seq, count)
        if self._is_stamped:
            if count > _SCALAR_BATCH:
                self._stamp_run(row, first_seq, count, intended_ns, sent_ns)
            else:
                instants = [intended_ns] * count if isinstance(intended_ns, int) else intended_ns.tolist()
                self._stamp_few(row, first_seq, instants, sent_ns)
        return self._view[self._starts[row] : self._starts[row + count]]

    def _stamp_few(self, row: int, first_seq: int, intended_ns: list[int], sent_ns: int) -> None:
        for offset, intended in enumerate(intended_ns):
            lateness_us = min(max((sent_ns - intended) // 1000, 0), MAX_LATENESS_US)
            STAMP_STRUCT.pack_into(
                self._view, self._stamp_at[row + offset], self._run_publisher, lateness_us, first_seq + offset, intended
            )

    def _stamp_run(
        self, row: int, first_seq: int, count: int, intended_ns: NDArray[np.int64] | int, sent_ns: int
    ) -> None:
        columns = self._columns
        columns["seq"][:count] = self._counting[:count] + first_seq
        columns["intended_ns"][:count] = intended_ns
        if isinstance(intended_ns, int):
            columns["lateness_us"][:count] = min(max((sent_ns - intended_ns) // 1000, 0), MAX_LATENESS_US)
        else:
            lateness_us = sent_ns - intended_ns
            lateness_us //= 1000
            # Not np.clip: for Python's integers it asks `np.iinfo` each time, 2 µs a batch.
            np.maximum(lateness_us, _NOT_LATE, out=lateness_us)
            np.minimum(lateness_us, _LATEST, out=lateness_us)
            columns["lateness_us"][:count] = lateness_us
        if self._steps == 1:
            self._rows[row : row + count] = self._stamps_void[:count]
        else:
            self._windows[self._stamp_at_array[row : row + count]] = self._stamps_void[:count]

    def _batch_that_can_be_laid_out(self, max_block_bytes: int) -> int:
        """Return the largest batch that lies in a row from any step, 0 if the cycle is too long for the block."""
        if self._steps > _MAX_LAID_OUT_STEPS:
            return 0
        ends = np.cumsum(self._parts.sizes(0, self._steps))
        rounds, rest = divmod(max_block_bytes, int(ends[-1]))
        rows = rounds * self._steps + int(np.searchsorted(ends, rest, side="right"))
        batch = min(rows - self._steps + 1, MAX_BATCH)
        if self._steps == 1:
            return max(batch, 1)
        return batch if batch >= _MIN_LAID_OUT_BATCH else 0

    def _make_room(self, first_seq: int, count: int) -> int:
        """Lay the cycle out for batches of *count*, or copy this batch together; return its first row."""
        if count > self.max_batch:
            raise ValueError(f"{count} messages do not fit: at most {self.max_batch} at once")
        self._copied += count
        pays = self._steps <= _SHORT_CYCLE_STEPS or self._copied > _ROUNDS_THAT_PAY * self._steps
        if self._laid_out_batch and pays:
            # Twice what is asked, so that growing batches lay out a dozen times at most; a lone message asks for no
            # more.
            self._room = 1 if count == 1 else min(max(2 * count, _MIN_LAID_OUT_BATCH), self._laid_out_batch)
            rows = self._steps + self._room - 1
            self._allocate(int(self._parts.sizes(0, rows).sum()), self._room)
            self._write_rows(0, rows)
            return first_seq % self._steps
        needed = int(self._parts.sizes(first_seq, count).sum())
        if needed > len(self._block) or count > len(self._counting):
            self._allocate(max(needed, len(self._block)), max(count, len(self._counting)))
        self._write_rows(first_seq, count)
        return 0

    def _allocate(self, block_bytes: int, batch: int) -> None:
        self._block = bytearray(block_bytes)
        self._view = memoryview(self._block)
        stamps = np.zeros(batch, STAMP_DTYPE)
        stamps["run_publisher"] = self._run_publisher
        self._stamps_void = stamps.view(STAMP_VOID)
        self._columns = {name: stamps[name] for name in ("lateness_us", "seq", "intended_ns")}
        self._counting = np.arange(batch, dtype=np.int64)
        # Overlapping items, one for each position of the block: an index is a byte offset.
        self._windows = np.ndarray((max(block_bytes - STAMP_BYTES + 1, 0),), STAMP_VOID, self._block, 0, (1,))

    def _write_rows(self, first_seq: int, count: int) -> None:
        # Lists: indexing one costs 25 ns, indexing an array 90.
        self._starts = [0, *np.cumsum(self._parts.sizes(first_seq, count)).tolist()]
        self._stamp_at = [self._parts.write(first_seq + row, self._view, self._starts[row]) for row in range(count)]
        self._stamp_at_array = np.array(self._stamp_at, np.intp)
        if self._is_stamped and self._steps == 1:
            # Of one shape, the stamps lie at equal distances: that is a column of the block.
            self._rows = np.ndarray((count,), STAMP_VOID, self._block, self._stamp_at[0], (self._starts[1],))

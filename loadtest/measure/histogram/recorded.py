"""
The values of a latency in one window, as its record has them: the counts that are not zero, and where they belong.

A second of one worker fills a few hundred of the 33,792 counts of a histogram, so whoever merges many windows adds
those, without a histogram for each. Reads what our own workers write, HdrHistogram V2; all else is left to
hdrhistogram, which says what is wrong with it.

Source: HdrHistogram `AbstractHistogram.java`, `encodeIntoCompressedByteBuffer`; `ZigZagLEB128Codec.java`.
"""

from __future__ import annotations

import binascii
import struct
import zlib
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from loadtest.errors import ResultsError
from loadtest.measure.histogram.buckets import COUNTS, HIGHEST_NS, LOWEST_NS, SIGNIFICANT_DIGITS, BucketCounts
from loadtest.measure.histogram.histogram import Histogram

Int64s = NDArray[np.int64]

_OUTER: Final = struct.Struct(">II")  # cookie, length of what follows
_INNER: Final = struct.Struct(">IIIIQQd")  # cookie, length of the counts, offset, digits, lowest, highest, ratio
_OUTER_COOKIE: Final = 0x1C849314
_INNER_COOKIE: Final = 0x1C849313
# A number of the counts of at most so many bytes is below 2^56, and so is any count of a window.
_LONGEST: Final = 8


class Recorded(BucketCounts):
    """The values of a latency in one window, decoded."""

    __slots__ = ()

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Self:
        """
        Return the values of a histogram's record; see `Histogram.to_record`.

        Raises:
            ResultsError: If its counts cannot be decoded, or do not add up to its `count`.
        """
        found = _counts_of(record["hdr"])
        if found is None:
            histogram = Histogram.decode(record["hdr"])
            indices = np.flatnonzero(histogram.counts)
            found = indices, histogram.counts[indices]
        indices, counts = found
        negative, saturated, count = record["negative"], record["saturated"], record["count"]
        held = int(counts.sum())
        if held + negative + saturated != count:
            raise ResultsError(f"a histogram holds {held} values in its buckets; its record says otherwise: {record}")
        smallest, largest = record["min_ns"] or 0, record["max_ns"] or 0
        return cls(indices, counts, count, negative, saturated, record["sum_ns"], smallest, largest)

    def histogram(self) -> Histogram:
        """Return a histogram of them."""
        histogram = Histogram()
        histogram.add_recorded(self)
        return histogram


def _counts_of(text: str) -> tuple[Int64s, Int64s] | None:
    """Return indices and counts of an encoded histogram of our range and precision; None if it is not plainly one."""
    try:
        packed = binascii.a2b_base64(text)
        cookie, length = _OUTER.unpack_from(packed)
        if cookie != _OUTER_COOKIE or length != len(packed) - _OUTER.size:
            return None
        payload = zlib.decompress(memoryview(packed)[_OUTER.size :])
        cookie, length, offset, *settings, _ = _INNER.unpack_from(payload)
    except (ValueError, zlib.error, struct.error):
        return None
    ours = [SIGNIFICANT_DIGITS, LOWEST_NS, HIGHEST_NS]
    if cookie != _INNER_COOKIE or length != len(payload) - _INNER.size or offset or settings != ours:
        return None
    return _decoded(np.frombuffer(payload, dtype=np.uint8, offset=_INNER.size))


def _decoded(stream: NDArray[np.uint8]) -> tuple[Int64s, Int64s] | None:
    """Return indices and counts from numbers in ZigZag LEB128: a count each, or below 0 a run of so many zeros."""
    if not stream.size:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    ends = np.flatnonzero(stream < 0x80)  # noqa: PLR2004 -- the highest bit says that the number goes on
    if not ends.size or ends[-1] != stream.size - 1:
        return None
    starts = np.concatenate(([0], ends[:-1] + 1))
    longer = ends - starts
    longest = int(longer.max())
    if longest >= _LONGEST:
        return None
    numbers = (stream[starts] & 0x7F).astype(np.int64)
    for place in range(1, longest + 1):
        chosen = np.flatnonzero(longer >= place)
        numbers[chosen] |= (stream[starts[chosen] + place] & 0x7F).astype(np.int64) << (7 * place)
    signed = (numbers >> 1) ^ -(numbers & 1)
    widths = np.maximum(-signed, 1)
    if int(widths.max()) > COUNTS:  # before they are added up: the sum must not overflow
        return None
    beyond = np.cumsum(widths)
    if beyond[-1] > COUNTS:
        return None
    filled = np.flatnonzero(signed > 0)
    return beyond[filled] - 1, signed[filled]

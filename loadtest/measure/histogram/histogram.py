"""
The histogram: HdrHistogram with bulk recording, in ns from 1 ns to 1 h with 3 significant digits.

Counts are an array, and of a batch of values only the counts in their range are touched. Encoding is hdrhistogram's
own (V2, compressed, base64), so any HdrHistogram reads it.
hdrhistogram 0.10.8 needs care, which is why nothing else uses it: `record_value` returns False for a value out of
range, and an empty histogram answers 0 for every percentile.

Source: HdrHistogram `AbstractHistogram.java`; hdrhistogram 0.10.8 `histogram.py`, `codec.py`.
"""

from __future__ import annotations

import functools
import math
import zlib
from typing import Any, Self

import numpy as np
from hdrh.codec import HdrCookieException, HdrHistogramEncoder, HdrLengthException
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray

from loadtest.errors import ResultsError
from loadtest.measure.histogram.buckets import (
    COUNTS,
    HIGHEST_NS,
    LARGEST_NS,
    LOWEST_NS,
    SIGNIFICANT_DIGITS,
    BucketCounts,
    Tally,
    bounds_of,
    index_of,
    tally,
    upper_bound_of,
)


class Histogram:
    """
    Counts of values in ns, mergeable exactly by addition.

    Nothing vanishes: `count` is all values given; a value below 0 is also counted in `negative` and one beyond the
    range in `saturated`. Those two are in no bucket, but percentiles rank them below and above all buckets, and `min`,
    `max` and `mean` are exact over all values.

    Invariant: `count == negative + saturated + sum(counts)`. Not for use from several threads.
    """

    __slots__ = ("_high", "_low", "_max", "_min", "count", "counts", "negative", "saturated", "total")

    def __init__(self) -> None:
        self.counts: NDArray[np.int64] = np.zeros(COUNTS, dtype=np.int64)
        self.count = 0
        self.negative = 0
        self.saturated = 0
        self.total = 0
        self._min = 0
        self._max = 0
        self._low = COUNTS  # the range of counts that may not be zero
        self._high = -1

    def record(self, values: NDArray[np.int64]) -> None:
        """Count *values*, in ns."""
        if values.size:
            self.add_tally(tally(values))

    def record_one(self, value: int) -> None:
        """Count one value, in ns."""
        self._widen(1, value, value, value)
        if value < 0:
            self.negative += 1
        elif value > LARGEST_NS:
            self.saturated += 1
        else:
            index = index_of(value)
            self.counts[index] += 1
            self._touch(index, index)

    def add_tally(self, batch: Tally) -> None:
        """Count a batch that is sorted into buckets already."""
        self._widen(batch.size, batch.smallest, batch.largest, batch.total)
        self.negative += batch.negative
        self.saturated += batch.saturated
        if batch.high < batch.low:
            return
        if batch.dense is None:
            np.add.at(self.counts, batch.indices, 1)
        else:
            self.counts[batch.low : batch.high + 1] += batch.dense
        self._touch(batch.low, batch.high)

    def add(self, other: Histogram) -> None:
        """Add the counts of *other*; the result does not depend on the order in which histograms are added."""
        if not other.count:
            return
        self._widen(other.count, other._min, other._max, other.total)
        self.negative += other.negative
        self.saturated += other.saturated
        if other._high >= other._low:
            touched = slice(other._low, other._high + 1)
            self.counts[touched] += other.counts[touched]
            self._touch(other._low, other._high)

    def add_recorded(self, recorded: BucketCounts) -> None:
        """Add the values of a window's record; costs as much as there are counts in it."""
        if not recorded.count:
            return
        self._widen(recorded.count, recorded.smallest, recorded.largest, recorded.total)
        self.negative += recorded.negative
        self.saturated += recorded.saturated
        if recorded.indices.size:
            self.counts[recorded.indices] += recorded.counts  # no index twice
            self._touch(int(recorded.indices[0]), int(recorded.indices[-1]))

    def clear(self) -> None:
        """Forget all values; costs as much as the range that was used."""
        self.counts[self._low : self._high + 1] = 0
        self.count = self.negative = self.saturated = self.total = self._min = self._max = 0
        self._low, self._high = COUNTS, -1

    @property
    def min(self) -> int | None:
        """The smallest value, exact; None if empty."""
        return self._min if self.count else None

    @property
    def max(self) -> int | None:
        """The largest value, exact; None if empty."""
        return self._max if self.count else None

    @property
    def mean(self) -> float | None:
        """The mean of all values, exact to a double; None if empty."""
        return self.total / self.count if self.count else None

    def percentile(self, percentile: float) -> int | None:
        """Return the value in ns that *percentile* (0 to 100) of the values do not exceed; None if empty."""
        return self.percentiles((percentile,))[0]

    def percentiles(self, percentiles: tuple[float, ...]) -> list[int | None]:
        """
        Return the value of each percentile: the highest value of the bucket that holds it, but never above `max`.

        Nearest rank. Source: HdrHistogram 2.2 `getValueAtPercentile`, which takes the next smaller double so that 99.9
        % of 1,000 is 999 and not, by rounding, 1,000.
        """
        if not self.count:
            return [None] * len(percentiles)
        cumulated = np.cumsum(self.counts[self._low : self._high + 1])
        values: list[int | None] = []
        for percentile in percentiles:
            rank = max(math.ceil(math.nextafter(min(percentile, 100.0), -math.inf) * self.count / 100), 1)
            rank -= self.negative
            if rank <= 0:
                values.append(self._min)
            elif not cumulated.size or rank > cumulated[-1]:
                values.append(self._max)
            else:
                values.append(min(upper_bound_of(self._low + int(cumulated.searchsorted(rank))), self._max))
        return values

    def buckets(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return lower bounds, upper bounds (inclusive, ns) and counts of the buckets that hold values, ascending."""
        indices = np.flatnonzero(self.counts[self._low : self._high + 1]) + self._low
        lower, upper = bounds_of(indices)
        return lower, upper, self.counts[indices]

    def encode(self) -> str:
        """Return the counts in HdrHistogram's V2 compressed format, base64, less `negative` and `saturated`."""
        codec = _codec()
        codec.total_count = self.count - self.negative - self.saturated
        codec.max_value = int(bounds_of(np.array([self._high]))[0][0]) if codec.total_count else 0
        touched = slice(self._low, self._high + 1)
        scratch = np.frombuffer(codec.counts, dtype=np.int64)
        scratch[touched] = self.counts[touched]
        encoded: bytes = codec.encode()
        scratch[touched] = 0
        return encoded.decode("ascii")

    @classmethod
    def decode(cls, text: str) -> Self:
        """
        Return the histogram that *text* encodes; its `min`, `max` and `mean` are those of its buckets.

        Raises:
            ResultsError: If *text* is not one, or of another range or precision.
        """
        histogram = cls()
        try:
            payload = HdrHistogramEncoder.decode(text)
            header = payload.payload
            settings = (header.lowest_trackable_value, header.highest_trackable_value, header.significant_figures)
            if settings != (LOWEST_NS, HIGHEST_NS, SIGNIFICANT_DIGITS):
                raise ResultsError(
                    f"a histogram has the range and precision {settings}, and cannot be merged with ours"
                )
            found = payload.init_counts(COUNTS)
        except (HdrCookieException, HdrLengthException, ValueError, zlib.error, IndexError, OverflowError) as error:
            raise ResultsError(f"a histogram cannot be decoded: {error!r}") from error
        if found["total"]:
            histogram.counts = np.frombuffer(payload.counts, dtype=np.int64)
            low, high = found["min_nonzero_index"], found["max_nonzero_index"]
            # hdrhistogram's decoder gives no lowest index when only the first count is used.
            histogram._touch(max(low, 0) if histogram.counts[0] == 0 else 0, max(high, 0))
            lower, upper, counts = histogram.buckets()
            middle = int((counts * ((lower + upper) // 2)).sum())
            histogram._widen(int(counts.sum()), int(lower[0]), int(upper[-1]), middle)
        return histogram

    def to_record(self) -> dict[str, Any]:
        """Return the JSON form of a window: the encoded counts, and beside them what they cannot hold."""
        return {
            "hdr": self.encode(),
            "count": self.count,
            "min_ns": self.min,
            "max_ns": self.max,
            "sum_ns": self.total,
            "negative": self.negative,
            "saturated": self.saturated,
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Self:
        """
        Return the histogram from its JSON form, exactly as it was.

        Raises:
            ResultsError: If the counts do not add up to the record's `count`.
        """
        histogram = cls.decode(record["hdr"])
        histogram.negative, histogram.saturated = record["negative"], record["saturated"]
        if histogram.count + histogram.negative + histogram.saturated != record["count"]:
            raise ResultsError(
                f"a histogram holds {histogram.count} values in its buckets; its record says otherwise: {record}"
            )
        histogram.count, histogram.total = record["count"], record["sum_ns"]
        histogram._min, histogram._max = record["min_ns"] or 0, record["max_ns"] or 0  # noqa: SLF001 -- its own class
        return histogram

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Histogram):
            return NotImplemented
        return self._state() == other._state() and np.array_equal(self.counts, other.counts)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Histogram [{self.count} values, {self.min} to {self.max} ns]>"

    def _state(self) -> tuple[int, ...]:
        return self.count, self.negative, self.saturated, self.total, self._min, self._max

    def _widen(self, count: int, smallest: int, largest: int, total: int) -> None:
        self._min = min(self._min, smallest) if self.count else smallest
        self._max = max(self._max, largest) if self.count else largest
        self.count += count
        self.total += total

    def _touch(self, low: int, high: int) -> None:
        self._low = min(self._low, low)
        self._high = max(self._high, high)


@functools.cache
def _codec() -> HdrHistogram:
    """The one hdrhistogram that encodes; its counts are zero between two calls."""
    return HdrHistogram(LOWEST_NS, HIGHEST_NS, SIGNIFICANT_DIGITS)

"""
Buckets: the layout of HdrHistogram's counts, and the way of a batch of values into them in a few numpy steps.

In ns, from 1 ns to 1 h with 3 significant digits.

Source: HdrHistogram `AbstractHistogram.java`, `countsArrayIndex`; hdrhistogram 0.10.8 `histogram.py`,
`_counts_index_for`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

LOWEST_NS: Final = 1
HIGHEST_NS: Final = 3_600_000_000_000
SIGNIFICANT_DIGITS: Final = 3
# 3 digits need 2,000 sub-buckets, rounded up to 2^11; the lower half of each further bucket is covered by the one
# before.
_SUB_BITS: Final = 11
_HALF_BITS: Final = 10
_HALF: Final = 1 << _HALF_BITS
# 1 h needs 32 buckets, and the last one reaches to 2^42: as in every HdrHistogram, the range is rounded up to it.
_BUCKETS: Final = 32
COUNTS: Final = (_BUCKETS + 1) * _HALF
LARGEST_NS: Final = (1 << (_SUB_BITS + _BUCKETS - 1)) - 1
# The bits of a double are exponent (bias 1023) and 52 bits of fraction: exponent and the first 10 bits of the
# fraction, less those of 1,024 and plus 1,024, are the index of every value from 1,024 on, in one shift.
_FRACTION_SHIFT: Final = 52 - _HALF_BITS
_INDEX_OFFSET: Final = ((1023 + _HALF_BITS) << _HALF_BITS) - _HALF
# Above this many counts a value, adding one by one is cheaper than adding over the whole range.
_SPARSE: Final = 8


def index_of(value: int) -> int:
    """Return the position in the counts of *value*, which must be in range."""
    bucket = max(value.bit_length() - _SUB_BITS, 0)
    return (bucket << _HALF_BITS) + (value >> bucket)


def indices_of(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the positions in the counts of *values*, which must be in range (0 to `LARGEST_NS`)."""
    indices = values.astype(np.float64).view(np.int64)
    indices >>= _FRACTION_SHIFT
    indices -= _INDEX_OFFSET
    if values.size and int(values.min()) < _HALF:
        np.copyto(indices, values, where=values < _HALF)
    return indices


def bounds_of(indices: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the lowest and highest values, inclusive, that are counted at *indices*."""
    buckets = np.maximum((indices >> _HALF_BITS) - 1, 0)
    lower = (indices - (buckets << _HALF_BITS)) << buckets
    return lower, lower + (np.int64(1) << buckets) - 1


def upper_bound_of(index: int) -> int:
    """Return the highest value that is counted at *index*; for one index much cheaper than `bounds_of`."""
    bucket = max((index >> _HALF_BITS) - 1, 0)
    return ((index - (bucket << _HALF_BITS) + 1) << bucket) - 1


@dataclass(frozen=True, slots=True, eq=False)
class BucketCounts:
    """
    Values in ns, as the counts that are not zero and the buckets that they belong to.

    Attributes:
        indices: Places of the buckets, ascending, each once.
        counts: How many values are there, above 0.
        count: All values, those below 0 (`negative`) and beyond the range (`saturated`) included.
        total, smallest, largest: Exact, over all values.
    """

    indices: NDArray[np.int64]
    counts: NDArray[np.int64]
    count: int
    negative: int
    saturated: int
    total: int
    smallest: int
    largest: int


class Tally(NamedTuple):
    """
    A batch of values, sorted into buckets once and added to as many histograms as it belongs to.

    `low` and `high` are the ends of the range of `indices`; `smallest`, `largest` and `total` are exact and over all
    values, in range or not.
    """

    size: int
    smallest: int
    largest: int
    total: int
    negative: int
    saturated: int
    low: int
    high: int
    indices: NDArray[np.int64]
    dense: NDArray[np.int64] | None


def tally(values: NDArray[np.int64]) -> Tally:
    """Return *values* (ns, at least one) sorted into buckets."""
    size, smallest, largest, total = values.size, int(values.min()), int(values.max()), int(values.sum())
    negative = saturated = 0
    if smallest < 0 or largest > LARGEST_NS:
        negative = int(np.count_nonzero(values < 0))
        saturated = int(np.count_nonzero(values > LARGEST_NS))
        values = values[(values >= 0) & (values <= LARGEST_NS)]
        if not values.size:
            return Tally(size, smallest, largest, total, negative, saturated, 0, -1, values, None)
    indices = indices_of(values)
    low, high = (
        (index_of(smallest), index_of(largest))
        if not (negative or saturated)
        else (int(indices.min()), int(indices.max()))
    )
    dense = None
    if high - low < _SPARSE * values.size:
        dense = np.bincount(indices - low, minlength=high - low + 1)
    return Tally(size, smallest, largest, total, negative, saturated, low, high, indices, dense)

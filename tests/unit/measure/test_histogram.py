from __future__ import annotations

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.errors import ResultsError
from loadtest.measure.histogram.buckets import (
    COUNTS,
    HIGHEST_NS,
    LARGEST_NS,
    LOWEST_NS,
    bounds_of,
    index_of,
    indices_of,
)
from loadtest.measure.histogram.histogram import Histogram
from loadtest.measure.histogram.recorded import Recorded

derandomized = settings(derandomize=True, deadline=None, max_examples=50)
# Every power of two and its neighbours, and what lies between: where an index formula goes wrong.
in_range = st.one_of(
    st.integers(0, LARGEST_NS),
    st.builds(
        lambda power, offset: min(max((1 << power) + offset, 0), LARGEST_NS), st.integers(0, 42), st.integers(-2, 2)
    ),
)
any_value = st.one_of(in_range, st.integers(-(10**12), -1), st.integers(LARGEST_NS + 1, 1 << 60))


def _of(values: list[int]) -> Histogram:
    histogram = Histogram()
    histogram.record(np.array(values, dtype=np.int64))
    return histogram


@derandomized
@given(st.lists(in_range, min_size=1, max_size=200))
def test_same_counts_as_hdrhistogram(values: list[int]) -> None:
    """Recording in bulk gives the counts that hdrhistogram gives value by value, and the same encoding."""
    reference = HdrHistogram(LOWEST_NS, HIGHEST_NS, 3)
    for value in values:
        assert reference.record_value(value)
    histogram = _of(values)

    assert reference.counts_len == COUNTS
    assert np.array_equal(histogram.counts, np.frombuffer(reference.counts, dtype=np.int64))
    assert histogram.encode() == reference.encode().decode()


def test_same_range_as_hdrhistogram() -> None:
    """The largest value in range is the largest that hdrhistogram takes."""
    reference = HdrHistogram(LOWEST_NS, HIGHEST_NS, 3)

    assert reference.record_value(LARGEST_NS)
    assert not reference.record_value(LARGEST_NS + 1)


@derandomized
@given(st.lists(in_range, min_size=1, max_size=50))
def test_indices_agree_with_bounds(values: list[int]) -> None:
    """A value lies within the bounds of its bucket, whether its index was worked out alone or in bulk."""
    array = np.array(values, dtype=np.int64)
    indices = indices_of(array)
    lower, upper = bounds_of(indices)

    assert indices.tolist() == [index_of(value) for value in values]
    assert ((lower <= array) & (array <= upper)).all()


@derandomized
@given(st.lists(any_value, min_size=1, max_size=100))
def test_one_by_one_is_as_in_bulk(values: list[int]) -> None:
    """Values recorded one by one give the histogram that they give in bulk, those out of range included."""
    one_by_one = Histogram()
    for value in values:
        one_by_one.record_one(value)

    assert one_by_one == _of(values)


@derandomized
@given(st.lists(any_value, min_size=1, max_size=100))
def test_nothing_vanishes(values: list[int]) -> None:
    """Every value is counted: negative, saturated or in a bucket; and min, max and mean are exact over all of them."""
    histogram = _of(values)

    assert histogram.count == len(values)
    assert histogram.negative == sum(value < 0 for value in values)
    assert histogram.saturated == sum(value > LARGEST_NS for value in values)
    assert int(histogram.counts.sum()) == histogram.count - histogram.negative - histogram.saturated
    assert (histogram.min, histogram.max) == (min(values), max(values))
    assert histogram.mean == sum(values) / len(values)


@derandomized
@given(*[st.lists(any_value, max_size=40)] * 3)
def test_merging_is_associative_and_commutative(a: list[int], b: list[int], c: list[int]) -> None:
    """Merged in any order and grouping, histograms are that of all values together."""
    left, right = _of(a), _of(c)
    left.add(_of(b))
    left.add(_of(c))
    other = _of(b)
    other.add(_of(a))
    right.add(other)

    assert left == right == _of(a + b + c)


@derandomized
@given(st.lists(in_range, min_size=1, max_size=300), st.floats(0, 100))
def test_percentile_within_precision_of_the_sorted_list(values: list[int], percentile: float) -> None:
    """A percentile is at most 0.1 % above the value of that rank in the sorted list, and never below it."""
    exact = float(np.percentile(values, percentile, method="inverted_cdf"))
    found = _of(values).percentile(percentile)

    assert found is not None
    assert exact <= found <= exact * 1.001 + 1


def test_percentile_is_of_the_nearest_rank() -> None:
    """99.9 % of a thousand values is the 999th, though 99.9 * 1000 / 100 is more than 999 in doubles."""
    assert _of(list(range(1, 1001))).percentile(99.9) == 999


def test_percentiles_rank_values_out_of_range() -> None:
    """Negative values rank below all buckets and saturated ones above, so that a percentile never leaves them out."""
    histogram = _of([-5, 10, 20, LARGEST_NS + 7])

    assert histogram.percentiles((25, 50, 75, 100)) == [-5, 10, 20, LARGEST_NS + 7]


def test_empty_answers_none() -> None:
    """An empty histogram has no percentile, mean, min or max."""
    empty = Histogram()

    assert (empty.count, empty.percentile(50), empty.mean, empty.min, empty.max) == (0, None, None, None, None)
    assert [len(column) for column in empty.buckets()] == [0, 0, 0]


@derandomized
@given(st.lists(any_value, max_size=100))
def test_record_round_trip(values: list[int]) -> None:
    """The JSON form gives the histogram back exactly."""
    histogram = _of(values)

    assert Histogram.from_record(histogram.to_record()) == histogram


def test_decoded_alone_has_the_extremes_of_its_buckets() -> None:
    """Counts decoded without what stands beside them know min and max to the precision of their buckets."""
    decoded = Histogram.decode(_of([5_000_001, 90_000_001]).encode())

    assert decoded.count == 2
    assert decoded.min == pytest.approx(5_000_001, rel=0.001)
    assert decoded.max == pytest.approx(90_000_001, rel=0.001)


def test_hdrhistogram_reads_what_is_encoded() -> None:
    """Any HdrHistogram decodes the encoding to the same counts."""
    histogram = _of([1, 500, 70_000, 70_000, 3_000_000_000])
    decoded = HdrHistogram.decode(histogram.encode())

    assert decoded.total_count == 5
    assert np.array_equal(np.frombuffer(decoded.counts, dtype=np.int64), histogram.counts)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not base64!",
        "HISTFAAA",
        HdrHistogram(1, 1000, 2).encode().decode(),
        _of([1, 2, 3]).encode()[:-8],
    ],
    ids=["empty", "not-base64", "short", "other-range", "cut"],
)
def test_what_is_no_histogram_of_ours(text: str) -> None:
    """Text that is no histogram, or one of another range, is an error of the results."""
    with pytest.raises(ResultsError, match="a histogram"):
        Histogram.decode(text)


def test_counts_that_do_not_add_up() -> None:
    """A record whose count is not that of its buckets is an error of the results."""
    record = _of([1, 2, 3]).to_record() | {"count": 4}

    with pytest.raises(ResultsError, match="says otherwise"):
        Histogram.from_record(record)


def test_clear_forgets_everything() -> None:
    """A cleared histogram is as a new one, and can be used again."""
    histogram = _of([-1, 5, 10**9, 1 << 50])
    histogram.clear()

    assert histogram == Histogram()
    histogram.record_one(7)
    assert histogram == _of([7])


def test_gil_tenes_stall() -> None:
    """
    A stall of 100 s after 100 s of 1 ms every 10 ms: measured from the intended time, p99 is 98 s; from sending, 1 ms.

    Source: HdrHistogram `HistogramDataAccessTest.java`.
    """
    millisecond = 1_000_000
    uncorrected = _of([millisecond] * 10_000 + [100_000 * millisecond])
    # Intended every 10 ms: the messages that the stall held up waited 100 s, 99.99 s, … 10 ms.
    corrected = _of([millisecond] * 10_000 + [10 * millisecond * place for place in range(10_000, 0, -1)])

    assert (uncorrected.count, corrected.count) == (10_001, 20_000)
    assert uncorrected.percentile(99) == pytest.approx(millisecond, rel=0.001)
    assert corrected.percentile(99) == pytest.approx(98_000 * millisecond, rel=0.001)


def test_repr_says_what_is_in_it() -> None:
    """The representation shows count and extremes."""
    assert repr(_of([3, 9])) == "<Histogram [2 values, 3 to 9 ns]>"


@derandomized
@given(st.lists(any_value, max_size=200))
def test_recorded_values_are_those_of_the_histogram(values: list[int]) -> None:
    """What is read of a record without a histogram adds up to the histogram that was recorded."""
    histogram = _of(values)
    recorded = Recorded.from_record(histogram.to_record())

    assert recorded.histogram() == histogram
    assert recorded.indices.tolist() == np.flatnonzero(histogram.counts).tolist()


@derandomized
@given(st.dictionaries(st.integers(0, COUNTS - 1), st.integers(1, 1 << 52), max_size=20))
def test_recorded_counts_of_any_size(counts: dict[int, int]) -> None:
    """Counts and runs of zeros of every length of their encoding are read as hdrhistogram reads them."""
    histogram = Histogram()
    for index, count in counts.items():
        lower, _ = bounds_of(np.array([index]))
        histogram.record_one(int(lower[0]))
        histogram.counts[index] += count - 1
        histogram.count += count - 1
    recorded = Recorded.from_record(histogram.to_record())

    assert dict(zip(recorded.indices.tolist(), recorded.counts.tolist(), strict=True)) == counts


def test_recorded_values_merge_as_histograms_do() -> None:
    """Adding records gives what adding histograms gives."""
    one, other, merged = _of([5, 5000, -3, 1 << 60]), _of([7, 5000]), Histogram()
    for histogram in (one, other):
        merged.add_recorded(Recorded.from_record(histogram.to_record()))
    one.add(other)

    assert merged == one


@pytest.mark.parametrize(
    "record",
    [
        _of([5]).to_record() | {"count": 2},
        _of([5]).to_record() | {"hdr": "AAAA"},
        _of([5]).to_record() | {"hdr": "not base64 \u00e9"},
        _of([5]).to_record() | {"hdr": HdrHistogram(1, 1000, 2).encode().decode()},
        _of([5]).to_record() | {"hdr": _of([5]).encode()[:-8]},
    ],
    ids=["another count", "no histogram", "no base64", "another range", "cut off"],
)
def test_recorded_refuses_what_a_histogram_refuses(record: dict[str, object]) -> None:
    """A record that is malformed is an error of the results, in the same words."""
    with pytest.raises(ResultsError) as expected:
        Histogram.from_record(record)
    with pytest.raises(ResultsError) as found:
        Recorded.from_record(record)

    assert str(expected.value) == str(found.value)

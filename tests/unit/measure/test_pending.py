"""What is pending: what is taken is what was appended, whatever the mixture and however the columns grew."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.measure.recorder.pending import PendingRuns
from loadtest.measure.recorder.pending_stamps import PendingStamps
from loadtest.stamp import STAMP_DTYPE, STAMP_STRUCT, STAMP_VOID

runs = st.lists(st.tuples(st.sampled_from(["stretch", "scattered"]), st.integers(1, 300)), min_size=1, max_size=12)
arrivals = st.lists(st.tuples(st.sampled_from(["run", "one", "columns"]), st.integers(1, 300)), min_size=1, max_size=12)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(runs=runs)
def test_stretches_and_scattered_seqs_come_back(runs: list[tuple[str, int]]) -> None:
    """A run with gaps followed by enough stretches for the columns to grow keeps each message's seq and instants."""
    pending = PendingRuns()
    expected: list[tuple[int, ...]] = []
    for number, (kind, length) in enumerate(runs):
        seqs = np.arange(length) * (3 if kind == "scattered" else 1) + 1000 * number
        if kind == "scattered":
            pending.append_scattered(number, 7 * number, seqs, seqs + 1, seqs + 2)
        else:
            pending.append(number, 7 * number, 1000 * number, seqs + 1, seqs + 2, length)
        expected += [(number, 7 * number, seq, seq + 1, seq + 2) for seq in seqs.tolist()]

    batch = pending.take()

    columns = (batch.publisher, batch.instant, batch.seqs, batch.intended, batch.sent)
    assert expected == list(zip(*(column.tolist() for column in columns), strict=True))
    assert pending.used == 0


@settings(derandomize=True, max_examples=100, deadline=None)
@given(arrivals=arrivals)
def test_stamps_come_back_in_the_order_of_arrival(arrivals: list[tuple[str, int]]) -> None:
    """Whether they came in runs, one by one or as columns, each message has the stamp, source and instant it had."""
    pending = PendingStamps()
    expected: list[tuple[int, ...]] = []
    for number, (kind, length) in enumerate(arrivals):
        n = 1 if kind == "one" else length
        rows = [(5 + row, row % 3, row, 10**18 + row) for row in range(n)]
        if kind == "run":
            raw = b"".join(b"-" + STAMP_STRUCT.pack(*row) for row in rows)
            pending.append_run(number, 7 * number, np.ndarray((n,), STAMP_VOID, raw, 1, (25,)))
        elif kind == "one":
            pending.append_one(number, 7 * number, STAMP_STRUCT.pack(*rows[0]))
        else:
            table = np.array(rows, STAMP_DTYPE)
            pending.append_columns(
                number, 7 * number, *(table[name] for name in ("run_publisher", "lateness_us", "seq", "intended_ns"))
            )
        expected += [(number, 7 * number, *row) for row in rows]

    arrived = pending.take()

    columns = (
        arrived.source, arrived.read_ns, arrived.word, arrived.lateness_us, arrived.seq, arrived.intended_ns,
    )  # fmt: skip
    assert expected == list(zip(*(column.tolist() for column in columns), strict=True))
    assert pending.used == 0
